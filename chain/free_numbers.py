"""Stretches of bill numbers under which the store holds nothing.

Each new bill asks whether its number is taken, by a bill or by a mark that it stays unused. Numbers of a lease are used
one after the other, and records never go away: so one look for the next one that is there answers for all before it, where
each look for one that is not there is a walk through every level of LevelDB. What is known here is never wrong, only
incomplete: forgetting it costs another look.

A follower executes in a thread while a flush ends on its loop: changes are locked, and `holds` reads one pair at a time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Protocol

from chain.keyspace import NUMBER_DIGITS, NUMBERED

STRETCHES_MAX = 4_096  # of a kind of key; then it begins anew. Each open lease has one or two
AFTER_ALL = 10**NUMBER_DIGITS


class Scan(Protocol):
    def scan(
        self, prefix: bytes, start: bytes | None = None, limit: int | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]: ...


class _Stretches:
    """Disjoint pairs, ascending: first number, and the one after the last."""

    def __init__(self) -> None:
        self._pairs: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._pairs)

    def holds(self, number: int) -> bool:
        place = bisect_right(self._pairs, (number, AFTER_ALL))
        near = self._pairs[max(0, place - 1) : place]
        return bool(near) and near[0][0] <= number < near[0][1]

    def add(self, first: int, end: int) -> None:
        """One that nothing is known of at its beginning; what is known further on goes into it."""
        if len(self._pairs) >= STRETCHES_MAX:
            self._pairs.clear()
        place = upto = self._place(first)
        while upto < len(self._pairs) and self._pairs[upto][0] < end:
            upto += 1
        self._pairs[place:upto] = [(first, end)]

    def cut(self, number: int) -> None:
        """This number is there from now on."""
        place = self._place(number) - 1
        if place < 0 or number >= self._pairs[place][1]:
            return
        if len(self._pairs) >= STRETCHES_MAX:  # numbers used in no order cut one into many
            self._pairs.clear()
            return
        first, end = self._pairs[place]
        if number == first and number + 1 < end:  # in order, as nearly always
            self._pairs[place] = number + 1, end
            return
        self._pairs[place : place + 1] = [
            (start, stop) for start, stop in ((first, number), (number + 1, end)) if start < stop
        ]

    def _place(self, number: int) -> int:
        """Of the first pair that begins above it."""
        return bisect_right(self._pairs, (number, AFTER_ALL))


class FreeNumbers:
    def __init__(self) -> None:
        self._by_prefix = {prefix: _Stretches() for prefix in NUMBERED}
        self._lock = Lock()
        self._changes = 0  # how often the store was told to have more

    def holds(self, key: bytes) -> bool:
        """Whether the store is known to have nothing under a database key."""
        stretches = self._by_prefix.get(key[:-NUMBER_DIGITS])
        if stretches is None:
            return False
        digits = key[-NUMBER_DIGITS:]
        return digits.isdigit() and stretches.holds(int(digits))

    def learn(self, key: bytes, store: Scan) -> None:
        """The store has nothing under `key`: look how far that goes."""
        prefix, digits = key[:-NUMBER_DIGITS], key[-NUMBER_DIGITS:]
        stretches = self._by_prefix.get(prefix)
        if stretches is None or not digits.isdigit():
            return
        changes = self._changes
        found = next(iter(store.scan(prefix, start=key, limit=1)), None)
        end = AFTER_ALL if found is None else int(found[0][-NUMBER_DIGITS:])
        with self._lock:
            # else what was seen may be older than what was added, or another thread saw it too
            if changes == self._changes and not stretches.holds(int(digits)):
                stretches.add(int(digits), end)

    def taken(self, keys: Iterable[bytes]) -> None:
        """The store has these keys now. Said before anybody reads them there."""
        by_prefix = self._by_prefix
        with self._lock:
            self._changes += 1
            for key in keys:
                stretches = by_prefix.get(key[:-NUMBER_DIGITS])
                if stretches is not None:
                    stretches.cut(int(key[-NUMBER_DIGITS:]))
