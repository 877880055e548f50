"""Transactions that others signed, or this office did: kept on disk and sent until a block holds them or they expire.

Lies in the database of the details under y/transaction digest -> canonical Transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from chain.codec import decode, encode
from chain.errors import BlockInvalid, ChainError, StorageFailed
from chain.execute import verify_transaction
from chain.failpoint import failpoint
from chain.final_view import FinalView
from chain.ledger import Ledger, signature_holds
from chain.state import Store
from chain.transaction import ReceivedTransaction, Transaction, receive_transaction
from node.disk_space import CODE as DISK_NEARLY_FULL
from node.disk_space import DiskSpace, boundless
from node.messages import BUNDLE, encode_bundles
from node.peers import Peers
from node.service import ServiceRefused
from node.thread_work import finished

SUBMISSIONS_MAX = 1_000  # on their way; one more is refused
SUBMISSIONS_BYTES_MAX = 64 << 20
BUNDLE_BYTES_MAX = 8 << 20  # of transactions that are sent again together
AGAIN_FIRST_S, AGAIN_MAX_S = 0.5, 5.0
LOOK_S = 0.25  # how often what is due is looked for
_PREFIX = b"y/"


def send_to_validators(peers: Peers) -> Callable[[Sequence[Transaction]], None]:
    """What hands transactions to every validator that is up; a full queue drops them, and they are sent again."""

    def send(transactions: Sequence[Transaction]) -> None:
        for payload in encode_bundles(transactions):
            for link in peers.validators():
                link.send(BUNDLE, payload)

    return send


@dataclass(slots=True)
class _Waiting:
    received: ReceivedTransaction
    again_at_s: float
    wait_s: float = AGAIN_FIRST_S


class Submissions:
    def __init__(
        self,
        ledger: Ledger,
        database: Store,
        thread: Executor,
        send: Callable[[Sequence[Transaction]], None],
        now_s: Callable[[], float] = time.monotonic,
        space: DiskSpace | None = None,
    ) -> None:
        self._ledger, self._database, self._thread = ledger, database, thread
        self._send, self._now_s = send, now_s
        self._space = space or boundless()
        self._waiting: dict[bytes, _Waiting] = {}  # transaction digest -> ..., at most SUBMISSIONS_MAX
        self._operations: dict[bytes, bytes] = {}  # operation digest -> transaction; those of the waiting ones
        self._failure: StorageFailed | None = None  # of a write: nothing may be kept here any more
        self._done: list[bytes] = []  # digests to be forgotten on disk with the next batch
        for _key, value in database.scan(_PREFIX):
            received = receive_transaction(ledger.chain_id, decode(value, Transaction), len(value))
            if ledger.is_remembered(received.digest) or self._is_over(received):
                self._done.append(received.digest)
            else:
                self._insert(received)

    async def submit(self, data: bytes) -> ReceivedTransaction:
        """Check, keep and send a transaction in canonical bytes. The same again is sent again.

        Raises ServiceRefused: `malformed` and `not_canonical`; the codes of `chain.execute.verify_transaction`;
        `mempool_full` when SUBMISSIONS_MAX are on their way.
        """
        try:
            received = receive_transaction(self._ledger.chain_id, decode(data, Transaction), len(data))
            verify_transaction(self._ledger.parent(), received, signature_holds)
        except (BlockInvalid, ChainError) as refusal:
            raise ServiceRefused(refusal.code) from None
        await self.keep(received)
        return received

    async def keep(self, received: ReceivedTransaction) -> None:
        """Keep and send what has been checked. Raises ServiceRefused `mempool_full`, `disk_nearly_full`,
        `storage_failed`: then whether it was kept is not known, and `run` ends."""
        if received.digest not in self._waiting:
            if self._space.is_low():
                raise ServiceRefused(DISK_NEARLY_FULL, "no room for new transactions on this node's disk")
            size = received.size_bytes + sum(entry.received.size_bytes for entry in self._waiting.values())
            if len(self._waiting) >= SUBMISSIONS_MAX or size > SUBMISSIONS_BYTES_MAX:
                raise ServiceRefused("mempool_full", "too many transactions are on their way; try again later")
            self._insert(received)
            done, self._done = self._done, []
            puts = {_PREFIX + received.digest: encode(received.transaction)}
            gone = [_PREFIX + digest for digest in done if digest != received.digest]
            loop = asyncio.get_running_loop()
            failpoint("submissions.keeping")
            try:
                await finished(loop.run_in_executor(self._thread, self._database.write, puts, gone, True))
            except StorageFailed as error:
                self._failure = error
                raise ServiceRefused(error.code) from None
            failpoint("submissions.kept")
        self._send([received.transaction])

    def is_waiting(self, operation: bytes) -> Transaction | None:
        """The transaction on its way that asks for the operation."""
        entry = self._waiting.get(self._operations.get(operation, b""))
        return entry.received.transaction if entry else None

    @property
    def count(self) -> int:
        return len(self._waiting)

    def on_final(self, view: FinalView) -> None:
        """A block is final: what it holds, and what has expired with it, is sent no more."""
        for received in view.received:
            self._remove(received.digest)
        for digest, entry in list(self._waiting.items()):
            if self._is_over(entry.received):
                self._remove(digest)

    async def run(self) -> None:
        """Until cancelled: send again what is not in a block yet. Raises StorageFailed: the node stops."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._failure is not None:
                raise self._failure
            self.send_due()

    def send_due(self) -> None:
        now = self._now_s()
        due: list[Transaction] = []
        size = 0
        for entry in self._waiting.values():
            if entry.again_at_s > now or size > BUNDLE_BYTES_MAX:
                continue
            entry.wait_s = min(entry.wait_s * 2, AGAIN_MAX_S)
            entry.again_at_s = now + entry.wait_s
            due.append(entry.received.transaction)
            size += entry.received.size_bytes
        if due:
            self._send(due)

    def _is_over(self, received: ReceivedTransaction) -> bool:
        return received.transaction.valid_until_height <= self._ledger.head.height

    def _insert(self, received: ReceivedTransaction) -> None:
        self._waiting[received.digest] = _Waiting(received, self._now_s() + AGAIN_FIRST_S)
        for operation in received.operation_digests:
            self._operations[operation] = received.digest

    def _remove(self, digest: bytes) -> None:
        entry = self._waiting.pop(digest, None)
        if entry is None:
            return
        self._done.append(digest)
        for operation in entry.received.operation_digests:
            if self._operations.get(operation) == digest:
                del self._operations[operation]
