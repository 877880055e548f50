"""A bill prints with the names, title and heads of its own day, whatever day it is printed on; read back from both files."""

from __future__ import annotations

import io

import msgspec
import ofdkit
import pypdf

from chain.catalogue import (
    Catalogue,
    CatalogueVersion,
    ChargeName,
    ChargesCatalogue,
    FacesCatalogue,
    FaceTitle,
    InForce,
    ItemPlace,
    ItemsCatalogue,
    VersionInForce,
    in_force,
    version_at,
)
from docs.faces.bills import BASE_URL, CHAIN_ID, OUTPATIENT, red_of, request_of, source_of
from faces.face import make_face
from faces.ofd import render_ofd
from faces.pdf import render_pdf
from faces.source import FaceSource, Form

OLD, NEW = 20260101, 20270101
PUBLISHED_MS = 1_000
YEARS = [CatalogueVersion(OLD, PUBLISHED_MS), CatalogueVersion(NEW, PUBLISHED_MS)]
CHARGES = [
    ChargesCatalogue([ChargeName("0402", "二六年诊察"), ChargeName("0403", "二六年检查")]),
    ChargesCatalogue([ChargeName("0402", "二七年诊查"), ChargeName("0403", "二七年检验")]),
]
ITEMS = ItemsCatalogue([ItemPlace("02", "0402"), ItemPlace("03", "0403")])  # the other charges have no place in it
FACES = [
    FacesCatalogue([FaceTitle(1, "二六年门诊票据", "二六年门诊清单")], [], []),
    FacesCatalogue([FaceTitle(1, "二七年门诊票据", "二七年门诊清单")], ["甲", "乙", "丙", "丁"], list("ABCDEFG")),
]


def of_day(date: int) -> InForce:
    """What holds for a bill of that date: the year's charges and faces, and the hospital's own list."""
    number = version_at(YEARS, date, PUBLISHED_MS)
    parts: list[tuple[str, Catalogue]] = [("charges", CHARGES[number - 1]), ("faces", FACES[number - 1])]
    from_date = YEARS[number - 1].from_date
    found = [(VersionInForce("台州市财政局", name, number, from_date), content) for name, content in parts]
    return in_force([*found, (VersionInForce("台州市示范人民医院", "items", 1, OLD), ITEMS)])


def bill_of(date: int) -> FaceSource:
    source = source_of(request_of(OUTPATIENT))
    body = msgspec.structs.replace(source.body, business_date=date)
    return msgspec.structs.replace(source, body=body, catalogues=of_day(date))


def printed(source: FaceSource, form: Form = "face") -> tuple[str, str]:
    """What a reader finds in the PDF and in the OFD, without line breaks."""
    face = make_face(source, form, BASE_URL, CHAIN_ID)
    reader = pypdf.PdfReader(io.BytesIO(render_pdf(face, [])))
    with ofdkit.open(io.BytesIO(render_ofd(face, []))) as document:
        texts = ("".join(page.extract_text() for page in reader.pages), document.text())
    return tuple("".join(text.split()) for text in texts)  # type: ignore[return-value]


def test_the_last_day_of_a_year_and_the_first_of_the_next() -> None:
    for date, year, other in ((20261231, "二六年", "二七年"), (20270101, "二七年", "二六年")):
        for form, words in (("face", ("门诊票据", "诊")), ("list", ("门诊清单", "检"))):
            for text in printed(bill_of(date), form):  # type: ignore[arg-type]
                assert all(year + word in text for word in words)
                assert other not in text


def test_heads_of_columns_are_the_years() -> None:
    assert make_face(bill_of(20261231), "face", BASE_URL, CHAIN_ID).columns == [
        "项目名称",
        "数量",
        "单位",
        "金额（元）",
    ]
    assert make_face(bill_of(20270101), "face", BASE_URL, CHAIN_ID).columns == ["甲", "乙", "丙", "丁"]
    assert make_face(bill_of(20270101), "list", BASE_URL, CHAIN_ID).columns == list("ABCDEFG")
    for text in printed(bill_of(20270101)):
        assert all(head in text for head in "甲乙丙丁")
        assert "项目名称" not in text.replace("项目名称与票样依据", "")


def test_a_charge_that_the_catalogue_does_not_know_keeps_the_hospitals_name() -> None:
    lines = make_face(bill_of(20270101), "face", BASE_URL, CHAIN_ID).lines
    assert [line.name for line in lines] == ["二七年诊查", "二七年检验", "化验费", "西药费", "中成药费"]
    groups = make_face(bill_of(20270101), "list", BASE_URL, CHAIN_ID).groups
    assert [(group.title, len(group.lines)) for group in groups[:2]] == [("二七年诊查", 1), ("二七年检验", 1)]


def test_the_face_says_whose_versions_it_goes_by() -> None:
    (told,) = [line for line in make_face(bill_of(20270101), "face", BASE_URL, CHAIN_ID).small_print if "依据" in line]
    assert "台州市财政局收费项目目录第 2 版（自 2027年01月01日起）" in told
    assert "台州市示范人民医院医院项目对照第 1 版（自 2026年01月01日起）" in told


def test_a_red_bill_prints_what_its_original_said() -> None:
    """Reversed in January, of December: the node gives it the catalogues of December."""
    red = msgspec.structs.replace(red_of(request_of(OUTPATIENT)), catalogues=of_day(20261231))
    red = msgspec.structs.replace(red, body=msgspec.structs.replace(red.body, business_date=20270103))
    face = make_face(red, "face", BASE_URL, CHAIN_ID)
    assert [line.name for line in face.lines[:2]] == ["二六年诊察", "二六年检查"]
    assert face.title == "二六年门诊票据"
