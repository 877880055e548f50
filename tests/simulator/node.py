"""The shell of a simulated node: does what node/runtime.py does, with a fake disk, network, clock and executor."""

from __future__ import annotations

from functools import partial
from typing import assert_never

from chain.block import Header
from chain.errors import ChainError
from chain.validators import COMMIT, verify_certificate
from consensus.effects import (
    Accuse,
    BecomeLearner,
    Broadcast,
    CheckBlock,
    Effect,
    EnterEpoch,
    FetchBlocks,
    Finalise,
    Halt,
    LeaveSet,
    PassOn,
    Persist,
    Propose,
    Refuse,
    Send,
    SendBlocks,
    StartTimer,
    StopTimer,
)
from consensus.errors import ConsensusError
from consensus.events import (
    BlockChecked,
    BlockFetched,
    Event,
    MessageReceived,
    PeerConnected,
    ProposalReady,
    Started,
    Timer,
    TimerExpired,
    WorkChanged,
)
from consensus.model import (
    Blocks,
    Bodies,
    Fetch,
    FetchBodies,
    Head,
    Message,
    NewView,
    ProposalSaved,
    ViewChange,
    ViewChangeSaved,
)
from consensus.replica import Replica, Settings
from consensus.restart import genesis_head
from consensus.wire import verify_list
from tests.simulator.application import CHAIN_ID, GENESIS_MS, Application
from tests.simulator.checks import Broken
from tests.simulator.disk import Disk, StoredBlock
from tests.simulator.world import Gossip, Payload, SimulatedBlocks, SimulatedBodies, World

TRANSACTIONS_PER_BLOCK = 8
BODIES_RETRY_MS = 200


class Crashed(Exception):
    """The node stopped in the middle of its effects."""


class Node:
    is_honest = True

    def __init__(self, world: World, seat: int) -> None:
        self.world, self.seat = world, seat
        self.members = world.keys.members
        self.skew_ms = world.draw.randint(-world.options.skew_ms // 2, world.options.skew_ms // 2)
        self.disk = Disk()
        self.life = 0  # so that what a former life had planned does not happen
        self.effects_to_crash: int | None = None
        self.replica: Replica | None = None
        self._forget()

    def _forget(self) -> None:
        """What a crash takes."""
        self.replica = None
        self.mempool: dict[bytes, None] = {}
        self.bodies: dict[bytes, None] = {}
        self.application = Application(self.members)
        self.head: Head = genesis_head(CHAIN_ID, GENESIS_MS)
        self.checking: dict[bytes, CheckBlock] = {}
        self.writing: list[Effect] = []
        self.is_writer_planned = False
        self.said_waiting = False

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._forget()
        self.life += 1
        for block in self.disk.blocks:
            self._applied(block.header, block.transactions)
            self.head = Head(block.header.height, block.header.digest(), block.header.time_ms, block.certificate)
        for record in self.disk.journal:
            if isinstance(record, ProposalSaved):
                self.bodies.update(dict.fromkeys(record.proposal.transactions))
        self.replica = Replica.restore(self.settings(), self.head, self.disk.journal)
        self.world.trace(self.seat, f"starts at height {self.head.height}, view {self.replica.view}")
        if self.life > 1:
            self.world.sometimes["restart"] += 1
            if any(isinstance(record, ProposalSaved) for record in self.disk.journal):
                self.world.sometimes["restart with votes in the journal"] += 1
        self.step(Started(self.clock()))
        for other in range(self.members.n):
            if other != self.seat:
                self.connect(other)
                for peer in self.world.nodes.get(other, []):
                    peer.connect(self.seat)

    def settings(self) -> Settings:
        sign = self.world.keys.sign(self.seat)
        return Settings(CHAIN_ID, self.members, self.seat, sign, self.world.options.heartbeat_ms)

    def _crash(self) -> None:
        self.effects_to_crash = None
        self.world.sometimes["crash"] += 1
        if self.disk.crash(self.world.draw):
            self.world.sometimes["crash that loses unflushed writes"] += 1
        self.world.trace(self.seat, "crashes")
        self._forget()
        self.life += 1
        self.world.after(self.world.spread(self.world.options.down_ms), partial(self._start_again, self.life))

    def _start_again(self, life: int) -> None:
        if self.replica is None and life == self.life:
            self.start()

    def clock(self) -> int:
        return GENESIS_MS + self.skew_ms + self.world.now

    def after(self, delay_ms: float, event_of: partial[Event | None]) -> None:
        """Make an event later, if this life lasts. The event's time is put in by its maker."""
        life = self.life

        def happen() -> None:
            if life == self.life and self.replica is not None:
                event = event_of()
                if event is not None:
                    self.step(event)

        self.world.after(delay_ms, happen)

    # -- events --------------------------------------------------------------------------------------------------------

    def step(self, event: Event) -> None:
        if self.replica is None:
            return
        effects = self.replica.step(event)
        try:
            for effect in effects:
                self._perform(effect)
        except Crashed:
            self._crash()

    def connect(self, other: int) -> None:
        if self.replica is None:
            return
        self.step(PeerConnected(other, self.clock()))
        if self.mempool:
            self.world.send(self.seat, other, Gossip(list(self.mempool)))

    def submit(self, transaction: bytes) -> None:
        """A client's transaction: passed on to all validators once (rule 10)."""
        if self.replica is None:
            return
        self._take_transactions([transaction])
        for other in range(self.members.n):
            if other != self.seat:
                self.world.send(self.seat, other, Gossip([transaction]))

    def _take_transactions(self, transactions: list[bytes]) -> None:
        for transaction in transactions:
            self.bodies[transaction] = None
            if transaction not in self.application.included:
                self.mempool[transaction] = None
        self._tell_waiting()
        self._try_checks()

    def _tell_waiting(self) -> None:
        waiting = bool(self.mempool)
        if waiting != self.said_waiting:
            self.said_waiting = waiting
            self.step(WorkChanged(waiting, self.clock()))

    def receive(self, source: int, payload: Payload) -> None:
        if self.replica is None:
            return
        self.world.trace(self.seat, f"<- {source} {type(payload).__name__}")
        match payload:
            case Gossip():
                self._take_transactions(payload.transactions)
            case SimulatedBodies():
                self.bodies.update(dict.fromkeys(payload.transactions))
                self._try_checks()
            case SimulatedBlocks():
                self._take_blocks(source, payload)
            case FetchBodies():
                found = [transaction for transaction in payload.transactions if transaction in self.bodies]
                if found:
                    self.world.send(self.seat, source, SimulatedBodies(found))
            case Blocks() | Bodies():
                raise AssertionError("simulated by others")
            case _:
                self.step(MessageReceived(source, payload, self.clock()))

    def _take_blocks(self, source: int, payload: SimulatedBlocks) -> None:
        for block in payload.blocks:
            header: Header = block.header
            try:
                verify_list(header, block.transactions)
                verify_certificate(
                    block.certificate,
                    self.members,
                    COMMIT,
                    CHAIN_ID,
                    header.height,
                    header.digest(),
                    self.world.keys.verify,
                )
            except (ChainError, ConsensusError):
                self.world.sometimes["fetched block refused"] += 1
                return
            self.bodies.update(dict.fromkeys(block.transactions))
            self.world.sometimes["block fetched"] += 1
            self.step(BlockFetched(source, header, block.transactions, block.certificate, self.clock()))
        self._try_checks()

    # -- effects -------------------------------------------------------------------------------------------------------

    def _count_to_crash(self) -> None:
        if self.effects_to_crash is not None:
            self.effects_to_crash -= 1
            if self.effects_to_crash < 0:
                raise Crashed

    def _perform(self, effect: Effect) -> None:
        """What may run at once, runs; the rest goes to the writer, in order."""
        self._count_to_crash()
        match effect:
            case Persist() | Broadcast() | Send() | SendBlocks():
                self._write_later(effect)
            case Finalise():
                if self.is_honest:
                    self.world.checks.on_finalise(self.seat, self.head.height, effect.header, effect.certificate)
                digest = effect.header.digest()
                self.world.trace(self.seat, f"final {effect.header.height} {digest.hex()[:8]}")
                self.world.sometimes[f"final in view {min(effect.certificate.view, 9)}"] += 1
                self._applied(effect.header, effect.transactions)
                self.head = Head(effect.header.height, digest, effect.header.time_ms, effect.certificate)
                self.checking.clear()
                self._write_later(effect)
                self.world.on_final(self.seat)
                self.after(0, partial(self._work_event))
            case StartTimer():
                self.after(effect.timeout_ms, partial(self._timer_event, effect.timer, effect.number))
            case StopTimer():
                pass  # its end is ignored by its number
            case Propose():
                self.after(self.world.spread(self.world.options.execute_ms), partial(self._proposal, effect))
            case CheckBlock():
                digest = effect.header.digest()
                self.checking[digest] = effect
                if not self._have_bodies(effect):
                    self.world.sometimes["bodies fetched"] += 1
                    self.after(0, partial(self._ask_bodies, digest, 0))
                self._try_checks()
            case FetchBlocks():
                self.world.send(self.seat, effect.seat, Fetch(effect.from_height, effect.count))
            case PassOn():
                self.world.sometimes["passed on to the primary"] += 1
                if self.mempool:
                    self.world.send(self.seat, effect.seat, Gossip(list(self.mempool)))
            case Accuse():
                if effect.first.seat not in self.world.options.liars:
                    raise Broken("BROKEN", f"seat {self.seat} accuses the honest seat {effect.first.seat}")
                self.world.sometimes["evidence"] += 1
            case Refuse():
                self.world.sometimes[f"refused: {effect.error.code}"] += 1
            case BecomeLearner():
                if self.is_honest:
                    raise Broken("BROKEN", f"seat {self.seat} became a learner: {effect.reason}")
            case EnterEpoch() | LeaveSet():
                raise Broken("BROKEN", f"seat {self.seat}: the set does not change here")
            case Halt():
                if self.is_honest:
                    raise Broken("DIVERGED", f"seat {self.seat} halts: {effect.reason}")
            case _:
                assert_never(effect)

    def _work_event(self) -> Event | None:
        waiting = bool(self.mempool)
        if waiting == self.said_waiting:
            return None
        self.said_waiting = waiting
        return WorkChanged(waiting, self.clock())

    def _timer_event(self, timer: Timer, number: int) -> Event:
        return TimerExpired(timer, number, self.clock())

    def _applied(self, header: Header, transactions: list[bytes]) -> None:
        self.application.apply(header, transactions)
        for transaction in transactions:
            self.bodies[transaction] = None
            self.mempool.pop(transaction, None)

    def _proposal(self, effect: Propose) -> Event:
        chosen = list(self.mempool)[:TRANSACTIONS_PER_BLOCK]
        if self.head.digest != effect.parent or not (chosen or effect.may_be_empty):
            return ProposalReady(effect.view, effect.height, None, [], self.clock())
        time_ms = max(effect.time_min_ms, self.clock())
        proposer = self.members.members[self.seat].organisation
        header = self.application.build(self.head, proposer, time_ms, chosen)
        return ProposalReady(effect.view, effect.height, header, chosen, self.clock())

    def _have_bodies(self, check: CheckBlock) -> bool:
        return all(transaction in self.bodies for transaction in check.transactions)

    def _try_checks(self) -> None:
        for digest, check in list(self.checking.items()):
            if self._have_bodies(check):
                del self.checking[digest]
                self.after(self.world.spread(self.world.options.execute_ms), partial(self._checked, check))

    def _checked(self, check: CheckBlock) -> Event | None:
        if check.header.height != self.head.height + 1:
            return None
        valid = self.application.is_valid(self.head, check.header, check.transactions)
        return BlockChecked(check.header.digest(), valid, "" if valid else "roots_differ", self.clock())

    def _ask_bodies(self, digest: bytes, attempt: int) -> None:
        check = self.checking.get(digest)
        if check is None or self.replica is None:
            return
        missing = [transaction for transaction in check.transactions if transaction not in self.bodies]
        seats = [check.primary, *check.holders, *self.replica.holders(digest)]
        seats = [seat for seat in dict.fromkeys(seats) if seat != self.seat]
        if seats:
            self.world.send(self.seat, seats[attempt % len(seats)], FetchBodies(missing))
        self.after(BODIES_RETRY_MS, partial(self._ask_bodies, digest, attempt + 1))

    # -- the writer ----------------------------------------------------------------------------------------------------

    def _write_later(self, effect: Effect) -> None:
        self.writing.append(effect)
        if not self.is_writer_planned:
            self.is_writer_planned = True
            self.after(self.world.spread(self.world.options.flush_ms), partial(self._write))

    def _write(self) -> None:
        """Takes all that waits: writes, one flush before the first word that follows, words."""
        self.is_writer_planned = False
        batch, self.writing = self.writing, []
        try:
            for effect in batch:
                self._count_to_crash()
                self._write_one(effect)
            if self.world.draw.random() < 0.5:
                self._flush()
        except Crashed:
            self._crash()

    def _flush(self) -> None:
        self.disk.flush()
        if self.world.draw.random() < 0.5:
            self.disk.prune()

    def _write_one(self, effect: Effect) -> None:
        match effect:
            case Persist():
                if self.is_honest:
                    self.world.checks.on_persist(self.seat, effect.record)
                self._note(effect)
                self.disk.write(effect.record)
            case Finalise():
                self.disk.write(StoredBlock(effect.header, effect.transactions, effect.certificate))
            case Broadcast():
                self._flush()
                for other in range(self.members.n):
                    if other != self.seat:
                        self.say(other, effect.message)
            case Send():
                self._flush()
                self.say(effect.seat, effect.message)
            case SendBlocks():
                self._flush()
                blocks = self.disk.blocks[effect.from_height - 1 : effect.from_height - 1 + effect.count]
                self.world.send(self.seat, effect.seat, SimulatedBlocks(blocks))

    def _note(self, effect: Persist) -> None:
        if isinstance(effect.record, ViewChangeSaved):
            self.world.sometimes["view left"] += 1
            if effect.record.view_change.prepared is not None:
                self.world.sometimes["view left with a prepared block"] += 1

    def say(self, other: int, message: Message) -> None:
        if self.is_honest:
            self.world.checks.on_send(self.seat, message, self.disk.journal, len(self.disk.blocks))
            self.world.trace(self.seat, f"-> {other} {type(message).__name__}")
            if isinstance(message, NewView):
                self.world.sometimes["NewView sent"] += 1
                if message.prepare is not None:
                    self.world.sometimes["NewView with an obligation"] += 1
            if isinstance(message, ViewChange):
                self.world.sometimes["ViewChange sent"] += 1
        self.world.send(self.seat, other, message)

    def where(self) -> str:
        if self.replica is None:
            return f"{self.seat}: down"
        activity = "active" if self.replica.is_active else "waiting"
        return f"{self.seat}: H={self.head.height} v={self.replica.view} {activity} pool={len(self.mempool)}"
