"""FHIR R4 bundles: every ExplanationOfBenefit becomes a bill, and so does every Invoice (`fhir_invoice.py`).

Source: HL7 FHIR R4, ExplanationOfBenefit, Encounter, Patient. The rules for amounts:
1. the total is `total[submitted]`; 2. a line with `net` is that amount; 3. the first line without one takes what remains
of the total, so that it absorbs all rounding; further ones are 0; 4. when every line has a `net`, they must add up;
5. the fund pays `payment.amount`, the payer the rest in cash; 6. each amount is rounded half up to the fen.
FHIR knows no Chinese charge categories and a table from SNOMED to them does not exist here, so only what the code system
itself says is used: vaccines (CVX) are 09 西药费, the line that names the encounter is 02 诊察费, all others 14 其他费.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api.intake.document import Element, Read, build_request, fen, load
from api.intake.errors import FormatRefused
from chain.bill import BillRequest
from cli.formats.fhir_invoice import business_no_of, invoice_bill
from cli.formats.fhir_parts import CASHIER, CONSULTATION, MEDICINE, OTHER, Money, identifiers_of, payer_of, resolve

CVX = "http://hl7.org/fhir/sid/cvx"
BILLABLE_STATUS = "active"


def read(path: Path, *, as_cny: bool, now: str, place_code: str) -> Read:
    """The bills of a bundle. They are issued `now` (RFC 3339); `as_cny` reads figures of any one currency as yuan."""
    try:
        bundle = load(path)
        if bundle.text_of("resourceType") != "Bundle":
            raise FormatRefused("not_a_bundle", "/resourceType")
        resources = [found for entry in bundle.list_of("entry") if (found := entry.find("resource")) is not None]
        index = _index(bundle)
    except FormatRefused as refusal:
        if not refusal.detail.startswith(path.name):
            refusal = FormatRefused(refusal.code, refusal.pointer, f"{path.name}: {refusal.detail}".removesuffix(": "))
        yield "", refusal
        return
    for resource in resources:
        business_no = ""
        try:
            kind = resource.text_of("resourceType")
            if kind not in ("ExplanationOfBenefit", "Invoice"):
                continue
            business_no = resource.need("id").text()
            if kind == "Invoice":
                business_no = business_no_of(resource)
                yield business_no, invoice_bill(resource, index, business_no, as_cny, now, place_code)
            else:
                yield business_no, _bill(resource, index, business_no, as_cny, now, place_code)
        except FormatRefused as refusal:
            yield business_no, refusal


def _index(bundle: Element) -> dict[str, Element]:
    """What references may name -> resource: the entry's full URL, and type/id."""
    index: dict[str, Element] = {}
    for entry in bundle.list_of("entry"):
        resource = entry.find("resource")
        if resource is None or not isinstance(resource.value, dict):
            continue
        for name in (entry.value.get("fullUrl"), f"{resource.value.get('resourceType')}/{resource.value.get('id')}"):
            if isinstance(name, str):
                index.setdefault(name, resource)
    return index


def _bill(
    benefit: Element, index: dict[str, Element], business_no: str, as_cny: bool, now: str, place_code: str
) -> BillRequest:
    status = benefit.text_of("status")
    if status != BILLABLE_STATUS:
        raise FormatRefused("status_not_billable", f"{benefit.pointer}/status")
    money = Money(as_cny)
    total = _total(benefit, money)
    lines = benefit.list_of("item")
    amounts = _amounts(benefit, lines, total, money)
    fund = _fund(benefit, total, money)
    items = [_item(line, amount) for line, amount in zip(lines, amounts, strict=True)]
    charges: dict[str, dict[str, Any]] = {}  # code -> charge, at most three
    for code, name in (CONSULTATION, MEDICINE, OTHER):
        of_charge = [item["amount_fen"] for item in items if item["charge_code"] == code]
        if of_charge:
            charges[code] = {"code": code, "name": name, "amount_fen": sum(of_charge)}
    patient = resolve(benefit.need("patient"), index, "Patient")
    encounters = [resolve(place, index, "Encounter") for line in lines for place in line.list_of("encounter")]
    inpatient = any(encounter.text_of("class", "code") == "IMP" for encounter in encounters)
    fields = {
        "kind": "inpatient" if inpatient else "outpatient",
        "business_no": business_no,
        "business_time": now,
        "place_code": place_code,
        "payer": payer_of(patient),
        "total_fen": total,
        "payments": {"insurance_fund_fen": fund, "cash_fen": total - fund},
        "charges": list(charges.values()),
        "items": items,
        "visit": _visit(benefit, patient, encounters, inpatient),
        "cashier": CASHIER,
    }
    return build_request(fields, benefit)


def _total(benefit: Element, money: Money) -> int:
    submitted = [
        total
        for total in benefit.list_of("total")
        if any(coding.text_of("code") == "submitted" for coding in total.need("category").list_of("coding"))
    ]
    if len(submitted) != 1:
        raise FormatRefused("total_missing", f"{benefit.pointer}/total", "exactly one submitted total belongs here")
    total = fen(money.read(submitted[0].need("amount")))
    if total <= 0:
        raise FormatRefused("total_not_positive", f"{benefit.pointer}/total")
    return total


def _amounts(benefit: Element, lines: list[Element], total: int, money: Money) -> list[int]:
    """The lines' amounts in fen, in their order; they add up to `total`."""
    if not lines:
        raise FormatRefused("lines_missing", f"{benefit.pointer}/item")
    nets = [line.find("net") for line in lines]
    amounts = [0 if net is None else fen(money.read(net)) for net in nets]
    remaining = total - sum(amounts)
    if None not in nets:
        if remaining:
            raise FormatRefused("sum_mismatch", f"{benefit.pointer}/item", "the lines do not add up to the total")
        return amounts
    if remaining < 0:
        raise FormatRefused("lines_exceed_total", f"{benefit.pointer}/item")
    amounts[nets.index(None)] = remaining
    return amounts


def _fund(benefit: Element, total: int, money: Money) -> int:
    payment = benefit.find("payment")
    if payment is None:
        return 0
    paid = fen(money.read(payment.need("amount")))
    if not 0 <= paid <= total:
        raise FormatRefused("payment_out_of_range", f"{payment.pointer}/amount", "more than the total, or less than 0")
    return paid


def _item(line: Element, amount: int) -> dict[str, Any]:
    service = line.need("productOrService")
    codings = service.list_of("coding")
    code = codings[0].text_of("code") if codings else ""
    name = service.text_of("text") or (codings[0].text_of("display") if codings else "") or code
    if not name:
        raise FormatRefused("member_missing", f"{service.pointer}/text")
    if any(coding.text_of("system") == CVX for coding in codings):
        charge = MEDICINE
    else:
        charge = CONSULTATION if line.list_of("encounter") else OTHER
    return {
        "charge_code": charge[0],
        "code": code,
        "name": name,
        "quantity_milli": 1000,
        "unit_price_e4": amount * 100,
        "amount_fen": amount,
    }


def _visit(benefit: Element, patient: Element, encounters: list[Element], inpatient: bool) -> dict[str, Any]:
    visit = {
        "sex": patient.text_of("gender"),
        "medical_record_no": identifiers_of(patient).get("MR", ""),
        "billable_start": benefit.text_of("billablePeriod", "start"),
        "billable_end": benefit.text_of("billablePeriod", "end"),
    }
    if encounters:
        start, end = (encounters[0].text_of("period", edge)[:10] for edge in ("start", "end"))
        visit |= {"admitted": start, "discharged": end} if inpatient else {"visit_date": start}
    return visit
