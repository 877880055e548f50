"""What a simulated node takes from others: messages of consensus, blocks, bodies, transactions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chain.errors import BlockInvalid, ChainError
from chain.execute import verify_transaction
from chain.transaction import ReceivedTransaction
from chain.validators import COMMIT, verify_certificate
from consensus.errors import ConsensusError
from consensus.events import BlockFetched, MessageReceived
from consensus.model import Blocks, Bodies, Fetch, FetchBodies, Message, Status
from consensus.wire import epoch_of, verify_list
from tests.simulator.payloads import Gossip, Payload, SimulatedBlocks, SimulatedBodies
from tests.simulator.province import member_name

if TYPE_CHECKING:
    from tests.simulator.node import Node

HINT_MS = 1_000  # between questions to a node without a seat
AHEAD_MAX = 256  # heights above mine that blocks are taken for, or given to who is behind


class Intake:
    def __init__(self, node: Node) -> None:
        self._node = node
        self._hinted_ms: dict[int, int] = {}  # organisation without a seat -> when it was last answered or asked

    def take(self, source: int, payload: Payload) -> None:
        """Raises Crashed: a follower writes as it takes."""
        node = self._node
        match payload:
            case Gossip():
                node.pool.take(payload.transactions)
            case SimulatedBodies():
                self._take_bodies(payload.transactions)
            case SimulatedBlocks():
                self._take_blocks(source, payload)
            case FetchBodies():
                bodies = node.proposals.bodies
                found = [bodies[digest] for digest in payload.transactions if digest in bodies]
                if found:
                    node.world.send(node.number, source, SimulatedBodies(found))
            case Blocks() | Bodies():
                raise AssertionError("simulated by others")
            case _:
                self._take_message(source, payload)

    def _take_message(self, source: int, message: Message) -> None:
        """The set of the message's epoch, its checks, the sender's seat in that set; hints of who has no seat here."""
        node, ledger, organisation = self._node, self._node.ledger, member_name(source)
        assert ledger is not None
        members = ledger.members
        here = members.seat_of(organisation)
        if isinstance(message, Fetch) and (here is None or node.replica is None):
            node.serve(source, message.from_height, message.count)
            return
        if isinstance(message, Status) and (here is None or node.replica is None):
            self._take_hint(source, message)
        if node.replica is None:
            return
        former = ledger.set_at(members.epoch - 1) if members.epoch > 1 else None
        upcoming = node.replica.upcoming
        if upcoming is not None and epoch_of(message) == upcoming.epoch:
            members, former = upcoming, members
        seat = members.seat_of(organisation)
        if seat is None:
            return
        if not node.world.is_whole(message, members, former):
            node.world.sometimes["message refused by its check"] += 1
            return
        node.step(MessageReceived(seat, message, node.clock()))

    def _take_hint(self, source: int, status: Status) -> None:
        node, world = self._node, self._node.world
        last = self._hinted_ms.get(source)
        if last is not None and world.now - last < HINT_MS:
            return
        if status.height < node.height:
            self._hinted_ms[source] = world.now
            world.sometimes["rule 15 led back who has no seat here"] += 1
            node.serve(source, status.height + 1, AHEAD_MAX)
        elif status.height > node.height and node.replica is not None:
            self._hinted_ms[source] = world.now
            world.sometimes["rule 15 asked a node without a seat"] += 1
            world.send(node.number, source, Fetch(node.height + 1, AHEAD_MAX))

    def _take_bodies(self, transactions: Iterable[ReceivedTransaction]) -> None:
        """Digests leave signatures out: a body whose signature does not hold is a missing one."""
        node, ledger = self._node, self._node.ledger
        assert ledger is not None
        for received in transactions:
            try:
                verify_transaction(ledger.parent(), received, ledger.holds)
            except BlockInvalid as refusal:
                if refusal.code == "bad_signature":
                    node.world.sometimes["Y7 a body with a wrong signature"] += 1
                    continue
            node.proposals.bodies.setdefault(received.digest, received)
        node.proposals.try_checks()

    def _take_blocks(self, source: int, payload: SimulatedBlocks) -> None:
        """Certified blocks, checked with the set that their headers name; a replica takes them one by one, who has none
        makes them its own."""
        node, world, ledger = self._node, self._node.world, self._node.ledger
        assert ledger is not None
        known = {members.digest(): members for members in (ledger.members, ledger.following)}
        for block in payload.blocks:
            header = block.header
            if header.height <= node.height or header.height > node.height + AHEAD_MAX:
                continue
            members = known.get(header.validators)
            if members is None:
                break  # a set that comes with a block before: asked for again
            try:
                verify_list(header, [received.digest for received in block.bodies])
                digest, verify = header.digest(), world.signers.verify
                verify_certificate(block.certificate, members, COMMIT, world.chain_id, header.height, digest, verify)
            except (ChainError, ConsensusError):
                world.sometimes["Y11 fetched block refused"] += 1
                return
            node.proposals.keep(block.bodies)
            world.sometimes["block fetched"] += 1
            if node.replica is None:
                if header.height == node.height + 1:
                    node.follower.adopt(block)
                    known = {entry.digest(): entry for entry in (ledger.members, ledger.following)}
                    if node.replica is not None:
                        break
            else:
                seat = ledger.members.seat_of(member_name(source))
                node.step(BlockFetched(seat, header, block.transactions, block.certificate, node.clock()))
                if not node.is_up or node.ledger is not ledger:
                    return
        node.proposals.try_checks()
