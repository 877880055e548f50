"""Transactions that wait for a block: bounded by bytes and count, fair between organisations.

What is here has been checked: form, key in force, signature. Nothing is checked again as a whole when a block comes:
transactions that it holds leave by digest, expired ones when they reach the front.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import islice, zip_longest

from chain.records import ParametersBody
from chain.transaction import ReceivedTransaction
from node.block_pace import weight_of

POOL_BYTES_MAX = 128 << 20
POOL_TRANSACTIONS_MAX = 100_000
ORGANISATION_SHARE_MAX = 0.5  # of either bound: one organisation never fills the pool
PASSED_OVER_BLOCKS = 8  # rule 10
SIGNATURES_MAX = 200_000  # remembered as checked


class PoolFull(Exception):
    """`limit` is the name of the bound that was reached."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass(slots=True)
class _Waiting:
    received: ReceivedTransaction
    since_ms: int  # wall clock
    blocks_passed: int = 0


class Mempool:
    def __init__(self) -> None:
        self._by_organisation: dict[str, OrderedDict[bytes, _Waiting]] = {}  # whose turn is next comes first
        self._organisation_of: dict[bytes, str] = {}  # transaction digest -> organisation
        self._bytes_of: dict[str, int] = {}
        self._weight_of: dict[str, int] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._organisation_of)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._organisation_of

    def get(self, digest: bytes) -> ReceivedTransaction | None:
        organisation = self._organisation_of.get(digest)
        return None if organisation is None else self._by_organisation[organisation][digest].received

    def add(self, received: ReceivedTransaction, now_ms: int) -> bool:
        """Whether it is new. `now_ms` is of the wall clock, as blocks' times are. Raises PoolFull."""
        if received.digest in self._organisation_of:
            return False
        organisation, size = received.transaction.organisation, received.size_bytes
        own = self._by_organisation.get(organisation) or OrderedDict()
        if len(self) >= POOL_TRANSACTIONS_MAX or self.bytes + size > POOL_BYTES_MAX:
            raise PoolFull("pool")
        if (
            len(own) >= POOL_TRANSACTIONS_MAX * ORGANISATION_SHARE_MAX
            or self._bytes_of.get(organisation, 0) + size > POOL_BYTES_MAX * ORGANISATION_SHARE_MAX
        ):
            raise PoolFull("organisation_share")
        self._by_organisation.setdefault(organisation, OrderedDict())[received.digest] = _Waiting(received, now_ms)
        self._organisation_of[received.digest] = organisation
        self._bytes_of[organisation] = self._bytes_of.get(organisation, 0) + size
        self._weight_of[organisation] = self.weight_of(organisation) + _weight(received)
        self.bytes += size
        return True

    def weight_of(self, organisation: str) -> int:
        """Of what waits of it (`block_pace.weight_of`)."""
        return self._weight_of.get(organisation, 0)

    def remove(self, digests: Iterable[bytes]) -> None:
        for digest in digests:
            organisation = self._organisation_of.pop(digest, None)
            if organisation is None:
                continue
            queue = self._by_organisation.pop(organisation)
            waiting = queue.pop(digest)
            self._bytes_of[organisation] -= waiting.received.size_bytes
            self._weight_of[organisation] -= _weight(waiting.received)
            self.bytes -= waiting.received.size_bytes
            if queue:
                self._by_organisation[organisation] = queue  # behind those that had no room yet
            else:
                del self._bytes_of[organisation], self._weight_of[organisation]

    def take(
        self, parameters: ParametersBody, can_run: Callable[[ReceivedTransaction], bool]
    ) -> list[ReceivedTransaction]:
        """As many as a block holds, one organisation after the other, first who has waited longest for its turn; what
        cannot run any more is dropped on the way.

        They stay in the pool until a block with them is final.
        """
        taken: list[ReceivedTransaction] = []
        gone: list[bytes] = []
        operations = size = 0
        queues = [iter(queue.values()) for queue in self._by_organisation.values()]
        while queues and len(taken) < parameters.block_transactions_max:
            still = []
            for queue in queues:
                waiting = next(queue, None)
                if waiting is None:
                    continue
                received = waiting.received
                if not can_run(received):
                    gone.append(received.digest)
                    still.append(queue)
                    continue
                count = len(received.operation_digests)
                if (
                    operations + count > parameters.block_operations_max
                    or size + received.size_bytes > parameters.block_bytes_max
                    or len(taken) >= parameters.block_transactions_max
                ):
                    continue  # this organisation's turn comes with the next block
                taken.append(received)
                operations += count
                size += received.size_bytes
                still.append(queue)
            queues = still
        self.remove(gone)
        return taken

    def drop_unrunnable(self, can_run: Callable[[ReceivedTransaction], bool]) -> None:
        """Drop the oldest of each organisation up to the first that can run: so a pool that holds only what can never
        run is empty at once, and nothing waits in it that would run a timer against an honest primary."""
        gone: list[bytes] = []
        for queue in self._by_organisation.values():
            for digest, waiting in queue.items():
                if can_run(waiting.received):
                    break
                gone.append(digest)
        self.remove(gone)

    def count_passed_over(
        self, block_ms: int, room_operations: int, room_bytes: int, served: Collection[str] = ()
    ) -> int:
        """A block came that left the oldest of each organisation out although it had room. One that was made before
        the transaction came here has not: else who catches up after a restart would blame the primary at once. `served`
        are organisations that had their turn in a block that is full enough.

        How often the one was that has been passed over most; at PASSED_OVER_BLOCKS its count starts again.
        """
        most = 0
        for organisation, queue in self._by_organisation.items():
            if organisation in served:
                continue
            waiting = next(iter(queue.values()))
            received = waiting.received
            has_room = len(received.operation_digests) <= room_operations and received.size_bytes <= room_bytes
            if has_room and waiting.since_ms < block_ms:
                waiting.blocks_passed += 1
                most = max(most, waiting.blocks_passed)
                waiting.blocks_passed %= PASSED_OVER_BLOCKS
        return most

    def all(self, limit: int) -> list[ReceivedTransaction]:
        """The oldest, at most `limit`, one organisation after the other."""
        turns = zip_longest(*(queue.values() for queue in self._by_organisation.values()))
        found = (waiting.received for turn in turns for waiting in turn if waiting is not None)
        return list(islice(found, limit))


def _weight(received: ReceivedTransaction) -> int:
    return weight_of(1, len(received.operation_digests))


class CheckedSignatures:
    """Which (transaction, key, signature) have been found good here, so that each is checked once.

    Never by digest alone: a liar may carry another signature of the same message. Of several the newest is known. What is
    final is forgotten: it cannot run again.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[bytes, bytes]] = OrderedDict()  # digest -> key, signature

    def __len__(self) -> int:
        return len(self._known)

    def add(self, received: ReceivedTransaction, public: bytes) -> None:
        self._known[received.digest] = public, received.transaction.signature
        while len(self._known) > SIGNATURES_MAX:
            self._known.popitem(last=False)

    def holds(self, received: ReceivedTransaction, public: bytes) -> bool:
        return self._known.get(received.digest) == (public, received.transaction.signature)

    def forget(self, digests: Iterable[bytes]) -> None:
        for digest in digests:
            self._known.pop(digest, None)
