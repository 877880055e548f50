"""Which of many hashed keys the store may have: so a look for one that it lacks is seldom made.

A business number's record and a transaction's memory are asked for once before they are written, and lie anywhere among
millions. LevelDB answers such a look from its filters, and counts it against a table all the same: after some hundred it
rewrites that table into the level below, 50 us of work for each bill of a ledger of a million. Here a look costs half a
microsecond and no table. No key that was put in is ever taken for missing; of others one in some hundred is looked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Protocol

LAYER_WORDS = 1 << 18  # of 64 bits, of the first layer: a million keys. Each further one has LAYER_GROWTH times as many
LAYER_GROWTH = 4
KEYS_PER_WORD = 4
SLICE = 4_000  # keys that are read of the store at once, some ten milliseconds
GONE_MIN, GONE_SHARE = 100_000, 0.75  # so many, and this share of all put in, are deleted again: it is made anew


class KeysReader(Protocol):
    def keys(self, prefix: bytes, start: bytes, limit: int) -> list[bytes]: ...


class Filter:
    """Of numbers that are evenly spread over 64 bits: 16 bits a number, four of them set in one word."""

    def __init__(self) -> None:
        self._layers: list[array[int]] = []
        self._room = 0
        self.count = 0

    def add(self, numbers: Sequence[int]) -> None:
        done = 0
        while done < len(numbers):
            if not self._room:
                words = LAYER_WORDS * LAYER_GROWTH ** len(self._layers)
                self._layers.append(array("Q", bytes(8 * words)))
                self._room = KEYS_PER_WORD * words
            some = numbers[done : done + self._room]
            layer = self._layers[-1]
            mask = len(layer) - 1
            for number in some:
                # as in __contains__, written out: a call would take as long as the rest
                bits = (
                    1 << (number & 63) | 1 << (number >> 6 & 63) | 1 << (number >> 12 & 63) | 1 << (number >> 18 & 63)
                )
                layer[number >> 24 & mask] |= bits
            self._room -= len(some)
            done += len(some)
        self.count += done

    def __contains__(self, number: int) -> bool:
        bits = 1 << (number & 63) | 1 << (number >> 6 & 63) | 1 << (number >> 12 & 63) | 1 << (number >> 18 & 63)
        word = number >> 24
        for layer in reversed(self._layers):  # noqa: SIM110 - a generator takes three times as long, for every bill
            if layer[word & (len(layer) - 1)] & bits == bits:
                return True
        return False


def _number(key: bytes) -> int:
    return int.from_bytes(key[1:9], "big")


class SeenKeys:
    """Those of one prefix. Until all that the store had at the beginning was read, it says nothing."""

    def __init__(self, prefix: bytes) -> None:
        """A byte; a hash comes behind it."""
        self._prefix = prefix
        self._whole: Filter | None = None
        self._making: Filter | None = Filter()
        self._next = prefix  # where reading goes on
        self._gone = 0

    def lacks(self, key: bytes) -> bool:
        """Whether the store is known to have nothing under it."""
        return self._whole is not None and int.from_bytes(key[1:9], "big") not in self._whole

    def taken(self, keys: Iterable[bytes]) -> None:
        """The store has these now. Said before anybody reads them there."""
        numbers = [_number(key) for key in keys]
        for one in (self._whole, self._making):
            if one is not None:
                one.add(numbers)

    def gone(self, count: int) -> None:
        """So many were deleted: the filter keeps them, so after many it is made anew."""
        self._gone += count
        if (
            self._making is None
            and self._whole is not None
            and self._gone >= max(GONE_MIN, self._whole.count * GONE_SHARE)
        ):
            self._making, self._next, self._gone = Filter(), self._prefix, 0

    def read_on(self, store: KeysReader, limit: int = SLICE) -> None:
        """So many keys more of those that were there before anything was told."""
        if self._making is None:
            return
        keys = store.keys(self._prefix, self._next, limit)
        self._making.add([_number(key) for key in keys])
        if len(keys) < limit:
            self._whole, self._making = self._making, None
        else:
            self._next = keys[-1] + b"\0"
