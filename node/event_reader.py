"""Events of a whole ledger, read from its block log for whoever is told them: page by page, from any position on.

Nothing is kept for it beside the log and two small indexes (`life_index.py`), so the whole past can be told again. A turn
reads some blocks in a thread and ends after SECONDS_AT_ONCE; turns over old blocks queue behind each other, and those over
the newest ones, which lie in memory, have a queue of their own: who replays years keeps nobody from the present.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chain import keyspace
from chain.block import RECORDED
from chain.codec import encode
from chain.errors import StorageDamaged
from chain.ledger import Ledger
from chain.operation import IssueBill, ReverseBill, SealBills, operation_digest
from chain.operation_proof import OPERATION_PROOF, OperationProof
from chain.proving import recorded_at
from chain.recorded import Recorded
from chain.records import BillBody
from node.bill_desk import BillDesk
from node.feed import Feed
from node.ledger_events import EVENT_TYPES, GRANTS, PLAIN, SUBJECTS, TOLD_TO_PAYERS, Position, event_row, parse_position
from node.life_index import LifeIndex
from node.proof_desk import ProofDesk
from node.recorded_operations import RecordedOperation, block_at, codes_at
from node.rights import PAYING_CLERKS, STAFF
from node.service import EventPage, EventQuery, Reader, ServiceRefused
from node.thread_work import finished

BLOCKS_AT_ONCE = 200  # read in one turn, or as many as SECONDS_AT_ONCE suffice for
SECONDS_AT_ONCE = 0.05
TURNS_MAX = 20  # for one page
LOOKED_AT_ONCE = 200  # operations weighed before the node's loop has a turn
PROOFS_MAX = 100  # events of a page that carry their proofs: each some kilobytes

Kinds = frozenset[type]


@dataclass(frozen=True, slots=True)
class _Meant:
    """What can be said without a look at the state: of nearly all operations that a reader is not told of them."""

    organisation: str
    own: Kinds  # operations of this organisation that may be meant
    others: Kinds  # and of all others

    @property
    def is_plain(self) -> bool:
        return not PLAIN.isdisjoint(self.own | self.others)


@dataclass(frozen=True, slots=True)
class _Told:
    done: RecordedOperation
    bills: list[str]
    issuer: str


class EventReader:
    """On the ledger's loop, but for what it reads in threads."""

    def __init__(self, ledger: Ledger, feed: Feed, lives: LifeIndex, bills: BillDesk, proofs: ProofDesk) -> None:
        self._ledger, self._feed, self._lives = ledger, feed, lives
        self._bills, self._proofs = bills, proofs
        self._old, self._recent = asyncio.Semaphore(1), asyncio.Semaphore(1)

    async def above(self, height: int, seconds: float) -> bool:
        return await self._feed.above(height, seconds)

    async def page(self, query: EventQuery, after: str | None, limit: int) -> EventPage:
        head = self._ledger.head.height
        position = parse_position(str(head) if after is None else after)
        if position is None:
            raise ServiceRefused("parameter_invalid", "after: an event's id, or a height")
        limit = min(limit, PROOFS_MAX) if query.with_proofs else limit
        meant = self._meant(query)
        told: list[_Told] = []
        has_more = False
        for _turn in range(TURNS_MAX):
            head = self._ledger.head.height
            heights, upto = self._heights(meant, position, head)
            if not heights:  # a position above the head waits for the head to come there
                position, has_more = max(position, Position(upto)), False
                break
            done, last = await self._read(heights, meant, position, limit - len(told))
            told += await self._chosen(query, done, limit - len(told))
            if len(told) == limit:
                position, has_more = Position(*told[-1].done.place), True
                break
            position = Position(upto if last == heights[-1] else last)
            has_more = position < Position(head)
            if not has_more:
                break
        return EventPage(await self._rows(query, told), str(position), has_more, head)

    # ── what is read ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _meant(self, query: EventQuery) -> _Meant:
        reader = query.reader
        asked = frozenset(EVENT_TYPES) if query.types is None else query.types & frozenset(EVENT_TYPES)
        if self._hears_all(reader):
            return _Meant(reader.organisation, asked, asked)
        if reader.role in PAYING_CLERKS:  # their organisations issue nothing and seal nothing
            return _Meant(reader.organisation, asked - PLAIN, asked & (TOLD_TO_PAYERS | SUBJECTS | GRANTS))
        if reader.role in STAFF:  # nobody else issues or reverses a hospital's bills
            return _Meant(reader.organisation, asked, asked - {IssueBill, ReverseBill})
        return _Meant(reader.organisation, asked, asked & SUBJECTS)

    def _hears_all(self, reader: Reader) -> bool:
        is_clerk = reader.role == "finance_clerk" and reader.organisation == self._bills.office
        return reader.role == "auditor" or is_clerk

    def _heights(self, meant: _Meant, position: Position, head: int) -> tuple[Sequence[int], int]:
        """The blocks of the next turn, and up to which height all is read with them."""
        is_whole = position >= Position(position.height)
        first = max(position.height + is_whole, 1)
        if meant.is_plain:
            last = min(first + BLOCKS_AT_ONCE - 1, head)
            return range(first, last + 1), min(last, head)
        found = [height for height in self._lives.eventful_from(first, BLOCKS_AT_ONCE) if height <= head]
        return found, found[-1] if len(found) == BLOCKS_AT_ONCE else head

    async def _read(
        self, heights: Sequence[int], meant: _Meant, after: Position, enough: int
    ) -> tuple[list[RecordedOperation], int]:
        """What the blocks recorded behind `after` that may be meant, and the last block looked at."""
        async with self._recent if self._ledger.is_recent(heights[0]) else self._old:
            loop = asyncio.get_running_loop()
            return await finished(loop.run_in_executor(None, self._scan, heights, meant, after, enough))

    def _scan(
        self, heights: Sequence[int], meant: _Meant, after: Position, enough: int
    ) -> tuple[list[RecordedOperation], int]:
        """In a thread: the block log and the store may be read beside their writers."""
        found: list[RecordedOperation] = []
        until_s = time.monotonic() + SECONDS_AT_ONCE
        for height in heights:
            header, transactions = block_at(self._ledger, height)
            codes: list[str] = []
            first = 0
            for place, transaction in enumerate(transactions):
                kinds = meant.own if transaction.organisation == meant.organisation else meant.others
                for index, entry in enumerate(transaction.entries):
                    operation = entry.operation
                    if type(operation) not in kinds or (height, place, index) <= after:
                        continue
                    codes = codes or codes_at(self._ledger, height)
                    if codes[first + index] == RECORDED:
                        found.append(
                            RecordedOperation(
                                operation=operation,
                                digest=operation_digest(operation),
                                organisation=transaction.organisation,
                                code=RECORDED,
                                height=height,
                                time_ms=header.time_ms,
                                transaction=place,
                                index=index,
                            )
                        )
                first += len(transaction.entries)
            if len(found) >= enough or time.monotonic() >= until_s:
                return found, height
        return found, heights[-1]

    # ── who is told ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _chosen(self, query: EventQuery, done: list[RecordedOperation], limit: int) -> list[_Told]:
        chosen: list[_Told] = []
        for number, operation in enumerate(done):
            if number % LOOKED_AT_ONCE == LOOKED_AT_ONCE - 1:
                await asyncio.sleep(0)
            told = self._told(operation)
            if self._is_asked_for(query, told) and self._bills.may_see(query.reader, operation):
                chosen.append(told)
                if len(chosen) == limit:
                    break
        return chosen

    def _told(self, done: RecordedOperation) -> _Told:
        bills = self._bills.bills_of(done)
        if not bills or isinstance(done.operation, IssueBill | ReverseBill):
            return _Told(done, bills, done.organisation if bills else "")
        body = self._body(bills[0])
        return _Told(done, bills, body.issuer if body is not None else "")

    def _is_asked_for(self, query: EventQuery, told: _Told) -> bool:
        operation = told.done.operation
        if isinstance(operation, SealBills):
            return (not query.issuer or query.issuer in self._sealed_issuers(operation)) and (
                not query.bill_id or self._covers(operation, query.bill_id)
            )
        return query.issuer in ("", told.issuer) and (not query.bill_id or query.bill_id in told.bills)

    def _sealed_issuers(self, seal: SealBills) -> set[str]:
        released = (self._body(bill) for bill in seal.released)
        return {segment.issuer for segment in seal.segments} | {body.issuer for body in released if body is not None}

    def _covers(self, seal: SealBills, bill: str) -> bool:
        """Whether a seal says anything of a bill."""
        body = self._body(bill)
        if body is None:
            return False
        return bill in seal.released or any(
            segment.issuer == body.issuer and segment.after < body.height <= segment.upto for segment in seal.segments
        )

    def _body(self, bill: str) -> BillBody | None:
        return self._ledger.state.get(keyspace.bill(bill), BillBody)

    # ── how it is told ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _rows(self, query: EventQuery, chosen: list[_Told]) -> list[dict[str, Any]]:
        rows = [event_row(told.done, told.bills, told.issuer) for told in chosen]
        if query.with_proofs:
            for row, told in zip(rows, chosen, strict=True):
                row["proof"] = base64.b64encode(await self._proof(told.done)).decode("ascii")
        return rows

    async def _proof(self, done: RecordedOperation) -> bytes:
        """The file that `GET /v1/operations/{digest}/proof` gives. Raises StorageDamaged."""
        changes = [change for change in self._proofs.changes_of_sets() if change.members.epoch <= done.height]
        async with self._recent if self._ledger.is_recent(done.height) else self._old:
            loop = asyncio.get_running_loop()
            recorded = await finished(loop.run_in_executor(None, self._recorded, done))
        return encode(OperationProof(OPERATION_PROOF, changes, recorded))

    def _recorded(self, done: RecordedOperation) -> Recorded:
        """In a thread: of a large old block it takes some tens of milliseconds."""
        view, before = self._ledger.final(done.height), self._ledger.final(done.height - 1)
        if view is None or (before is None and done.height > 1):
            raise StorageDamaged("block log", f"no block {done.height}")
        (recorded,) = recorded_at(view, before.header if before else None, done.transaction, [done.index])
        return recorded
