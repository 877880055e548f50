"""The three-way match: what a bill says that medical insurance paid, what the bureau's settlement says, and what the fund paid.

Derived from the state and from nothing else, so whoever holds the ledger finds the same. A row is a bill on which insurance money stands
or that a settlement names, or a payment of the fund to which no bill is known; `differences` is empty where all three agree. Red bills
are no rows, since no settlement is joined to them: what they take back is seen at the bill that they reverse. Whether the hospital
printed the same settlement number on the bill cannot be seen here: it stands there for the patient, under the bill's commitment, and on
the ledger as the bureau's keyed digest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec

from chain import keyspace
from chain.codec import plain
from chain.ledger import Ledger
from chain.operation import Payments
from chain.records import (
    FUND_PAID,
    NORMAL,
    REVERSED,
    VOID,
    WITHDRAWN,
    BillBody,
    FundPaymentBody,
    JoinedBody,
    SettledBody,
    SettlementBody,
)
from chain.rules.context import HOSPITAL
from chain.rules.lives import settlement_of
from chain.state import body_of, record_of
from chain.stored_record import entry_of
from node.admissions import organisations_of
from node.audit_desk import SCANNED_AT_ONCE, SCANNED_MAX, day_number
from node.ledger_pages import VALIDITIES
from node.service import Page, ServiceRefused
from node.verification import iso_date

Row = dict[str, Any]
BILL, LONE = "bill", "settlement"  # parts of the list, in this order: bills, then settlements without a bill


class Wanted(msgspec.Struct, frozen=True):
    """Which rows are asked for."""

    issuer: str | None
    first: int  # yyyymmdd: business date of a bill, date of the payment where there is no bill
    last: int
    bureau: str | None  # whose settlements alone; then bills without a settlement are not told
    unmatched: bool
    difference: str | None

    def takes(self, row: Row) -> bool:
        differences = row["differences"]
        if self.difference is not None:
            return self.difference in differences
        return bool(differences) or not self.unmatched


class SettlementMatch:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def page(self, filters: dict[str, str], bureau: str | None, after: str | None, limit: int) -> Page:
        """Filters: issuer, from, to (yyyy-mm-dd), difference, and unmatched, whatever its value. `after`: `next` of the page before.

        A page looks at SCANNED_MAX records at most; it may then be short and still have a next one. Raises ServiceRefused
        `parameter_invalid`.
        """
        wanted = Wanted(
            filters.get("issuer"),
            day_number(filters.get("from"), 0),
            day_number(filters.get("to"), 99991231),
            bureau,
            "unmatched" in filters,
            filters.get("difference"),
        )
        rows: list[Row] = []
        for looked, (position, row) in enumerate(self._found(wanted, after), 1):
            if row is not None and wanted.takes(row):
                rows.append(row)
            if len(rows) >= limit or looked >= SCANNED_MAX:
                return Page(rows, position)
            if looked % SCANNED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return Page(rows)

    def _found(self, wanted: Wanted, after: str | None) -> Iterator[tuple[str, Row | None]]:
        """(where to go on, row) of every record that is looked at; None where it makes no row."""
        part, _, place = (after or f"{BILL}:").partition(":")
        if part not in (BILL, LONE):
            raise ServiceRefused("parameter_invalid", "cursor: not one of this list")
        if part == BILL:
            for issuer in self._issuers(wanted.issuer):
                if place and issuer < place.partition("/")[0]:
                    continue
                begin = place if place.startswith(f"{issuer}/") else f"{issuer}/{wanted.first:08d}"
                for date, bill in self._bills(issuer, begin, wanted.last):
                    yield f"{BILL}:{issuer}/{date}/{bill}", self._bill_row(bill, wanted.bureau)
            place = ""
        for bureau, name, body in self._settlements(wanted.bureau, place):
            yield f"{LONE}:{bureau}/{name.hex()}", self._lone_row(bureau, name, body, wanted)

    def _issuers(self, issuer: str | None) -> list[str]:
        hospitals = (name for name, body in organisations_of(self._ledger) if body.kind == HOSPITAL)
        return sorted(name for name in hospitals if issuer in (None, name))

    def _bills(self, issuer: str, begin: str, last: int) -> Iterator[tuple[str, str]]:
        """(date, number) of an issuer's bills after a place in their index, as long as they are not younger than `last`."""
        prefix = keyspace.stored_bills_of(issuer)
        for key, _nothing in self._scanned(prefix, prefix + begin.partition("/")[2].encode()):
            date, bill = key[len(prefix) :].decode().split("/")
            if int(date) > last:
                return
            yield date, bill

    def _settlements(self, bureau: str | None, begin: str) -> Iterator[tuple[str, bytes, SettlementBody]]:
        every = keyspace.stored_record(b"settlement/")
        prefix = every if bureau is None else every + f"{bureau}/".encode()
        for key, value in self._scanned(prefix, every + begin.encode() if begin else b""):
            name, _, number = key[len(every) :].decode().partition("/")
            yield name, bytes.fromhex(number), body_of(record_of(entry_of(value)[1]), SettlementBody)

    def _scanned(self, prefix: bytes, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        key = after
        while True:
            found = self._ledger.state.scan(prefix, after=key, limit=SCANNED_AT_ONCE)
            yield from found
            if len(found) < SCANNED_AT_ONCE:
                return
            key = found[-1][0]

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _bill_row(self, bill: str, bureau: str | None) -> Row | None:
        state = self._ledger.state
        body = state.get(keyspace.bill(bill), BillBody)
        if body is None:
            return None
        found = settlement_of(state, bill)
        holds = found if found is not None and found[1].state != WITHDRAWN else None
        page: Row = {
            "bill_id": bill,
            "issuer": body.issuer,
            "place_code": body.place,
            "business_date": iso_date(body.business_date),
            "validity": VALIDITIES[body.validity],
            "total_fen": body.total_fen,
            "payments": plain(body.payments),
        }
        if holds is None:
            is_expected = body.validity == NORMAL and _is_insured(body.payments)
            if bureau is not None or not is_expected:
                return None
            return {**page, **_NO_SETTLEMENT, "differences": ["no_settlement"]}
        if bureau not in (None, holds[0].bureau):
            return None
        ref, settlement = holds
        stated, due_fen = self._stated(ref, bill), self._due_fen(ref, settlement)
        paid = state.get(keyspace.fund_payment(ref.bureau, ref.settlement), FundPaymentBody)
        differences = differences_of(body, stated, due_fen, paid)
        return {**page, **_settlement_page(ref, settlement, stated, due_fen, paid), "differences": differences}

    def _lone_row(self, bureau: str, name: bytes, body: SettlementBody, wanted: Wanted) -> Row | None:
        """Of a payment to a hospital for which no bill is known."""
        if body.state != FUND_PAID or body.bills or wanted.issuer not in (None, body.hospital):
            return None
        paid = self._ledger.state.get(keyspace.fund_payment(bureau, name), FundPaymentBody)
        if paid is None or not wanted.first <= paid.paid_date <= wanted.last:
            return None
        page: Row = dict.fromkeys(("bill_id", "place_code", "business_date", "validity", "total_fen", "payments"))
        settlement = _settlement_page(SettledBody(bureau, name), body, None, 0, paid)
        return {**page, "issuer": body.hospital, **settlement, "differences": ["settlement_without_bill"]}

    def _stated(self, ref: SettledBody, bill: str) -> Payments | None:
        body = self._ledger.state.get(keyspace.joined(ref.bureau, ref.settlement, bill), JoinedBody)
        return body.payments if body is not None else None

    def _due_fen(self, ref: SettledBody, settlement: SettlementBody) -> int:
        """What the fund owes for a settlement: of all its bills together, since it is paid in one."""
        parts = [self._stated(ref, bill) for bill in settlement.bills]
        return sum(part.insurance_fund_fen for part in parts if part is not None)


def differences_of(body: BillBody, stated: Payments | None, due_fen: int, paid: FundPaymentBody | None) -> list[str]:
    """Of a bill with a settlement that holds. What was reversed or withdrawn is that, and nothing else is compared."""
    if body.validity in (REVERSED, VOID):
        return ["bill_reversed" if body.validity == REVERSED else "bill_void"]
    found, own = [], body.payments
    if stated is not None:
        if stated.insurance_fund_fen != own.insurance_fund_fen:
            found.append("fund_differs")
        if stated.personal_account_fen != own.personal_account_fen:
            found.append("account_differs")
        if (
            stated.other_fen + stated.cash_fen != own.other_fen + own.cash_fen
        ):  # in which purse it was, the bureau need not know
            found.append("rest_differs")
    if paid is None and due_fen > 0:
        found.append("not_paid")
    if paid is not None and paid.amount_fen != due_fen:
        found.append("paid_differs")
    return found


def _is_insured(payments: Payments) -> bool:
    """Whether money of medical insurance stands on the bill: a personal account too is charged through a settlement alone."""
    return payments.insurance_fund_fen > 0 or payments.personal_account_fen > 0


def _settlement_page(
    ref: SettledBody, body: SettlementBody, stated: Payments | None, due_fen: int, paid: FundPaymentBody | None
) -> Row:
    return {
        "bureau": ref.bureau,
        "settlement": ref.settlement.hex(),
        "settled": plain(stated) if stated is not None else None,
        "settlement_bills": len(body.bills),
        "due_fen": due_fen,
        "paid_fen": paid.amount_fen if paid is not None else None,
        "paid_date": iso_date(paid.paid_date) if paid is not None else None,
    }


_NO_SETTLEMENT: Row = dict.fromkeys(
    ("bureau", "settlement", "settled", "settlement_bills", "due_fen", "paid_fen", "paid_date")
)
