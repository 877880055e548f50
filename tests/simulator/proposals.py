"""Blocks on their way to be final at a simulated node: building my own, checking others', and the bodies they need."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from chain.errors import BlockInvalid
from chain.execute import Execution, execute_block
from chain.transaction import ReceivedTransaction
from consensus.effects import CheckBlock, Propose
from consensus.events import BlockChecked, Event, NextEpoch, ProposalReady
from consensus.model import FetchBodies
from tests.simulator.checks import Broken
from tests.simulator.province import BLOCK_TRANSACTIONS_MAX

if TYPE_CHECKING:
    from tests.simulator.node import Node

BODIES_RETRY_MS = 200
BLOCK_OPERATIONS_MAX = 64


class Proposals:
    def __init__(self, node: Node) -> None:
        self._node = node
        self.bodies: dict[bytes, ReceivedTransaction] = {}  # digest -> transaction
        self.executions: dict[bytes, Execution] = {}  # digest of a block on my head -> what it does
        self._checking: dict[bytes, CheckBlock] = {}  # digest of a block -> the check that waits for bodies

    # -- building ------------------------------------------------------------------------------------------------------

    def build(self, effect: Propose) -> ProposalReady:
        node, ledger = self._node, self._node.ledger
        assert ledger is not None
        nothing = ProposalReady(effect.view, effect.height, None, [], node.clock())
        if ledger.head.digest != effect.parent:
            return nothing
        chosen: list[ReceivedTransaction] = []
        operations = 0
        for received in node.choose():
            operations += len(received.operation_digests)
            if len(chosen) < BLOCK_TRANSACTIONS_MAX and operations <= BLOCK_OPERATIONS_MAX:
                chosen.append(received)
        if not (chosen or effect.may_be_empty):
            return nothing
        time_ms = max(effect.time_min_ms, node.clock())
        try:
            execution = execute_block(ledger.parent(), time_ms, node.organisation, chosen, ledger.holds)
        except BlockInvalid as refusal:
            raise Broken("BROKEN", f"{node.organisation} builds a block that is {refusal.code}") from None
        self.executions[execution.digest] = execution
        digests = [received.digest for received in chosen]
        opened = self._next_epoch(execution)
        return ProposalReady(effect.view, effect.height, execution.header, digests, node.clock(), opened)

    def _next_epoch(self, execution: Execution) -> NextEpoch | None:
        node = self._node
        assert node.ledger is not None
        if execution.following.epoch != execution.header.height + 2:
            return None
        return node.memory.opening(node.ledger, execution.following, execution)

    # -- checking ------------------------------------------------------------------------------------------------------

    def check(self, effect: CheckBlock) -> None:
        """As soon as the bodies are there; those that are not are asked for."""
        digest = effect.header.digest()
        self._checking[digest] = effect
        if not self._have_bodies(effect):
            self._node.world.sometimes["bodies fetched"] += 1
            self._node.after(0, partial(self._ask_bodies, digest, 0))
        self.try_checks()

    def try_checks(self) -> None:
        """Of the checks that wait, those that can begin."""
        node = self._node
        for digest, check in list(self._checking.items()):
            if self._have_bodies(check):
                del self._checking[digest]
                node.after(node.execution_delay(), partial(self._checked, check))

    def _have_bodies(self, check: CheckBlock) -> bool:
        return all(transaction in self.bodies for transaction in check.transactions)

    def _checked(self, check: CheckBlock) -> Event | None:
        node, digest = self._node, check.header.digest()
        assert node.ledger is not None
        if check.header.height != node.height + 1:
            return None
        if not self._have_bodies(check):
            self._checking[digest] = check
            return None
        try:
            execution = node.ledger.executed(check.header, [self.bodies[entry] for entry in check.transactions])
        except BlockInvalid as refusal:
            node.world.sometimes[f"Y7 invalid block: {refusal.code}"] += 1
            return BlockChecked(digest, False, refusal.code, node.clock())
        self.executions[digest] = execution
        return BlockChecked(digest, True, "", node.clock(), self._next_epoch(execution))

    def _ask_bodies(self, digest: bytes, attempt: int) -> None:
        check, replica = self._checking.get(digest), self._node.replica
        if check is None or replica is None:
            return
        missing = [transaction for transaction in check.transactions if transaction not in self.bodies]
        seats = [check.primary, *check.holders, *replica.holders(digest)]
        seats = [seat for seat in dict.fromkeys(seats) if seat != replica.seat]
        if seats and missing:
            self._node.send_seat(seats[attempt % len(seats)], FetchBodies(missing))
        self._node.after(BODIES_RETRY_MS, partial(self._ask_bodies, digest, attempt + 1))

    # -- bodies --------------------------------------------------------------------------------------------------------

    def keep(self, transactions: Iterable[ReceivedTransaction]) -> None:
        self.bodies.update((received.digest, received) for received in transactions)

    def decided(self, bodies: list[ReceivedTransaction]) -> None:
        """A block is final: only its bodies are kept, and those that may still be wanted."""
        kept = {received.digest: received for received in bodies}
        self.bodies = {**kept, **self._node.pool.waiting, **self._bodies_ahead()}
        self.executions.clear()
        self._checking.clear()

    def _bodies_ahead(self) -> dict[bytes, ReceivedTransaction]:
        """Of blocks that were fetched and wait for their turn."""
        replica = self._node.replica
        if replica is None:
            return {}
        wanted = {digest for event in replica._state.fetched.values() for digest in event.transactions}
        return {digest: received for digest, received in self.bodies.items() if digest in wanted}
