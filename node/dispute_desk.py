"""Disputes at the archive: a bill's holder says "this was not me", the office looks and settles; who watches sees the open ones."""

from __future__ import annotations

from typing import Any

from chain import keyspace
from chain.errors import StorageDamaged
from chain.ledger import Ledger
from chain.operation import DisputeBill, SettleDispute
from chain.records import DISPUTED, BillBody, DisputeBody
from chain.rules.disputes import dispute_of
from chain.state import body_of
from node.bill_desk import BillDesk
from node.details_store import DetailsStore
from node.ledger_pages import utc_text
from node.life_index import LifeIndex
from node.office_desk import OfficeDesk
from node.service import Page, Reader, ServiceRefused, Standing
from node.verification import iso_date

READ_AT_ONCE = 200


class DisputeDesk:
    """On the ledger's loop."""

    def __init__(
        self, ledger: Ledger, bills: BillDesk, store: DetailsStore, lives: LifeIndex, office: OfficeDesk
    ) -> None:
        self._ledger, self._bills, self._store = ledger, bills, store
        self._lives, self._office = lives, office

    async def dispute(self, reader: Reader, bill: str, reason: str) -> Standing:
        """By the patient who holds the bill; the same again while it is open is the same.

        Raises ServiceRefused `identity_missing`, `bill_unknown`, `already_disputed`, `bill_is_red`, `bill_is_void`.
        """
        if reader.identity is None:
            raise ServiceRefused("identity_missing", "the token does not say whose bills are asked for")
        known = self._bills.known(bill)
        if known is None or not self._bills.holders.is_own(reader, bill, known.body):
            raise ServiceRefused("bill_unknown")
        before = dispute_of(self._ledger.state, bill)
        is_open = before is not None and before.state == DISPUTED
        number = (before.number if before is not None else 0) + (0 if is_open else 1)
        holder = self._store.pseudonym(bill, reader.identity)
        return await self._office.act(DisputeBill(bill, holder, reason, number))

    async def settle(self, bill: str, outcome: str) -> Standing:
        """By a clerk of the office. Raises ServiceRefused `bill_unknown`, `not_disputed`, `already_settled`."""
        known = self._bills.known(bill)
        if known is None or known.body.issuer not in self._store.issuers:
            raise ServiceRefused("bill_unknown")
        before = dispute_of(self._ledger.state, bill)
        return await self._office.act(SettleDispute(bill, outcome, before.number if before is not None else 1))

    def open(self, reader: Reader, after: str, limit: int) -> Page:
        """Disputes that are open, by number from behind `after`: for auditors all, for the office's clerks those of its hospitals."""
        rows: list[dict[str, Any]] = []
        while bills := self._lives.disputed(after, READ_AT_ONCE):
            for bill in bills:
                body = self._ledger.state.get(keyspace.bill(bill), BillBody)
                if body is None or not (reader.role == "auditor" or body.issuer in self._store.issuers):
                    continue
                if len(rows) == limit:
                    return Page(rows, rows[-1]["bill_id"])
                rows.append(self._row(bill, body))
            after = bills[-1]
        return Page(rows, None)

    def _row(self, bill: str, body: BillBody) -> dict[str, Any]:
        record = self._ledger.state.record(keyspace.dispute(bill))
        if record is None:
            raise StorageDamaged("state", f"the dispute of bill {bill} is missing")
        dispute = body_of(record, DisputeBody)
        return {
            "bill_id": bill,
            "issuer": body.issuer,
            "place_code": body.place,
            "business_date": iso_date(body.business_date),
            "total_fen": body.total_fen,
            "reason": dispute.reason,
            "number": dispute.number,
            "height": record.height,
            "at": utc_text(dispute.time_ms),
            "operation": record.operation.hex(),
        }
