"""Transactions that wait at a simulated node: those that could run on top of its head."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chain.errors import BlockInvalid
from chain.execute import key_in_force, verify_transaction
from chain.transaction import ReceivedTransaction
from consensus.events import Event, WorkChanged

if TYPE_CHECKING:
    from tests.simulator.node import Node

POOL_MAX = 400


class Mempool:
    def __init__(self, node: Node) -> None:
        self._node = node
        self.waiting: dict[bytes, ReceivedTransaction] = {}  # digest -> transaction, at most POOL_MAX, as they came
        self._said_waiting = False

    def take(self, transactions: Iterable[ReceivedTransaction]) -> int:
        """Those that could run now; whatever else is dropped. How many."""
        node, ledger = self._node, self._node.ledger
        assert ledger is not None
        parent = ledger.parent()
        taken = 0
        for received in transactions:
            if received.digest in self.waiting or len(self.waiting) >= POOL_MAX:
                continue
            try:
                verify_transaction(parent, received, ledger.holds)
            except BlockInvalid as refusal:
                node.world.sometimes[f"not admitted: {refusal.code}"] += 1
                continue
            self.waiting[received.digest] = node.proposals.bodies[received.digest] = received
            taken += 1
        if taken:
            self.tell()
            node.proposals.try_checks()
        return taken

    def tell(self) -> None:
        """The replica, whether anything waits, if that has changed."""
        event = self.changed()
        if event is not None:
            self._node.step(event)

    def tell_anew(self) -> None:
        """A replica that has only begun takes it that nothing waits."""
        self._said_waiting = False
        self.tell()

    def changed(self) -> Event | None:
        waiting = bool(self.waiting)
        if waiting == self._said_waiting:
            return None
        self._said_waiting = waiting
        return WorkChanged(waiting, self._node.clock())

    def decided(self, transactions: Iterable[bytes]) -> None:
        """A block is final: what ran in it goes, and what can run no more on top of it."""
        for transaction in transactions:
            self.waiting.pop(transaction, None)
        in_force: dict[tuple[str, bytes], bool] = {}
        for gone in [entry for entry, received in self.waiting.items() if not self._can_run(received, in_force)]:
            del self.waiting[gone]

    def _can_run(self, received: ReceivedTransaction, in_force: dict[tuple[str, bytes], bool]) -> bool:
        """What ran is gone already; keys are looked up once for all."""
        ledger, transaction = self._node.ledger, received.transaction
        assert ledger is not None
        name = (transaction.organisation, transaction.key_id)
        if name not in in_force:
            try:
                key_in_force(ledger.state, *name, ledger.head.height + 1)
                in_force[name] = True
            except BlockInvalid:
                in_force[name] = False
        return in_force[name] and transaction.valid_until_height > ledger.head.height
