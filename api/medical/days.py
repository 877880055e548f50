"""The daily comparison of the vendor interface: totals from the certified day books, then bill by bill.

`checkTotalData` counts everything that stands, red bills too, `checkWriteOffData` the red ones alone: what was charged is the first less the
second, as the vendor's clients work it out. Withdrawn bills stand in neither. Source: DOMAIN sections 2.2 and 2.4 (5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from api.call import Call
from api.intake.document import Element
from api.intake.errors import FormatRefused
from api.intake.his_body import KINDS
from api.medical.envelope import NOTHING_KEPT, MedicalRefused
from api.medical.fields import key_of, read_count, read_day, time_of, yuan
from faces import wording
from node.service import IssuedBill, Reader

PAGE_ROWS, PAGE_ROWS_MAX = 100, 500
PAGES_MAX = 100_000
AT_ONCE = 25  # bills whose history is read before others have their turn
# of dataType: a bill whose paper copy is alive is 3 and not 1; the ledger has no paper copies of red bills (4), and blank forms (5) are no bills
ELECTRONIC, RED, ON_PAPER, RED_ON_PAPER, BLANK = "1", "2", "3", "4", "5"
NORMAL_STATE, VOID_STATE, RED_STATE = "1", "2", "3"
# busType -> kind of bill; the ledger has one kind for 02, 03 and 04, so 02 stands for all three. Deposits (07, 08) are no bills
COUNTED = {code: kind for code, kind in KINDS.items() if code not in ("03", "04")}
BUSINESS_TYPES = (*KINDS, "07", "08")


async def check_total(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
    """总笔数核对: all that stands on the ledger of some business days."""
    rows = await _books(call, body)
    return {
        "allTotalNum": sum(row["count"] - row["void_count"] + row["red_count"] for row in rows),
        "allTotalAmt": yuan(sum(row["sum_fen"] - row["void_sum_fen"] + row["red_sum_fen"] for row in rows)),
    }


async def check_write_off(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
    """退费数据核对: the red bills; their sum is negative."""
    rows = await _books(call, body)
    return {
        "allTotalNum": sum(row["red_count"] for row in rows),
        "allTotalAmt": yuan(sum(row["red_sum_fen"] for row in rows)),
    }


async def _books(call: Call, body: Element) -> list[dict[str, Any]]:
    """Rows of the day books that a request is about: its days, its issuing point and `busType`, where it names them."""
    first, last = _days(body)
    rows = await call.counter.day_books(first, last, body.text_of("placeCode") or None)
    code = body.text_of("busType")
    if code and code not in BUSINESS_TYPES:
        raise FormatRefused("field_refused", f"{body.pointer}/busType", f"{', '.join(BUSINESS_TYPES)} are known")
    return [row for row in rows if row["kind"] == COUNTED.get(code)] if code else rows


def _days(body: Element) -> tuple[date, date]:
    """`busDate`, or `busBgnDate` to `busEndDate`. Raises FormatRefused."""
    if body.find("busDate") is not None:
        day = read_day(body.need("busDate"))
        return day, day
    return read_day(body.need("busBgnDate")), read_day(body.need("busEndDate"))


async def bills_of_days(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
    """根据业务时间获取开票信息: what was recorded, page by page, in the order in which it was recorded."""
    first, last = _days(body)
    number = read_count(body, "pageNo", 1, PAGES_MAX)
    size = read_count(body, "pageSize", PAGE_ROWS, PAGE_ROWS_MAX)
    wanted = body.text_of("dataType")
    if wanted and wanted not in (ELECTRONIC, RED, ON_PAPER, RED_ON_PAPER, BLANK):
        raise FormatRefused("field_refused", f"{body.pointer}/dataType", "1 to 5")
    bills = await call.counter.bills_by_day(first, last, body.text_of("placeCode") or None)
    bills = await _of_type(call, bills, wanted, reader) if wanted else bills
    page = bills[(number - 1) * size : number * size]
    rows = [await _row(call, bill, reader) for bill in page]
    return {"total": len(bills), "pageNo": number, "billList": rows}


async def _of_type(call: Call, bills: Sequence[IssuedBill], wanted: str, reader: Reader) -> list[IssuedBill]:
    if wanted in (RED_ON_PAPER, BLANK):
        return []
    if wanted == RED:
        return [bill for bill in bills if bill.is_red]
    chosen: list[IssuedBill] = []
    for place, bill in enumerate(bills, 1):
        if not bill.is_red and bool(await _living_form(call, bill.bill_id, reader)) == (wanted == ON_PAPER):
            chosen.append(bill)
        if place % AT_ONCE == 0:
            await asyncio.sleep(0)
    return chosen


async def _living_form(call: Call, bill: str, reader: Reader) -> str:
    """The form of the paper copy that is alive, or empty."""
    form = ""
    for stamp in await call.desk.history(bill, reader) or []:
        if stamp["event"] == "paper_printed":
            form = stamp["paper"]
        elif stamp["event"] == "paper_ended":
            form = ""
    return form


async def _row(call: Call, bill: IssuedBill, reader: Reader) -> dict[str, Any]:
    page = await call.desk.bill(bill.bill_id, reader) or {}
    if "check_code" not in page:
        raise MedicalRefused(NOTHING_KEPT, "unavailable: the archive that has the details does not answer")
    related = page["related"] or ""
    original = await call.desk.bill(related, reader) if bill.is_red else page
    form = "" if bill.is_red else await _living_form(call, bill.bill_id, reader)
    row = {
        "busNo": (original or {}).get("business_no", ""),
        "placeCode": page["place_code"],
        "billName": wording.KINDS.get(int(bill.bill_id[4:6]), wording.OTHER_KIND) + wording.BILL_TITLE,
        **key_of(bill.bill_id),
        "random": page["check_code"],
        "totalAmt": yuan(page["total_fen"]),
        "busDate": _moment(page["business_time"]),
        "ivcDateTime": _moment(page["issued_at"]),
        "dataType": RED if bill.is_red else ON_PAPER if form else ELECTRONIC,
        "state": RED_STATE if bill.is_red else VOID_STATE if page["validity"] == "void" else NORMAL_STATE,
        "relateBillBatchCode": related[:8],
        "relateBillNo": related[8:],
    }
    return row | {"paperForm": form} if form else row


def _moment(text: str) -> str:
    """RFC 3339 as yyyyMMddHHmmssSSS; empty where there is none."""
    return time_of(datetime.fromisoformat(text)) if text else ""
