"""A bill's body as hospital systems send it to the Bosssoft medical interface.

Source: DOMAIN sections 2.3 and 2.4 (field names, code lists, habits). A body is what the envelope's `data` decodes to.
Amounts are yuan, as numbers or in quotes. What a body says beyond the bill (notices, QR, channel references) is not read.

1. `chargeDetail` adds up to `totalAmt`; so does `payChannelDetail`, where it is given. 2. The fund pays `fundPay`, the
insured account `accountPay`, others `otherfundPay`; cash is the rest, and `selfCashPay`, if given, equals it.
3. Lines of the detail list carry four decimals: within a charge they are rounded so that their running sum is right, hence
each is within a fen of what it says. 4. A body is issued at its own `busDateTime`, or now when the ledger would find that
too long ago; the visit keeps the hospital's own date.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from api.intake.document import Element, build_request, fen, units
from api.intake.errors import FormatRefused
from chain.bill import BillRequest

CHINA = timezone(timedelta(hours=8))
BUSINESS_TIME = re.compile(r"[0-9]{17}", re.ASCII)  # yyyyMMddHHmmssSSS
CASHIER = "import"

# busType; deposits (07, 08) are vouchers and no bills
KINDS = {
    "01": "inpatient",
    "02": "outpatient",
    "03": "outpatient",  # emergency
    "04": "outpatient",  # special outpatient
    "05": "checkup",
    "06": "registration",
}
PAYER_TYPES = {"1": "person", "2": "unit"}
INSURANCE_TYPES = {  # medCareTypeCode, CV07.10.003
    "01": "城镇职工基本医疗保险",
    "02": "城镇居民基本医疗保险",
    "03": "新型农村合作医疗",
    "04": "贫困救助",
    "05": "商业医疗保险",
    "06": "全公费",
    "07": "全自费",
    "99": "其他",
}
DEPOSIT_MEMBERS = ("cashPay", "chequePay", "transferAccountPay")
TOP_UP_MEMBERS = ("cashRecharge", "chequeRecharge", "transferRecharge")
REFUND_MEMBERS = ("cashRefund", "chequeRefund", "transferRefund")


def bill_of(body: Element, business_no: str, now: str, oldest: str, place_code: str) -> BillRequest:
    """The request that a body spells. `now` and `oldest`: rule 4; `place_code` serves a body that names none.

    Raises FormatRefused with the pointer of what is wrong.
    """
    kind = KINDS.get(body.need("busType").text())
    if kind is None:
        raise FormatRefused("kind_not_a_bill", f"{body.pointer}/busType")
    own_time = _time(body.need("busDateTime"))
    total = fen(body.need("totalAmt").decimal(written=True))
    if total <= 0:
        raise FormatRefused("total_not_positive", f"{body.pointer}/totalAmt")
    channels = body.list_of("payChannelDetail")
    if channels and sum(_fen(channel, "payChannelValue") for channel in channels) != total:
        raise FormatRefused(
            "sum_mismatch", f"{body.pointer}/payChannelDetail", "the channels do not add up to the total"
        )
    payments = {
        "insurance_fund_fen": _fen(body, "fundPay"),
        "personal_account_fen": _fen(body, "accountPay"),
        "other_fen": _fen(body, "otherfundPay"),
    }
    payments["cash_fen"] = total - sum(payments.values())
    if body.find("selfCashPay") is not None and _fen(body, "selfCashPay") != payments["cash_fen"]:
        raise FormatRefused("sum_mismatch", f"{body.pointer}/selfCashPay", "the payments do not add up to the total")
    fields = {
        "kind": kind,
        "business_no": business_no,
        "business_time": own_time if own_time[:10] >= oldest else now,
        "place_code": body.text_of("placeCode") or place_code,
        "payer": _payer(body),
        "total_fen": total,
        "payments": payments,
        "self_paid_fen": _fen(body, "selfPayAmt"),
        "self_funded_fen": _fen(body, "ownPay"),
        "charges": [_charge(line) for line in body.list_of("chargeDetail")],
        "items": _items(body.list_of("listDetail")),
        "visit": _visit(body, kind, own_time),
        "cashier": body.text_of("payee") or body.text_of("author") or CASHIER,
        "checker": body.text_of("checker"),
        "remark": _remark(body),
    }
    return build_request(fields, body)


def _fen(body: Element, name: str) -> int:
    """An amount in fen, 0 when absent."""
    found = body.find(name)
    return 0 if found is None else fen(found.decimal(written=True))


def _time(place: Element) -> str:
    """RFC 3339 in China's time."""
    text = place.text()
    try:
        if not BUSINESS_TIME.fullmatch(text):
            raise ValueError
        moment = datetime.strptime(text[:14], "%Y%m%d%H%M%S")
    except ValueError:
        raise FormatRefused("time_malformed", place.pointer, "yyyyMMddHHmmssSSS belongs here") from None
    return moment.replace(microsecond=int(text[14:]) * 1000, tzinfo=CHINA).isoformat(timespec="milliseconds")


def _payer(body: Element) -> dict[str, Any]:
    code = body.text_of("payerType") or "1"
    if code not in PAYER_TYPES:
        raise FormatRefused("field_refused", f"{body.pointer}/payerType", "1 is a person, 2 a unit")
    payer = {"type": PAYER_TYPES[code], "name": body.need("payer").text()}
    if number := body.text_of("idCardNo"):
        kind = "resident_identity_card" if code == "1" else "unified_social_credit_code"
        return payer | {"id_type": kind, "id_number": number}
    if number := body.text_of("cardNo"):
        return payer | {"id_type": f"card_{body.text_of('cardType') or 'other'}", "id_number": number}
    return payer


def _charge(line: Element) -> dict[str, Any]:
    return {
        "code": line.need("chargeCode").text(),
        "name": line.need("chargeName").text(),
        "unit": line.text_of("unit"),
        "quantity_milli": _quantity(line),
        "amount_fen": fen(line.need("amt").decimal(written=True)),
    }


def _quantity(line: Element) -> int:
    """In 1/1,000; 1 when absent."""
    found = line.find("number")
    return 1000 if found is None else units(found.decimal(written=True), 3)


def _items(lines: list[Element]) -> list[dict[str, Any]]:
    """The detail lines; within a charge, rounding one line up is made good by the next (rule 3)."""
    running: dict[str, Decimal] = {}  # charge code -> exact sum so far; at most one per line
    items = []
    for line in lines:
        charge_code = line.need("chargeCode").text()
        before = running.get(charge_code, Decimal(0))
        after = running[charge_code] = before + line.need("amt").decimal(written=True)
        items.append(
            {
                "charge_code": charge_code,
                "code": line.text_of("code"),
                "name": line.need("name").text(),
                "specification": line.text_of("specification"),
                "unit": line.text_of("unit"),
                "quantity_milli": _quantity(line),
                "unit_price_e4": units(line.need("std").decimal(written=True), 4),
                "amount_fen": fen(after) - fen(before),
            }
        )
    return items


def _visit(body: Element, kind: str, own_time: str) -> dict[str, Any]:
    code = body.text_of("medCareTypeCode")
    visit: dict[str, Any] = {
        "institution_type": body.text_of("medicalInstitution"),
        "sex": body.text_of("sex"),
        "age": body.text_of("age"),
        "insurance_type": body.text_of("medicalCareType") or INSURANCE_TYPES.get(code, ""),
        "insurance_id": body.text_of("medicalInsuranceID"),
        "insurance_settlement_no": body.text_of("balancedNumber"),
        "medical_record_no": body.text_of("caseNumber"),
        "department": body.text_of("patientCategory") or body.text_of("category"),
    }
    if kind != "inpatient":
        return visit | {
            "outpatient_no": body.text_of("patientNo"),
            "visit_date": body.text_of("consultationDate") or own_time[:10],
        }
    return visit | {
        "admission_no": body.text_of("hospitalNo"),
        "ward": body.text_of("leaveCategory"),
        "bed_no": body.text_of("bedNo"),
        "admitted": body.text_of("inHospitalDate"),
        "discharged": body.text_of("outHospitalDate"),
        "days": body.text_of("hospitalDays"),
        "deposit_paid_fen": sum(_fen(body, name) for name in DEPOSIT_MEMBERS),
        "top_up_fen": sum(_fen(body, name) for name in TOP_UP_MEMBERS),
        "refund_fen": sum(_fen(body, name) for name in REFUND_MEMBERS),
    }


def _remark(body: Element) -> str:
    """The body's own remark, and what ties it to the other bills of one business transaction."""
    group = body.text_of("eBillRelateNo")
    return "；".join(part for part in (body.text_of("remark"), f"同笔业务 {group}" if group else "") if part)
