"""An Invoice of a FHIR R4 bundle as a bill: what `exports/fhir/invoice.py` writes, and what others write alike.

1. The total is `totalGross`, or `totalNet` where there is no other. 2. A line is its `base` component: `amount`, and `factor` as
quantity; the price of one is an `informational` component, or worked out. 3. Of `totalPriceComponent`, deductions with our
payment codes are what fund, account and others paid; cash is the rest. 4. The lines add up to the total. 5. A line of one of
our charge codes belongs to that charge, and is the charge itself where it has no code and price of its own; all others are 14 其他费.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from api.intake.document import ARITHMETIC, Element, build_request, fen, units
from api.intake.errors import FormatRefused
from chain.bill import KINDS, BillRequest
from cli.formats.fhir_parts import CASHIER, OTHER, Money, identifiers_of, payer_of, resolve

BILLABLE = ("issued", "balanced")
PARTS = ("insurance_fund", "personal_account", "other")
OWN = ("self_paid", "self_funded")
CHARGE_SYSTEM, NUMBER_SYSTEM = ":charge", ":business-no:"


def business_no_of(invoice: Element) -> str:
    """The hospital's own serial among the identifiers, else the resource's id."""
    for identifier in invoice.list_of("identifier"):
        if NUMBER_SYSTEM in identifier.text_of("system") and identifier.text_of("value"):
            return identifier.text_of("value")
    return invoice.need("id").text()


def invoice_bill(
    invoice: Element, index: dict[str, Element], business_no: str, as_cny: bool, now: str, place_code: str
) -> BillRequest:
    """The request that an Invoice spells, issued `now`. Raises FormatRefused with the pointer of what is wrong."""
    if invoice.text_of("status") not in BILLABLE:
        raise FormatRefused("status_not_billable", f"{invoice.pointer}/status")
    money = Money(as_cny)
    whole = invoice.find("totalGross") or invoice.find("totalNet")
    if whole is None:
        raise FormatRefused("total_missing", f"{invoice.pointer}/totalGross")
    total = fen(money.read(whole))
    if total <= 0:
        raise FormatRefused("total_not_positive", whole.pointer)
    charges, items = _lines(invoice, money)
    if sum(charge["amount_fen"] for charge in charges) != total:
        raise FormatRefused("sum_mismatch", f"{invoice.pointer}/lineItem", "the lines do not add up to the total")
    paid = _components(invoice, money)
    payments = {f"{name}_fen": paid.get(("deduction", name), 0) for name in PARTS}
    kind = next((code for code in _codes(invoice.find("type")) if code in KINDS), "outpatient")
    fields = {
        "kind": kind,
        "business_no": business_no,
        "business_time": now,
        "place_code": place_code,
        "payer": _payer(invoice, index),
        "total_fen": total,
        "payments": {**payments, "cash_fen": total - sum(payments.values())},
        **{f"{name}_fen": paid.get(("informational", name), 0) for name in OWN},
        "charges": charges,
        "items": items,
        "cashier": _staff(invoice, "cashier") or CASHIER,
        "checker": _staff(invoice, "checker"),
        "remark": next((note.text_of("text") for note in invoice.list_of("note")), ""),
    }
    return build_request(fields, invoice)


def _codes(concept: Element | None) -> list[str]:
    return [] if concept is None else [coding.text_of("code") for coding in concept.list_of("coding")]


def _lines(invoice: Element, money: Money) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Charges and details (rules 2 and 5)."""
    charges: dict[str, dict[str, Any]] = {}
    items = []
    for line in invoice.list_of("lineItem"):
        bases = [part for part in line.list_of("priceComponent") if part.text_of("type") == "base"]
        if len(bases) != 1:
            raise FormatRefused("lines_missing", f"{line.pointer}/priceComponent", "one base component belongs here")
        amount = fen(money.read(bases[0].need("amount")))
        concept = line.need("chargeItemCodeableConcept")
        codings = concept.list_of("coding")
        charge = next((one for one in codings if one.text_of("system").endswith(CHARGE_SYSTEM)), None)
        others = [one for one in codings if one is not charge]
        code, name = (charge.text_of("code"), charge.text_of("display")) if charge is not None else OTHER
        prices = [part for part in line.list_of("priceComponent") if part.text_of("type") == "informational"]
        factor = bases[0].find("factor")
        quantity = 1000 if factor is None else units(factor.decimal(), 3)
        row = charges.setdefault(code, {"code": code, "name": name or code, "amount_fen": 0})
        row["amount_fen"] += amount
        if charge is not None and not others and not prices:
            row |= {"quantity_milli": quantity, "unit": bases[0].text_of("code", "text")}
            continue
        price = prices[0].find("amount") if prices else None
        items.append(
            {
                "charge_code": code,
                "code": others[0].text_of("code") if others else "",
                "name": concept.text_of("text") or (others[0].text_of("display") if others else "") or code,
                "unit": bases[0].text_of("code", "text"),
                "quantity_milli": quantity,
                "unit_price_e4": _price(amount, quantity) if price is None else units(money.read(price), 4),
                "amount_fen": amount,
            }
        )
    return list(charges.values()), items


def _price(amount_fen: int, quantity_milli: int) -> int:
    """1/10,000 yuan; a hundredth of a yuan by a thousandth of the unit is ten yuan."""
    if not quantity_milli:
        return 0
    return units(ARITHMETIC.divide(Decimal(amount_fen * 10), Decimal(quantity_milli)), 4)


def _components(invoice: Element, money: Money) -> dict[tuple[str, str], int]:
    """(type, code) -> fen."""
    found: dict[tuple[str, str], int] = {}
    for part in invoice.list_of("totalPriceComponent"):
        for code in _codes(part.find("code")):
            if code in PARTS or code in OWN:
                found[part.text_of("type"), code] = fen(money.read(part.need("amount")))
    return found


def _payer(invoice: Element, index: dict[str, Element]) -> dict[str, Any]:
    recipient = invoice.find("recipient") or invoice.need("subject")
    unit = index.get(recipient.need("reference").text())
    if unit is None or unit.text_of("resourceType") != "Organization":
        return payer_of(resolve(recipient, index, "Patient"))
    payer = {"type": "unit", "name": unit.need("name").text()}
    number = identifiers_of(unit).get("TAX", "")
    return payer | ({"id_type": "unified_social_credit_code", "id_number": number} if number else {})


def _staff(invoice: Element, role: str) -> str:
    for participant in invoice.list_of("participant"):
        if participant.text_of("role", "text") == role:
            return participant.text_of("actor", "display")
    return ""
