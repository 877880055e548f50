"""The office's sealer: signs over final bills whose details are here and add up, as soon as that is so.

It follows final blocks and deliveries of details; one seal is on its way at a time, and sent again after silence.
What it knows it has from the chain and the details store, so a killed sealer goes on where the watermarks stand, and
two seals of one office cannot both count: each names the watermark that it starts from. Source: DESIGN section 6.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import structlog

from chain import keyspace
from chain.block import RECORDED
from chain.failpoint import failpoint
from chain.final_view import FinalView
from chain.ledger import Ledger
from chain.operation import IssueBill, ReverseBill, SealBills, operation_digest
from chain.records import WITHHELD, BillBody, WatermarkBody
from chain.signature import SigningKey
from chain.transaction import Entry, Transaction, sign_transaction
from node.details_store import DetailsStore
from node.seal_book import READY, Line, OpenBill, Patience, SealBook, examine
from node.seal_index import SealIndex, seals_in

DETAILS_WAIT_MS = 5_000  # after a bill's block came
LATE_BLOCK_MS = 30_000  # a block that is older than this when it comes belongs to a catching up
OPEN_BILLS_MAX = 20_000  # in memory, and one block of each issuer; those of blocks above wait in the log
TRACKED_AT_ONCE = 64  # blocks; then others have their turn
EXAMINED_AT_ONCE = 200  # bills for one hand-over to a thread
EXAMINED_INLINE = 4  # so few are looked at where we are: a hand-over takes longer
AGAIN_FIRST_S, AGAIN_MAX_S = 0.5, 5.0  # a seal that is not final yet is sent again, doubling
VALID_BLOCKS = 1_000  # that a signed seal may still run; after that it is signed anew
ALARM_MS = 60_000  # a bill that has been open for so long
WITHHELD_SHOWN_MAX = 1_000

Send = Callable[[Sequence[Transaction]], None]  # to validators


@dataclass(slots=True)
class _InFlight:
    """The seal that is on its way."""

    seal: SealBills
    digest: bytes
    transaction: Transaction
    again_at_s: float
    wait_s: float = AGAIN_FIRST_S


class Sealer:
    """`office` and its `key` for seals; `thread` examines bills. `step` does all that is due and never waits."""

    def __init__(
        self,
        ledger: Ledger,
        store: DetailsStore,
        index: SealIndex,
        *,
        office: str,
        key: SigningKey,
        send: Send,
        thread: Executor,
        questioned: Callable[[str], str | None] = lambda _bill: None,
        details_wait_ms: int = DETAILS_WAIT_MS,
        now_s: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.office = office
        self.counts: Counter[str] = Counter()  # seals, bills, exceptions, releases, refused, sent_again: for metrics
        self.is_alarmed = False
        self._ledger, self._store, self._index = ledger, store, index
        self._key, self._send, self._thread = key, send, thread
        self._questioned = questioned  # why a clerk wants no seal on a bill
        self._now_s, self._wall_ms = now_s, wall_ms
        parameters = ledger.genesis.parameters
        self._window = parameters.replay_window
        issuers = sorted(store.issuers)
        self.book = SealBook(issuers, parameters.seal_entries_max, Patience(details_wait_ms / 1000))
        for line in self.book.lines.values():
            line.tracked = index.settled
        self._unexamined: dict[str, OpenBill] = {}  # at most OPEN_BILLS_MAX and one block
        self._delivered: dict[
            str, str
        ] = {}  # bill -> issuer, of details that came; at most what is delivered meanwhile
        self._releasable: dict[str, str] = {}  # bill -> issuer: withheld, and fit to be sealed now
        self._in_flight: _InFlight | None = None
        self._not_before_s = float("-inf")  # after a refusal
        self._refusal_wait_s = AGAIN_FIRST_S
        self._wake = asyncio.Event()
        self._log = structlog.get_logger("sealer")
        for issuer in issuers:
            self._refresh_watermark(issuer)
            self._delivered.update((bill, issuer) for bill, _reason in index.withheld(issuer))
        store.on_kept.append(self.on_kept)

    def add_issuer(self, issuer: str) -> None:
        """One more hospital is supervised, from the block after the head on: there is no bill of it yet."""
        if issuer not in self.book.lines:
            self.book.add(issuer, self._ledger.head.height)
            self._refresh_watermark(issuer)

    # ── what is heard ────────────────────────────────────────────────────────────────────────────────────────────────

    def on_final(self, view: FinalView) -> None:
        """A block has become final: called in order, after the index has it."""
        for seal, digest, code in seals_in(view):
            self._on_seal(seal, digest, code)
        self._track()
        self._wake.set()

    def on_kept(self, issuer: str, bills: Sequence[str]) -> None:
        """Details are on the disk."""
        line = self.book.lines.get(issuer)
        if line is None:
            return
        line.heard(bills, self._now_s(), self._is_final)
        self._delivered.update((bill, issuer) for bill in bills)
        self._wake.set()

    def _is_final(self, bill: str) -> bool:
        return self._ledger.state.get(keyspace.bill(bill), BillBody) is not None

    def is_under_way(self, issuer: str, height: int, bill: str) -> bool:
        """Whether a seal that was sent covers a bill: it cannot be called back."""
        flight = self._in_flight
        if flight is None:
            return False
        seal = flight.seal
        if bill in seal.released:
            return True
        spans = [segment for segment in seal.segments if segment.issuer == issuer]
        return any(span.after < height <= span.upto for span in spans) and all(
            exception.bill != bill for exception in seal.exceptions
        )

    def look_again(self, issuer: str, bill: str) -> None:
        """A clerk has withheld a bill, or withholds it no more."""
        if issuer in self.book.lines:
            self._releasable.pop(bill, None)
            self._delivered[bill] = issuer
            self._wake.set()

    def _on_seal(self, seal: SealBills, digest: bytes, code: str) -> None:
        for segment in seal.segments:
            self._refresh_watermark(segment.issuer)
        if code == RECORDED:
            for exception in seal.exceptions:  # its details may have come while the seal was on its way
                body = self._ledger.state.get(keyspace.bill(exception.bill), BillBody)
                if body is not None and body.issuer in self.book.lines:
                    self._delivered[exception.bill] = body.issuer
            for bill in seal.released:
                self._releasable.pop(bill, None)
        flight = self._in_flight
        if flight is not None and flight.digest == digest:
            self._in_flight = None
            if code == RECORDED:
                self._refusal_wait_s = AGAIN_FIRST_S
                self.counts.update(seals=1, exceptions=len(seal.exceptions), releases=len(seal.released))
            elif code not in ("already_recorded", "watermark_moved"):
                self._on_refused(code)
        elif flight is not None and any(
            self.book.lines[segment.issuer].watermark != segment.after for segment in flight.seal.segments
        ):
            self._in_flight = None  # another seal of ours was faster: a former life's

    def _on_refused(self, code: str) -> None:
        self.counts["refused"] += 1
        self._not_before_s = self._now_s() + self._refusal_wait_s
        self._refusal_wait_s = min(self._refusal_wait_s * 2, AGAIN_MAX_S)
        self._log.error("seal_refused", code=code, office=self.office)

    def _refresh_watermark(self, issuer: str) -> None:
        line = self.book.lines.get(issuer)
        if line is None:
            return
        mark = self._ledger.state.get(keyspace.watermark(self.office, issuer), WatermarkBody)
        before = len(line.open)
        line.cover(mark.upto if mark else 0)
        self.counts["bills"] += before - len(line.open)

    # ── what is due ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Until cancelled. Raises StorageDamaged, StorageFailed: the node stops."""
        while True:
            self._wake.clear()
            wait_s = await self.step()
            if self._has_more_blocks():
                await asyncio.sleep(0)
            else:
                try:
                    async with asyncio.timeout(wait_s):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    async def step(self) -> float | None:
        """Do all that is due; in how many seconds something will be due by itself, None if nothing will."""
        self._track()
        await self._examine()
        self._remember_settled()
        now = self._now_s()
        self._look_at_alarm(now)
        flight = self._in_flight
        if flight is not None and flight.transaction.valid_until_height <= self._ledger.head.height:
            flight = self._in_flight = None  # it can run no more
        if flight is not None:
            if now >= flight.again_at_s:
                self._send([flight.transaction])
                self.counts["sent_again"] += 1
                flight.wait_s = min(flight.wait_s * 2, AGAIN_MAX_S)
                flight.again_at_s = now + flight.wait_s
            return flight.again_at_s - now
        if now < self._not_before_s:
            return self._not_before_s - now
        plan = self.book.plan(
            now,
            self._window_start,
            list(self._releasable),
            self._ledger.block_digest,
        )
        if plan.seal is not None:
            self._seal(plan.seal, now)
            return AGAIN_FIRST_S
        return None if plan.next_end_s is None else max(plan.next_end_s - now, 0.0)

    def _seal(self, seal: SealBills, now: float) -> None:
        ledger = self._ledger
        until = ledger.head.height + min(VALID_BLOCKS, self._window)
        transaction = sign_transaction(ledger.chain_id, self.office, self._key, until, [Entry(False, seal)])
        self._in_flight = _InFlight(seal, operation_digest(seal), transaction, now + AGAIN_FIRST_S)
        failpoint("sealer.signed")
        self._send([transaction])
        failpoint("sealer.sent")

    def _has_more_blocks(self) -> bool:
        return bool(self._lines_behind())

    def _lines_behind(self) -> list[Line]:
        """Those with blocks to be taken in, and room for it."""
        return self.book.taking(self._ledger.head.height, OPEN_BILLS_MAX, self._window_start)

    @property
    def _window_start(self) -> int:
        """The lowest header that a seal of today may name, and so far from the end that it still may when it runs."""
        return self._ledger.head.height - self._window + VALID_BLOCKS // 10

    def _track(self) -> None:
        """Take the bills of final blocks into the book. Who has no room for more goes on later, by itself."""
        now, wall_ms = self._now_s(), self._wall_ms()
        for _ in range(TRACKED_AT_ONCE):
            behind = self._lines_behind()
            if not behind:
                return
            height = max(line.tracked for line in behind) + 1  # who is far behind holds up nobody
            view = self._ledger.final(height)
            if view is None:
                return
            taking = {line.issuer: line for line in behind if line.tracked == height - 1}
            for line in taking.values():
                line.tracked = height
            is_late = wall_ms - view.header.time_ms > LATE_BLOCK_MS
            for issuer, operation in bills_in(view):
                line_of = taking.get(issuer)
                if line_of is None or height <= line_of.watermark:
                    continue
                entry = OpenBill(issuer, operation.bill, height, operation, now, is_late)
                line_of.add(entry)
                self._unexamined[entry.bill] = entry

    async def _examine(self) -> None:
        """Look at bills that are new in the book, and at those whose details came."""
        delivered, self._delivered = self._delivered, {}
        for bill, issuer in delivered.items():
            entry = self.book.lines[issuer].open.get(bill)
            if entry is not None:
                self._unexamined[bill] = entry
            elif (withheld := self._withheld(issuer, bill)) is not None:
                self._unexamined[bill] = withheld
        loop = asyncio.get_running_loop()
        while self._unexamined:
            entries = [self._unexamined.pop(bill) for bill in list(self._unexamined)[:EXAMINED_AT_ONCE]]
            if len(entries) <= EXAMINED_INLINE:
                verdicts = self._examine_all(entries)
            else:
                verdicts = await loop.run_in_executor(self._thread, self._examine_all, entries)
            for entry, examined in zip(entries, verdicts, strict=True):
                # a clerk may have said so while the details were looked at
                entry.verdict = verdict = self._questioned(entry.bill) or examined
                if verdict != READY:
                    self._releasable.pop(entry.bill, None)
                elif self.book.lines[entry.issuer].open.get(entry.bill) is not entry:
                    body = self._ledger.state.get(keyspace.bill(entry.bill), BillBody)
                    if body is not None and body.seal == WITHHELD:
                        self._releasable[entry.bill] = entry.issuer

    def _examine_all(self, entries: Iterable[OpenBill]) -> list[str]:
        parameters = self._ledger.genesis.parameters
        return [examine(self._store, entry, parameters) for entry in entries]

    def _withheld(self, issuer: str, bill: str) -> OpenBill | None:
        """A bill that an earlier seal withheld, to be looked at again."""
        body = self._ledger.state.get(keyspace.bill(bill), BillBody)
        if body is None or body.seal != WITHHELD or body.issuer != issuer:
            return None
        return OpenBill(issuer, bill, body.height, body, self._now_s(), False)

    def _remember_settled(self) -> None:
        """After a restart the bills up to here are not looked at again."""
        head = self._ledger.head.height
        self._index.settled = min((line.decided for line in self.book.lines.values()), default=head)

    # ── how it stands ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def lag_ms(self) -> int:
        """For how long the oldest open bill has waited here."""
        arrivals = [next(iter(line.open.values())).arrived_s for line in self.book.lines.values() if line.open]
        return round((self._now_s() - min(arrivals)) * 1000) if arrivals else 0

    def _look_at_alarm(self, now: float) -> None:
        is_alarmed = self.lag_ms >= ALARM_MS
        if is_alarmed and not self.is_alarmed:
            self._log.error("seals_behind", lag_ms=self.lag_ms, open_bills=self.book.open_count, office=self.office)
        self.is_alarmed = is_alarmed

    def standing(self, issuer: str) -> dict[str, Any] | None:
        """{issuer, office, watermark, head, lag, open_bills, withheld}; None for an issuer of another office."""
        line = self.book.lines.get(issuer)
        if line is None:
            return None
        head = self._ledger.head.height
        return {
            "issuer": issuer,
            "office": self.office,
            "watermark": line.watermark,
            "head": head,
            "lag": max(head - line.decided, 0),
            "open_bills": len(line.open),
            "withheld": [
                {"bill_id": bill, "reason": reason} for bill, reason in self._index.withheld(issuer, WITHHELD_SHOWN_MAX)
            ],
        }


def bills_in(view: FinalView) -> Iterable[tuple[str, IssueBill | ReverseBill]]:
    """(issuer, operation) of the bills that a block recorded, in block order."""
    number = 0
    for received in view.received:
        for entry in received.transaction.entries:
            outcome = view.outcomes[number]
            number += 1
            if outcome.code == RECORDED and isinstance(entry.operation, IssueBill | ReverseBill):
                yield received.transaction.organisation, entry.operation
