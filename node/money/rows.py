"""What a gateway keeps of money and visits: one row for each name, private parts sealed, and indexes by patient and by what is due.

Keys of the gateway's store, under `MONEY_ROWS`:
  n kind name -> MoneyRow        kind is one byte of KINDS, name 32 bytes
  h holder kind sequence name -> nothing      what is of a patient, in the order of its making
  y channel day sequence name -> nothing      payments and refunds that a channel told of on a day
  d task name -> nothing, or Since    what the gateway has still to do by itself (an order: until when it is open); task is one byte of TASKS
  l task -> Since                until when such things were looked after
"""

from __future__ import annotations

import struct
import time
from typing import TypeVar

from chain.codec import Count, Digest, Milliseconds, Wire
from chain.errors import StorageFailed
from node.gateway_store import MONEY_ROWS, GatewayStore
from node.money.private_box import PrivateBox
from node.service import ServiceRefused

T = TypeVar("T", bound=Wire)

# kinds of rows
KINDS = {
    name: bytes([number])
    for number, name in enumerate(
        (
            "notice",
            "order",
            "payment",
            "refund",
            "deposit",
            "agreement",
            "hold",
            "payee",
            "split",
            "schedule",
            "appointment",
            "visit",
            "part",
            "refunded",
            "payout",
            "debt_payment",
            "return",
            "notice_refund",
            "wanted_bill",  # number of a bill that is to follow; its content is the name of whose bill it is
        ),
        1,
    )
}
# what a gateway does by itself until it is done
TASKS = {
    name: bytes([number])
    for number, name in enumerate(("bill", "part", "stray", "back", "visit", "confirm", "debt", "order"), 1)
}


class MoneyRow(Wire, frozen=True):
    """Something that was asked for here."""

    number: str  # the hospital's own; nothing personal
    content: Digest  # MAC of all that was asked: the same again is told by it
    operations: list[Digest]  # of the chain that it became, in order
    holder: bytes  # as the ledger calls the patient; empty if it is of nobody
    asked_ms: Milliseconds
    sequence: Count
    private: bytes  # box of private_box.py; empty if nothing is private


class Since(Wire, frozen=True):
    at_ms: Milliseconds


class MoneyRows:
    def __init__(self, store: GatewayStore, box: PrivateBox) -> None:
        self._store, self._box = store, box
        self._turns: dict[str, bytes] = {}  # task -> the key after which its next turn begins

    def get(self, kind: str, name: bytes) -> MoneyRow | None:
        return self._store.get(_row_key(kind, name), MoneyRow)

    def put(self, kind: str, name: bytes, row: MoneyRow) -> None:
        key = _row_key(kind, name)
        former = self.get(kind, name)
        if former is not None and former.holder and former.sequence != row.sequence:  # asked again after a refusal
            self._store.delete(_holder_key(former.holder, kind, former.sequence, name))
        self._store.put(key, row)
        if row.holder:
            self._store.put(_holder_key(row.holder, kind, row.sequence, name), b"")

    def private(self, kind: str, name: bytes, row: MoneyRow, form: type[T]) -> T:
        """Raises StorageDamaged."""
        return self._box.open(_row_key(kind, name), row.private, form)

    def sealed(self, kind: str, name: bytes, value: Wire) -> bytes:
        return self._box.seal(_row_key(kind, name), value)

    def of_holder(self, holder: bytes, kind: str, after: int | None, limit: int) -> list[tuple[int, bytes]]:
        """(sequence, name) of a patient's rows of a kind, the oldest first, above `after`."""
        prefix = MONEY_ROWS + b"h" + holder + KINDS[kind]
        start = b"" if after is None else prefix + struct.pack(">Q", after) + b"\xff" * 33
        keys = self._store.keys(prefix, start, limit)
        return [(struct.unpack(">Q", key[len(prefix) : len(prefix) + 8])[0], key[len(prefix) + 8 :]) for key in keys]

    def due(self, task: str, limit: int) -> list[bytes]:
        prefix = MONEY_ROWS + b"d" + TASKS[task]
        return [key[len(prefix) :] for key in self._store.keys(prefix, b"", limit)]

    def is_due(self, task: str, name: bytes) -> bool:
        return bool(self._store.keys(MONEY_ROWS + b"d" + TASKS[task] + name, b"", 1))

    def due_in_turn(self, task: str, limit: int) -> list[bytes]:
        """Each time the next ones, in a round: what stays due holds up nothing that lies behind it."""
        prefix, after = MONEY_ROWS + b"d" + TASKS[task], self._turns.get(task, b"")
        keys = self._store.keys(prefix, after, limit)
        if after and len(keys) < limit:
            keys += [key for key in self._store.keys(prefix, b"", limit - len(keys)) if key <= after]
        self._turns[task] = keys[-1] if len(keys) == limit else b""
        return [key[len(prefix) :] for key in keys]

    def put_due(self, task: str, name: bytes, since_ms: int | None = None) -> None:
        value = b"" if since_ms is None else Since(since_ms)
        self._store.put(MONEY_ROWS + b"d" + TASKS[task] + name, value)

    def due_since_ms(self, task: str, name: bytes) -> int:
        """Since when it was put last; of one that was put with a time."""
        found = self._store.get(MONEY_ROWS + b"d" + TASKS[task] + name, Since)
        return found.at_ms if found is not None else 0

    def put_looked(self, task: str, at_ms: int) -> None:
        self._store.put(MONEY_ROWS + b"l" + TASKS[task], Since(at_ms))

    def looked_ms(self, task: str) -> int | None:
        """Until when such things were looked after; None if they never were."""
        found = self._store.get(MONEY_ROWS + b"l" + TASKS[task], Since)
        return found.at_ms if found is not None else None

    def put_day(self, channel: str, day: int, name: bytes) -> None:
        """Something of a channel's day: yyyymmdd."""
        sequence = time.time_ns() // 1000
        self._store.put(_day_prefix(channel, day) + struct.pack(">Q", sequence) + name, b"")

    def of_day(self, channel: str, day: int, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """(key, name) of a channel's day, in the order of their making, above the key `after`."""
        prefix = _day_prefix(channel, day)
        return [(key, key[len(prefix) + 8 :]) for key in self._store.keys(prefix, after, limit)]

    async def flushed(self) -> None:
        """Return when everything put so far is on the disk. Raises ServiceRefused."""
        try:
            await self._store.flushed()
        except StorageFailed as failed:
            raise ServiceRefused(failed.code) from None

    def done(self, task: str, name: bytes) -> None:
        self._store.delete(MONEY_ROWS + b"d" + TASKS[task] + name)


def _row_key(kind: str, name: bytes) -> bytes:
    return MONEY_ROWS + b"n" + KINDS[kind] + name


def _day_prefix(channel: str, day: int) -> bytes:
    return MONEY_ROWS + b"y" + f"{channel}/{day:08d}/".encode()


def _holder_key(holder: bytes, kind: str, sequence: int, name: bytes) -> bytes:
    return MONEY_ROWS + b"h" + holder + KINDS[kind] + struct.pack(">Q", sequence) + name
