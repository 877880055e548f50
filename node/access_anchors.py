"""Anchors the log of accesses on the ledger, so that nobody who keeps it can take an entry out afterwards.

Only where something new was logged, and ANCHOR_AFTER_S after it at the earliest: a block a minute at most. Until then an entry
is held by the log's own chain alone, which its keeper could make anew from there on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from chain import keyspace
from chain.access_anchor import ANCHOR_PROOF_VERSION, AnchorProof
from chain.accesses import EMPTY_ANCHOR
from chain.codec import encode
from chain.ledger import Ledger
from chain.operation import AnchorAccesses
from chain.records import AccessesBody
from chain.state import record_of
from node.access_log import AccessLog
from node.proof_desk import ProofDesk
from node.service import ServiceRefused, Standing
from node.submissions import Submissions

ANCHOR_AFTER_S = 60.0
LOOK_S = 1.0

log = structlog.get_logger("accesses")


def anchor_of(ledger: Ledger, office: str) -> tuple[int, bytes]:
    """(number, digest) of the newest entry that the ledger has an anchor of."""
    body = ledger.state.get(keyspace.accesses(office), AccessesBody)
    return (body.last, body.head) if body is not None else EMPTY_ANCHOR


class AccessAnchors:
    """On the ledger's loop. `send` signs an operation for the office and keeps it until it is recorded."""

    def __init__(
        self,
        office: str,
        ledger: Ledger,
        accesses: AccessLog,
        proofs: ProofDesk,
        submissions: Submissions,
        send: Callable[[AnchorAccesses], Awaitable[Standing]],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._office, self._ledger, self._accesses = office, ledger, accesses
        self._proofs, self._submissions, self._send, self._now_s = proofs, submissions, send, now_s
        self._anchoring = asyncio.Lock()
        self._under_way: Standing | None = None
        self._newer_since_s: float | None = None  # since when the log has what is not anchored

    async def anchor(self) -> Standing | None:
        """Anchor what is not anchored yet; None if there is nothing, the one under way if there is one. Raises ServiceRefused."""
        async with self._anchoring:
            under_way = self._under_way
            if under_way is not None and self._submissions.is_waiting(bytes.fromhex(under_way.operation)) is not None:
                return under_way
            last, _head = anchor_of(self._ledger, self._office)
            if self._accesses.number <= last:
                return None
            self._under_way = await self._send(AnchorAccesses(last + 1, self._accesses.number, self._accesses.head))
            self._newer_since_s = None
            return self._under_way

    async def run(self) -> None:
        """Until cancelled. Raises StorageFailed when the log could not be written: the node stops."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.step()

    async def step(self) -> None:
        if self._accesses.failure is not None:
            raise self._accesses.failure
        if self._accesses.number <= anchor_of(self._ledger, self._office)[0]:
            self._newer_since_s = None
            return
        now_s = self._now_s()
        if self._newer_since_s is None:
            self._newer_since_s = now_s
        elif now_s - self._newer_since_s >= ANCHOR_AFTER_S:
            try:
                await self.anchor()
            except ServiceRefused as refusal:  # no key, no room: it is tried again after as long
                log.warning("accesses_not_anchored", code=refusal.code)
                self._newer_since_s = now_s

    def proof(self) -> bytes | None:
        """The anchor as a file (`chain/access_anchor.py`), as of the head; None if nothing is anchored."""
        entry = self._ledger.state.entry(keyspace.accesses(self._office))
        if entry is None:
            return None
        place, data = entry
        current = self._proofs.current(place, record_of(data))
        changes = self._proofs.changes_of_sets()
        return encode(AnchorProof(ANCHOR_PROOF_VERSION, changes, self._office, current))
