"""Sends the outbox: what arrives within a few milliseconds goes under one signature to one validator, at once.

What is not recorded soon goes to all validators, again and again. A transaction that its window has passed by can run
no more, so its operations are signed anew; the ledger knows an operation that it has recorded (`already_recorded`).
No more is on its way than the ledger takes within a second: else what was sent first would wait behind, or be dropped for,
what was sent last. Source: DESIGN sections 5 and 9.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from chain.codec import decode, encode
from chain.failpoint import failpoint
from chain.signature import SigningKey
from chain.transaction import OPERATIONS_MAX, Entry, Transaction, receive_transaction, sign_transaction
from node.block_pace import weight_of
from node.gateway_follow import GatewayFollow
from node.gateway_servers import Servers
from node.gateway_store import GatewayStore, OperationRow, operation_key, submitted_key
from node.messages import encode_bundle
from node.outbox import Outbox
from node.part_check import Ledger

COLLECT_MS = 3
TRANSACTION_BYTES_MAX = 1 << 20  # of operations under one signature
TRANSACTIONS_UNRESOLVED_MAX = 64  # on their way; what comes later waits and goes in larger ones
WINDOW_WEIGHT_MIN = 2.0 * OPERATIONS_MAX  # may always be on its way
WINDOW_S = 1.0  # and else as much as the ledger took of ours within so long: more would wait there, or be dropped
SUBMITTED_MAX = 1_000  # transactions signed by others of the organisation, until they ran
RESEND_FIRST_MS = 500
RESEND_USUAL, RESEND_FIRST_MAX_S = 2.0, 2.0  # or twice as long as it takes lately, but no longer
USUAL_SHARE = 0.2  # of the newest in what is usual
RESEND_LAST_MS = 5_000
LOOK_MS = 100  # how often the times above are looked at
STUCK_MS = 10_000  # unresolved for so long while blocks come: somebody may be hiding the answer
STUCK_BLOCKS = 5


@dataclass(slots=True)
class Sent:
    """A transaction on its way."""

    transaction: Transaction
    payload: bytes  # a bundle of it alone
    open: set[bytes]  # digests of its operations that no block has told of
    is_ours: bool  # of the outbox; otherwise signed elsewhere and submitted
    first_s: float
    first_height: int
    next_s: float
    interval_ms: int = RESEND_FIRST_MS
    asked_s: float = field(default=0.0)  # when its record was last asked for

    @property
    def weight(self) -> int:
        return weight_of(1, len(self.transaction.entries))


class Window:
    """How much may be on its way: what the ledger took of ours lately. As with TCP, one that sends more than is worked off
    gains nothing, and what it sent first may be dropped for what it sent last."""

    def __init__(self) -> None:
        self._taken: deque[tuple[float, int]] = deque()  # (when, weight), within WINDOW_S
        self._weight = 0
        self._usual_s = 0.0  # from sending to hearing of it, smoothed

    def took(self, weight: int, sent_s: float, now_s: float) -> None:
        self._taken.append((now_s, weight))
        self._weight += weight
        self._usual_s += USUAL_SHARE * (now_s - sent_s - self._usual_s)

    @property
    def patience_s(self) -> float:
        """After so long without hearing of it, it is sent to all: at a busy time that would make the time busier."""
        return max(RESEND_FIRST_MS / 1000, min(RESEND_USUAL * self._usual_s, RESEND_FIRST_MAX_S))

    def weight(self, now_s: float) -> float:
        while self._taken and self._taken[0][0] < now_s - WINDOW_S:
            self._weight -= self._taken.popleft()[1]
        return max(WINDOW_WEIGHT_MIN, self._weight)


class Sender:
    """Owns what is on its way. `on_stuck` is told of an operation that blocks seem to pass by."""

    def __init__(
        self,
        ledger: Ledger,
        store: GatewayStore,
        outbox: Outbox,
        servers: Servers,
        follow: GatewayFollow,
        key: SigningKey,
        window_blocks: int,
        on_stuck: Callable[[bytes], None],
        on_expired: Callable[[list[bytes]], None],
    ) -> None:
        self._ledger, self._store, self._outbox, self._servers = ledger, store, outbox, servers
        self._follow, self._key, self._valid_blocks = follow, key, window_blocks
        self._on_stuck, self._on_expired = on_stuck, on_expired
        self.sent: dict[bytes, Sent] = {}  # transaction digest -> Sent; bounded by the two limits above
        self._submitted = 0
        self._window = Window()
        self._wake = asyncio.Event()
        outbox.on_added = self._wake.set
        for data in store.submitted():
            self._insert_submitted(decode(data, Transaction), len(data))
        if outbox.ready:
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        await self._follow.caught_up.wait()  # what was recorded meanwhile need not be sent
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_new())
            tasks.create_task(self._send_again())

    def has_room(self) -> bool:
        """Whether one submitted transaction more may be taken."""
        return self._submitted < SUBMITTED_MAX

    def submit(self, transaction: Transaction, size: int) -> None:
        """Keep and send a transaction that was signed elsewhere, as it is, until it ran or can run no more."""
        digest = self._insert_submitted(transaction, size)
        self._store.put(submitted_key(digest), encode(transaction))

    def on_outcome(self, transaction: bytes) -> None:
        """A block holds this transaction: all its operations have their outcomes."""
        sent = self.sent.pop(transaction, None)
        if sent is None:
            return
        if not sent.is_ours:
            self._submitted -= 1
            self._store.delete(submitted_key(transaction))
        else:
            self._window.took(sent.weight, sent.first_s, _now_s())
        self._wake.set()

    def on_resolved(self, operation: bytes) -> None:
        """An operation is settled by another transaction than the one it is in."""
        for digest, sent in list(self.sent.items()):
            if operation in sent.open and sent.is_ours:
                sent.open.discard(operation)
                if not sent.open:
                    del self.sent[digest]
                    self._wake.set()

    # ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _send_new(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(COLLECT_MS / 1000)
            self._wake.clear()
            while self._outbox.ready and self._may_send():
                digests = self._outbox.take(OPERATIONS_MAX, TRANSACTION_BYTES_MAX)
                if digests:
                    await self._store.flushed()  # saved before said
                    self._send(digests)

    def _may_send(self) -> bool:
        """What is stuck for long counts no more: it must not hold up what a counter waits for."""
        now = _now_s()
        ours = [sent for sent in self.sent.values() if sent.is_ours]
        under_way = sum(sent.weight for sent in ours if now - sent.first_s < STUCK_MS / 1000)
        return len(ours) < TRANSACTIONS_UNRESOLVED_MAX and under_way < self._window.weight(now)

    def _send(self, digests: list[bytes]) -> None:
        items = [self._outbox.items[digest] for digest in digests if digest in self._outbox.items]
        if not items:
            return
        entries = [
            Entry(
                item.linked and any(other.sequence == item.sequence + 1 for other in items[place + 1 : place + 2]),
                item.operation,
            )
            for place, item in enumerate(items)
        ]
        until = self._follow.height + self._valid_blocks
        transaction = sign_transaction(self._ledger.chain_id, self._ledger.organisation, self._key, until, entries)
        now = _now_s()
        payload = encode_bundle([transaction])
        is_open = {digest for digest in digests if digest in self._outbox.items}
        again_s = now + self._window.patience_s
        sent = Sent(transaction, payload, is_open, True, now, self._follow.height, again_s)
        digest = transaction.head(self._ledger.chain_id).digest()
        if digest in self.sent:  # the very same operations again at the same height: it is on its way already
            return
        self.sent[digest] = sent
        failpoint("sender.signed")
        self._servers.send_bundle(payload, to_all=False)
        failpoint("sender.sent")

    def _insert_submitted(self, transaction: Transaction, size: int) -> bytes:
        received = receive_transaction(self._ledger.chain_id, transaction, size)
        now = _now_s()
        if received.digest not in self.sent:
            payload = encode_bundle([transaction])
            height = self._follow.height
            operations = set(received.operation_digests)
            self.sent[received.digest] = Sent(transaction, payload, operations, False, now, height, now)
            self._submitted += 1
        return received.digest

    async def _send_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_MS / 1000)
            now = _now_s()
            if self._outbox.ready:
                self._wake.set()  # what is stuck may have made room
            for digest, sent in list(self.sent.items()):
                if self._follow.height >= sent.transaction.valid_until_height:
                    self._expire(digest, sent)
                elif sent.next_s <= now:
                    failpoint("sender.again")
                    self._servers.send_bundle(sent.payload, to_all=True)
                    sent.next_s = now + sent.interval_ms / 1000
                    sent.interval_ms = min(2 * sent.interval_ms, RESEND_LAST_MS)
                    self._look_for(sent, now)

    def _look_for(self, sent: Sent, now: float) -> None:
        is_passed_by = self._follow.height >= sent.first_height + STUCK_BLOCKS
        if is_passed_by and now - max(sent.first_s, sent.asked_s) >= STUCK_MS / 1000 and sent.open:
            sent.asked_s = now
            self._on_stuck(next(iter(sent.open)))

    def _expire(self, digest: bytes, sent: Sent) -> None:
        """Its window is over and no block up to there holds it: it can never run."""
        del self.sent[digest]
        if sent.is_ours:
            in_order = sorted(sent.open & self._outbox.items.keys(), key=lambda one: self._outbox.items[one].sequence)
            self._outbox.give_back(in_order)
            return
        self._submitted -= 1
        self._store.delete(submitted_key(digest))
        structlog.get_logger("gateway").warning("submitted_transaction_expired", transaction=digest.hex())
        for operation in sent.open:
            row = self._store.get(operation_key(operation), OperationRow)
            if row is not None and not row.code:
                self._store.put(operation_key(operation), OperationRow(row.bill, "transaction_expired", 0))
        self._on_expired(list(sent.open))


def _now_s() -> float:
    return asyncio.get_running_loop().time()
