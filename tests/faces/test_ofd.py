"""The OFD: read back by another library, and looked at as the ZIP of XML that it is."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree

import ofdkit
import pytest

from chain.records import VOID
from docs.faces.bills import BASE_URL, CHAIN_ID, OUTPATIENT, RED_BILL, long_list, red_of, request_of, samples, source_of
from faces.face import make_face
from faces.ofd import render_ofd
from faces.ofd_page import Page, width, wrapped
from faces.source import FaceSource, Form

OFD = "{http://www.ofdspec.org/2016}"


def unpacked(source: FaceSource, form: Form = "face") -> dict[str, bytes]:
    data = render_ofd(make_face(source, form, BASE_URL, CHAIN_ID), source.proofs)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def contents(files: dict[str, bytes]) -> list[ElementTree.Element]:
    names = sorted(name for name in files if name.endswith("Content.xml"))
    return [ElementTree.fromstring(files[name]) for name in names]


def test_its_parts_lead_to_each_other_and_every_object_has_a_number_of_its_own() -> None:
    """GB/T 33190: entrance, document, pages, resources, attachments; ids are unique and at most MaxUnitID."""
    files = unpacked(source_of(long_list()), "list")
    entrance = ElementTree.fromstring(files["OFD.xml"])
    root = entrance.findtext(f".//{OFD}DocRoot")
    assert root == "Doc_0/Document.xml"
    document = ElementTree.fromstring(files[root])
    pages = [f"Doc_0/{page.get('BaseLoc')}" for page in document.iter(f"{OFD}Page")]
    assert len(pages) > 2
    assert set(pages) <= files.keys()
    assert f"Doc_0/{document.findtext(f'.//{OFD}PublicRes')}" in files
    numbers = [int(page.get("ID", "0")) for page in document.iter(f"{OFD}Page")]
    for page in contents(files):
        numbers += [int(one.get("ID", "0")) for one in page.iter() if one.get("ID")]
    assert len(numbers) == len(set(numbers))
    assert max(numbers) <= int(document.findtext(f".//{OFD}MaxUnitID") or 0)


def test_another_reader_finds_title_pages_and_text() -> None:
    face = make_face(source_of(long_list()), "list", BASE_URL, CHAIN_ID)
    with ofdkit.open(io.BytesIO(render_ofd(face, []))) as document:
        assert document.warnings == []
        assert document.info.title == f"浙江省医疗住院收费明细清单 {face.bill}"
        assert document.info.creation_date == "2026-11-26"
        assert document.info.custom_data["票据号码"] == face.bill[8:]
        assert len(document.pages) > 2
        text = document.text()
    assert all(f"床位费明细项目第{number}项" in text for number in range(1, 11))
    assert "金额合计（大写）：壹万贰仟捌佰肆拾叁元零柒分" in text


def test_the_proof_is_an_attachment() -> None:
    source = red_of(request_of(OUTPATIENT))
    files = unpacked(source)
    listed = ElementTree.fromstring(files["Doc_0/Attachments/Attachments.xml"])
    found = {one.get("Name"): one.findtext(f"{OFD}FileLoc") for one in listed}
    assert found == {proof.name: proof.name for proof in source.proofs}
    assert f"{RED_BILL}.proof" in found
    for proof in source.proofs:
        assert files[f"Doc_0/Attachments/{proof.name}"] == proof.data


@pytest.mark.parametrize("place", range(11))
def test_nothing_is_outside_its_page(place: int) -> None:
    name, source, form = list(samples())[place]
    for page in contents(unpacked(source, form)):
        box = page.findtext(f".//{OFD}PhysicalBox") or ""
        wide, tall = (float(part) for part in box.split()[2:])
        for one in page.iter(f"{OFD}TextObject"):
            if one.get("CTM"):
                continue
            left, top, across, down = (float(part) for part in str(one.get("Boundary")).split())
            assert left >= 0, name
            assert left + across <= wide, (name, one.findtext(f"{OFD}TextCode"))
            assert top + down <= tall, name


def test_a_void_bill_says_so_on_every_page() -> None:
    for page in contents(unpacked(source_of(long_list(), validity=VOID), "list")):
        assert "已作废" in [one.text for one in page.iter(f"{OFD}TextCode")]


def test_a_red_bill_has_no_black_letter() -> None:
    """But what is said about the file, in grey."""
    (page,) = contents(unpacked(red_of(request_of(OUTPATIENT))))
    colours = {one.find(f"{OFD}FillColor").get("Value") for one in page.iter(f"{OFD}TextObject")}  # type: ignore[union-attr]
    assert colours == {"200 16 46", "90 90 90"}


def test_the_same_face_gives_the_same_bytes() -> None:
    for _name, source, form in samples():
        face = make_face(source, form, BASE_URL, CHAIN_ID)
        assert render_ofd(face, source.proofs) == render_ofd(face, source.proofs)


def test_signs_of_xml_are_text() -> None:
    name = '<a> & "b" ]]>'
    (page,) = contents(unpacked(source_of(request_of({**OUTPATIENT, "payer": {"name": name}}))))
    assert name in [one.text for one in page.iter(f"{OFD}TextCode")]


def test_text_is_as_wide_as_it_is_set() -> None:
    assert width("金额12.50", 4.0) == 4.0 * 2 + 2.0 * 5
    assert wrapped("一二三四五", 4.0, 9.0) == ["一二", "三四", "五"]
    assert "".join(wrapped("x" * 50, 4.0, 1.0)) == "x" * 50
    page = Page(210, 148, iter(range(1, 9)))
    page.text(100, 0, "ab", 4.0, "0 0 0", "right")
    assert 'Boundary="96 0 4 5.2"' in page.xml(9)
