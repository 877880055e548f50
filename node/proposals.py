"""Blocks on their way to being final: bodies gathered, executed once, kept until the height is decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from chain.errors import BlockInvalid
from chain.execute import Execution, Parent, execute_block, key_in_force, verify_block
from chain.ledger import signature_holds
from chain.transaction import ReceivedTransaction, Transaction, receive_transaction
from consensus.effects import CheckBlock
from consensus.model import BODIES_PER_FETCH_MAX
from node.admission import Admission
from node.mempool import CheckedSignatures, Mempool

ASK_AGAIN_SECONDS = 0.3  # for bodies, at the next holder
BODIES_MAX = 200_000  # of proposals at one height


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
    ) -> None:
        self._chain_id, self._parent, self._pool = chain_id, parent, pool
        self._checked, self._admission = checked, admission
        self._bodies: dict[bytes, ReceivedTransaction] = {}  # of this height's proposals, until it is decided
        self._executions: dict[bytes, Execution] = {}  # header digest -> worked out on the current state
        self._arrived = asyncio.Event()

    def body(self, digest: bytes) -> ReceivedTransaction | None:
        return self._bodies.get(digest) or self._pool.get(digest)

    def bodies(self, digests: Iterable[bytes]) -> list[Transaction]:
        """Those that are here."""
        found = (self.body(digest) for digest in digests)
        return [received.transaction for received in found if received is not None]

    def keep(self, transactions: Iterable[Transaction]) -> None:
        """Bodies from a peer, the journal or a final block; whether they may run is seen when the block is executed."""
        for transaction in transactions:
            if len(self._bodies) >= BODIES_MAX:
                break
            received = receive_transaction(self._chain_id, transaction)
            self._bodies.setdefault(received.digest, received)
        self._arrived.set()

    def execution(self, digest: bytes) -> Execution | None:
        return self._executions.get(digest)

    def decided(self) -> None:
        """The height is decided: its bodies and executions are of no use any more."""
        self._bodies.clear()
        self._executions.clear()

    def build(self, time_ms: int, proposer: str, may_be_empty: bool) -> Execution | None:
        """A block of what waits, executed; None if there is nothing to put into it."""
        parent = self._parent()
        taken = self._pool.take(parent.parameters, lambda received: _can_run(parent, received))
        if not taken and not may_be_empty:
            return None
        execution = execute_block(parent, time_ms, proposer, taken, self._holds)
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
        self, effect: CheckBlock, ask: Callable[[int, list[bytes]], None], holders: Callable[[bytes], list[int]]
    ) -> Checked | None:
        """Fetch what is missing, check signatures off the loop, execute. None if the height was decided meanwhile.

        `ask(seat, digests)` sends FetchBodies; `holders` tells who holds the proposal by now.
        """
        digest = effect.header.digest()
        height = effect.header.height
        turn = 0
        while self._parent().height + 1 == height:
            missing = [entry for entry in effect.transactions if self.body(entry) is None]
            if not missing:
                break
            seats = list(dict.fromkeys([effect.primary, *effect.holders, *holders(digest)]))
            ask(seats[turn % len(seats)], missing[:BODIES_PER_FETCH_MAX])
            turn += 1
            self._arrived.clear()
            try:
                async with asyncio.timeout(ASK_AGAIN_SECONDS):
                    await self._arrived.wait()
            except TimeoutError:
                continue
        if self._parent().height + 1 != height:
            return None
        bodies = [entry for entry in (self.body(digest) for digest in effect.transactions) if entry is not None]
        for entry in bodies:  # the pool may lose them while we wait
            self._bodies.setdefault(entry.digest, entry)
        await self._admission.check_signatures(self._unchecked(bodies))
        if self._parent().height + 1 != height:
            return None
        return self._execute(effect, bodies)

    def _execute(self, effect: CheckBlock, bodies: Sequence[ReceivedTransaction]) -> Checked:
        for entry in bodies:
            self._bodies.setdefault(entry.digest, entry)
        try:
            execution = verify_block(self._parent(), effect.header, bodies, self._holds)
        except BlockInvalid as refusal:
            return Checked(effect.header.digest(), False, refusal.code)
        self._remember(execution)
        return Checked(execution.digest, True, "")

    def _remember(self, execution: Execution) -> None:
        self._executions[execution.digest] = execution
        for received in execution.transactions:
            self._bodies.setdefault(received.digest, received)

    def _unchecked(self, bodies: Sequence[ReceivedTransaction]) -> list[tuple[ReceivedTransaction, bytes]]:
        """Those whose signature has not been checked here; without a key in force they are refused when executed."""
        parent = self._parent()
        found = []
        for received in bodies:
            transaction = received.transaction
            try:
                key = key_in_force(parent.state, transaction.organisation, transaction.key_id, parent.height + 1)
            except BlockInvalid:
                continue
            if not self._checked.holds(received, key.public):
                found.append((received, key.public))
        return found

    def _holds(self, received: ReceivedTransaction, public: bytes) -> bool:
        if self._checked.holds(received, public):
            return True
        if not signature_holds(received, public):
            return False
        self._checked.add(received, public)
        return True


def _can_run(parent: Parent, received: ReceivedTransaction) -> bool:
    """Whether a pooled transaction may still stand in the next block: not expired, not run meanwhile, key in force."""
    if received.transaction.valid_until_height <= parent.height or parent.is_remembered(received.digest):
        return False
    transaction = received.transaction
    try:
        key_in_force(parent.state, transaction.organisation, transaction.key_id, parent.height + 1)
    except BlockInvalid:
        return False
    return True
