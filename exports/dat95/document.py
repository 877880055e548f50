"""The XML of a proven bill after DA/T 95-2022, table B.10: what the proof says and nothing else.

Left out are elements that no proof covers (paper copies, accounting), and the check code: an archive is read by many, and who
has the code passes for the bill's holder. A void bill says 已作废 in the finance office's remark, the table having no other
place for it. A red bill's total is negative and it has no lines: they stand in the bill that it takes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from exports.dat95.table import LOOKED_AT, NO, ROOT, YES, Element
from exports.proven_bill import Line, ProvenBill, decimal_text, yuan

OPENED = (  # details that the table has an element for
    "business_no",
    "payer_name",
    "payer_id_number",
    "charges",
    "items",
    "cashier",
    "checker",
    "remark",
    "reason",
)
INPATIENT, OUTPATIENT = "医疗住院收费票据（电子）", "医疗门诊收费票据（电子）"  # the two forms that there are
VOID = "已作废"

Value = str | list[Mapping[str, "Value"]]


def xml_of(bill: ProvenBill) -> bytes:
    """UTF-8 with a declaration, an element a line."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<{ROOT.name}>"]
    lines += _inside(ROOT, _values(bill), "  ")
    return "\n".join([*lines, f"</{ROOT.name}>", ""]).encode()


def _values(bill: ProvenBill) -> dict[str, Value]:
    issued = bill.issued_at[11:19]
    return {
        "EinvoiceName": INPATIENT if bill.kind == "inpatient" else OUTPATIENT,
        "EinvoiceCode": bill.code,
        "EinvoiceNumber": bill.number,
        "TotalAmount": yuan(bill.total_fen),
        "IssueDate": bill.business_date,
        "IssueTime": issued,
        "AgencyName": bill.issuer_title,
        "AgencyCode": bill.issuer,
        "PayerCode": bill.text("payer_id_number"),
        "PayerName": bill.text("payer_name"),
        "BizCode": bill.text("business_no"),
        "Remark": bill.text("reason") if bill.is_red else bill.text("remark"),
        "HandlingPerson": bill.text("cashier"),
        "Checker": bill.text("checker"),
        "SupervisorRemark": VOID if bill.validity == "void" else "",
        "RelatedInvoiceCode": bill.original[:8],
        "RelatedInvoiceNumber": bill.original[8:],
        "Items": [_item(line) for line in bill.charges],
        "AuxItems": [_detail(line) for line in bill.items],
        "FinanceCheck": [_check(bill)] if bill.validity else [],
    }


def _item(line: Line) -> dict[str, Value]:
    return {
        "ItemCode": line.code,
        "ItemName": line.name,
        "ItemQuantity": decimal_text(line.quantity_milli, 3),
        "ItemUnit": line.unit,
        "ItemAmount": yuan(line.amount_fen),
    }


def _detail(line: Line) -> dict[str, Value]:
    return {
        "AuxItemRelatedCode": line.charge_code,
        "AuxItemRelatedName": line.charge_name,
        "AuxItemCode": line.code,
        "AuxItemName": line.name,
        "AuxItemQuantity": decimal_text(line.quantity_milli, 3),
        "AuxItemUnit": line.unit,
        "AuxItemStd": decimal_text(line.unit_price_e4 or 0, 4),
        "AuxItemRemark": line.specification,
        "AuxItemAmount": yuan(line.amount_fen),
    }


def _check(bill: ProvenBill) -> dict[str, Value]:
    is_reversed = bill.validity == "reversed"
    return {
        "Result": LOOKED_AT,
        "IsReversal": YES if is_reversed else NO,
        "ReversalInvoiceCode": bill.related[:8] if is_reversed else "",
        "ReversalInvoiceNumber": bill.related[8:] if is_reversed else "",
    }


def _inside(element: Element, values: Mapping[str, Value], indent: str) -> list[str]:
    """The table's order; what is empty is left out."""
    lines: list[str] = []
    for part in element.parts:
        value = values.get(part.name, "")
        if isinstance(value, str):
            if value:
                lines.append(f"{indent}<{part.name}>{escape(value)}</{part.name}>")
            continue
        for entry in value:
            lines += [f"{indent}<{part.name}>", *_inside(part, entry, indent + "  "), f"{indent}</{part.name}>"]
    return lines
