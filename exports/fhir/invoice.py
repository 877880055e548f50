"""The bill itself as an Invoice: what the hospital asks for.

`totalGross` is the bill's total, `totalNet` what was left to pay in cash after fund, account and others (DOMAIN 3.2).
Amounts of a line are its `base` component: `factor` is the quantity, `amount` what it comes to; the price of one stands
beside it for information. A red bill is an Invoice of its own with negative totals, and names the one it takes back.
"""

from __future__ import annotations

from exports.fhir.elements import Resource, coded, identifier, money, quantity, reference, service, system, unit_price
from exports.proven_bill import Line, ProvenBill

PARTS = (  # of the payments, but for cash
    ("insurance_fund_fen", "医保统筹基金支付"),
    ("personal_account_fen", "个人账户支付"),
    ("other_fen", "其他支付"),
)
OWN = (("self_paid_fen", "个人自付"), ("self_funded_fen", "个人自费"))
ORIGINAL = "urn:medbill:original"  # extension of a red bill
STATUS = {"reversed": "cancelled", "void": "cancelled"}  # all others are issued


def build_invoice(bill: ProvenBill) -> Resource:
    is_unit = bill.text("payer_type") == "unit"
    numbers = [identifier(bill, "bill", bill.bill_id)]
    if bill.text("business_no"):
        numbers.append(identifier(bill, f"business-no:{bill.issuer}", bill.text("business_no")))
    invoice: Resource = {"resourceType": "Invoice", "id": bill.bill_id}
    if bill.is_red:
        original = {"type": "Invoice", "identifier": identifier(bill, "bill", bill.original)}
        invoice["extension"] = [{"url": ORIGINAL, "valueReference": original}]
    invoice |= {"identifier": numbers, "status": STATUS.get(bill.validity, "issued")}
    if bill.validity == "reversed":
        invoice["cancelledReason"] = f"reversed by {bill.related}"
    elif bill.validity == "void":
        invoice["cancelledReason"] = "withdrawn before it was delivered"
    invoice |= {
        "type": coded(system(bill, "kind"), bill.kind),
        "subject": reference(bill, "patient" if is_unit else "payer"),
        "recipient": reference(bill, "payer"),
        "date": bill.issued_at,
    }
    staff = [(role, bill.text(role)) for role in ("cashier", "checker") if bill.text(role)]
    if staff:
        invoice["participant"] = [{"role": {"text": role}, "actor": {"display": name}} for role, name in staff]
    invoice["issuer"] = reference(bill, "issuer", bill.issuer_title)
    if bill.lines:
        invoice["lineItem"] = [_line(bill, number, line) for number, line in enumerate(bill.lines, 1)]
    invoice["totalPriceComponent"] = _parts(bill)
    invoice |= {"totalNet": money(bill.payments.cash_fen), "totalGross": money(bill.total_fen)}
    notes = [text for text in (bill.text("remark"), bill.text("reason")) if text]
    if notes:
        invoice["note"] = [{"text": text} for text in notes]
    return invoice


def _line(bill: ProvenBill, number: int, line: Line) -> Resource:
    components: list[Resource] = [{"type": "base", "factor": quantity(line), "amount": money(line.amount_fen)}]
    if line.unit:
        components[0]["code"] = {"text": line.unit}
    if line.unit_price_e4 is not None:
        price = {"type": "informational", "code": coded(system(bill, "price"), "unit-price")}
        components.append({**price, "amount": unit_price(line.unit_price_e4)})
    return {"sequence": number, "chargeItemCodeableConcept": service(bill, line), "priceComponent": components}


def _parts(bill: ProvenBill) -> list[Resource]:
    """What others paid is taken off; the patient's own shares are told beside it."""
    components = []
    for kind, table, holder in (("deduction", PARTS, bill.payments), ("informational", OWN, bill)):
        for name, title in table:
            amount = getattr(holder, name)
            if amount:
                code = coded(system(bill, "payment"), name.removesuffix("_fen"), title)
                components.append({"type": kind, "code": code, "amount": money(amount)})
    return components or [{"type": "informational", "code": {"text": "cash"}, "amount": money(bill.payments.cash_fen)}]
