"""The services of the vendor interface over the operations that everybody else uses: an adapter, and nothing kept here.

Each takes the decoded `data` and returns the decoded `message`. Source: DOMAIN section 2.2. What this ledger has nothing of is not in the
table and answers E1004: deposit vouchers, which are payments and no bills, and `printPaperBill`, for a node has no printer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from api.call import Call
from api.intake.document import Element
from api.intake.his_body import CHINA, KINDS, bill_of
from api.medical.days import bills_of_days, check_total, check_write_off
from api.medical.envelope import CONTENT_REFUSED, NOT_FOUND, STATE_REFUSED, MedicalRefused
from api.medical.fields import key_of, links, now, read_key
from api.medical.notices import notice
from api.medical.papers import (
    invalid_blanks,
    invalid_paper,
    next_number,
    turn_paper,
    turn_paper_again,
    valid_codes,
)
from api.schemas.requests import ReversalRequest
from chain.bill import BillRequest
from chain.operation import HoldBill
from node.service import Reader, ServiceRefused, Standing

Service = Callable[[Call, Element, Reader], Awaitable[dict[str, Any]]]

DAYS_BEHIND_MAX = 3  # as files are imported
NORMAL_STATE, VOID_STATE = "1", "2"
MAY_NOT_CIRCULATE = "0"  # of isArrears


def issuing(*kinds: str) -> Service:
    """A service that issues bills of some `busType`s."""

    async def issue(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
        code = body.need("busType").text()
        if code not in kinds:
            raise MedicalRefused(CONTENT_REFUSED, f"kind_unknown: busType {' or '.join(kinds)} belongs here")
        request = _request(call, body)
        standing = await call.counter.issue(request)
        bill = standing.bill_id or ""
        if body.text_of("isArrears") == MAY_NOT_CIRCULATE:
            await call.counter.move(HoldBill(bill, "fees_owed"))
        return {
            **key_of(bill),
            "random": standing.check_code or "",
            "createTime": now(),
            "billBusDate": await _business_day(call, request, standing, reader),
            **await links(call, bill, reader),
        }

    return issue


def _request(call: Call, body: Element) -> BillRequest:
    moment = datetime.now(UTC).astimezone(CHINA)
    oldest = (moment.date() - timedelta(days=DAYS_BEHIND_MAX)).isoformat()
    number = body.need("busNo").text()
    return bill_of(body, number, moment.isoformat(timespec="milliseconds"), oldest, "")


async def _business_day(call: Call, request: BillRequest, standing: Standing, reader: Reader) -> str:
    """yyyyMMdd that the bill is booked under: of one that was issued before, its own and not today's."""
    page = await call.desk.bill(standing.bill_id or "", reader) if standing.repeated else None
    day: str = page["business_date"] if page is not None else request.business_time[:10]
    return day.replace("-", "")


async def write_off(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
    """A red bill (冲红)."""
    bill, place = read_key(body), body.text_of("placeCode")
    reason, operator = body.need("reason").text(), body.need("operator").text()
    try:
        standing = await call.counter.reverse(bill, reason, operator, place or None)
    except ServiceRefused as refusal:
        if refusal.code != "second_person_missing":
            raise
        request = msgspec.json.encode(ReversalRequest(reason, operator, place or None))
        asked = await call.desk.approvals.ask("reverse_bill", bill, request, reader.subject)
        raise MedicalRefused(STATE_REFUSED, f"awaiting_second: {asked.id}") from None
    red = standing.bill_id or ""
    return {
        "eScarletBillBatchCode": red[:8],
        "eScarletBillNo": red[8:],
        "eScarletRandom": standing.check_code or "",
        "createTime": now(),
        **await links(call, red, reader),
    }


async def find_by_business_no(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
    """What a hospital asks after a timeout."""
    rows = await call.desk.bills_by_business_no(call.desk.organisation, body.need("busNo").text(), reader)
    if not rows:
        raise MedicalRefused(NOT_FOUND, "bill_unknown")
    bill = str(rows[0]["bill_id"])
    return {**key_of(bill), "random": rows[0].get("check_code", ""), **await links(call, bill, reader)}


async def states(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
    page = await call.desk.bill(read_key(body), reader)
    if page is None:
        raise MedicalRefused(NOT_FOUND, "bill_unknown")
    validity = page["validity"]
    return {
        "state": VOID_STATE if validity == "void" else NORMAL_STATE,
        "isScarlet": "1" if validity == "reversed" else "0",
    }


async def account_status(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
    """Whether the paying unit has booked it; asked before a red flush."""
    life = await call.counter.life(read_key(body), reader)
    if life is None:
        raise MedicalRefused(NOT_FOUND, "bill_unknown")
    return {"isAccount": "1" if life["accounting_payer"] == "booked" else "0"}


OUTPATIENT = tuple(code for code, kind in KINDS.items() if kind == "outpatient")

SERVICES: dict[str, Service] = {
    "invoiceEBillOutpatient": issuing(*OUTPATIENT),
    "invEBillHospitalized": issuing("01"),
    "invEBillRegistration": issuing("06"),
    "invEBillCheckUp": issuing("05"),
    "writeOffEBill": write_off,
    "getEBillByBusNo": find_by_business_no,
    "getEBillStatesByBillInfo": states,
    "getEBillAccountStatus": account_status,
    "turnPaper": turn_paper,
    "reTurnPaper": turn_paper_again,
    "invalidPaper": invalid_paper,
    "invalidBlankBillNo": invalid_blanks,
    "getValidBillBatchCode": valid_codes,
    "getPaperBillNo": next_number,
    "checkTotalData": check_total,
    "checkWriteOffData": check_write_off,
    "getBillByBusDate": bills_of_days,
    "noticeEBill": notice,
}
