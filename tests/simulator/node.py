"""The shell of a simulated node: what `node/` does around the core, with a fake disk, network, clock and executor.

`number` is the organisation's; its seat is another one in each set. A node without a seat, or whose blocks were lost to
damage, follows by asking for blocks; with a seat it has a replica, which may be a learner.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, assert_never

from chain.block import Header
from chain.errors import BlockInvalid, ChainError
from chain.execute import Execution, execute_block, key_in_force, verify_transaction
from chain.transaction import ReceivedTransaction
from chain.validators import COMMIT, ValidatorSet, verify_certificate
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
from consensus.errors import ConsensusError, JournalDamaged
from consensus.events import (
    BlockChecked,
    BlockFetched,
    Event,
    MessageReceived,
    NextEpoch,
    PeerConnected,
    PeerUnreachable,
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
    Status,
    ViewChange,
    ViewChangeSaved,
)
from consensus.replica import Replica, Settings
from consensus.wire import epoch_of, verify_list
from tests.simulator.checks import Broken
from tests.simulator.disk import StoredBlock, StoredEntry
from tests.simulator.ledger import SimulatedLedger
from tests.simulator.memory import SimulatedMemory
from tests.simulator.payloads import Gossip, Payload, SimulatedBlocks, SimulatedBodies
from tests.simulator.province import BLOCK_TRANSACTIONS_MAX, GENESIS_MS, member_name

if TYPE_CHECKING:
    from tests.simulator.world import World

BODIES_RETRY_MS = 200
FOLLOW_MS = 300
POOL_MAX = 400
HINT_MS = 1_000  # between questions to a node without a seat


@dataclass(frozen=True)
class Addressed:
    """Something to send, and the organisation that it goes to."""

    number: int
    effect: Send | SendBlocks


Written = Effect | StoredBlock | Addressed  # what the writer takes, in order


class Crashed(Exception):
    """The node stopped in the middle of its effects."""


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
        self.paused: list[object] | None = None  # what came while it was stopped
        self.stopped_for = ""  # a named reason, while its owners look after it
        self._forget()

    def _forget(self) -> None:
        """What a crash takes."""
        self.is_up = False
        self.replica: Replica | None = None
        self.ledger: SimulatedLedger | None = None
        self.pool: dict[bytes, ReceivedTransaction] = {}
        self.bodies: dict[bytes, ReceivedTransaction] = {}
        self.executions: dict[bytes, Execution] = {}
        self.checking: dict[bytes, CheckBlock] = {}
        self.writing: list[Written] = []
        self.is_writer_planned = False
        self.said_waiting = False
        self.has_forgotten = False
        self.hinted_ms: dict[int, int] = {}

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
            self.bodies.update((received.digest, received) for received in entry.bodies)
        if self.life > 1:
            self.world.sometimes["P1 restart"] += 1
            if any(isinstance(entry.record, ProposalSaved) for entry in self.disk.journal.entries):
                self.world.sometimes["P1 restart with votes in the journal"] += 1
        self._take_part()

    def _take_part(self) -> None:
        """A replica where there is a seat; else follow."""
        ledger = self.ledger
        assert ledger is not None
        seat = ledger.members.seat_of(self.organisation)
        self.replica = None
        if seat is None or self.height < self.disk.must_reach:
            self.world.trace(self.number, f"follows from height {self.height}")
            self.after(0, partial(self._follow, self.life))
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
        head = ledger.head
        certificate = self.disk.blocks[self.height - 1].certificate if self.height else None
        if self.height > len(self.disk.blocks):  # of the blocks not flushed yet: the seat came while it ran
            certificate = next(
                item.certificate for item in reversed(self.disk.unflushed) if isinstance(item, StoredBlock)
            )
        core_head = Head(head.height, head.digest, head.time_ms, certificate)
        try:
            self.replica = Replica.restore(settings, core_head, [entry.record for entry in entries])
        except JournalDamaged as damage:
            raise Broken("BROKEN", f"{self.organisation}: its own journal is refused: {damage}") from None
        if reason:
            self.world.sometimes[f"rule 14 learner: {reason}"] += 1
        self.world.trace(self.number, f"starts at height {self.height}, view {self.replica.view} {reason}")
        self.step(Started(self.clock()))
        self.said_waiting = False
        self._tell_waiting()
        self.world.connect(self)

    def _crash(self) -> None:
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
                action()  # type: ignore[operator]

    def clock(self) -> int:
        return GENESIS_MS + self.skew_ms + int(self.world.now * self.speed)

    def after(self, delay_ms: float, event_of: partial[Event | None]) -> None:
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

    # -- events --------------------------------------------------------------------------------------------------------

    def step(self, event: Event) -> None:
        if self.replica is None:
            return
        effects, life = self.replica.step(event), self.life
        try:
            for effect in effects:
                if self.life == life:  # else the machine was taken away within one of them
                    self._perform(effect)
        except Crashed:
            self._crash()

    def connect(self, other: int) -> None:
        """The link to another organisation's node is up."""
        if self.ledger is None or self.paused is not None:
            return
        seat = self.members.seat_of(member_name(other))
        if seat is not None and other != self.number:
            self.step(PeerConnected(seat, self.clock()))
        if self.pool:
            self.world.send(self.number, other, Gossip(list(self.pool.values())))

    def submit(self, received: ReceivedTransaction) -> None:
        """A client's transaction: passed on to all validators once (rule 10)."""
        if self.ledger is None or self.paused is not None or not self._take_transactions([received]):
            return
        for other in self.world.organisations:
            if other != self.number:
                self.world.send(self.number, other, Gossip([received]))

    def _take_transactions(self, transactions: Iterable[ReceivedTransaction]) -> int:
        """Into the pool those that could run now; whatever else is dropped. How many."""
        ledger = self.ledger
        assert ledger is not None
        parent = ledger.parent()
        taken = 0
        for received in transactions:
            if received.digest in self.pool or len(self.pool) >= POOL_MAX:
                continue
            try:
                verify_transaction(parent, received, ledger.holds)
            except BlockInvalid as refusal:
                self.world.sometimes[f"not admitted: {refusal.code}"] += 1
                continue
            self.pool[received.digest] = self.bodies[received.digest] = received
            taken += 1
        if taken:
            self._tell_waiting()
            self._try_checks()
        return taken

    def _tell_waiting(self) -> None:
        waiting = bool(self.pool)
        if waiting != self.said_waiting:
            self.said_waiting = waiting
            self.step(WorkChanged(waiting, self.clock()))

    def receive(self, source: int, payload: Payload) -> None:
        if not self.is_up:
            return
        if self.paused is not None:
            self.paused.append(partial(self.receive, source, payload))
            return
        self.world.trace(self.number, f"<- {source} {type(payload).__name__}")
        match payload:
            case Gossip():
                self._take_transactions(payload.transactions)
            case SimulatedBodies():
                self._take_bodies(payload.transactions)
            case SimulatedBlocks():
                try:
                    self._take_blocks(source, payload)
                except Crashed:  # a follower writes as it takes
                    self._crash()
            case FetchBodies():
                found = [self.bodies[digest] for digest in payload.transactions if digest in self.bodies]
                if found:
                    self.world.send(self.number, source, SimulatedBodies(found))
            case Blocks() | Bodies():
                raise AssertionError("simulated by others")
            case _:
                self._take_message(source, payload)

    def _take_message(self, source: int, message: Message) -> None:
        """The set of the message's epoch, its checks, the sender's seat in that set; hints of who has no seat here."""
        ledger, organisation = self.ledger, member_name(source)
        assert ledger is not None
        members = ledger.members
        here = members.seat_of(organisation)
        if isinstance(message, Fetch) and (here is None or self.replica is None):
            self._serve(source, message.from_height, message.count)
            return
        if isinstance(message, Status) and (here is None or self.replica is None):
            self._take_hint(source, message)
        if self.replica is None:
            return
        former = ledger.set_at(members.epoch - 1) if members.epoch > 1 else None
        upcoming = self.replica.upcoming
        if upcoming is not None and epoch_of(message) == upcoming.epoch:
            members, former = upcoming, members
        seat = members.seat_of(organisation)
        if seat is None:
            return
        if not self.world.is_whole(message, members, former):
            self.world.sometimes["message refused by its check"] += 1
            return
        self.step(MessageReceived(seat, message, self.clock()))

    def _take_hint(self, source: int, status: Status) -> None:
        last = self.hinted_ms.get(source)
        if last is not None and self.world.now - last < HINT_MS:
            return
        if status.height < self.height:
            self.hinted_ms[source] = self.world.now
            self.world.sometimes["rule 15 led back who has no seat here"] += 1
            self._serve(source, status.height + 1, 64)
        elif status.height > self.height and self.replica is not None:
            self.hinted_ms[source] = self.world.now
            self.world.sometimes["rule 15 asked a node without a seat"] += 1
            self.world.send(self.number, source, Fetch(self.height + 1, 64))

    def _serve(self, source: int, first: int, count: int) -> None:
        blocks = self.disk.blocks[first - 1 : first - 1 + count]
        if blocks and first >= 1:
            self.world.send(self.number, source, SimulatedBlocks(blocks))

    def _take_bodies(self, transactions: Iterable[ReceivedTransaction]) -> None:
        """Digests leave signatures out: a body whose signature does not hold is a missing one."""
        ledger = self.ledger
        assert ledger is not None
        for received in transactions:
            try:
                verify_transaction(ledger.parent(), received, ledger.holds)
            except BlockInvalid as refusal:
                if refusal.code == "bad_signature":
                    self.world.sometimes["Y7 a body with a wrong signature"] += 1
                    continue
            self.bodies.setdefault(received.digest, received)
        self._try_checks()

    def _take_blocks(self, source: int, payload: SimulatedBlocks) -> None:
        """Certified blocks, checked with the set that their headers name; a replica takes them one by one, who has none
        makes them its own."""
        ledger = self.ledger
        assert ledger is not None
        known = {members.digest(): members for members in (ledger.members, ledger.following)}
        for block in payload.blocks:
            header: Header = block.header
            if header.height <= self.height or header.height > self.height + 64:
                continue
            members = known.get(header.validators)
            if members is None:
                break  # a set that comes with a block before: asked for again
            try:
                verify_list(header, [received.digest for received in block.bodies])
                digest, verify = header.digest(), self.world.signers.verify
                verify_certificate(
                    block.certificate, members, COMMIT, self.world.chain_id, header.height, digest, verify
                )
            except (ChainError, ConsensusError):
                self.world.sometimes["Y11 fetched block refused"] += 1
                return
            self.bodies.update((received.digest, received) for received in block.bodies)
            self.world.sometimes["block fetched"] += 1
            if self.replica is None:
                if header.height == self.height + 1:
                    self._adopt_followed(block)
                    known = {entry.digest(): entry for entry in (ledger.members, ledger.following)}
                    if self.replica is not None:
                        break
            else:
                seat = ledger.members.seat_of(member_name(source))
                event = BlockFetched(seat, header, block.transactions, block.certificate, self.clock())
                self.step(event)
                if not self.is_up or self.ledger is not ledger:
                    return
        self._try_checks()

    # -- following -----------------------------------------------------------------------------------------------------

    def _follow(self, life: int) -> None:
        if life != self.life or self.replica is not None:
            return
        others = [number for number in self.world.organisations if number != self.number]
        self.world.send(self.number, self.world.draw.choice(others), Fetch(self.height + 1, 64))
        self.after(FOLLOW_MS, partial(self._follow, life))

    def _adopt_followed(self, block: StoredBlock) -> None:
        """Executed, on the disk, then told."""
        ledger = self.ledger
        assert ledger is not None
        try:
            execution = ledger.executed(block.header, block.bodies)
        except BlockInvalid as refusal:
            raise Broken("DIVERGED", f"{self.organisation}: a quorum certified what is {refusal.code} here") from None
        self.world.checks.on_finalise(self, block.header, block.certificate, execution)
        ledger.adopt(execution, block.certificate)
        self._finalised(block.header, block.transactions, block.bodies, block.certificate)
        self._flush()
        is_seated = ledger.members.seat_of(self.organisation) is not None
        if is_seated and self.height >= self.disk.must_reach:
            self.world.sometimes["P9 a seat is gained while following"] += 1
            self._take_part()

    def _finalised(
        self, header: Header, transactions: list[bytes], bodies: list[ReceivedTransaction], proof: object
    ) -> None:
        world, digest = self.world, header.digest()
        world.trace(self.number, f"final {header.height} {digest.hex()[:8]}")
        for transaction in transactions:
            self.pool.pop(transaction, None)
        assert self.ledger is not None
        in_force: dict[tuple[str, bytes], bool] = {}
        for gone in [entry for entry, received in self.pool.items() if not self._can_run(received, in_force)]:
            del self.pool[gone]
        kept = {entry.digest: entry for entry in bodies}
        self.bodies = {**kept, **self.pool, **self._bodies_ahead()}
        self.executions.clear()
        self.checking.clear()
        stored = StoredBlock(header, digest, transactions, bodies, proof, self._sequence())  # type: ignore[arg-type]
        self._write_item(stored)
        world.on_final(self.number)

    def _bodies_ahead(self) -> dict[bytes, ReceivedTransaction]:
        """Of blocks that were fetched and wait for their turn."""
        if self.replica is None:
            return {}
        wanted = {digest for event in self.replica._state.fetched.values() for digest in event.transactions}
        return {digest: received for digest, received in self.bodies.items() if digest in wanted}

    def _can_run(self, received: ReceivedTransaction, in_force: dict[tuple[str, bytes], bool]) -> bool:
        """What ran is gone from the pool already; keys are looked up once for all."""
        ledger, transaction = self.ledger, received.transaction
        assert ledger is not None
        name = (transaction.organisation, transaction.key_id)
        if name not in in_force:
            try:
                key_in_force(ledger.state, *name, ledger.head.height + 1)
                in_force[name] = True
            except BlockInvalid:
                in_force[name] = False
        return in_force[name] and transaction.valid_until_height > ledger.head.height

    def _sequence(self) -> int:
        """What a block says of the journal: what it holds for certain, or more than it ever will if it forgot a vote."""
        last = self.disk.blocks[-1].journal_sequence if self.disk.blocks else 0
        for item in self.disk.unflushed:
            if isinstance(item, StoredBlock):
                last = item.journal_sequence
        forgotten = self.disk.journal.last_sequence + 1 if self.has_forgotten else 0
        own = self.disk.journal.last_sequence if not self.disk.journal.trouble else 0
        return max(last, own, forgotten)

    # -- effects -------------------------------------------------------------------------------------------------------

    def _count_to_crash(self) -> None:
        if self.effects_to_crash is not None:
            self.effects_to_crash -= 1
            if self.effects_to_crash < 0:
                raise Crashed

    def _perform(self, effect: Effect) -> None:
        """What may run at once, runs; the rest goes to the writer, in order."""
        self._count_to_crash()
        world = self.world
        match effect:
            case Persist() | Broadcast():
                self._write_later(effect)
            case Send():  # to whom is settled now: seats may mean others when the writer comes to it
                self._write_later(Addressed(self._number_of(effect.seat), effect))
            case SendBlocks():
                self._write_later(Addressed(self._number_of(effect.seat), effect))
            case Finalise():
                self._finalise(effect)
            case StartTimer():
                delay = max(1, ceil(effect.timeout_ms / self.speed))  # never before its clock says so
                self.after(delay, partial(self._timer_event, effect.timer, effect.number))
            case StopTimer():
                pass  # its end is ignored by its number
            case Propose():
                self.after(world.spread(world.options.execute_ms) * self.slowness, partial(self._proposal, effect))
            case CheckBlock():
                digest = effect.header.digest()
                self.checking[digest] = effect
                if not self._have_bodies(effect):
                    world.sometimes["bodies fetched"] += 1
                    self.after(0, partial(self._ask_bodies, digest, 0))
                self._try_checks()
            case FetchBlocks():
                number = self._number_of(effect.seat)
                world.send(self.number, number, Fetch(effect.from_height, effect.count))
                if not any(node.is_up for node in world.nodes.get(number, [])):
                    world.sometimes["blocks asked of who is down"] += 1
                    self.after(0, partial(self._unreachable, number))
            case PassOn():
                world.sometimes["passed on to the primary"] += 1
                if self.pool:
                    self._send_seat(effect.seat, Gossip(list(self.pool.values())))
            case Accuse():
                world.checks.on_accuse(self, effect.first, effect.second)
            case Refuse():
                world.sometimes[f"refused: {effect.error.code}"] += 1
            case BecomeLearner():
                self._become_learner(effect)
            case EnterEpoch():
                world.sometimes["P9 an epoch begins"] += 1
                if self.is_honest:
                    world.trace(self.number, f"epoch {effect.members.epoch} of {effect.members.n}")
                world.connect(self)
            case LeaveSet():
                world.sometimes["P9 a seat is left"] += 1
                self.replica = None
                self.after(0, partial(self._follow, self.life))
            case Halt():
                if self.is_honest and not world.options.is_too_many:
                    raise Broken("DIVERGED", f"{self.organisation} halts: {effect.reason}")
                world.checks.on_halt(self, effect.reason)
            case _:
                assert_never(effect)

    def _become_learner(self, effect: BecomeLearner) -> None:
        if self.is_honest and self.number not in self.world.options.forgetful:
            raise Broken("BROKEN", f"{self.organisation} became a learner: {effect.reason}")
        self.has_forgotten = True
        if not self.disk.journal.trouble:
            self.disk.journal.trouble = "vote_forgotten"
        self.world.sometimes["rule 14 a vote comes back from others"] += 1

    def _finalise(self, effect: Finalise) -> None:
        ledger, world = self.ledger, self.world
        assert ledger is not None
        execution = self.execution_of(effect)
        if self.is_honest:
            world.checks.on_finalise(self, effect.header, effect.certificate, execution)
        world.sometimes[f"final in view {min(effect.certificate.view, 9)}"] += 1
        ledger.adopt(execution, effect.certificate)
        bodies = list(execution.transactions)
        self._finalised(effect.header, effect.transactions, bodies, effect.certificate)
        self._plan_writer()
        self.after(0, partial(self._work_event))

    def execution_of(self, effect: Finalise) -> Execution:
        return self.executions[effect.header.digest()]

    def _send_seat(self, seat: int, payload: Payload) -> None:
        self.world.send(self.number, self._number_of(seat), payload)

    def _number_of(self, seat: int) -> int:
        """Of the set that the ledger has come to: the replica may be in another one at the end of the step."""
        return int(self.members.members[seat].organisation[-2:])

    def _work_event(self) -> Event | None:
        waiting = bool(self.pool)
        if waiting == self.said_waiting:
            return None
        self.said_waiting = waiting
        return WorkChanged(waiting, self.clock())

    def _unreachable(self, number: int) -> Event | None:
        seat = self.members.seat_of(member_name(number))
        return PeerUnreachable(seat, self.clock()) if seat is not None else None

    def _timer_event(self, timer: Timer, number: int) -> Event:
        return TimerExpired(timer, number, self.clock())

    def _proposal(self, effect: Propose) -> Event:
        ledger = self.ledger
        assert ledger is not None
        nothing = ProposalReady(effect.view, effect.height, None, [], self.clock())
        if ledger.head.digest != effect.parent:
            return nothing
        chosen: list[ReceivedTransaction] = []
        operations = 0
        for received in self.choose():
            operations += len(received.operation_digests)
            if len(chosen) < BLOCK_TRANSACTIONS_MAX and operations <= 64:
                chosen.append(received)
        if not (chosen or effect.may_be_empty):
            return nothing
        time_ms = max(effect.time_min_ms, self.clock())
        try:
            execution = execute_block(ledger.parent(), time_ms, self.organisation, chosen, ledger.holds)
        except BlockInvalid as refusal:
            raise Broken("BROKEN", f"{self.organisation} builds a block that is {refusal.code}") from None
        self.executions[execution.digest] = execution
        digests = [received.digest for received in chosen]
        opened = self._next_epoch(execution)
        return ProposalReady(effect.view, effect.height, execution.header, digests, self.clock(), opened)

    def choose(self) -> list[ReceivedTransaction]:
        """What waits, in the order to take it."""
        return list(self.pool.values())

    def _next_epoch(self, execution: Execution) -> NextEpoch | None:
        assert self.ledger is not None
        if execution.following.epoch != execution.header.height + 2:
            return None
        return self.memory.opening(self.ledger, execution.following, execution)

    def _have_bodies(self, check: CheckBlock) -> bool:
        return all(transaction in self.bodies for transaction in check.transactions)

    def _try_checks(self) -> None:
        for digest, check in list(self.checking.items()):
            if self._have_bodies(check):
                del self.checking[digest]
                delay = self.world.spread(self.world.options.execute_ms) * self.slowness
                self.after(delay, partial(self._checked, check))

    def _checked(self, check: CheckBlock) -> Event | None:
        ledger, digest = self.ledger, check.header.digest()
        assert ledger is not None
        if check.header.height != self.height + 1:
            return None
        if not self._have_bodies(check):
            self.checking[digest] = check
            return None
        try:
            execution = ledger.executed(check.header, [self.bodies[entry] for entry in check.transactions])
        except BlockInvalid as refusal:
            self.world.sometimes[f"Y7 invalid block: {refusal.code}"] += 1
            return BlockChecked(digest, False, refusal.code, self.clock())
        self.executions[digest] = execution
        return BlockChecked(digest, True, "", self.clock(), self._next_epoch(execution))

    def _ask_bodies(self, digest: bytes, attempt: int) -> None:
        check = self.checking.get(digest)
        if check is None or self.replica is None:
            return
        missing = [transaction for transaction in check.transactions if transaction not in self.bodies]
        seats = [check.primary, *check.holders, *self.replica.holders(digest)]
        seats = [seat for seat in dict.fromkeys(seats) if seat != self.replica.seat]
        if seats and missing:
            self._send_seat(seats[attempt % len(seats)], FetchBodies(missing))
        self.after(BODIES_RETRY_MS, partial(self._ask_bodies, digest, attempt + 1))

    # -- the writer ----------------------------------------------------------------------------------------------------

    def _write_later(self, effect: Written) -> None:
        self.writing.append(effect)
        self._plan_writer()

    def _plan_writer(self) -> None:
        if not self.is_writer_planned:
            self.is_writer_planned = True
            options = self.world.options
            delay = self.world.spread(options.flush_ms) * self.slowness
            if not self.world.is_healed and self.world.draw.random() < options.slow_disk:
                self.world.sometimes["D11 slow disk"] += 1
                delay += 1_000
            self.after(delay, partial(self._write))

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

    def _write_item(self, item: StoredBlock | StoredEntry) -> None:
        """Order matters: a block goes through the same queue as the votes that follow from it."""
        if isinstance(item, StoredBlock):
            self.writing.append(item)
        else:
            self._put(item)

    def _put(self, item: StoredBlock | StoredEntry) -> None:
        disk = self.disk
        if disk.writes_left is not None and not self.world.is_healed:
            disk.writes_left -= 1
            if disk.writes_left < 0:
                self.world.sometimes["D9 the disk is full: the node stops"] += 1
                disk.writes_left = self.world.options.full_after
                raise Crashed
        disk.unflushed.append(item)

    def _flush(self) -> None:
        world, disk = self.world, self.disk
        if not world.is_healed and self.is_honest and world.draw.random() < world.options.flush_error:
            world.sometimes["D4 a flush fails: the node stops"] += 1
            raise Crashed
        for item in [item for item in self.writing if isinstance(item, StoredBlock)]:
            # what follows in this batch was made after these blocks
            self.writing.remove(item)
            self._put(item)
        disk.flush()
        ledger = self.ledger
        if ledger is not None and ledger.head.height <= len(disk.blocks):
            if world.draw.random() < 0.3:
                ledger.flush()
            # Only who takes part: one that fetches what damage took keeps what it promised in epochs above.
            if self.replica is not None and world.draw.random() < 0.5:
                disk.prune(ledger.members.epoch)
        world.checks.on_flushed(self)

    def _write_one(self, effect: Written) -> None:
        match effect:
            case Persist():
                if self.is_honest:
                    self.world.checks.on_persist(self, effect.record)
                self._note(effect)
                record = effect.record
                bodies: list[ReceivedTransaction] = []
                if isinstance(record, ProposalSaved):
                    bodies = [self.bodies[digest] for digest in record.proposal.transactions if digest in self.bodies]
                self._put(StoredEntry(record, bodies))
            case StoredBlock():
                self._put(effect)
            case Broadcast():
                self._flush()
                for member in (self.replica.members if self.replica is not None else self.members).members:
                    if member.organisation != self.organisation:
                        self.say(int(member.organisation[-2:]), effect.message)
            case Addressed(number, Send(_, message)):
                self._flush()
                self.say(number, message)
            case Addressed(number, SendBlocks(_, first, count)):
                self._flush()
                self._serve(number, first, count)

    def _note(self, effect: Persist) -> None:
        if isinstance(effect.record, ViewChangeSaved):
            self.world.sometimes["view left"] += 1
            if effect.record.view_change.prepared is not None:
                self.world.sometimes["view left with a prepared block"] += 1

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
            f" pool={len(self.pool)}"
        )
