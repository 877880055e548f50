"""Payers that a hospital binds to its bills, at a gateway: kept, recorded, and brought to the archive of its office.

Who it is lies in a box, as a bill's details do. It goes to the archive as soon as it is kept here, and again until the archive
says that it is on its disk; what another gateway bound is fetched from there when asked for.
"""

from __future__ import annotations

import structlog

from chain.block import RECORDED
from chain.codec import encode
from chain.details import Details
from chain.errors import ChainError
from chain.operation import BindPayer
from node.bound_payer import BoundPayer, has_root
from node.due_post import GET_TIMEOUT_S, PUT_TIMEOUT_S, DuePost
from node.errors import PeerError
from node.gateway_store import PayerRow, payer_details_key, payer_due_key, payer_key
from node.messages import PAYERS_MAX, GetPayers, PayersAnswer, PayersKept, PutPayers, decode_answer

AT_ONCE_MAX = min(PAYERS_MAX, 100)  # in one question


class PayerPost(DuePost):
    kind = "payer"

    # ── what becomes of them ─────────────────────────────────────────────────────────────────────────────────────────

    def keep(self, operation: BindPayer, digest: bytes, details: Details) -> None:
        """One that is asked for; in one change with its operation."""
        self._store.put(payer_details_key(operation.bill), self._box.seal(details))
        self._store.put(payer_key(operation.bill), PayerRow(operation, digest, "", 0))
        self._store.put(payer_due_key(operation.bill), b"")
        self._wake.set()

    def on_recorded(self, operation: BindPayer, digest: bytes, height: int) -> None:
        """The ledger has it: ours, or another gateway's, which then stands in ours' place."""
        bill = operation.bill
        before = self._store.payer(bill)
        if before is not None and before.digest != digest:
            self._drop_details(bill)
        self._store.put(payer_key(bill), PayerRow(operation, digest, RECORDED, height))
        if before is None and self._store.read(payer_details_key(bill)) is not None:  # the store was mended
            self._store.put(payer_due_key(bill), b"")
            self._wake.set()

    def on_refused(self, operation: BindPayer, digest: bytes) -> None:
        """It never will be recorded: somebody else may be bound."""
        row = self._store.payer(operation.bill)
        if row is not None and row.digest == digest and row.code != RECORDED:
            self._store.delete(payer_key(operation.bill))
            self._drop_details(operation.bill)

    def _drop_details(self, bill: str) -> None:
        self._store.delete(payer_details_key(bill))
        self._store.delete(payer_due_key(bill))

    def is_recorded(self, operation: BindPayer) -> bool:
        """Whether a block that was followed says so."""
        row = self._store.payer(operation.bill)
        return row is not None and row.code == RECORDED

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def bound(self, bill: str) -> BoundPayer | None:
        """Who was bound to a bill, or is about to be, as far as is known here."""
        row = self._store.payer(bill)
        if row is None:
            return None
        return BoundPayer(row.digest, row.height, await self._details(row))

    async def _details(self, row: PayerRow) -> Details | None:
        bill, root = row.operation.bill, row.operation.payer_root
        details = self._here(payer_details_key(bill), bill, lambda found: has_root(found, root))
        if details is not None:
            return details
        return await self._fetch(bill, root) if row.code == RECORDED else None

    async def _fetch(self, bill: str, root: bytes) -> Details | None:
        link = self._peers.node(self._archive)
        if link is None:
            return None
        try:
            payload = await link.request(encode(GetPayers([bill])), GET_TIMEOUT_S)
            found = decode_answer(payload, PayersAnswer).payers  # type: ignore[union-attr]
        except (PeerError, ChainError) as error:
            structlog.get_logger("gateway").warning("payer_not_fetched", peer=self._archive, code=error.code)
            return None
        for details in found:
            if details.bill == bill and has_root(details, root):
                self._store.put(payer_details_key(bill), self._box.seal(details))
                return details
        return None

    # ── to the archive ───────────────────────────────────────────────────────────────────────────────────────────────

    def _due(self, after: str) -> list[str]:
        return self._store.payers_due(after, AT_ONCE_MAX)

    async def _put(self, bills: list[str]) -> bool:
        link = self._peers.node(self._archive)
        if link is None:
            return False
        await self._store.flushed()
        chosen = {bill: details for bill in bills if (details := self._opened(bill)) is not None}
        for bill in set(bills) - set(chosen):
            self._store.delete(payer_due_key(bill))
        if not chosen:
            return True
        try:
            payload = await link.request(encode(PutPayers(list(chosen.values()))), PUT_TIMEOUT_S)
            kept = set(decode_answer(payload, PayersKept).bills)  # type: ignore[union-attr]
        except (PeerError, ChainError) as error:
            structlog.get_logger("gateway").warning("payers_not_sent", peer=self._archive, code=error.code)
            return False
        self._after = bills[-1]
        for bill in chosen.keys() & kept:
            self._store.delete(payer_due_key(bill))
        return chosen.keys() <= kept

    def _opened(self, bill: str) -> Details | None:
        row = self._store.payer(bill)
        if row is None:
            return None
        root = row.operation.payer_root
        return self._here(payer_details_key(bill), bill, lambda found: has_root(found, root))
