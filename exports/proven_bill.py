"""What a proof file says of a bill, laid out for the forms that others read.

A proof is read here and not checked: the node that made it has, or `chain.proof_file.check_file` does. Nothing comes from
anywhere else but names of organisations, so whatever is exported can be traced back to the proof beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec

from chain.bill import KIND_NAMES, Charge, Item
from chain.codec import decode
from chain.details import FIELDS
from chain.errors import ProofMismatch
from chain.operation import BindPayer, IssueBill, ReverseBill
from chain.payer_proof import PayerProof
from chain.proof import VALIDITY_NAMES, Proof
from chain.records import BillBody

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHARGE, _ITEM = Charge.__struct_fields__, Item.__struct_fields__


class Line(msgspec.Struct, frozen=True):
    """A line of the bill: a charge, or a detail under one."""

    charge_code: str
    charge_name: str
    code: str  # of the detail; the charge's own otherwise
    name: str
    quantity_milli: int
    unit: str
    amount_fen: int
    unit_price_e4: int | None = None  # 1/10,000 yuan; a charge has none
    specification: str = ""


class Payments(msgspec.Struct, frozen=True):
    """Who paid how much of the total, in fen."""

    insurance_fund_fen: int
    personal_account_fen: int
    other_fen: int
    cash_fen: int


class ProvenBill(msgspec.Struct, frozen=True, kw_only=True):
    """Times are RFC 3339 in the ledger's own zone; empty text is what was not opened or not stated."""

    proof: bytes
    chain_id: str
    operation: str  # digest, hex
    height: int  # of the block that recorded it
    recorded_at: str
    bill_id: str
    kind: str
    issuer: str
    issuer_title: str
    office: str  # whose seal the proof holds
    place_code: str
    business_date: str
    issued_at: str
    total_fen: int  # negative for a red bill, and so are all parts
    payments: Payments
    self_paid_fen: int
    self_funded_fen: int
    original: str  # of a red bill
    validity: str  # normal, reversed, red, void; empty where the proof holds no current record
    related: str  # the red bill of a reversed one
    as_of_height: int  # up to which block `validity` holds
    has_details: bool  # whether fields are opened
    details: dict[str, Any]  # field -> text or rows, as far as opened
    charges: list[Line]
    items: list[Line]

    @property
    def code(self) -> str:
        """The first eight digits: region, classification, kind, year."""
        return self.bill_id[:8]

    @property
    def number(self) -> str:
        return self.bill_id[8:]

    @property
    def is_red(self) -> bool:
        return bool(self.original)

    def text(self, field: str) -> str:
        value = self.details.get(field)
        return value if isinstance(value, str) else ""

    @property
    def lines(self) -> list[Line]:
        """Details where there are some, and the charges that have none: they add up to the total of a bill that is not red."""
        found: list[Line] = []
        for charge in self.charges:
            below = [item for item in self.items if item.charge_code == charge.code]
            found += below or [charge]
        return found


def read_proven(data: bytes, titles: Mapping[str, str], utc_offset_minutes: int) -> ProvenBill:
    """Lay out a proof file. `titles`: organisation -> name as people write it. Raises Malformed, ProofMismatch."""
    proof = decode(data, Proof)
    recorded, operation = proof.bill, proof.bill.entry.operation
    if not isinstance(operation, IssueBill | ReverseBill):
        raise ProofMismatch("the operation is not a bill")
    zone = timezone(timedelta(minutes=utc_offset_minutes))
    details = {FIELDS.get(opened.field, str(opened.field)): opened.value for opened in proof.opened}
    charges, items = _lines(details)
    current = decode(proof.current.record.body, BillBody) if proof.current else None
    parts, day = operation.payments, operation.business_date
    issuer = recorded.head.organisation
    return ProvenBill(
        proof=data,
        chain_id=recorded.header.chain_id.hex(),
        operation=recorded.outcome.operation.hex(),
        height=recorded.header.height,
        recorded_at=_local(recorded.header.time_ms, zone, "milliseconds"),
        bill_id=operation.bill,
        kind=KIND_NAMES.get(int(operation.bill[4:6]), operation.bill[4:6]),
        issuer=issuer,
        issuer_title=titles.get(issuer) or issuer,
        office=proof.seal.recorded.head.organisation if proof.seal else "",
        place_code=operation.place,
        business_date=f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}",
        issued_at=_local(operation.issued_ms, zone, "seconds"),
        total_fen=operation.total_fen,
        payments=Payments(parts.insurance_fund_fen, parts.personal_account_fen, parts.other_fen, parts.cash_fen),
        self_paid_fen=operation.self_paid_fen,
        self_funded_fen=operation.self_funded_fen,
        original=operation.original if isinstance(operation, ReverseBill) else "",
        validity=VALIDITY_NAMES.get(current.validity, "") if current else "",
        related=current.related[0] if current and current.related else "",
        as_of_height=proof.current.header.height if proof.current else recorded.header.height,
        has_details=bool(proof.opened),
        details=details,
        charges=charges,
        items=items,
    )


def with_payer(bill: ProvenBill, data: bytes) -> ProvenBill:
    """The bill with the payer who was bound to it later, of whom `data` is the proof; as it is without one. Raises Malformed,
    ProofMismatch."""
    if not data:
        return bill
    proof = decode(data, PayerProof)
    operation = proof.recorded.entry.operation
    if not isinstance(operation, BindPayer) or operation.bill != bill.bill_id:
        raise ProofMismatch("the payer is of another bill")
    kept = {name: value for name, value in bill.details.items() if not name.startswith("payer_")}
    bound = {FIELDS.get(opened.field, ""): opened.value for opened in proof.opened}
    return msgspec.structs.replace(bill, details={**kept, **bound})


def _lines(details: Mapping[str, Any]) -> tuple[list[Line], list[Line]]:
    try:
        rows = [dict(zip(_CHARGE, row, strict=True)) for row in details.get("charges") or []]
        names = {row["code"]: row["name"] for row in rows}
        charges = [
            Line(
                row["code"],
                row["name"],
                row["code"],
                row["name"],
                row["quantity_milli"],
                row["unit"],
                row["amount_fen"],
            )
            for row in rows
        ]
        items = [
            Line(
                row["charge_code"],
                names.get(row["charge_code"], ""),
                row["code"],
                row["name"],
                row["quantity_milli"],
                row["unit"],
                row["amount_fen"],
                row["unit_price_e4"],
                row["specification"],
            )
            for row in (dict(zip(_ITEM, row, strict=True)) for row in details.get("items") or [])
        ]
    except (ValueError, TypeError):
        raise ProofMismatch("lines of another form than a bill's") from None
    return charges, items


def _local(time_ms: int, zone: timezone, precision: str) -> str:
    return (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(zone).isoformat(timespec=precision)


def decimal_text(units: int, places: int) -> str:
    """Whole units as a decimal: 12345 with two places is 123.45."""
    sign, digits = "-" if units < 0 else "", str(abs(units)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def yuan(fen: int) -> str:
    return decimal_text(fen, 2)
