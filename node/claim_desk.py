"""What an archive tells insurers of their claims: how one stands, which they have, and what the ledger would say to a new one.

Foresight is the rule itself (`chain/rules/claims.py`), run as of the head and thrown away: an insurer learns no more by it than by
locking the bill, and only of bills that their holders let it read.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from chain import keyspace
from chain.ledger import Ledger
from chain.operation import LockClaim, operation_digest
from chain.records import UNIT, ClaimBody
from chain.rules import Context, Refused
from chain.rules.claims import LOCK_MS_MAX, lock_claim
from chain.state import Overlay, body_of, record_of
from chain.stored_record import entry_of
from node.bill_desk import BillDesk
from node.life_pages import claim_page
from node.service import Page, Reader

SCANNED_AT_ONCE = 200
SCANNED_MAX = 20_000  # records looked at for one page; it may then be short and still have a next one


class ClaimDesk:
    """On the ledger's loop; nothing here waits."""

    def __init__(self, ledger: Ledger, bills: BillDesk, now_ms: Callable[[], int]) -> None:
        self._ledger, self._bills, self._now_ms = ledger, bills, now_ms

    def foresee(self, reader: Reader, wanted: Sequence[tuple[str, int]]) -> list[str | None]:
        return [self._code(reader, bill, amount_fen) for bill, amount_fen in wanted]

    def _code(self, reader: Reader, bill: str, amount_fen: int) -> str | None:
        body = self._bills.body_of(bill)
        if body is None or not self._bills.right_to(bill, body, reader).public:
            return "bill_unknown"
        base = self._ledger.parent()
        time_ms = max(
            base.time_ms + 1, self._now_ms()
        )  # the next block's: a lock may have run out since the newest one
        operation = LockClaim(secrets.token_bytes(32), bill, amount_fen, time_ms + LOCK_MS_MAX)
        digest = operation_digest(operation)
        context = Context(
            reader.organisation, UNIT, base.height + 1, time_ms, digest, base.parameters, base.block_digest
        )
        try:
            lock_claim(Overlay(self._ledger.state), operation, context)
        except Refused as refusal:
            return refusal.code
        return None

    def claim(self, insurer: str, name: str, reader: Reader) -> dict[str, Any] | None:
        if not _may_read(insurer, reader):
            return None
        body = self._ledger.state.get(keyspace.claim(insurer, bytes.fromhex(name)), ClaimBody)
        return self._page(insurer, name, body) if body is not None else None

    def claims(self, insurer: str, state: str | None, after: str | None, limit: int, reader: Reader) -> Page:
        if not _may_read(insurer, reader):
            return Page([])
        prefix = keyspace.stored_record(f"claim/{insurer}/".encode())
        key = prefix + after.encode() if after is not None else b""
        rows: list[dict[str, Any]] = []
        for _ in range(SCANNED_MAX // SCANNED_AT_ONCE):
            found = self._ledger.state.scan(prefix, after=key, limit=SCANNED_AT_ONCE)
            for key, value in found:
                name, _, step = key[len(prefix) :].decode().partition("/")
                if not step:
                    row = self._page(insurer, name, body_of(record_of(entry_of(value)[1]), ClaimBody))
                    rows += [row] if state in (None, row["state"]) else []
                if len(rows) == limit:
                    return Page(rows, key[len(prefix) :].decode())
            if len(found) < SCANNED_AT_ONCE:
                return Page(rows)
        return Page(rows, key[len(prefix) :].decode())

    def _page(self, insurer: str, name: str, body: ClaimBody) -> dict[str, Any]:
        return {"insurer": insurer, "claim": name, **claim_page(body, self._ledger.head.time_ms)}


def _may_read(insurer: str, reader: Reader) -> bool:
    return reader.role == "auditor" or reader.organisation == insurer
