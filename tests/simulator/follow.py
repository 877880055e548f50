"""A simulated node that follows: without a seat, or until the blocks that damage took are back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chain.errors import BlockInvalid
from consensus.model import Fetch
from tests.simulator.checks import Broken
from tests.simulator.disk import StoredBlock
from tests.simulator.saver import Crashed

if TYPE_CHECKING:
    from tests.simulator.node import Node

FOLLOW_MS = 300
BLOCKS_ASKED = 64


class Follower:
    def __init__(self, node: Node) -> None:
        self._node = node

    def ask(self) -> None:
        """Anybody for the next blocks, now and again every FOLLOW_MS, until there is a replica."""
        node, world = self._node, self._node.world
        if node.replica is not None:
            return
        try:
            if node.saver.jobs or node.disk.unflushed:  # of the time when it had a seat: a node flushes it as it leaves
                node.saver.flush()
        except Crashed:
            node.crash()
            return
        others = [number for number in world.organisations if number != node.number]
        world.send(node.number, world.draw.choice(others), Fetch(node.height + 1, BLOCKS_ASKED))
        node.after(FOLLOW_MS, self.ask)

    def adopt(self, block: StoredBlock) -> None:
        """A certified block on my head: executed, on the disk, then told. Raises Crashed; there may be a seat then."""
        node, ledger = self._node, self._node.ledger
        assert ledger is not None
        try:
            execution = ledger.executed(block.header, block.bodies)
        except BlockInvalid as refusal:
            raise Broken("DIVERGED", f"{node.organisation}: a quorum certified what is {refusal.code} here") from None
        node.world.checks.on_finalise(node, block.header, block.certificate, execution)
        ledger.adopt(execution, block.certificate)
        node.finalised(block.header, block.transactions, block.bodies, block.certificate)
        node.saver.flush()
        is_seated = ledger.members.seat_of(node.organisation) is not None
        if is_seated and node.height >= node.disk.must_reach:
            node.world.sometimes["P9 a seat is gained while following"] += 1
            node.take_part()
