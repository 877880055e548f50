"""The PDF: what a reader finds in it. Pages are read back by another library."""

from __future__ import annotations

import io

import msgspec
import ofdkit
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.codec import verify_text
from chain.errors import TextRefused
from chain.records import VOID
from docs.faces.bills import BASE_URL, CHAIN_ID, OUTPATIENT, long_list, red_of, request_of, samples, source_of
from faces.errors import RenderingFailed
from faces.face import make_face
from faces.glyphs import printable_characters
from faces.ofd import render_ofd
from faces.pdf import render_pdf
from faces.source import Attachment, FaceSource, Form

PROOF = Attachment("330601260000000017.proof", "proof", bytes(range(256)) * 40)


def read(source: FaceSource, form: Form = "face") -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(render_pdf(make_face(source, form, BASE_URL, CHAIN_ID), source.proofs)))


def text(reader: pypdf.PdfReader) -> str:
    return "\n".join(page.extract_text() for page in reader.pages)


def test_a_face_is_pdf_a_3b_with_its_proof_inside() -> None:
    face = make_face(source_of(request_of(OUTPATIENT)), "face", BASE_URL, CHAIN_ID)
    data = render_pdf(face, [PROOF])
    reader = pypdf.PdfReader(io.BytesIO(data))
    assert {name: found[0] for name, found in reader.attachments.items()} == {PROOF.name: PROOF.data}
    metadata = reader.xmp_metadata
    assert metadata is not None
    packet = metadata.stream.get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part>" in packet
    assert "<pdfaid:conformance>B</pdfaid:conformance>" in packet


def test_the_page_says_what_the_bill_says() -> None:
    said = text(read(source_of(request_of(OUTPATIENT))))
    for word in (
        "浙江省医疗门诊收费票据（电子）",
        "33060126",
        "0000000017",
        "样例一",
        "肆佰玖拾肆元叁角整",
        "494.30",
        "台州市示范人民医院",
    ):
        assert word in said


def test_a_void_bill_says_so_across_every_page() -> None:
    reader = read(source_of(long_list(), validity=VOID), "list")
    assert len(reader.pages) > 2
    assert all("已作废" in page.extract_text() for page in reader.pages)
    assert "作废" not in text(read(source_of(request_of(OUTPATIENT))))


def test_a_long_list_is_paginated() -> None:
    reader = read(source_of(long_list()), "list")
    pages = [page.extract_text() for page in reader.pages]
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        assert f"第 {number} 页" in page
        assert f"共 {len(pages)} 页" in page
        assert "项目名称" in page
    assert all(f"床位费明细项目第{number}项" in text(reader) for number in range(1, 11))
    assert "壹万贰仟捌佰肆拾叁元零柒分" in pages[-1]


def test_a_red_bill_is_printed_in_red() -> None:
    """Not a black letter on it but what is said about the file."""
    black, red = (
        pypdf.PdfReader(io.BytesIO(render_pdf(make_face(source, "face", BASE_URL, CHAIN_ID), []))).pages[0]
        for source in (source_of(request_of(OUTPATIENT)), red_of(request_of(OUTPATIENT)))
    )
    ink = b"0.10196"  # 26 of 255
    assert ink in black.get_contents().get_data()  # type: ignore[union-attr]
    contents = red.get_contents().get_data()  # type: ignore[union-attr]
    assert contents.count(ink) < black.get_contents().get_data().count(ink)  # type: ignore[union-attr]
    assert "-494.30" in red.extract_text()


def test_the_same_face_gives_the_same_bytes() -> None:
    for name, source, form in samples():
        face = make_face(source, form, BASE_URL, CHAIN_ID)
        assert render_pdf(face, source.proofs) == render_pdf(face, source.proofs), name


def test_texts_are_never_read_as_markup() -> None:
    """A name that means something to the typesetter is printed as it stands."""
    name = '#panic("x") $1/0$ *a* \\ @b <c> [d'
    said = text(read(source_of(request_of({**OUTPATIENT, "payer": {"name": name}}))))
    assert '#panic("x")' in said
    assert "@b <c>" in said


def test_a_word_too_long_for_its_cell_is_broken_and_not_lost() -> None:
    word = "ABCDEFGH" * 16
    items = [{**OUTPATIENT["items"][0], "name": word, "specification": word}, *OUTPATIENT["items"][1:]]
    said = text(read(source_of(request_of({**OUTPATIENT, "payer": {"name": word}, "items": items})), "list"))
    lines = said.replace("\u200b", "").splitlines()
    assert "".join(lines).count("ABCDEFGH") == 3 * 16
    assert max(len(line) for line in lines if "ABCDEFGH" in line) < 80


def storable(given_text: str) -> bool:
    try:
        verify_text(given_text)
    except (TextRefused, UnicodeError):
        return False
    return True


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1, max_size=40).filter(storable))
def test_every_text_that_a_bill_may_have_can_be_printed(name: str) -> None:
    """Of any writing, in either form; what the font has stands on the page."""
    face = make_face(
        source_of(request_of({**OUTPATIENT, "payer": {"name": name}, "cashier": name})), "face", BASE_URL, CHAIN_ID
    )
    assert pypdf.PdfReader(io.BytesIO(render_pdf(face, []))).pages
    with ofdkit.open(io.BytesIO(render_ofd(face, []))) as document:
        assert document.warnings == []
        shown = "".join(document.text().split())
    assert all(
        character in shown for character in name if ord(character) in printable_characters() and character.strip()
    )


def test_more_charges_than_a_page_holds_go_on_the_next_one() -> None:
    charges = [{"code": str(place), "name": f"项目{place}", "amount_fen": 100} for place in range(120)]
    request = request_of(
        {**OUTPATIENT, "charges": charges, "items": [], "total_fen": 12_000, "payments": {"cash_fen": 12_000},
         "self_paid_fen": 0, "self_funded_fen": 0}
    )  # fmt: skip
    reader = read(source_of(request))
    assert len(reader.pages) > 1
    said = text(reader)
    assert all(f"项目{place}" in said for place in range(120))


def test_a_fault_of_the_typesetter_says_nothing_of_the_bill() -> None:
    face = make_face(source_of(request_of(OUTPATIENT)), "face", BASE_URL, CHAIN_ID)
    with pytest.raises(RenderingFailed) as refused:
        render_pdf(msgspec.structs.replace(face, feet=[]), [])  # the template takes the first one for the author
    assert "样例" not in str(refused.value)
