"""Bundles of other validators that wait to be checked: each organisation has its own row, and they take turns.

Whoever floods fills its own row and no other's. The row is short where the others' are empty too: what is dropped is
repeated by its sender, while what waits long is of use to nobody.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass

from chain.transaction import Transaction
from node.link import Link

BUNDLES_MAX = 64  # of one organisation; and so many bytes
BUNDLES_BYTES_MAX = 16 << 20


@dataclass(frozen=True, slots=True)
class Bundle:
    link: Link  # that it came over
    transactions: list[Transaction]
    size_bytes: int


class BundleQueue:
    """Organisations are those with a seat: few."""

    def __init__(self) -> None:
        self._rows: OrderedDict[str, deque[Bundle]] = OrderedDict()  # those that are not empty, in the order of turns
        self._bytes: dict[str, int] = {}
        self._has_some = asyncio.Event()

    def put(self, bundle: Bundle) -> bool:
        """Whether there was room."""
        name = bundle.link.organisation
        row, waiting = self._rows.get(name, ()), self._bytes.get(name, 0)
        if len(row) >= BUNDLES_MAX or waiting + bundle.size_bytes > BUNDLES_BYTES_MAX:
            return False
        self._rows.setdefault(name, deque()).append(bundle)
        self._bytes[name] = waiting + bundle.size_bytes
        self._has_some.set()
        return True

    async def get(self) -> Bundle:
        """The oldest of whoever's turn it is; waits for one."""
        await self._has_some.wait()
        name, row = self._rows.popitem(last=False)
        bundle = row.popleft()
        self._bytes[name] -= bundle.size_bytes
        if row:
            self._rows[name] = row
        elif not self._rows:
            self._has_some.clear()
        return bundle
