"""How often a bill was found genuine here, when last, and by what kind of asker: for its holder. The public learns the number.

Each node counts its own answers. What is counted gathers in memory and goes down together and unflushed, so nobody who asks
waits for the disk; a node that is killed forgets the counts of its last WRITE_S seconds.
Keys, behind the store's own prefix:  c ‖ bill -> how often (8) · r ‖ bill ‖ number modulo ROWS_MAX (1) -> Lookup
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

from chain.codec import Count, Milliseconds, Wire, decode_stored, encode
from node.ledger_pages import utc_text
from node.service import Claimed, Reader

ROWS_MAX = 100  # look-ups of one bill that are told one by one; older ones are in the number alone
GATHERED_MAX = 1_000  # look-ups in memory; above, whoever asks waits until they are written
WRITE_S = 1.0
SLICE = 100  # of a list of answers, until the node's loop has a turn
POSITIVE = frozenset({"genuine", "genuine_reversed", "genuine_void"})
PUBLIC = "public"
KINDS = {  # role of a token -> kind of asker; all others are the public
    "insurer_clerk": "insurer",
    "employer_clerk": "employer",
    "finance_clerk": "finance",
    "auditor": "audit",
    "cashier": "hospital",
    "hospital_admin": "hospital",
}


class Lookup(Wire, frozen=True):
    number: Count  # of the bill's look-ups, from 1
    time_ms: Milliseconds
    kind: str
    organisation: str  # empty for the public


class Shelf(Protocol):
    """A part of a node's own store."""

    def read(self, key: bytes) -> bytes | None: ...

    def values(self, prefix: bytes) -> list[bytes]: ...

    async def keep(self, rows: dict[bytes, bytes]) -> None:
        """Together or not at all; need not be on the disk when this returns. Raises StorageFailed."""
        ...


class Lookups:
    def __init__(
        self, shelf: Shelf, prefix: bytes, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._shelf, self._prefix, self._now_ms = shelf, prefix, now_ms
        self._gathered: dict[str, list[Lookup]] = {}  # bill -> not given to the store yet; GATHERED_MAX
        self._writing: dict[str, list[Lookup]] = {}  # what is on its way there
        self._size = 0  # look-ups in `_gathered`
        self._turn = asyncio.Lock()

    async def counted(self, answer: dict[str, Any], bill: str, asker: Reader | None) -> dict[str, Any]:
        """The answer to a look-up; one that found the bill is counted, and says how many there were with it."""
        if answer["verdict"] not in POSITIVE:
            return answer
        return answer | {"lookups": await self.add(bill, asker)}

    async def count_many(self, claims: list[Claimed], answers: list[dict[str, Any]], asker: Reader) -> None:
        """Those of many answers that found their bills."""
        for place, (claimed, answer) in enumerate(zip(claims, answers, strict=True)):
            if answer["verdict"] in POSITIVE:
                await self.add(claimed.bill_id, asker)
            if place % SLICE == SLICE - 1:
                await asyncio.sleep(0)

    async def add(self, bill: str, asker: Reader | None) -> int:
        """The number of this look-up. Raises StorageFailed."""
        if self._size >= GATHERED_MAX:
            await self.write()
        kind = KINDS.get(asker.role, PUBLIC) if asker is not None else PUBLIC
        organisation = asker.organisation if asker is not None and kind != PUBLIC else ""
        made = Lookup(self.count(bill) + 1, self._now_ms(), kind, organisation)
        rows = self._gathered.setdefault(bill, [])
        rows.append(made)
        del rows[:-ROWS_MAX]
        self._size += 1
        return made.number

    def count(self, bill: str) -> int:
        for some in (self._gathered, self._writing):
            if bill in some:
                return some[bill][-1].number
        return int.from_bytes(self._shelf.read(self._count_key(bill)) or b"", "big")

    def page(self, bill: str) -> dict[str, Any]:
        """{count, last, rows}: rows newest first, at most ROWS_MAX; an institution is named, nobody else is."""
        found = {row.number: row for row in map(_decoded, self._shelf.values(self._row_key(bill)))}
        for some in (self._writing, self._gathered):
            found.update({row.number: row for row in some.get(bill, [])})
        rows = [found[number] for number in sorted(found, reverse=True)[:ROWS_MAX]]
        return {
            "count": self.count(bill),
            "last": utc_text(rows[0].time_ms) if rows else None,
            "rows": [
                {"time": utc_text(row.time_ms), "kind": row.kind}
                | ({"organisation": row.organisation} if row.organisation else {})
                for row in rows
            ],
        }

    async def run(self) -> None:
        """Until cancelled: give the store what was gathered. Raises StorageFailed."""
        while True:
            await asyncio.sleep(WRITE_S)
            await self.write()

    async def write(self) -> None:
        """Give all that was gathered to the store. Raises StorageFailed."""
        async with self._turn:
            if not self._gathered:
                return
            self._writing, self._gathered, self._size = self._gathered, {}, 0
            rows: dict[bytes, bytes] = {}
            for bill, some in self._writing.items():
                rows[self._count_key(bill)] = some[-1].number.to_bytes(8, "big")
                rows |= {self._row_key(bill) + bytes([row.number % ROWS_MAX]): encode(row) for row in some}
            await self._shelf.keep(rows)
            self._writing = {}

    def _count_key(self, bill: str) -> bytes:
        return self._prefix + b"c" + bill.encode()

    def _row_key(self, bill: str) -> bytes:
        return self._prefix + b"r" + bill.encode()


def _decoded(value: bytes) -> Lookup:
    return decode_stored(value, Lookup)
