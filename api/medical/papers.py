"""Paper copies and blank forms of the vendor interface. A form's number is `pBillBatchCode` and `pBillNo` joined."""

from __future__ import annotations

import re
from typing import Any

from api.call import Call
from api.intake.document import Element
from api.medical.envelope import CONTENT_REFUSED, NOT_FOUND, STATE_REFUSED, MedicalRefused
from api.medical.fields import read_form, read_key, verified_form
from chain.operation import PAPERS_MAX, PrintPaper, TakeBackPaper, VoidBlanks
from node.service import LifeOperation, Reader

FORM_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)


async def turn_paper(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
    return await moved(call, PrintPaper(read_key(body), read_form(body)))


async def turn_paper_again(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
    """The copy that is alive is spoilt; it is printed on another form."""
    bill, paper = read_key(body), read_form(body)
    life = await call.counter.life(bill, reader)
    if life is None:
        raise MedicalRefused(NOT_FOUND, "bill_unknown")
    if life["paper"] != "out":
        raise MedicalRefused(STATE_REFUSED, "no_paper_copy")
    standing = await call.counter.reprint(bill, str(life["paper_form"]), paper)
    return {"message": "success", "operation": standing.operation}


async def invalid_paper(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
    return await moved(call, TakeBackPaper(read_key(body), read_form(body), "voided"))


async def invalid_blanks(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
    """A stretch of running numbers under one code."""
    code, first, last = (body.need(name).text() for name in ("pBillBatchCode", "pBillNoStart", "pBillNoEnd"))
    if not (FORM_NUMBER.fullmatch(first) and FORM_NUMBER.fullmatch(last) and len(first) == len(last)):
        raise MedicalRefused(CONTENT_REFUSED, "invalid_value: pBillNoStart and pBillNoEnd are digits of one length")
    if not 0 <= int(last) - int(first) < PAPERS_MAX:
        raise MedicalRefused(CONTENT_REFUSED, f"forms_malformed: 1 to {PAPERS_MAX} forms at once")
    papers = [verified_form(f"{code}{number:0{len(first)}d}") for number in range(int(first), int(last) + 1)]
    return await moved(call, VoidBlanks(papers, "voided"))


async def moved(call: Call, operation: LifeOperation) -> dict[str, Any]:
    standing = await call.counter.move(operation)
    return {"message": "success", "operation": standing.operation}


# ── the stock of blank forms ─────────────────────────────────────────────────────────────────────────────────────────


async def valid_codes(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
    """Codes of forms that an issuing point has left, with their stretches; `pBillBatchCode` is the one to go on with."""
    place = body.need("placeCode").text()
    stretches = [one for one in await call.counter.paper_forms() if one.place == place and one.left]
    if not stretches:
        raise MedicalRefused(NOT_FOUND, "form_unknown: no blank form is left at this issuing point")
    codes: dict[str, list[dict[str, Any]]] = {}
    for one in stretches:
        row = {
            "billBatchCode": one.code,
            "billBgnNo": one.first,
            "billEndNo": one.last,
            "useNum": one.printed,
            "invalidNum": one.voided,
            "leftNum": one.left,
        }
        codes.setdefault(one.code, []).append(row)
    listed = [{"billCode": code, "billBatchCodeList": rows} for code, rows in codes.items()]
    return {"pBillBatchCode": stretches[0].code, "billCodeList": listed}


async def next_number(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
    """The next blank form at an issuing point. It is not reserved: who prints first has it."""
    place, code = body.need("placeCode").text(), body.need("pBillBatchCode").text()
    number = await call.counter.next_form(place, code)
    if number is None:
        raise MedicalRefused(NOT_FOUND, "form_unknown: no blank form of this code is left at this issuing point")
    return {"pBillBatchCode": code, "pBillNo": number}
