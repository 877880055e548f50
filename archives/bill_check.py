"""A bill of an archive: its proof holds, its XML says what the proof says, and a day's bills are those of the day books.

Needs the standard library and the package `chain`; nothing is taken from what wrote the archive, so that a fault there shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

from chain.bill import Charge, Item
from chain.codec import decode
from chain.day_book_proof import DayBooks
from chain.genesis import Genesis
from chain.operation import IssueBill, ReverseBill
from chain.proof import Proof, check_proof
from chain.proof_file import PROOF_BYTES_MAX
from chain.records import VOID, BillBody

XML_BYTES_MAX = 4 << 20
INPATIENT = 2  # kind of bill
FIGURES = ("count", "sum_fen", "red_count", "red_sum_fen", "void_count", "void_sum_fen")
PARTS = ("insurance_fund_fen", "personal_account_fen", "other_fen", "cash_fen")
Figures = dict[tuple[str, int], list[int]]  # (issuing point, kind) -> FIGURES and PARTS


class ArchiveRefused(Exception):
    """What is there is no archive, or not whole. Its text names places, never a person's data."""


@dataclass(frozen=True, slots=True)
class ProvenBill:
    operation: IssueBill | ReverseBill
    record: BillBody  # as it stands
    facts: dict[str, Any]  # what `chain.proof` says is proven
    issuer: str
    date: str
    opened: dict[str, Any]


def read_bill(data: bytes, genesis: Genesis) -> ProvenBill:
    """A bill whose proof holds and shows where it stands. Raises ArchiveRefused, naming the check that failed."""
    if len(data) > PROOF_BYTES_MAX:
        raise ArchiveRefused(f"a proof has at most {PROOF_BYTES_MAX} bytes")
    found = check_proof(data, genesis)
    if not found.valid:
        raise ArchiveRefused(f"the proof does not hold: {found.checks[-1].name}: {found.checks[-1].detail}")
    proof = decode(data, Proof)
    operation = proof.bill.entry.operation
    if proof.current is None or not isinstance(operation, IssueBill | ReverseBill):
        raise ArchiveRefused("the proof does not show where the bill stands")
    record, facts = decode(proof.current.record.body, BillBody), found.bill
    return ProvenBill(operation, record, facts, facts["issuer"], facts["business_date"], facts.get("opened", {}))


def enter_figures(figures: Figures, bill: ProvenBill) -> None:
    """Count a bill as day books do: void ones stay in count and sum, and leave the payments."""
    operation, is_red = bill.operation, isinstance(bill.operation, ReverseBill)
    is_void, total = bill.record.validity == VOID, operation.total_fen
    row = figures.setdefault((operation.place, bill.record.kind), [0] * (len(FIGURES) + len(PARTS)))
    added = [not is_red, 0 if is_red else total, is_red, total if is_red else 0, is_void, total if is_void else 0]
    added += [0 if is_void else getattr(operation.payments, part) for part in PARTS]
    row[:] = [before + more for before, more in zip(row, added, strict=True)]


def differences(figures: Figures, books: DayBooks, issuer: str, date: int) -> Iterator[str]:
    """What the day books of a hospital's day say otherwise than the bills here."""
    if books.issuer != issuer or any(day != date for _point, day in books.books):
        yield "the day books are of another hospital or day"
        return
    proven: Figures = {}
    for (point, _day), body in books.books.items():
        for totals in body.kinds:
            said = [getattr(totals, name) for name in FIGURES] + [getattr(totals.payments, part) for part in PARTS]
            proven[point, totals.kind] = said
    for point, kind in sorted(proven.keys() | figures.keys()):
        said, here = (table.get((point, kind), [0] * (len(FIGURES) + len(PARTS))) for table in (proven, figures))
        if said != here:
            where = f"issuing point {point}, kind {kind:02d}"
            yield (
                f"{where}: the day book has {said[0]} bills and {said[2]} red over {said[1] + said[3]} fen, "
                f"here are {here[0]} and {here[2]} over {here[1] + here[3]} fen"
            )


# ── its XML ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def verify_xml(data: bytes, bill: ProvenBill, genesis: Genesis) -> None:
    """Check that a document after DA/T 95-2022, table B.10, says what the proof says. Raises ArchiveRefused, naming the
    element and no value of it."""
    if len(data) > XML_BYTES_MAX or b"<!" in data:
        raise ArchiveRefused("too long, or with declarations that no bill has")
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError):
        raise ArchiveRefused("not XML") from None
    said = list(_told_by(root, "")) if root.tag == "MedicalBills" and not root.attrib else []
    proven = _proven_elements(bill, genesis)
    for (path, text), (expected, value) in zip(said, proven, strict=False):
        if path != expected:
            raise ArchiveRefused(f"{path} stands where {expected} belongs")
        if text != value:
            raise ArchiveRefused(f"{path} is not what the proof says")
    if len(said) != len(proven):
        raise ArchiveRefused("elements are missing, or too many")


def _told_by(element: ElementTree.Element, above: str) -> Iterator[tuple[str, str]]:
    for part in element:
        path = f"{above}{part.tag}"
        if part.attrib:
            raise ArchiveRefused(f"{path} has attributes")
        if len(part):
            yield path, ""
            yield from _told_by(part, f"{path}/")
        else:
            yield path, part.text or ""


def _proven_elements(bill: ProvenBill, genesis: Genesis) -> list[tuple[str, str]]:
    operation, opened, record = bill.operation, bill.opened, bill.record
    issued = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=operation.issued_ms)
    issued += timedelta(minutes=genesis.parameters.utc_offset_minutes)
    original = operation.original if isinstance(operation, ReverseBill) else ""
    status, related = bill.facts["status"], bill.facts.get("related", "")
    reversal = related if status == "reversed" else ""
    head = [
        ("EinvoiceName", "医疗住院收费票据（电子）" if record.kind == INPATIENT else "医疗门诊收费票据（电子）"),
        ("EinvoiceCode", operation.bill[:8]),
        ("EinvoiceNumber", operation.bill[8:]),
        ("TotalAmount", _decimal(operation.total_fen, 2)),
        ("IssueDate", bill.date),
        ("IssueTime", issued.strftime("%H:%M:%S")),
        ("AgencyName", bill.facts["issuer_name"] or bill.issuer),
        ("AgencyCode", bill.issuer),
        ("PayerCode", opened.get("payer_id_number")),
        ("PayerName", opened.get("payer_name")),
        ("BizCode", opened.get("business_no")),
        ("Remark", opened.get("reason" if original else "remark")),
        ("HandlingPerson", opened.get("cashier")),
        ("Checker", opened.get("checker")),
        ("SupervisorRemark", "已作废" if status == "void" else ""),
        ("RelatedInvoiceCode", original[:8]),
        ("RelatedInvoiceNumber", original[8:]),
    ]
    found = [(name, text) for name, text in head if text]
    charges = [dict(zip(Charge.__struct_fields__, row, strict=False)) for row in opened.get("charges") or []]
    names = {charge["code"]: charge["name"] for charge in charges}
    for charge in charges:
        found += _container(
            "Items",
            ItemCode=charge["code"],
            ItemName=charge["name"],
            ItemQuantity=_decimal(charge["quantity_milli"], 3),
            ItemUnit=charge["unit"],
            ItemAmount=_decimal(charge["amount_fen"], 2),
        )
    for row in opened.get("items") or []:
        item = dict(zip(Item.__struct_fields__, row, strict=False))
        found += _container(
            "AuxItems",
            AuxItemRelatedCode=item["charge_code"],
            AuxItemRelatedName=names.get(item["charge_code"], ""),
            AuxItemCode=item["code"],
            AuxItemName=item["name"],
            AuxItemQuantity=_decimal(item["quantity_milli"], 3),
            AuxItemUnit=item["unit"],
            AuxItemStd=_decimal(item["unit_price_e4"], 4),
            AuxItemRemark=item["specification"],
            AuxItemAmount=_decimal(item["amount_fen"], 2),
        )
    check = {"Result": "已查验", "IsReversal": "是" if reversal else "否"}
    check |= {"ReversalInvoiceCode": reversal[:8], "ReversalInvoiceNumber": reversal[8:]}
    return found + _container("FinanceCheck", **check)


def _container(container: str, **parts: str) -> list[tuple[str, str]]:
    return [(container, ""), *((f"{container}/{name}", text) for name, text in parts.items() if text)]


def _decimal(units: int, places: int) -> str:
    whole, rest = divmod(abs(units), 10**places)
    return f"{'-' if units < 0 else ''}{whole}.{rest:0{places}d}"
