"""The shipped font: what it has, that its licence lies beside it, and that what it lacks is never blank."""

from __future__ import annotations

import io

import pytest
from fontTools.ttLib import TTFont

from docs.faces.bills import BASE_URL, CHAIN_ID, OUTPATIENT, request_of, source_of
from faces.errors import FontDamaged
from faces.face import make_face
from faces.fonts.subset import characters
from faces.glyphs import FONT_FOLDER, font_bytes, printable_characters, read_characters, with_replacements

RARE = "𠮷"  # U+20BB7, in no GB 2312
FONT_BYTES_MAX = 3_000_000


def test_the_font_has_gb_2312_the_first_level_of_big5_and_what_faces_say() -> None:
    has = printable_characters()
    hanzi = [character for character in map(chr, characters()) if "\u4e00" <= character <= "\u9fff"]
    assert len(hanzi) >= 8_900
    assert {ord(character) for character in hanzi} <= has
    for said in (
        "〇〓￥¥（）：。、…",
        "壹贰叁肆伍陆柒捌玖拾佰仟万亿元角分整负零",
        "喆堃淼玥",
        "劉陳黃張",
        "".join(map(chr, range(0x20, 0x7F))),
    ):
        assert {ord(character) for character in said} <= has
    assert ord(RARE) not in has


def test_the_font_is_read_as_fonttools_reads_it() -> None:
    """Our reader of `cmap` against another one."""
    with TTFont(io.BytesIO(font_bytes())) as font:
        assert printable_characters() == set(font.getBestCmap())


def test_every_glyph_that_the_font_maps_has_ink() -> None:
    """Mapped and empty would be as blank as missing; spaces may be."""
    from fontTools.pens.boundsPen import BoundsPen

    with TTFont(io.BytesIO(font_bytes())) as font:
        glyphs, blank = font.getGlyphSet(), []
        for code, name in font.getBestCmap().items():
            pen = BoundsPen(glyphs)
            glyphs[name].draw(pen)
            if pen.bounds is None:
                blank.append(code)
    assert {chr(code) for code in blank} <= {" ", "\u00a0", "\u00ad", "\u3000"}


def test_the_font_is_small_and_may_be_shipped() -> None:
    assert len(font_bytes()) <= FONT_BYTES_MAX
    licence = (FONT_FOLDER / "OFL.txt").read_text("utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence


def test_a_missing_character_is_printed_as_a_mark_with_its_code_point() -> None:
    request = request_of({**OUTPATIENT, "payer": {"name": f"{RARE}田{RARE}㼆"}, "remark": f"家属{RARE}"})
    face = with_replacements(make_face(source_of(request), "face", BASE_URL, CHAIN_ID))
    values = {entry.label: entry.value for entry in [*face.heads, *face.others]}
    assert values["交款人"] == "〓[1]田〓[1]〓[2]"
    assert values["备注"] == "家属〓[1]"
    assert face.small_print[-1] == "〓 为字库未收录的字符：[1] U+20BB7，[2] U+3F06。"


def test_what_can_be_printed_is_left_alone() -> None:
    face = make_face(source_of(request_of(OUTPATIENT)), "face", BASE_URL, CHAIN_ID)
    assert with_replacements(face) == face


def test_invisible_characters_show_and_wide_spaces_are_spaces() -> None:
    request = request_of({**OUTPATIENT, "cashier": "甲\u2003乙\u200b丙"})
    face = with_replacements(make_face(source_of(request), "face", BASE_URL, CHAIN_ID))
    assert face.feet[2].value == "甲 乙〓[1]丙"


@pytest.mark.parametrize("data", [b"", b"OTTO", font_bytes()[:200], b"\x00" * 500])
def test_a_damaged_font_is_noticed(data: bytes) -> None:
    with pytest.raises(FontDamaged):
        read_characters(data)
