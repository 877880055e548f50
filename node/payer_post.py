"""Payers that a hospital binds to its bills, at a gateway: kept, recorded, and brought to the archive of its office.

Who it is lies in a box, as a bill's details do. It goes to the archive as soon as it is kept here, and again until the archive
says that it is on its disk; what another gateway bound is fetched from there when asked for.
"""

from __future__ import annotations

import asyncio

import structlog

from chain.block import RECORDED
from chain.codec import encode
from chain.details import Details
from chain.errors import ChainError, StorageDamaged
from chain.operation import BindPayer
from node.bound_payer import BoundPayer, has_root
from node.errors import PeerError
from node.gateway_store import GatewayStore, PayerRow, payer_details_key, payer_due_key, payer_key
from node.messages import PAYERS_MAX, GetPayers, PayersAnswer, PayersKept, PutPayers, decode_answer
from node.peers import Peers
from node.sealed_box import DetailsBox

RETRY_FIRST_MS, RETRY_LAST_MS = 250, 5_000
PUT_TIMEOUT_S, GET_TIMEOUT_S = 10.0, 3.0
AT_ONCE_MAX = min(PAYERS_MAX, 100)  # in one question


class PayerPost:
    """What is due lies on disk only, so that an archive that is away for days costs no memory."""

    def __init__(self, store: GatewayStore, box: DetailsBox, peers: Peers, archive: str) -> None:
        self._store, self._box, self._peers, self._archive = store, box, peers, archive
        self._wake = asyncio.Event()
        self._wake.set()
        self._after = ""  # where the next round begins: one that the archive does not take holds up no other
        self.is_behind = False  # the archive did not answer, or did not keep all

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
        box = self._store.read(payer_details_key(bill))
        if box is not None:
            try:
                details = self._box.open(box, bill)
            except StorageDamaged:
                structlog.get_logger("gateway").error("payer_damaged", bill=bill)
            else:
                if has_root(details, root):
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

    async def run(self) -> None:
        """Until cancelled."""
        pause_ms = RETRY_FIRST_MS
        while True:
            await self._wake.wait()
            bills = self._store.payers_due(self._after, AT_ONCE_MAX)
            if not bills:
                if not self._after:
                    self._wake.clear()
                    self.is_behind, pause_ms = False, RETRY_FIRST_MS
                self._after = ""
                continue
            if await self._put(bills):
                self.is_behind, pause_ms = False, RETRY_FIRST_MS
                continue
            self.is_behind = True
            await asyncio.sleep(pause_ms / 1000)
            pause_ms = min(2 * pause_ms, RETRY_LAST_MS)

    async def _put(self, bills: list[str]) -> bool:
        """Send one question's worth; whether the archive keeps all of it."""
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
        """What lies here and is the one that the ledger has; a box that does not open is told of where it is read."""
        row, box = self._store.payer(bill), self._store.read(payer_details_key(bill))
        if row is None or box is None:
            return None
        try:
            details = self._box.open(box, bill)
        except StorageDamaged:
            structlog.get_logger("gateway").error("payer_damaged", bill=bill)
            return None
        return details if has_root(details, row.operation.payer_root) else None
