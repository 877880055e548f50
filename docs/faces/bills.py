"""Invented bills in the states that faces have marks for. Nobody in them exists; the identity numbers have impossible regions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from chain.bill import KINDS, BillRequest
from chain.details import Details, details_of, reversal_details
from chain.operation import Payments
from chain.records import COVERED, NORMAL, RED, REVERSED, VOID, BillBody
from chain.rules.bills import negated
from faces.source import Attachment, FaceSource, Form

ISSUED_MS = 1_795_659_600_000  # 2026-11-26 10:20 in China
OFFSET_MINUTES = 480
ISSUER, OFFICE = "台州市示范人民医院", "台州市财政局"
BASE_URL = "https://bills.example.cn"
CHAIN_ID = "c0ffee00" * 8
RED_BILL, FORM_NUMBER = "330601260000000099", "3306P00012345678"

OUTPATIENT: dict[str, Any] = {
    "kind": "outpatient",
    "business_no": "MZ20261126000017",
    "business_time": "2026-11-26T10:20:00+08:00",
    "place_code": "A01",
    "payer": {"name": "样例一", "id_type": "01", "id_number": "990000199001011234"},
    "total_fen": 49_430,
    "payments": {"insurance_fund_fen": 28_000, "personal_account_fen": 6_430, "other_fen": 0, "cash_fen": 15_000},
    "self_paid_fen": 17_200,
    "self_funded_fen": 4_230,
    "charges": [
        {"code": "02", "name": "诊察费", "amount_fen": 5_000, "unit": "次"},
        {"code": "03", "name": "检查费", "amount_fen": 18_000, "unit": "项"},
        {"code": "04", "name": "化验费", "amount_fen": 8_600, "unit": "项", "quantity_milli": 3000},
        {"code": "09", "name": "西药费", "amount_fen": 14_230, "unit": "项", "quantity_milli": 2000},
        {"code": "11", "name": "中成药费", "amount_fen": 3_600, "unit": "项"},
    ],
    "items": [
        {"charge_code": "02", "code": "110200001", "name": "普通门诊诊察费", "quantity_milli": 1000,
         "unit_price_e4": 500_000, "amount_fen": 5_000, "unit": "次"},
        {"charge_code": "03", "code": "210102015", "name": "数字化摄影（DR）胸部正位", "quantity_milli": 1000,
         "unit_price_e4": 1_800_000, "amount_fen": 18_000, "unit": "部位"},
        {"charge_code": "04", "code": "250101015", "name": "血细胞分析（五分类）", "quantity_milli": 1000,
         "unit_price_e4": 260_000, "amount_fen": 2_600, "unit": "次"},
        {"charge_code": "04", "code": "250301001", "name": "C 反应蛋白测定", "quantity_milli": 2000,
         "unit_price_e4": 300_000, "amount_fen": 6_000, "unit": "项"},
        {"charge_code": "09", "code": "XJ01CAA040", "name": "阿莫西林胶囊", "specification": "0.25g×24粒",
         "quantity_milli": 2000, "unit_price_e4": 211_500, "amount_fen": 4_230, "unit": "盒"},
        {"charge_code": "09", "code": "XR05CBA181", "name": "盐酸氨溴索口服溶液", "specification": "100ml:0.6g",
         "quantity_milli": 4000, "unit_price_e4": 250_000, "amount_fen": 10_000, "unit": "瓶"},
        {"charge_code": "11", "code": "ZA04AAL0123", "name": "连花清瘟胶囊", "specification": "0.35g×36粒",
         "quantity_milli": 1500, "unit_price_e4": 240_000, "amount_fen": 3_600, "unit": "盒"},
    ],
    "visit": {
        "institution_type": "综合医院", "sex": "女", "age": "36", "insurance_type": "城镇职工", "insurance_id": "99000012345",
        "outpatient_no": "MZ0012345", "visit_date": "2026-11-26", "department": "呼吸内科",
    },
    "cashier": "收费员甲",
    "checker": "复核员乙",
}  # fmt: skip

INPATIENT: dict[str, Any] = {
    "kind": "inpatient",
    "business_no": "ZY20261126000003",
    "business_time": "2026-11-26T10:20:00+08:00",
    "place_code": "A01",
    "payer": {"name": "样例二", "id_type": "01", "id_number": "990000195503077654"},
    "total_fen": 1_284_307,
    "payments": {"insurance_fund_fen": 902_000, "personal_account_fen": 62_307, "other_fen": 0, "cash_fen": 320_000},
    "self_paid_fen": 310_000,
    "self_funded_fen": 72_307,
    "charges": [
        {"code": f"{place:02d}", "name": name, "amount_fen": amount, "unit": "项"}
        for place, (name, amount) in enumerate(
            (
                ("床位费", 56_000), ("诊察费", 24_500), ("检查费", 208_000), ("化验费", 154_300), ("治疗费", 131_200),
                ("手术费", 260_000), ("护理费", 61_600), ("卫生材料费", 182_407), ("西药费", 171_900), ("中成药费", 34_400),
            ), 1,
        )
    ],
    "visit": {
        "institution_type": "综合医院", "sex": "男", "age": "71", "insurance_type": "城乡居民", "insurance_id": "99000054321",
        "insurance_settlement_no": "JS2026112600098", "medical_record_no": "BL0098761", "admission_no": "ZY0045678",
        "department": "普外科", "ward": "外科三病区", "bed_no": "12", "admitted": "2026-11-18", "discharged": "2026-11-25",
        "days": "7", "deposit_paid_fen": 500_000, "refund_fen": 180_000,
    },
    "cashier": "收费员甲",
    "checker": "复核员乙",
    "remark": "出院带药已计入西药费",
}  # fmt: skip


CHECKUP: dict[str, Any] = {
    "kind": "checkup",
    "business_no": "TJ20261126000001",
    "business_time": "2026-11-26T10:20:00+08:00",
    "place_code": "A01",
    "payer": {"type": "unit", "name": "样例科技有限公司", "id_type": "uscc", "id_number": "99000000MA00000000"},
    "total_fen": 8_640_000,
    "payments": {"cash_fen": 8_640_000},
    "self_funded_fen": 8_640_000,
    "charges": [{"code": "03", "name": "健康体检费", "amount_fen": 8_640_000, "unit": "人次", "quantity_milli": 144_000}],
    "visit": {"institution_type": "综合医院", "visit_date": "2026-11-25", "department": "体检中心"},
    "cashier": "收费员甲",
    "checker": "复核员乙",
    "remark": "团体体检，名单另附",
}  # fmt: skip


def request_of(document: dict[str, Any]) -> BillRequest:
    return msgspec.convert(document, BillRequest)


def long_list() -> BillRequest:
    """An inpatient bill with a hundred items, so that the list has several pages."""
    request = request_of(INPATIENT)
    items = []
    for charge in INPATIENT["charges"]:
        left = charge["amount_fen"]
        for number in range(1, 11):
            amount = charge["amount_fen"] // 10 if number < 10 else left
            left -= amount
            items.append(
                {
                    "charge_code": charge["code"],
                    "code": f"{charge['code']}{number:07d}",
                    "name": f"{charge['name']}明细项目第{number}项",
                    "specification": "每次" if number % 2 else "0.5g×12片/盒",
                    "quantity_milli": 1000,
                    "unit": "次",
                    "unit_price_e4": amount * 100,
                    "amount_fen": amount,
                }
            )
    return request_of({**msgspec.to_builtins(request), "items": items})


def source_of(
    request: BillRequest,
    *,
    bill: str = "330601260000000017",
    validity: int = NORMAL,
    related: tuple[str, ...] = (),
    paper: str | None = "",
    **changes: Any,
) -> FaceSource:
    """A sealed bill, changed as asked; its attachment is no proof but says what it stands for."""
    details, parts = details_of(bill, _seed(bill), request), request.payments
    body = BillBody(
        issuer="hospital-a",
        kind=KINDS[request.kind],
        place=request.place_code,
        business_date=20261126,
        issued_ms=ISSUED_MS,
        total_fen=request.total_fen,
        payments=Payments(parts.insurance_fund_fen, parts.personal_account_fen, parts.other_fen, parts.cash_fen),
        self_paid_fen=request.self_paid_fen,
        self_funded_fen=request.self_funded_fen,
        details_root=bytes(32),
        height=1043,
        validity=validity,
        related=list(related),
        seal=COVERED,
        withheld="",
    )
    return _source(bill, body, details, None, paper, **changes)


def red_of(request: BillRequest, original: str = "330601260000000017") -> FaceSource:
    """The red bill of `request`'s bill."""
    first = source_of(request, bill=original, validity=REVERSED, related=(RED_BILL,))
    time = "2026-11-26T10:20:00+08:00"
    details = reversal_details(RED_BILL, _seed(RED_BILL), "药品退回", "收费员甲", time)
    body = msgspec.structs.replace(
        first.body,
        total_fen=-first.body.total_fen,
        payments=negated(first.body.payments),
        self_paid_fen=-first.body.self_paid_fen,
        self_funded_fen=-first.body.self_funded_fen,
        validity=RED,
        related=[original],
    )
    return _source(RED_BILL, body, details, first.details, "")


def _source(
    bill: str, body: BillBody, details: Details, original: Details | None, paper: str | None, **changes: Any
) -> FaceSource:
    names = [bill, *([original.bill] if original is not None else [])]
    source = FaceSource(
        bill=bill,
        body=body,
        details=details,
        original=original,
        issuer=ISSUER,
        office=OFFICE,
        status="sealed",
        paper=paper,
        as_of_height=1050,
        as_of_ms=ISSUED_MS + 60_000,
        utc_offset_minutes=OFFSET_MINUTES,
        with_secrets=True,
        proofs=[Attachment(f"{name}.proof", f"proof of bill {name}", b"no proof: an invented bill") for name in names],
    )
    return msgspec.structs.replace(source, **changes)


def _seed(bill: str) -> bytes:
    return bill.encode().ljust(32, b"-")


def samples() -> Iterator[tuple[str, FaceSource, Form]]:
    """(name of the picture, bill, form)."""
    outpatient, inpatient = request_of(OUTPATIENT), request_of(INPATIENT)
    number = "330602260000000003"
    yield "outpatient", source_of(outpatient), "face"
    yield "inpatient", source_of(inpatient, bill=number), "face"
    yield "checkup", source_of(request_of(CHECKUP), bill="330604260000000001"), "face"
    yield "list", source_of(outpatient), "list"
    yield "long-list", source_of(long_list(), bill=number), "list"
    yield "void", source_of(outpatient, validity=VOID), "face"
    yield "paper-copy", source_of(outpatient, paper=FORM_NUMBER), "face"
    yield "reversed", source_of(outpatient, validity=REVERSED, related=(RED_BILL,)), "face"
    yield "red", red_of(outpatient), "face"
    yield "queued", source_of(outpatient, status="queued", proofs=[]), "face"
    yield "rare-name", source_of(request_of({**OUTPATIENT, "payer": {"name": "𠮷田㼆"}})), "face"
