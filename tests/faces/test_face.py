"""What stands on a face, and which details its proof opens for it."""

from __future__ import annotations

import msgspec
import pytest

from chain.bill import Payer, Visit
from chain.details import field_values, payer_details
from chain.records import REVERSED, VOID, WITHHELD
from docs.faces.bills import (
    BASE_URL,
    CHAIN_ID,
    CHECKUP,
    FORM_NUMBER,
    INPATIENT,
    OUTPATIENT,
    RED_BILL,
    red_of,
    request_of,
    source_of,
)
from faces import wording
from faces.face import Face, make_face, opened_fields, opened_of_original, opened_of_payer
from faces.glyphs import printable_characters
from faces.source import FaceSource, Form


def face_of(source: FaceSource, form: Form = "face") -> Face:
    return make_face(source, form, BASE_URL, CHAIN_ID)


def values(face: Face) -> dict[str, str]:
    return {entry.label: entry.value for entry in [*face.heads, *face.others, *face.feet]}


def test_an_outpatient_bill() -> None:
    """DOMAIN 1.4, the column O/P."""
    source = source_of(request_of(OUTPATIENT))
    face = face_of(source)
    assert face.title == "浙江省医疗门诊收费票据（电子）"
    assert (face.total, face.capitals) == ("494.30", "肆佰玖拾肆元叁角整")
    assert [(line.name, line.quantity, line.amount) for line in face.lines[:3]] == [
        ("诊察费", "1", "50.00"), ("检查费", "1", "180.00"), ("化验费", "3", "86.00"),
    ]  # fmt: skip
    shown = values(face)
    assert (shown["票据代码"], shown["票据号码"]) == ("33060126", "0000000017")
    assert shown["开票日期"] == "2026年11月26日"
    assert (shown["门诊号"], shown["就诊日期"], shown["个人现金支付"]) == ("MZ0012345", "2026-11-26", "150.00")
    assert (shown["收款单位（章）"], shown["复核人"], shown["收款人"]) == ("台州市示范人民医院", "复核员乙", "收费员甲")
    assert not face.marks
    assert not face.notices


def test_an_inpatient_bill_has_its_days() -> None:
    """DOMAIN 1.4, the column I/P."""
    face = face_of(source_of(request_of(INPATIENT), bill="330602260000000003"))
    shown = values(face)
    assert face.title == "浙江省医疗住院收费票据（电子）"
    assert (shown["住院号"], shown["入院日期"], shown["出院日期"], shown["住院天数"]) == (
        "ZY0045678", "2026-11-18", "2026-11-25", "7",
    )  # fmt: skip
    assert (shown["预缴金额"], shown["退费金额"]) == ("5000.00", "1800.00")


@pytest.mark.parametrize(("kind", "name"), [("registration", "医疗挂号"), ("checkup", "医疗体检")])
def test_other_kinds_have_names_of_their_own(kind: str, name: str) -> None:
    assert face_of(source_of(request_of({**OUTPATIENT, "kind": kind}))).title == f"浙江省{name}收费票据（电子）"


def test_a_unit_pays_for_a_check_up() -> None:
    shown = values(face_of(source_of(request_of(CHECKUP))))
    assert (shown["交款人"], shown["统一社会信用代码"]) == ("样例科技有限公司", "99000000MA00000000")
    assert "交款人证件号" not in shown


def test_the_detail_list_has_every_item_under_its_charge() -> None:
    face = face_of(source_of(request_of(OUTPATIENT)), "list")
    assert [(group.title, len(group.lines), group.amount) for group in face.groups] == [
        ("诊察费", 1, "50.00"), ("检查费", 1, "180.00"), ("化验费", 2, "86.00"), ("西药费", 2, "142.30"), ("中成药费", 1, "36.00"),
    ]  # fmt: skip
    medicine = face.groups[3].lines[0]
    assert (medicine.name, medicine.specification, medicine.price, medicine.quantity, medicine.amount) == (
        "阿莫西林胶囊", "0.25g×24粒", "21.15", "2", "42.30",
    )  # fmt: skip


def test_marks() -> None:
    request = request_of(OUTPATIENT)
    (void,) = face_of(source_of(request, validity=VOID)).marks
    assert void.text == "已作废"
    (reversed_,) = face_of(source_of(request, validity=REVERSED, related=(RED_BILL,))).marks
    assert (reversed_.text, reversed_.detail) == ("已冲红", "红字票据 33060126 0000000099")
    (paper,) = face_of(source_of(request, paper=FORM_NUMBER)).marks
    assert (paper.text, paper.detail) == ("已换开", f"纸质票据 {FORM_NUMBER}")


def test_a_red_bill_takes_back_what_its_original_says() -> None:
    face = face_of(red_of(request_of(OUTPATIENT)))
    assert face.is_red
    assert (face.total, face.capitals) == ("-494.30", "负肆佰玖拾肆元叁角整")
    assert [line.amount for line in face.lines] == ["-50.00", "-180.00", "-86.00", "-142.30", "-36.00"]
    assert values(face)["交款人"] == "样例一"
    assert values(face)["冲红原因"] == "药品退回"
    assert face.notices == ["本票据为红字票据，冲销票据 33060126 0000000017"]


def test_what_is_not_known_or_not_reached_is_said() -> None:
    request = request_of(OUTPATIENT)
    assert face_of(source_of(request, status="queued", proofs=[])).notices == [
        "本票据尚未上链，也未加盖财政部门监管签章"
    ]
    assert face_of(source_of(request, status="recorded")).notices == ["本票据已上链，尚未加盖财政部门监管签章"]
    assert face_of(source_of(request, paper=None)).notices == ["未能核实是否已换开纸质票据"]
    source = source_of(request, status="recorded")
    withheld = msgspec.structs.replace(source, body=msgspec.structs.replace(source.body, seal=WITHHELD, withheld="sum"))
    assert face_of(withheld).notices == ["财政部门暂缓签章：sum"]


def test_the_qr_code_has_version_and_token() -> None:
    source = source_of(request_of(OUTPATIENT))
    address, _, version = face_of(source).url.partition("?")
    assert version == f"v=1#chain={CHAIN_ID}"
    base, _, link = address.rpartition("/")
    assert base == f"{BASE_URL}/v"
    bill, _, token = link.partition(".")
    assert (bill, len(bytes.fromhex(token))) == (source.bill, 16)


def test_who_does_not_hold_the_bill_sees_neither_check_code_nor_qr() -> None:
    """They prove possession: an auditor has no need of them."""
    source = source_of(request_of(OUTPATIENT), with_secrets=False)
    face = face_of(source)
    assert face.url == ""
    assert values(face)["校验码"] == "******"
    opened = opened_fields(source.details, "face", is_red=False, with_secrets=False)
    assert not {"check_code", "token"} & set(opened)


def test_every_field_of_a_visit_has_its_label() -> None:
    """But the diagnosis, which no face shows."""
    assert {*wording.VISIT, "diagnosis"} == set(Visit.__struct_fields__)


@pytest.mark.parametrize("form", ["face", "list"])
@pytest.mark.parametrize("is_red", [False, True])
def test_every_text_that_the_proof_opens_stands_on_the_face(form: Form, is_red: bool) -> None:
    request = request_of({**OUTPATIENT, "remark": "复诊"})
    source = red_of(request) if is_red else source_of(request)
    printed = msgspec.json.encode(face_of(source, form)).decode()
    opened = [(source.details, opened_fields(source.details, form, is_red=is_red, with_secrets=True))]
    if source.original is not None:
        opened.append((source.original, opened_of_original(source.original, form)))
    for details, names in opened:
        given = field_values(details)
        assert all(given[name] in printed for name in names if isinstance(given[name], str) and name != "payer_type")


def test_the_proof_opens_what_the_face_shows_and_nothing_else() -> None:
    request = request_of({**OUTPATIENT, "visit": {**OUTPATIENT["visit"], "diagnosis": "canary"}})
    source = source_of(request)
    face = opened_fields(source.details, "face", is_red=False, with_secrets=True)
    assert {"payer_name", "charges", "visit", "cashier"} <= set(face)
    assert not {"diagnosis", "items", "business_time"} & set(face)
    listed = opened_fields(source.details, "list", is_red=False, with_secrets=True)
    assert "items" in listed
    assert not {"diagnosis", "visit", "cashier"} & set(listed)
    assert "canary" not in msgspec.json.encode(face_of(source)).decode()
    assert "canary" not in msgspec.json.encode(face_of(source, "list")).decode()
    red = red_of(request)
    assert red.original is not None
    assert opened_fields(red.details, "list", is_red=True, with_secrets=True) == ["check_code", "token"]
    assert "items" not in opened_of_original(red.original, "face")


def test_an_unknown_payer_is_marked_until_somebody_is_bound_and_then_too() -> None:
    """FEATURES 8: the name at issue stays to be read, for the bill's own proof opens it."""
    request = request_of({**OUTPATIENT, "payer": {"type": "unknown", "name": "无名氏"}})
    source = source_of(request)
    assert values(face_of(source))["交款人"] == "无名氏（身份待核）"
    seed = bytes(range(32))
    unit = payer_details(
        source.bill, seed, Payer("样例工厂", "unit", "", "TEST-UNIT"), "收费员甲", "2026-11-27T08:00:00+08:00"
    )
    bound = source_of(request, payer=unit, payer_height=1044)
    face = face_of(bound)
    assert values(face)["交款人"] == "样例工厂（后补登）"
    assert values(face)["统一社会信用代码"] == "TEST-UNIT"
    assert "交款人为开票后补登（区块 1044），开票时登记为：无名氏" in face.notices
    assert opened_of_payer(unit) == ["payer_type", "payer_name", "payer_id_number"]
    away = face_of(source_of(request, payer_height=1044))
    assert values(away)["交款人"] == "无名氏（身份待核）"
    assert any("暂不可得" in notice for notice in away.notices)
    for shown in (face, away):
        printed = set(msgspec.json.encode(shown).decode()) - {"\n"}
        assert {ord(character) for character in printed} <= printable_characters()
