"""What the numbers of a lease were spent on, as the ledger has it."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator

from chain import keyspace
from chain.records import LeaseBody
from chain.state import SavedState

GAPS_MAX = 1_000  # told of one lease
SCANNED_AT_ONCE = 200  # then others have their turn


class Spent:
    """Numbers of one lease as they come, ascending."""

    def __init__(self, first: int) -> None:
        self.next = first  # the number that has to come
        self.bills = self.unused = self.missing = 0
        self.gaps: list[list[int]] = []  # [first, last]; at most GAPS_MAX, `missing` counts all

    def add(self, number: int, is_bill: bool) -> None:
        if number > self.next:
            self.missing += number - self.next
            if len(self.gaps) < GAPS_MAX:
                self.gaps.append([self.next, number - 1])
        self.next = number + 1
        self.bills += is_bill
        self.unused += not is_bill


async def spent_of(state: SavedState, code: str, lease: LeaseBody) -> Spent:
    """All numbers that a bill or a report of an unused one stands under."""
    spent = Spent(lease.first)
    bills = ((number, True) for number in numbers_under(state, code, lease, keyspace.bill))
    unused = ((number, False) for number in numbers_under(state, code, lease, keyspace.unused))
    for looked_at, (number, is_bill) in enumerate(heapq.merge(bills, unused)):
        spent.add(number, is_bill)
        if looked_at % SCANNED_AT_ONCE == 0:
            await asyncio.sleep(0)
    return spent


def numbers_under(state: SavedState, code: str, lease: LeaseBody, key_of: Callable[[str], bytes]) -> Iterator[int]:
    """Those of a lease under which there is a record of one kind, ascending; read by slices."""
    prefix = keyspace.stored_record(key_of(code))
    after, end = lease.first - 1, lease.first + lease.count
    while True:
        start = keyspace.stored_record(key_of(f"{code}{after:010d}")) if after >= 0 else b""
        keys = [key for key, _value in state.scan(prefix, after=start, limit=SCANNED_AT_ONCE)]
        for key in keys:
            after = int(key[-10:])
            if after >= end:
                return
            yield after
        if len(keys) < SCANNED_AT_ONCE:
            return
