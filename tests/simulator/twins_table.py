"""Five processes of four members on a table: real replicas, no clock, no loss but what a round says.

A table can be copied, so that scenarios with one beginning share it.
"""

from __future__ import annotations

from copy import copy
from hashlib import sha256

import msgspec

from consensus.effects import (
    BecomeLearner,
    Broadcast,
    CheckBlock,
    Effect,
    FetchBlocks,
    Finalise,
    Halt,
    Propose,
    Send,
    SendBlocks,
    StartTimer,
    StopTimer,
)
from consensus.events import (
    BlockChecked,
    BlockFetched,
    Event,
    MessageReceived,
    ProposalReady,
    Started,
    Timer,
    TimerExpired,
    WorkChanged,
)
from consensus.model import Commit, Head, Message, NewView, Prepare, PrePrepare, Status, ViewChange
from consensus.replica import Replica, Settings
from consensus.restart import genesis_head
from consensus.state import ReplicaState
from consensus.wire import verify_message
from tests.simulator.application import CHAIN_ID, GENESIS_MS, Application
from tests.simulator.keys import Keys

N = 4
PROCESSES = 5
TWIN = 4  # the second copy of member 0
HONEST = (1, 2, 3)
HEARTBEAT_MS = 600_000
ROUND_MS = 3_000
SECOND_MS = 1_000
ADVANCES_MAX = 40  # of one round, on the way to its view
DELIVERIES_MAX = 5_000  # of one round: more goes round in circles
KEYS = Keys(N, is_real=False)
VERIFIED_MAX = 20_000

_verified: dict[int, Message] = {}  # id -> message that was found whole; at most VERIFIED_MAX, then none
_CONTAINERS = (dict, list, set)


class Contradiction(Exception):
    """DIVERGED: two blocks at a height. BROKEN: an honest member did what it must not. STALLED: no progress."""

    def __init__(self, verdict: str, detail: str) -> None:
        super().__init__(f"{verdict}: {detail}")
        self.verdict = verdict


def seat_of(process: int) -> int:
    return process % N


class Process:
    """One replica and its blocks."""

    def __init__(self, number: int) -> None:
        self.number, self.seat = number, seat_of(number)
        self.application = Application(KEYS.members)
        self.head = genesis_head(CHAIN_ID, GENESIS_MS)
        self.blocks: list[Finalise] = []
        self.timers: dict[Timer, int] = {}  # running: number
        self.may_propose = False  # one fresh block a round
        settings = Settings(CHAIN_ID, KEYS.members, self.seat, KEYS.sign(self.seat), HEARTBEAT_MS)
        self.replica = Replica.restore(settings, self.head)

    def copied(self) -> Process:
        other = copy(self)
        other.application = copy(self.application)
        other.application.included = dict(self.application.included)
        other.blocks, other.timers = list(self.blocks), dict(self.timers)
        other.replica = Replica(_state_copied(self.replica._state))
        return other

    @property
    def height(self) -> int:
        return len(self.blocks)


def _state_copied(state: ReplicaState) -> ReplicaState:
    """What a state holds never changes, but for its containers."""
    other = copy(state)
    for name in ReplicaState.__slots__:
        value = getattr(other, name)
        if isinstance(value, _CONTAINERS):
            setattr(other, name, copy(value))
    return other


class Table:
    def __init__(self) -> None:
        self.now_ms = GENESIS_MS + 1
        self.view = -1  # of the last round
        self.queue: list[tuple[int, int, Message | Finalise]] = []  # (source, target, what)
        self.later: list[tuple[int, Event]] = []  # answers of executors
        self.final: dict[int, bytes] = {}  # height -> digest, of all honest members
        self.signed: dict[tuple[int, str, int, int], bytes] = {}  # (seat, kind, view, height) -> digest, honest ones
        self.happened: set[str] = set()
        self.processes = [Process(number) for number in range(PROCESSES)]
        for process in self.processes:
            self.step(process, Started(self.now_ms))
        self.queue.clear()

    def copied(self) -> Table:
        other = copy(self)
        other.queue, other.later = list(self.queue), list(self.later)
        other.final, other.signed, other.happened = dict(self.final), dict(self.signed), set(self.happened)
        other.processes = [process.copied() for process in self.processes]
        return other

    @property
    def height(self) -> int:
        return max(self.processes[number].height for number in HONEST)

    def told(self) -> bytes:
        """Where all stand, for a digest."""
        parts = [
            b"%d %d %d %s" % (process.height, process.replica.view, process.replica.is_active, process.head.digest)
            for process in self.processes
        ]
        return b"|".join(parts)

    def where(self) -> str:
        return "; ".join(
            f"{process.number}: H={process.height} v={process.replica.view}"
            f" {'active' if process.replica.is_active else 'waiting'}"
            for process in self.processes
        )

    # -- a round -------------------------------------------------------------------------------------------------------

    def play(self, leader: int, part: frozenset[int], reach: str) -> None:
        """All go to the leader's next view, whose ViewChanges and all that follows stay within the two parts."""
        self.now_ms += ROUND_MS
        self.view += 1
        while self.view % N != leader:
            self.view += 1
        for process in self.processes:
            process.may_propose = False
            self.step(process, WorkChanged(True, self.now_ms))
        held = self._advance()
        self._answer()
        self.queue = held
        for process in self.processes:
            process.may_propose = True
            self.step(process, WorkChanged(True, self.now_ms))
        first = next((number for number in sorted(part) if number in HONEST), None)
        self._settle(part, reach, first)

    def tick(self) -> None:
        """A second goes by and everybody hears everybody's Status: who lacks a block learns where to ask."""
        self.now_ms += SECOND_MS
        for process in self.processes:
            process.may_propose = False
            self.expire(process, Timer.STATUS)
        self._settle(frozenset(range(PROCESSES)), "all", None)

    def _advance(self) -> list[tuple[int, int, Message | Finalise]]:
        """Timers end, and ViewChanges to lower views reach everybody, until no one gets further. What is said for the
        round's view is given back; all else is lost."""
        held: list[tuple[int, int, Message | Finalise]] = []
        for turn in range(ADVANCES_MAX):
            behind = [process for process in self.processes if process.replica.view < self.view]
            if not behind:
                break
            for process in behind:
                self.expire(process, Timer.VIEW if turn % 2 == 0 else Timer.STATUS)
            self._answer()
            queue, self.queue = self.queue, []
            for source, target, what in queue:
                if isinstance(what, ViewChange) and what.view < self.view:
                    self.give(source, target, what)
                elif isinstance(what, ViewChange):
                    held.append((source, target, what))
        held += [entry for entry in self.queue if isinstance(entry[2], ViewChange)]
        return held

    def _settle(self, part: frozenset[int], reach: str, first: int | None) -> None:
        """Everything is delivered within the parts, but for Commits, until nothing moves."""
        for _ in range(DELIVERIES_MAX):
            self._answer()
            if not self.queue:
                return
            source, target, what = self.queue.pop(0)
            if (source in part) != (target in part):
                continue
            if isinstance(what, Commit) and (reach == "none" or (reach == "one" and target != first)):
                self.happened.add("a Commit is lost")
                continue
            self.give(source, target, what)
        raise Contradiction("STALLED", f"a storm in view {self.view}: {self.where()}")

    def _answer(self) -> None:
        while self.later:
            number, event = self.later.pop(0)
            self.step(self.processes[number], event)

    # -- events --------------------------------------------------------------------------------------------------------

    def expire(self, process: Process, timer: Timer) -> None:
        number = process.timers.pop(timer, None)
        if number is not None:
            self.step(process, TimerExpired(timer, number, self.now_ms))

    def give(self, source: int, target: int, what: Message | Finalise) -> None:
        process = self.processes[target]
        sender = seat_of(source)
        if isinstance(what, Finalise):
            self.happened.add("a block is fetched")
            block = BlockFetched(sender, what.header, what.transactions, what.certificate, self.now_ms)
            self.step(process, block)
            return
        if id(what) not in _verified:
            verify_message(what, KEYS.members, CHAIN_ID, KEYS.verify)
            if len(_verified) >= VERIFIED_MAX:
                _verified.clear()
            _verified[id(what)] = what
        message: Message | None = what
        if process.number not in HONEST:
            message = self._unheard(process, what)
        if message is not None:
            self.step(process, MessageReceived(sender, message, self.now_ms))

    def _unheard(self, process: Process, message: Message) -> Message | None:
        """A copy does not take its twin's words for its own forgotten ones: it is a liar, no learner."""
        seat = process.seat
        match message:
            case Prepare() | Commit():
                return None if message.seat == seat else message
            case ViewChange():
                if message.seat != seat:
                    return message
                self._remember(process, message)
                return None
            case NewView():
                for change in message.view_changes:
                    if change.seat == seat:
                        self._remember(process, change)
                return message
            case Status():
                votes = [vote for vote in message.votes if vote.seat != seat]
                views = [0 if place == seat else view for place, view in enumerate(message.views)]
                return msgspec.structs.replace(message, votes=votes, views=views)
            case _:
                return message

    def _remember(self, process: Process, mine: ViewChange) -> None:
        known = process.replica._state.view_changes
        if process.seat not in known or known[process.seat].view < mine.view:
            known[process.seat] = mine

    def step(self, process: Process, event: Event) -> None:
        for effect in process.replica.step(event):
            self._perform(process, effect)

    def _perform(self, process: Process, effect: Effect) -> None:
        number = process.number
        match effect:
            case Broadcast(message):
                self._note(process, message)
                self.queue += [(number, other, message) for other in range(PROCESSES) if seat_of(other) != process.seat]
            case Send(seat, message):
                self._note(process, message)
                self.queue += [(number, other, message) for other in range(PROCESSES) if seat_of(other) == seat]
            case SendBlocks(seat, first, count):
                blocks = process.blocks[first - 1 : first - 1 + count]
                others = [other for other in range(PROCESSES) if seat_of(other) == seat]
                self.queue += [(number, other, block) for other in others for block in blocks]
            case FetchBlocks(seat, first, count):
                for asked in self.processes:
                    if asked.seat == seat:
                        blocks = asked.blocks[first - 1 : first - 1 + count]
                        self.queue += [(asked.number, number, block) for block in blocks]
            case StartTimer(timer, _, turn):
                process.timers[timer] = turn
            case StopTimer(timer):
                process.timers.pop(timer, None)
            case Propose():
                self.later.append((number, self._proposal(process, effect)))
            case CheckBlock(header, transactions):
                valid = process.application.is_valid(process.head, header, transactions)
                code = "" if valid else "roots_differ"
                self.later.append((number, BlockChecked(header.digest(), valid, code, self.now_ms)))
            case Finalise():
                self._finalise(process, effect)
            case Halt(reason):
                if number in HONEST:
                    raise Contradiction("DIVERGED", f"member {number} halts: {reason}")
            case BecomeLearner(reason):
                if number in HONEST:
                    raise Contradiction("BROKEN", f"member {number} becomes a learner: {reason}")
            case _:
                pass

    def _proposal(self, process: Process, effect: Propose) -> ProposalReady:
        nothing = ProposalReady(effect.view, effect.height, None, [], self.now_ms)
        if not process.may_propose or process.head.digest != effect.parent:
            return nothing
        process.may_propose = False
        transactions = [sha256(b"%d proposes %d in %d" % (process.number, effect.height, effect.view)).digest()]
        time_ms = max(effect.time_min_ms, self.now_ms)
        header = process.application.build(process.head, f"member-{process.seat}", time_ms, transactions)
        return ProposalReady(effect.view, effect.height, header, transactions, self.now_ms)

    # -- what is looked at ---------------------------------------------------------------------------------------------

    def _finalise(self, process: Process, effect: Finalise) -> None:
        header, digest = effect.header, effect.header.digest()
        process.blocks.append(effect)
        process.application.apply(header, effect.transactions)
        process.head = Head(header.height, digest, header.time_ms, effect.certificate)
        if process.number not in HONEST:
            return
        other = self.final.setdefault(header.height, digest)
        if other != digest:
            raise Contradiction("DIVERGED", f"height {header.height}: {other.hex()[:8]} and {digest.hex()[:8]}")
        proposer = int(header.proposer.removeprefix("member-"))
        if effect.certificate.view % N != proposer:
            self.happened.add("a block is final in a later view than it was proposed in")
        if proposer == 0:
            self.happened.add("a block of the doubled member is final")

    def _note(self, process: Process, message: Message) -> None:
        """What is said: honest members sign one digest a slot, and both copies may propose in one view."""
        if isinstance(message, NewView) and message.prepare is not None:
            self.happened.add("a NewView with an obligation")
        if isinstance(message, ViewChange) and message.prepared is not None:
            self.happened.add("a ViewChange with a prepared block")
        if not isinstance(message, PrePrepare | Prepare | Commit):
            return
        digest = message.header.digest() if isinstance(message, PrePrepare) else message.digest
        kind = "Commit" if isinstance(message, Commit) else "Prepare"
        slot = (process.seat, kind, message.view, message.height)
        earlier = self.signed.setdefault(slot, digest)
        if earlier == digest:
            return
        if process.number in HONEST:
            raise Contradiction("BROKEN", f"member {process.number} signed two digests: {slot[1:]}")
        self.happened.add(f"the doubled member signs two {kind}s")
