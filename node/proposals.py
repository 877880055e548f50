"""Blocks on their way to being final: bodies gathered, executed once, kept until the height is decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from chain.errors import BlockInvalid
from chain.execute import Execution, Parent, execute_block, verify_block
from chain.ledger import signature_holds
from chain.signature import ED25519
from chain.transaction import ReceivedTransaction, Transaction, receive_transaction
from consensus.effects import CheckBlock
from consensus.model import BLOCKS_PER_FETCH_MAX, BODIES_PER_FETCH_MAX
from node.admission import Admission
from node.block_pace import BlockPace
from node.mempool import CheckedSignatures, Mempool

ASK_AGAIN_SECONDS = 0.3  # for bodies, at the next holder
BODIES_MAX = 200_000  # of proposals at one height, from peers; the chain's own limits are far lower
OPERATIONS_IN_A_ROW = 500  # of certified blocks that are worked out without a pause, some 30 ms
BODIES_BYTES_MAX = 256 << 20  # of those asked for, at one height: sixteen of the largest blocks

Ask = Callable[[int, int, list[bytes]], None]  # (turn, seat, digests)


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a proposal."""

    digest: bytes
    valid: bool
    code: str


class Proposals:
    def __init__(
        self,
        chain_id: bytes,
        parent: Callable[[], Parent],
        pool: Mempool,
        checked: CheckedSignatures,
        admission: Admission,
        pace: BlockPace | None = None,
    ) -> None:
        self._chain_id, self._parent, self._pool = chain_id, parent, pool
        self.pace = pace or BlockPace()
        self._checked, self._admission = checked, admission
        self._bodies: dict[bytes, ReceivedTransaction] = {}  # of this height's proposals, until it is decided
        self._offered_bytes = 0  # of bodies that peers sent for this height, at most BODIES_BYTES_MAX
        self._ahead: dict[int, list[ReceivedTransaction]] = {}  # height -> a fetched block's; BLOCKS_PER_FETCH_MAX
        self._missing: dict[bytes, frozenset[bytes]] = {}  # header digest -> bodies that its check waits for
        self._executions: dict[bytes, Execution] = {}  # header digest -> worked out on the current state
        self._arrived = asyncio.Event()

    def body(self, digest: bytes) -> ReceivedTransaction | None:
        """The pool's first: its signature is known to hold, a peer's may be wrong under the same digest."""
        return self._pool.get(digest) or self._bodies.get(digest)

    def bodies(self, digests: Iterable[bytes]) -> list[Transaction]:
        """Those that are here."""
        found = (self.body(digest) for digest in digests)
        return [received.transaction for received in found if received is not None]

    def bodies_within(self, digests: Iterable[bytes], bytes_max: int) -> list[Transaction]:
        """Those that are here, as many as fit, but one at least: what a peer gets, which asks again for the rest."""
        found: list[Transaction] = []
        size = 0
        for digest in digests:
            received = self.body(digest)
            if received is None:
                continue
            size += received.size_bytes
            if found and size > bytes_max:
                break
            found.append(received.transaction)
        return found

    def keep(self, transactions: Iterable[Transaction]) -> None:
        """Bodies of our own journal; whether they may run is seen when the block is executed."""
        for transaction in transactions:
            received = receive_transaction(self._chain_id, transaction)
            self._bodies.setdefault(received.digest, received)

    def offer(self, transactions: Iterable[Transaction]) -> None:
        """Bodies from a peer: those that a check waits for are kept."""
        for transaction in transactions:
            received = receive_transaction(self._chain_id, transaction)
            is_missing = any(received.digest in missing for missing in self._missing.values())
            has_room = len(self._bodies) < BODIES_MAX and self._offered_bytes + received.size_bytes <= BODIES_BYTES_MAX
            if is_missing and has_room and received.digest not in self._bodies:
                self._bodies[received.digest] = received
                self._offered_bytes += received.size_bytes
        self._arrived.set()

    def keep_block(self, height: int, transactions: Iterable[Transaction]) -> None:
        """Bodies of a certified block above the head: kept until its height is decided, for nobody serves them any
        more. What a certificate does not cover, the signatures, is checked when the block's turn comes."""
        received = [receive_transaction(self._chain_id, transaction) for transaction in transactions]
        following = self._parent().height + 1
        if height == following:
            for entry in received:
                self._bodies.setdefault(entry.digest, entry)
            self._arrived.set()
        elif following < height < following + BLOCKS_PER_FETCH_MAX:
            # the newest: an earlier one may have come with spoilt signatures, which no certificate covers
            self._ahead[height] = received

    def execution(self, digest: bytes) -> Execution | None:
        return self._executions.get(digest)

    def decided(self, transactions: Iterable[bytes] = ()) -> None:
        """The height is decided, with these: its bodies, executions and signatures are of no use any more. Call it when
        the head has moved."""
        self._checked.forget(transactions)
        self._executions.clear()
        self._offered_bytes = 0
        following = self._parent().height + 1
        for height in [height for height in self._ahead if height < following]:
            del self._ahead[height]
        self._bodies = {entry.digest: entry for entry in self._ahead.pop(following, ())}
        self._arrived.set()

    def build(self, time_ms: int, proposer: str, may_be_empty: bool) -> Execution | None:
        """A block of what waits, executed; None if there is nothing to put into it."""
        parent = self._parent()
        while True:
            taken = self._pool.take(self.pace.limited(parent.parameters), lambda received: may_run(parent, received))
            if not taken and not may_be_empty:
                return None
            try:
                execution = execute_block(parent, time_ms, proposer, taken, self._holds)
            except BlockInvalid as refusal:  # one ran that nobody took out of the pool
                if refusal.code != "transaction_repeated":
                    raise
                self._pool.remove([received.digest for received in taken if not can_run(parent, received)])
                continue
            self._remember(execution)
            return execution

    def check_now(self, effect: CheckBlock) -> Checked | None:
        """The verdict, if all bodies are here with checked signatures, or were worked out before; else None."""
        digest = effect.header.digest()
        if digest in self._executions:
            return Checked(digest, True, "")
        received = [self.body(entry) for entry in effect.transactions]
        if any(entry is None for entry in received):
            return None
        bodies = [entry for entry in received if entry is not None]
        if self._unchecked(bodies):
            return None
        return self._execute(effect, bodies)

    async def check(
        self, effect: CheckBlock, ask: Ask, holders: Callable[[bytes], list[int]], seats: Sequence[int]
    ) -> Checked | None:
        """Fetch what is missing, check signatures off the loop, execute. None if the height was decided meanwhile.

        A body with a wrong signature is a missing one: digests leave signatures out, so it says nothing about the
        block. `ask(turn, seat, digests)` sends FetchBodies; `holders` tells who holds the proposal by now, and when all
        of those were asked, the other `seats` are.
        """
        digest = effect.header.digest()
        turn = 0
        try:
            while self._parent().height + 1 == effect.header.height:
                bodies = await self._gathered(effect.transactions)
                if bodies is not None:
                    if self._parent().height + 1 != effect.header.height:
                        break
                    return self._execute(effect, bodies)
                missing = [entry for entry in effect.transactions if self.body(entry) is None]
                self._missing[digest] = frozenset(missing)
                asked = list(dict.fromkeys([effect.primary, *effect.holders, *holders(digest), *seats]))
                asked = [seat for seat in asked if seat in seats]
                self._arrived.clear()
                if asked:
                    ask(turn, asked[turn % len(asked)], missing[:BODIES_PER_FETCH_MAX])
                turn += 1
                try:
                    async with asyncio.timeout(ASK_AGAIN_SECONDS):
                        await self._arrived.wait()
                except TimeoutError:
                    pass
        finally:
            self._missing.pop(digest, None)
        return None

    async def _gathered(self, digests: Sequence[bytes]) -> list[ReceivedTransaction] | None:
        """All bodies, with signatures that hold; None if some are missing. Those with a wrong signature are dropped."""
        found = [self.body(digest) for digest in digests]
        bodies = [entry for entry in found if entry is not None]
        if len(bodies) != len(found):
            return None
        for entry in bodies:  # the pool may lose them while we wait
            self._bodies[entry.digest] = entry
        unchecked = self._unchecked(bodies)
        holds = await self._admission.check_signatures([*unchecked, *self._unchecked(self._soon())])
        wrong = [
            received
            for (received, _public), good in zip(unchecked, holds, strict=False)
            if not good or received.transaction.suite != ED25519
        ]
        for received in wrong:
            self._pool.remove([received.digest])
            if self._bodies.get(received.digest) is received:
                del self._bodies[received.digest]
                self._offered_bytes = max(0, self._offered_bytes - received.size_bytes)
        return None if wrong else bodies

    def _soon(self) -> list[ReceivedTransaction]:
        """What certified blocks after the one at hand hold. Signatures of many blocks are checked in one hand-over to the
        threads, and the blocks are worked out in a row; what is wrong among them is found again in its turn."""
        found: list[ReceivedTransaction] = []
        operations = 0
        for height in count(self._parent().height + 2):
            received = self._ahead.get(height)
            if received is None:
                break
            operations += sum(len(entry.transaction.entries) for entry in received)
            if operations > OPERATIONS_IN_A_ROW:
                break
            found += received
        return found

    def _execute(self, effect: CheckBlock, bodies: Sequence[ReceivedTransaction]) -> Checked:
        try:
            execution = verify_block(self._parent(), effect.header, bodies, self._holds)
        except BlockInvalid as refusal:
            return Checked(effect.header.digest(), False, refusal.code)
        self._remember(execution)
        return Checked(execution.digest, True, "")

    def _remember(self, execution: Execution) -> None:
        self._executions[execution.digest] = execution
        for received in execution.transactions:
            self._bodies[received.digest] = received

    def _unchecked(self, bodies: Sequence[ReceivedTransaction]) -> list[tuple[ReceivedTransaction, bytes]]:
        """Those whose signature has not been checked here, or whose suite, which digests leave out too, is another one.

        Without a key in force they are refused when executed.
        """
        parent = self._parent()
        found = []
        for received in bodies:
            transaction = received.transaction
            try:
                key = parent.key_in_force(transaction.organisation, transaction.key_id)
            except BlockInvalid:
                continue
            if transaction.suite != ED25519 or not self._checked.holds(received, key.public):
                found.append((received, key.public))
        return found

    def _holds(self, received: ReceivedTransaction, public: bytes) -> bool:
        if self._checked.holds(received, public):
            return True
        if not signature_holds(received, public):
            return False
        self._checked.add(received, public)
        return True


def can_run(parent: Parent, received: ReceivedTransaction) -> bool:
    """Whether a pooled transaction may still stand in the next block: not expired, not run meanwhile, key in force."""
    return may_run(parent, received) and not parent.is_remembered(received.digest)


def may_run(parent: Parent, received: ReceivedTransaction) -> bool:
    """The same but for what ran: that leaves the pool with its block."""
    if received.transaction.valid_until_height <= parent.height:
        return False
    transaction = received.transaction
    try:
        parent.key_in_force(transaction.organisation, transaction.key_id)
    except BlockInvalid:
        return False
    return True
