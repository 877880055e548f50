"""A simulated node: its life, its events, and what it says and makes final. What `node/` does around the core, with a
fake disk, network, clock and executor.

`number` is the organisation's; its seat is another one in each set. A node without a seat, or whose blocks were lost to
damage, follows by asking for blocks; with a seat it has a replica, which may be a learner.

The other nouns are parts that it owns, each named after its like in `node/`: `Mempool`, `Proposals`, `Intake`, `Effects`,
`Saver`, `Follower`. A crash takes them; each reaches the others through its node, so that none speaks to one of a former
life. What a liar does otherwise is a method of the node itself, and the parts call it there: `receive`, `say`, `serve`, and
of blocks `choose`, `proposal`, `finalise`, `execution_of`, `finalised`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from chain.block import Header
from chain.execute import Execution
from chain.transaction import ReceivedTransaction
from chain.validators import Certificate, ValidatorSet
from consensus.effects import Finalise, Propose
from consensus.errors import JournalDamaged
from consensus.events import Event, PeerConnected, Started
from consensus.model import Head, Message, NewView, ProposalSaved, ViewChange
from consensus.replica import Replica, Settings
from tests.simulator.checks import Broken
from tests.simulator.disk import StoredBlock
from tests.simulator.effects import Effects
from tests.simulator.follow import Follower
from tests.simulator.intake import Intake
from tests.simulator.ledger import SimulatedLedger
from tests.simulator.memory import SimulatedMemory
from tests.simulator.mempool import Mempool
from tests.simulator.payloads import Gossip, Payload, SimulatedBlocks
from tests.simulator.proposals import Proposals
from tests.simulator.province import GENESIS_MS, member_name
from tests.simulator.saver import Crashed, Saver

if TYPE_CHECKING:
    from tests.simulator.world import World


class Node:
    is_honest = True

    def __init__(self, world: World, number: int) -> None:
        self.world, self.number = world, number
        self.organisation = member_name(number)
        options = world.options
        self.skew_ms = world.draw.randint(-options.skew_ms // 2, options.skew_ms // 2)
        self.speed = 1.0  # of its clock
        self.slowness = 1
        self.disk = world.new_disk(number)
        self.life = 0  # so that what a former life had planned does not happen
        self.effects_to_crash: int | None = None
        self.is_up = False
        self.paused: list[Callable[[], None]] | None = None  # what came while it was stopped
        self.stopped_for = ""  # a named reason, while its owners look after it
        self._forget()

    def _forget(self) -> None:
        """What a crash takes."""
        self.is_up = False
        self.replica: Replica | None = None
        self.ledger: SimulatedLedger | None = None
        self.pool = Mempool(self)
        self.proposals = Proposals(self)
        self.intake = Intake(self)
        self.effects = Effects(self)
        self.saver = Saver(self)
        self.follower = Follower(self)

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._forget()
        self.life += 1
        self.is_up = True
        self.paused = None
        self.ledger = SimulatedLedger.opened(self.world, self.disk)
        self.memory = SimulatedMemory(self)
        self.world.checks.on_start(self)
        for entry in self.disk.journal.entries:
            self.proposals.keep(entry.bodies)
        if self.life > 1:
            self.world.sometimes["P1 restart"] += 1
            if any(isinstance(entry.record, ProposalSaved) for entry in self.disk.journal.entries):
                self.world.sometimes["P1 restart with votes in the journal"] += 1
        self.take_part()

    def take_part(self) -> None:
        """A replica where there is a seat; else follow."""
        ledger = self.ledger
        assert ledger is not None
        seat = ledger.members.seat_of(self.organisation)
        self.replica = None
        if seat is None or self.height < self.disk.must_reach:
            self.world.trace(self.number, f"follows from height {self.height}")
            self.after(0, self.follower.ask)
            return
        self.disk.must_reach = 0
        reason = self.memory.why_not(ledger.members, ledger)
        entries = self.disk.journal.entries if not reason else []
        last = self.disk.blocks[-1].journal_sequence if self.disk.blocks else 0
        if not reason and self.disk.journal.last_sequence < last:
            reason = "journal_behind_block_log"
        next_epoch = None
        if ledger.following.epoch == self.height + 2:
            next_epoch = self.memory.opening(ledger, ledger.following)
        settings = Settings(
            self.world.chain_id,
            ledger.members,
            seat,
            self.memory.sign_in(ledger.members),
            self.world.options.heartbeat_ms,
            not reason,
            next_epoch,
            True,
        )
        try:
            self.replica = Replica.restore(settings, self._head(ledger), [entry.record for entry in entries])
        except JournalDamaged as damage:
            raise Broken("BROKEN", f"{self.organisation}: its own journal is refused: {damage}") from None
        if reason:
            self.world.sometimes[f"rule 14 learner: {reason}"] += 1
        self.world.trace(self.number, f"starts at height {self.height}, view {self.replica.view} {reason}")
        self.step(Started(self.clock()))
        self.pool.tell_anew()
        self.world.connect(self)

    def _head(self, ledger: SimulatedLedger) -> Head:
        head = ledger.head
        certificate = self.disk.blocks[head.height - 1].certificate if head.height else None
        if head.height > len(self.disk.blocks):  # of the blocks not flushed yet: the seat came while it ran
            certificate = next(
                item.certificate for item in reversed(self.disk.unflushed) if isinstance(item, StoredBlock)
            )
        return Head(head.height, head.digest, head.time_ms, certificate)

    def count_to_crash(self) -> None:
        """Before each effect and each write. Raises Crashed when its turn has come."""
        if self.effects_to_crash is not None:
            self.effects_to_crash -= 1
            if self.effects_to_crash < 0:
                raise Crashed

    def crash(self) -> None:
        world = self.world
        self.effects_to_crash = None
        world.sometimes["P1 crash"] += 1
        if self.disk.crash(world.draw):
            world.sometimes["D1 crash that loses unflushed writes"] += 1
        world.checks.on_crash(self)
        world.trace(self.number, "crashes")
        self._forget()
        self.life += 1
        if not world.is_healed and self.is_honest:
            world.may_damage(self)
        if world.draw.random() < world.options.storm:
            self.effects_to_crash = world.draw.randint(0, 6)
            world.sometimes["P5 restart storm"] += 1
        world.after(world.spread(world.options.down_ms), partial(self._start_again, self.life))

    def _start_again(self, life: int) -> None:
        if not self.is_up and life == self.life and not self.stopped_for:
            self.start()

    def shut_down(self, reason: str) -> None:
        """Its owners take the machine away for a while."""
        if self.is_up:
            self.disk.crash(self.world.draw)
            self.world.checks.on_crash(self)
        self._forget()
        self.life += 1
        self.stopped_for = reason

    def pause(self) -> None:
        """SIGSTOP: nothing is done until `resume`; messages and timers wait."""
        if self.is_up and self.paused is None:
            self.paused = []

    def resume(self) -> None:
        waiting, self.paused = self.paused or [], None
        for action in waiting:
            if self.is_up:
                action()

    def clock(self) -> int:
        return GENESIS_MS + self.skew_ms + int(self.world.now * self.speed)

    def execution_delay(self) -> float:
        """How long it takes to execute a block, this time."""
        return self.world.spread(self.world.options.execute_ms) * self.slowness

    def after(self, delay_ms: float, event_of: Callable[[], Event | None]) -> None:
        """Make an event later, if this life lasts. The event's time is put in by its maker."""
        life = self.life

        def happen() -> None:
            if life != self.life or not self.is_up:
                return
            if self.paused is not None:
                self.paused.append(happen)
                return
            event = event_of()
            if event is not None:
                self.step(event)

        self.world.after(delay_ms, happen)

    @property
    def height(self) -> int:
        return self.ledger.head.height if self.ledger is not None else 0

    @property
    def members(self) -> ValidatorSet:
        """Who votes on the next block, as this node knows it."""
        assert self.ledger is not None
        return self.ledger.members

    def where(self) -> str:
        if not self.is_up:
            return f"{self.number}: down {self.stopped_for}"
        if self.replica is None:
            return f"{self.number}: H={self.height} follows"
        activity = "active" if self.replica.is_active else "waiting"
        if not self.replica.may_vote:
            activity = "learner"
        return (
            f"{self.number}: H={self.height} e={self.replica.members.epoch} v={self.replica.view} {activity}"
            f" pool={len(self.pool.waiting)}"
        )

    # -- events --------------------------------------------------------------------------------------------------------

    def step(self, event: Event) -> None:
        if self.replica is None:
            return
        effects, life = self.replica.step(event), self.life
        try:
            for effect in effects:
                if self.life == life:  # else the machine was taken away within one of them
                    self.effects.perform(effect)
        except Crashed:
            self.crash()

    def connect(self, other: int) -> None:
        """The link to another organisation's node is up."""
        if self.ledger is None or self.paused is not None:
            return
        seat = self.members.seat_of(member_name(other))
        if seat is not None and other != self.number:
            self.step(PeerConnected(seat, self.clock()))
        if self.pool.waiting:
            self.world.send(self.number, other, Gossip(list(self.pool.waiting.values())))

    def submit(self, received: ReceivedTransaction) -> None:
        """A client's transaction: passed on to all validators once (rule 10)."""
        if self.ledger is None or self.paused is not None or not self.pool.take([received]):
            return
        for other in self.world.organisations:
            if other != self.number:
                self.world.send(self.number, other, Gossip([received]))

    def receive(self, source: int, payload: Payload) -> None:
        if not self.is_up:
            return
        if self.paused is not None:
            self.paused.append(partial(self.receive, source, payload))
            return
        self.world.trace(self.number, f"<- {source} {type(payload).__name__}")
        try:
            self.intake.take(source, payload)
        except Crashed:
            self.crash()

    # -- words ---------------------------------------------------------------------------------------------------------

    def say(self, other: int, message: Message) -> None:
        if self.is_honest:
            self.world.checks.on_send(self, message)
            self.world.trace(self.number, f"-> {other} {type(message).__name__}")
            if isinstance(message, NewView):
                self.world.sometimes["NewView sent"] += 1
                if message.prepare is not None:
                    self.world.sometimes["NewView with an obligation"] += 1
            if isinstance(message, ViewChange):
                self.world.sometimes["ViewChange sent"] += 1
        self.world.send(self.number, other, message)

    def serve(self, source: int, first: int, count: int) -> None:
        """Blocks that it has on its disk."""
        blocks = self.disk.blocks[first - 1 : first - 1 + count]
        if blocks and first >= 1:
            self.world.send(self.number, source, SimulatedBlocks(blocks))

    def send_seat(self, seat: int, payload: Payload) -> None:
        self.world.send(self.number, self.number_of(seat), payload)

    def number_of(self, seat: int) -> int:
        """Of the set that the ledger has come to: the replica may be in another one at the end of the step."""
        return int(self.members.members[seat].organisation[-2:])

    # -- blocks --------------------------------------------------------------------------------------------------------

    def choose(self) -> list[ReceivedTransaction]:
        """What waits, in the order to take it."""
        return list(self.pool.waiting.values())

    def proposal(self, effect: Propose) -> Event:
        return self.proposals.build(effect)

    def finalise(self, effect: Finalise) -> None:
        ledger, world = self.ledger, self.world
        assert ledger is not None
        execution = self.execution_of(effect)
        if self.is_honest:
            world.checks.on_finalise(self, effect.header, effect.certificate, execution)
        world.sometimes[f"final in view {min(effect.certificate.view, 9)}"] += 1
        ledger.adopt(execution, effect.certificate)
        self.finalised(effect.header, effect.transactions, list(execution.transactions), effect.certificate)
        self.saver.plan()
        self.after(0, self.pool.changed)

    def execution_of(self, effect: Finalise) -> Execution:
        return self.proposals.executions[effect.header.digest()]

    def finalised(
        self, header: Header, transactions: list[bytes], bodies: list[ReceivedTransaction], proof: Certificate
    ) -> None:
        """The ledger has come to a block: what waits or was made for this height goes, and the block is to be saved."""
        digest = header.digest()
        self.world.trace(self.number, f"final {header.height} {digest.hex()[:8]}")
        self.pool.decided(transactions)
        self.proposals.decided(bodies)
        self.saver.put_block(StoredBlock(header, digest, transactions, bodies, proof, self.saver.sequence()))
        self.world.on_final(self.number)
