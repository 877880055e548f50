"""What the store is known to lack: most keys that a block asks for are new, and each look for them costs.

It lies between a ledger's state and its store. It is derived, holds no key wrongly for absent, and may know less at any
time: then one look more is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from chain.free_numbers import FreeNumbers, Scan
from chain.keyspace import BUSINESSES, RECORDS, TRANSACTIONS
from chain.seen_keys import SLICE, KeysReader, SeenKeys

OPENING_KEYS = 300_000  # of each kind that are read when a ledger opens, within half a second; others flush by flush


class Reader(Scan, KeysReader, Protocol):
    """What the store must be able to tell."""


class AbsentKeys:
    def __init__(self) -> None:
        self._free = FreeNumbers()
        self._transactions = SeenKeys(TRANSACTIONS)
        self._businesses = SeenKeys(BUSINESSES)

    def open(self, store: Reader) -> None:
        """Read what is there already, as far as that goes quickly."""
        for seen in (self._transactions, self._businesses):
            seen.read_on(store, OPENING_KEYS)

    def holds(self, key: bytes) -> bool:
        """Whether the store is known to have nothing under a database key."""
        kind = key[:1]
        if kind == BUSINESSES:
            return self._businesses.lacks(key)
        if kind == TRANSACTIONS:
            return self._transactions.lacks(key)
        return self._free.holds(key)

    def missed(self, key: bytes, store: Reader) -> None:
        """The store was asked, and has nothing under it."""
        self._free.learn(key, store)

    def flushed(self, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """The store has these now, None where a key is gone. Said before anybody reads them there."""
        by_kind: dict[bytes, list[bytes]] = {kind: [] for kind in (TRANSACTIONS, BUSINESSES, RECORDS)}
        gone = 0
        for key, value in changes:
            keys = by_kind.get(key[:1])
            if keys is None:
                continue
            if value is not None:
                keys.append(key)
            elif key[:1] == TRANSACTIONS:
                gone += 1
        self._transactions.gone(gone)
        self._transactions.taken(by_kind[TRANSACTIONS])
        self._businesses.taken(by_kind[BUSINESSES])
        self._free.taken(by_kind[RECORDS])

    def read_on(self, store: Reader) -> None:
        """A little of what was there when the ledger opened, or of what a filter is made anew from."""
        self._transactions.read_on(store, SLICE)
        self._businesses.read_on(store, SLICE)
