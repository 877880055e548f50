"""What an archive tells of credit: products to anybody who may ask, lines to their lender, their bearer and auditors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from chain import keyspace
from chain.ledger import Ledger
from chain.records import HOSPITAL_BEARS, IN_FORCE, LENDER, AccountBody, LineBody, ProductBody, ProductVersions
from chain.rules.accounts import room_fen
from chain.rules.credit import is_overdue, owed_fen, returned_fen, terms_of
from chain.state import Overlay, body_of, record_of
from chain.stored_record import entry_of
from node.ledger_pages import utc_text
from node.service import Page, Reader

SCANNED_AT_ONCE = 200
SCANNED_MAX = 20_000  # records looked at for one page; it may then be short and still have a next one
BEARERS = {LENDER: "lender", HOSPITAL_BEARS: "hospital"}


class LendingDesk:
    """On the ledger's loop; nothing here waits."""

    def __init__(self, ledger: Ledger, now_ms: Callable[[], int]) -> None:
        self._ledger, self._now_ms = ledger, now_ms

    def product(self, lender: str, name: str, version: int | None) -> dict[str, Any] | None:
        """One version's terms, the newest if none is named."""
        state = self._ledger.state
        versions = state.get(keyspace.products(lender, name), ProductVersions)
        if versions is None:
            return None
        shown = versions.newest if version is None else version
        body = state.get(keyspace.product(lender, name, shown), ProductBody)
        if body is None:
            return None
        terms = msgspec.structs.asdict(body.terms) | {"bearer": BEARERS[body.terms.bearer]}
        return {"lender": lender, "product": name, "version": shown, "newest": versions.newest, "terms": terms}

    def line(self, lender: str, name: str, reader: Reader) -> dict[str, Any] | None:
        """`name` is hex. To the lender, to the hospital that bears its risk, to auditors."""
        body = self._ledger.state.get(keyspace.line(lender, bytes.fromhex(name)), LineBody)
        if body is None or not _may_read(lender, body, reader):
            return None
        return self._page(lender, name, body)

    def lines(self, lender: str, owing: bool, after: str | None, limit: int, reader: Reader) -> Page:
        """A lender's lines by name, or those on which something is owed; `after` is the `next` of the page before."""
        if reader.role != "auditor" and reader.organisation != lender:
            return Page([])
        prefix = keyspace.stored_record(f"line/{lender}/".encode())
        key = prefix + after.encode() if after is not None else b""
        rows: list[dict[str, Any]] = []
        for _ in range(SCANNED_MAX // SCANNED_AT_ONCE):
            found = self._ledger.state.scan(prefix, after=key, limit=SCANNED_AT_ONCE)
            for key, value in found:
                name = key[len(prefix) :].decode()
                row = self._page(lender, name, body_of(record_of(entry_of(value)[1]), LineBody))
                rows += [row] if row["owed_fen"] > 0 or not owing else []
                if len(rows) == limit:
                    return Page(rows, name)
            if len(found) < SCANNED_AT_ONCE:
                return Page(rows)
        return Page(rows, key[len(prefix) :].decode())

    def _page(self, lender: str, name: str, body: LineBody) -> dict[str, Any]:
        state, now_ms = Overlay(self._ledger.state), max(self._ledger.head.time_ms, self._now_ms())
        terms, came_fen = terms_of(state, lender, body), returned_fen(state, body)
        owed = owed_fen(state, body)
        return {
            "lender": lender,
            "line": name,
            "product": body.product,
            "version": body.version,
            "state": "in_force" if body.state == IN_FORCE else "ended",
            "reason": body.reason,
            "until": utc_text(body.until_ms),
            "bearer": BEARERS[terms.bearer],
            "hospital": body.hospital[0] if body.hospital else None,
            "hospitals": body.hospitals,
            "line_fen": terms.line_fen,
            "emergency_fen": terms.emergency_fen,
            "left_fen": self._left_fen(keyspace.account(body.account), now_ms),
            "emergency_left_fen": self._left_fen(keyspace.account(body.emergency), now_ms),
            "owed_fen": owed,
            "surplus_fen": max(0, -owed),
            "overdue": is_overdue(state, body, now_ms),
            "dues": [
                {"due": utc_text(due.due_ms), "amount_fen": due.returned_fen - came_fen}
                for due in body.dues
                if due.returned_fen > came_fen
            ],  # each with all that was due before
        }

    def _left_fen(self, account: bytes, now_ms: int) -> int:
        """What an account may still give, less what is held of it."""
        body = self._ledger.state.get(account, AccountBody)
        if body is None:
            return 0
        running = [hold for hold in body.holds if hold.until_ms > now_ms]
        return room_fen(msgspec.structs.replace(body, holds=running))


def _may_read(lender: str, body: LineBody, reader: Reader) -> bool:
    return reader.role == "auditor" or reader.organisation in (lender, *body.hospital)
