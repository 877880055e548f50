"""The outbox: operations that were answered with a number, kept until the ledger has recorded or refused them.

It lies on disk and is whole in memory, in the order in which things were asked for. `sender.py` sends from it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from chain.codec import encode
from chain.failpoint import failpoint
from chain.operation import IssueBill, Operation, ReverseBill, operation_digest
from node.gateway_store import GatewayStore, OperationRow, OutboxItem, operation_key, outbox_key

ITEMS_MAX = 200_000  # bills that wait: days of a large hospital without the province
BYTES_MAX = 128 << 20  # of their operations
RESERVE_ITEMS = 10_000  # beyond that, for what must not be refused: leases, reports of unused numbers


class Outbox:
    """Bounded by `has_room`, which whoever takes a bill asks first."""

    def __init__(self, store: GatewayStore, on_added: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self.on_added = on_added
        self.items: dict[bytes, OutboxItem] = {}  # operation digest -> item, at most ITEMS_MAX + RESERVE_ITEMS
        self.ready: deque[bytes] = deque()  # digests to send, in order; those on their way are not here
        self._held: dict[str, list[bytes]] = {}  # bill -> digests that wait until it is recorded
        self._sizes: dict[bytes, int] = {}
        self.bytes = 0
        self._sequence = 0
        for item in store.outbox():
            self._insert(item, operation_digest(item.operation))
            self._sequence = item.sequence
        for bill in list(self._held):
            row = store.bill(bill)
            if row is not None and row.code:
                self.release(bill)

    def has_room(self) -> bool:
        """Whether one bill more may be taken."""
        return len(self.items) < ITEMS_MAX and self.bytes < BYTES_MAX

    def has_reserve(self) -> bool:
        """Whether one operation more may be taken that no person waits for."""
        return len(self.items) < ITEMS_MAX + RESERVE_ITEMS

    def add(self, operation: Operation, after: str = "", linked: bool = False) -> bytes:
        """Keep an operation, to be sent once it is on the disk and the bill `after` is recorded. Returns its digest.

        `linked`: the one that is added next, in the same change, goes into the same transaction and holds or falls with it.
        """
        digest = operation_digest(operation)
        if digest in self.items:
            return digest
        self._sequence += 1
        item = OutboxItem(self._sequence, operation, after, linked)
        self._store.put(outbox_key(item.sequence), item)
        bill = operation.bill if isinstance(operation, IssueBill | ReverseBill) else ""
        self._store.put(operation_key(digest), OperationRow(bill, "", 0))
        self._insert(item, digest)
        failpoint("outbox.added")
        self.on_added()
        return digest

    def resolve(self, digest: bytes) -> OutboxItem | None:
        """The ledger has said what became of it: let go."""
        item = self.items.pop(digest, None)
        if item is not None:
            self.bytes -= self._sizes.pop(digest)
            self._store.delete(outbox_key(item.sequence))
            failpoint("outbox.resolved")
        return item

    def take(self, count: int, size: int) -> list[bytes]:
        """The next digests to send: at most `count`, and no more than `size` bytes of operations unless one alone is."""
        taken: list[bytes] = []
        total = 0
        ready, items, sizes = self.ready, self.items, self._sizes
        while ready:
            digest = ready[0]
            item = items.get(digest)
            if item is None:  # settled already
                ready.popleft()
                continue
            group = self._linked_group() if item.linked else [digest]
            total += sum(sizes[one] for one in group) if item.linked else sizes[digest]
            if taken and (total > size or len(taken) + len(group) > count):
                break
            taken += group
            for _ in group:
                ready.popleft()
        return taken

    def _linked_group(self) -> list[bytes]:
        """The next one that is ready with what it is linked to, which lies behind it."""
        group: list[bytes] = []
        for digest in self.ready:
            item = self.items.get(digest)
            if item is None or (group and item.sequence != self.items[group[-1]].sequence + 1):
                break
            group.append(digest)
            if not item.linked:
                break
        return group

    def give_back(self, digests: list[bytes]) -> None:
        """They were sent in vain: they go ahead of the others."""
        self.ready.extendleft(reversed([digest for digest in digests if digest in self.items]))
        self.on_added()

    def release(self, bill: str) -> None:
        """A bill is recorded: what waited for it may go."""
        held = self._held.pop(bill, [])
        self.ready.extend(digest for digest in held if digest in self.items)
        if held:
            self.on_added()

    def withdraw(self, bill: str) -> list[tuple[bytes, OutboxItem]]:
        """A bill will never be recorded: let go of what waited for it, never sent."""
        held = self._held.pop(bill, [])
        return [(digest, item) for digest in held if (item := self.resolve(digest)) is not None]

    def _insert(self, item: OutboxItem, digest: bytes) -> None:
        size = len(encode(item.operation))
        self.items[digest] = item
        self._sizes[digest] = size
        self.bytes += size
        if item.after:
            self._held.setdefault(item.after, []).append(digest)
        else:
            self.ready.append(digest)
