"""The numbers that this gateway may give: leases cut from the hospital's ranges, one number after the other.

A lease is used only if this very store asked for it: a store made anew never uses a number again that a former one may
have given. Two gateways that cut at once get `range_moved`, and one tries again. Source: DESIGN section 6, numbers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

import structlog

from chain import keyspace
from chain.bill import KIND_NAMES
from chain.block import RECORDED
from chain.failpoint import failpoint
from chain.genesis import Genesis
from chain.operation import RangeRef, TakeLease
from chain.proof import CurrentRecord
from chain.records import ParametersBody, RangeBody, RangesBody
from chain.rules.bills import bill_code
from chain.rules.context import local_date
from chain.state import body_of
from node.gateway_store import GatewayStore, LeaseRow, lease_key
from node.outbox import Outbox
from node.service import LeaseView

REFILL_MS = 1_000  # how often the book looks whether it runs low, beside being told
RETRY_MS = 5_000  # after a refusal that is none of `range_moved`
WANTED_MAX = 1_000  # pairs of code and place beyond the usual ones
NEXT_YEAR_FROM = 1231  # month and day: from here on next year's leases are taken as well

Pair = tuple[str, str]  # code (8 digits), place
Record = Callable[[bytes], Awaitable[CurrentRecord | None]]


class LeaseBook:
    def __init__(
        self,
        name: str,
        organisation: str,
        places: Sequence[str],
        count: int,
        threshold: int,
        genesis: Genesis,
        store: GatewayStore,
        outbox: Outbox,
        record: Record,
        now_ms: Callable[[], int],
    ) -> None:
        """`count` numbers are taken at a time, when fewer than `threshold` are left; `name` is this gateway's."""
        self._name, self._organisation, self._places = name, organisation, places
        self._count, self._threshold = count, threshold
        self._parameters: ParametersBody = genesis.parameters
        self._genesis, self._store, self._outbox, self._record = genesis, store, outbox, record
        self._now_ms = now_ms
        self._leases: dict[Pair, list[LeaseRow]] = {}  # with numbers left, in the order taken
        self._wanted: set[Pair] = set()  # asked for beside the usual ones, at most WANTED_MAX
        self._asked: dict[bytes, Pair] = {}  # operation on its way -> what it is for
        self._next: dict[RangeRef, int] = {}  # as far as blocks told; as many as the hospital's ranges
        self._not_before: dict[Pair, float] = {}  # pair -> when to try again, loop time; as many as pairs
        self._wake = asyncio.Event()
        for row in store.leases():
            if row.next < row.first + row.count:
                self._leases.setdefault((row.code, row.place), []).append(row)
        for digest, item in outbox.items.items():
            if isinstance(item.operation, TakeLease):
                self._asked[digest] = (item.operation.range.code, item.operation.place)

    # ── giving ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, code: str, place: str) -> tuple[str, int] | None:
        """The next number, as a bill id, and its lease; None if there is none, and then a lease is asked for.

        The number is spent with the batch that the store writes next.
        """
        pair = (code, place)
        leases = self._leases.get(pair)
        if not leases:
            self._want(pair)
            return None
        row = leases[0]
        number = row.next
        row = LeaseRow(row.code, row.first, row.count, row.place, number + 1)
        self._store.put(lease_key(row.code, row.first), row)
        failpoint("lease_book.taken")
        if row.next < row.first + row.count:
            leases[0] = row
        else:
            leases.pop(0)
        if self.left(code, place) < self._threshold:
            self._want(pair)
        return f"{code}{number:010d}", row.first

    def left(self, code: str, place: str) -> int:
        """How many numbers may still be given."""
        return sum(row.first + row.count - row.next for row in self._leases.get((code, place), []))

    def missing(self) -> list[Pair]:
        """Of this year's pairs, those without a number."""
        return [pair for pair in self._usual(self._year_day()) if not self.left(*pair)]

    def views(self) -> list[LeaseView]:
        """Leases with numbers left."""
        return [
            LeaseView(
                lease=f"{row.code}{row.first:010d}",
                kind=KIND_NAMES.get(int(row.code[4:6]), row.code[4:6]),
                place=row.place,
                gateway=self._name,
                first=row.first,
                count=row.count,
                next=row.next,
                left=row.first + row.count - row.next,
            )
            for _pair, rows in sorted(self._leases.items())
            for row in rows
        ]

    def numbers_left(self) -> int:
        return sum(self.left(*pair) for pair in self._leases)

    def _want(self, pair: Pair) -> None:
        if len(self._wanted) < WANTED_MAX:
            self._wanted.add(pair)
        self._wake.set()

    # ── what the ledger says ─────────────────────────────────────────────────────────────────────────────────────────

    def on_recorded(self, operation: TakeLease) -> None:
        """A lease of any of the hospital's gateways is recorded: its range begins further on."""
        behind = operation.first + operation.count
        self._next[operation.range] = max(behind, self._next.get(operation.range, 0))

    def on_outcome(self, digest: bytes, operation: TakeLease, code: str) -> None:
        """What became of a lease that this store asked for."""
        pair = self._asked.pop(digest, (operation.range.code, operation.place))
        if code == RECORDED:
            row = LeaseRow(operation.range.code, operation.first, operation.count, operation.place, operation.first)
            self._store.put(lease_key(row.code, row.first), row)
            self._leases.setdefault(pair, []).append(row)
            self._not_before.pop(pair, None)
            failpoint("lease_book.recorded")
        elif code != "range_moved":
            self._not_before[pair] = asyncio.get_running_loop().time() + RETRY_MS / 1000
            structlog.get_logger("gateway").error("lease_refused", code=code, lease_code=pair[0], place=pair[1])
        self._wake.set()

    # ── refilling ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self, caught_up: asyncio.Event) -> None:
        """Until cancelled. Nothing is asked for before the gateway has caught up: earlier it would ask in vain."""
        await caught_up.wait()
        while True:
            await self._refill()
            try:
                async with asyncio.timeout(REFILL_MS / 1000):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _refill(self) -> None:
        now = asyncio.get_running_loop().time()
        usual = self._usual(self._year_day())
        underway = set(self._asked.values())
        low: dict[str, list[str]] = {}  # code -> places
        for pair in sorted({*usual, *self._wanted}):
            if self.left(*pair) >= max(self._threshold, 1):
                self._wanted.discard(pair)
            elif pair not in underway and self._not_before.get(pair, 0.0) <= now:
                low.setdefault(pair[0], []).append(pair[1])
        for code, places in low.items():
            await self._ask_for(code, places)

    async def _ask_for(self, code: str, places: list[str]) -> None:
        """One lease per place, cut one after the other from the first range that has enough left."""
        pieces = await self._free(code)
        for place in places:
            if not pieces or not self._outbox.has_reserve():
                self._not_before[code, place] = asyncio.get_running_loop().time() + RETRY_MS / 1000
                self._wanted.discard((code, place))  # asked again by whoever needs it
                continue
            ref, first, end = pieces[0]
            count = min(self._count, end - first)
            digest = self._outbox.add(TakeLease(ref, first, count, self._name, place))
            self._asked[digest] = (code, place)
            failpoint("lease_book.asked")
            pieces[0] = (ref, first + count, end)
            if first + count >= end:
                pieces.pop(0)

    async def _free(self, code: str) -> list[tuple[RangeRef, int, int]]:
        """(range, next number, end) of the hospital's ranges of a code that have numbers left."""
        firsts = await self._firsts(code)
        pieces = []
        for first in firsts:
            ref = RangeRef(self._organisation, code, first)
            body = await self._range(ref)
            if body is None:
                continue
            following, end = max(body.next, self._next.get(ref, 0)), body.first + body.count
            if following < end:
                pieces.append((ref, following, end))
        return pieces

    async def _firsts(self, code: str) -> list[int]:
        current = await self._record(keyspace.number_ranges(self._organisation, code))
        if current is not None:
            return body_of(current.record, RangesBody).firsts
        return [entry.first for entry in self._genesis_ranges(code)]  # before the first block nobody can prove more

    async def _range(self, ref: RangeRef) -> RangeBody | None:
        current = await self._record(keyspace.number_range(ref))
        if current is not None:
            return body_of(current.record, RangeBody)
        for entry in self._genesis_ranges(ref.code):
            if entry.first == ref.first:
                return RangeBody(entry.first, entry.count, entry.first, entry.parent)
        return None

    def _genesis_ranges(self, code: str) -> list[RangeBody]:
        return [
            RangeBody(entry.first, entry.count, entry.first, entry.parent)
            for entry in self._genesis.ranges
            if (entry.holder, entry.code) == (self._organisation, code)
        ]

    def _year_day(self) -> int:
        return local_date(self._now_ms(), self._parameters.utc_offset_minutes)

    def _usual(self, today: int) -> list[Pair]:
        """Every kind at every place, for this year, and for the next when it is near."""
        dates = [today, today + 10_000] if today % 10_000 >= NEXT_YEAR_FROM else [today]
        parameters = self._parameters
        return [
            (bill_code(parameters.region, parameters.classification, kind, date), place)
            for date in dates
            for kind in parameters.kinds
            for place in islice(self._places, WANTED_MAX)
        ]
