"""Which characters the shipped font has, and what is printed for one that it lacks: 〓 and its code point in a note, never a blank.

The font's own table is read (OpenType `cmap`, formats 4 and 12), so that it cannot say otherwise than the font does.
"""

from __future__ import annotations

import struct
import unicodedata
from functools import cache
from pathlib import Path

import msgspec

from faces.errors import FontDamaged
from faces.face import Face, with_texts

FONT_FOLDER = Path(__file__).parent / "fonts"
FONT_FILE = "NotoSansCJKsc-subset.otf"
FONT_NAME = "Noto Sans CJK SC"
REPLACEMENT = "〓"  # geta: what printers put where a letter was missing


@cache
def font_bytes() -> bytes:
    return (FONT_FOLDER / FONT_FILE).read_bytes()


@cache
def printable_characters() -> frozenset[int]:
    """Code points that the font has a glyph for. Raises FontDamaged."""
    return read_characters(font_bytes())


def with_replacements(face: Face) -> Face:
    """The face as it can be printed. Each character that the font lacks becomes 〓[n]; a note says which n is which."""
    found: dict[str, int] = {}
    has = printable_characters()

    def printable(text: str) -> str:
        if all(ord(character) in has for character in text):
            return text
        return "".join(_replaced(character, has, found) for character in text)

    printed = with_texts(face, printable)
    if not found:
        return printed
    listed = "，".join(f"[{number}] U+{ord(character):04X}" for character, number in found.items())
    note = f"{REPLACEMENT} 为字库未收录的字符：{listed}。"
    return msgspec.structs.replace(printed, small_print=[*printed.small_print, note])


def _replaced(character: str, has: frozenset[int], found: dict[str, int]) -> str:
    if ord(character) in has:
        return character
    if unicodedata.category(character) == "Zs":  # a space of another width is a space
        return " "
    return f"{REPLACEMENT}[{found.setdefault(character, len(found) + 1)}]"


def read_characters(font: bytes) -> frozenset[int]:
    """The code points that a font maps to a glyph other than .notdef. Raises FontDamaged."""
    try:
        table = _table(font, b"cmap")
        characters: set[int] = set()
        for entry in range(struct.unpack_from(">H", table, 2)[0]):
            platform, encoding, offset = struct.unpack_from(">HHI", table, 4 + 8 * entry)
            if (platform, encoding) in ((0, 3), (0, 4), (3, 1), (3, 10)):
                characters |= _subtable(table[offset:])
    except (struct.error, IndexError):
        raise FontDamaged("the font's table of characters cannot be read") from None
    if not characters:
        raise FontDamaged("the font maps no character")
    return frozenset(characters)


def _table(font: bytes, name: bytes) -> bytes:
    for entry in range(struct.unpack_from(">H", font, 4)[0]):
        tag, _checksum, offset, length = struct.unpack_from(">4sIII", font, 12 + 16 * entry)
        if tag == name:
            return font[offset : offset + length]
    raise FontDamaged(f"the font has no table {name.decode()}")


def _subtable(data: bytes) -> set[int]:
    (number,) = struct.unpack_from(">H", data)
    if number == 12:
        (groups,) = struct.unpack_from(">I", data, 12)
        found: set[int] = set()
        for group in range(groups):
            first, last, glyph = struct.unpack_from(">III", data, 16 + 12 * group)
            found.update(range(first if glyph else first + 1, last + 1))
        return found
    return _segments(data) if number == 4 else set()


def _segments(data: bytes) -> set[int]:
    """Format 4: segments with a delta, or an array of glyphs."""
    (double,) = struct.unpack_from(">H", data, 6)
    count = double // 2
    ends = struct.unpack_from(f">{count}H", data, 14)
    starts = struct.unpack_from(f">{count}H", data, 16 + double)
    deltas = struct.unpack_from(f">{count}H", data, 16 + 2 * double)
    offsets = struct.unpack_from(f">{count}H", data, 16 + 3 * double)
    found: set[int] = set()
    for segment in range(count):
        for character in range(starts[segment], ends[segment] + 1):
            glyph = character
            if offsets[segment]:
                place = 16 + 3 * double + 2 * segment + offsets[segment] + 2 * (character - starts[segment])
                (glyph,) = struct.unpack_from(">H", data, place)
                if not glyph:
                    continue
            if (glyph + deltas[segment]) & 0xFFFF:
                found.add(character)
    return found - {0xFFFF}
