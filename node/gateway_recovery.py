"""When a block's part does not tell enough: ask for the record, then for the part of the block that made it.

A validator can leave a transaction or a seal out of a part, and no proof shows that. But the record under the state
root names the operation that made it and its height, so the part of that height is asked for again, elsewhere.
"""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from chain import keyspace
from chain.block import RECORDED
from chain.catalogue import NAMES
from chain.operation import (
    BindPayer,
    DeliverBill,
    HoldBill,
    IssueBill,
    MakeUpPayment,
    Operation,
    PrintPaper,
    PublishCatalogue,
    ReportUnused,
    ReverseBill,
    TakeBackPaper,
    TakeLease,
    VoidBill,
    VoidBlanks,
)
from chain.records import BillBody
from chain.state import body_of
from node.gateway_follow import GatewayFollow
from node.gateway_store import GatewayStore, OperationRow, operation_key
from node.outbox import Outbox
from node.part_check import CheckedPart
from node.settling import Settling
from node.standings import SUPERSEDED

WAITING_MAX = 10_000  # operations to look for; one more is found again when it is sent again
RETRY_MS = 1_000  # until it is found
GAP_BLOCKS_MAX = 2_000  # looked through for a seal that was left out


class GatewayRecovery:
    """One at a time: this is rare."""

    def __init__(
        self, organisation: str, store: GatewayStore, outbox: Outbox, follow: GatewayFollow, settling: Settling
    ) -> None:
        self._organisation, self._store, self._outbox = organisation, store, outbox
        self._follow, self._settling = follow, settling
        self._waiting: deque[bytes] = deque(maxlen=WAITING_MAX)  # operation digests
        self._gaps: deque[tuple[int, int]] = deque(maxlen=1)  # (watermark before, height of the seal after it)
        self._wake = asyncio.Event()

    def look_for(self, digest: bytes) -> None:
        """An operation of the outbox whose fate a block told in part only, or not at all."""
        if digest not in self._waiting:
            self._waiting.append(digest)
        self._wake.set()

    def look_for_seal(self, mark: int, height: int) -> None:
        """A seal that begins at `mark`, recorded below `height`, was never shown."""
        self._gaps.append((mark, height))
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for _ in range(len(self._waiting)):
                digest = self._waiting.popleft()
                if not await self._find(digest):
                    self._waiting.append(digest)
            while self._gaps:
                await self._find_seal(*self._gaps.popleft())
            if self._waiting:
                await asyncio.sleep(RETRY_MS / 1000)
                self._wake.set()

    async def _find(self, digest: bytes) -> bool:
        """Whether nothing is left to look for."""
        item = self._outbox.items.get(digest)
        if item is None:
            return True
        undecided = self._settling.undecided.get(digest)
        operation = item.operation
        key = _record_key(self._organisation, operation, undecided[0] if undecided else "")
        current = await self._follow.record(key) if key else None
        if current is None:
            return undecided is None
        record = current.record
        height = body_of(record, BillBody).height if key.startswith(b"bill/") else record.height
        if height > self._follow.height:
            return undecided is None  # it will come by following
        row = self._store.get(operation_key(record.origin), OperationRow)
        if row is None or row.code != RECORDED:
            found = await self._follow.look_again(height, lambda part: _holds(part, record.origin))
            structlog.get_logger("gateway").warning("part_was_incomplete", height=height, found=found)
        return undecided is None or self._settling.decide(digest)

    async def _find_seal(self, mark: int, height: int) -> None:
        def holds(part: CheckedPart) -> bool:
            return any(
                segment.issuer == self._organisation and segment.after == mark
                for _index, seal in part.seals
                for segment in seal.segments
            )

        for place in range(max(mark + 1, height - GAP_BLOCKS_MAX), height):
            if await self._follow.look_again(place, holds):
                return
        structlog.get_logger("gateway").warning("seal_not_found", after=mark, before_height=height)


def _record_key(organisation: str, operation: Operation, code: str) -> bytes:
    """The record that tells what became of an operation; empty if there is none."""
    if isinstance(operation, IssueBill) and code == SUPERSEDED:
        return keyspace.business(organisation, operation.business_mac)
    if isinstance(operation, IssueBill | ReverseBill):
        return keyspace.bill(operation.bill)
    if isinstance(operation, TakeLease):
        return keyspace.lease(organisation, operation.range.code, operation.first)
    match operation:
        case ReportUnused():
            return keyspace.unused(operation.bill)
        case VoidBill():
            return keyspace.void(operation.bill)
        case DeliverBill():
            return keyspace.delivery(operation.bill, operation.channel)
        case HoldBill():
            return keyspace.hold(operation.bill)
        case MakeUpPayment():
            return keyspace.made_up(operation.bill)
        case BindPayer():
            return keyspace.payer(operation.bill)
        case PrintPaper():
            return keyspace.form(organisation, operation.paper)
        case TakeBackPaper():
            return keyspace.form_end(organisation, operation.paper)
        case VoidBlanks():
            return keyspace.form(organisation, operation.papers[0])
        case PublishCatalogue():
            return keyspace.catalogue(organisation, NAMES[type(operation.content)], operation.version)
    return b""


def _holds(part: CheckedPart, operation: bytes) -> bool:
    return any(
        digest == operation and code == RECORDED
        for transaction in part.transactions
        for digest, code in zip(transaction.operations, transaction.codes, strict=True)
    )
