"""Replicas on a table: messages lie in a queue until a test delivers or drops them; blocks are executed at once."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from chain.block import Header
from chain.validators import PREPARE, ValidatorSet, vote_message
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
from consensus.errors import ForeignEpoch
from consensus.events import (
    BlockChecked,
    BlockFetched,
    Event,
    MessageReceived,
    NextEpoch,
    PeerConnected,
    ProposalReady,
    Started,
    Timer,
    TimerExpired,
    Voting,
    WorkChanged,
)
from consensus.model import Head, JournalRecord, Message, PrePrepare, Status, record_height
from consensus.replica import Replica, Settings
from consensus.restart import genesis_head
from consensus.wire import epoch_of, verify_message
from tests.simulator.application import CHAIN_ID, GENESIS_MS, Application
from tests.simulator.keys import Keys

HEARTBEAT_MS = 600_000


class Seat:
    """One replica and what its node keeps."""

    def __init__(self, cluster: Cluster, number: int, blocks: Sequence[Finalise] = ()) -> None:
        self.cluster, self.number = cluster, number
        self.journal: list[JournalRecord] = []
        self.blocks: list[Finalise] = list(blocks)
        self.timers: dict[Timer, tuple[int, int]] = {}  # running: number, milliseconds
        self.effects: list[Effect] = []  # all since the start of the test
        self.finds_invalid = False
        self.voting = Voting.AS_BEFORE  # what its runtime says of the next epoch

    @property
    def organisation(self) -> str:
        return f"member-{self.number}"

    def start(self, may_vote: bool = True, must_hear: bool = False) -> None:
        """Begin a life, with what blocks and journal tell."""
        cluster = self.cluster
        height = len(self.blocks)
        members, former = cluster.set_at(height + 1), cluster.set_before(height + 1)
        self.members, self.former = members, former
        self.application = Application(members)
        self.pool: list[bytes] = []
        self.timers.clear()
        head = genesis_head(CHAIN_ID, GENESIS_MS)
        for block in self.blocks:
            self.application.apply(block.header, block.transactions)
            head = Head(block.header.height, block.header.digest(), block.header.time_ms, block.certificate)
        self.head = head
        seat = members.seat_of(self.organisation)
        assert seat is not None, "who has no seat has no replica"
        sign = cluster.keys.sign(self.number)
        next_epoch = self.next_epoch(height)
        settings = Settings(CHAIN_ID, members, seat, sign, HEARTBEAT_MS, may_vote, next_epoch, must_hear)
        self.replica = Replica.restore(settings, head, self.journal)
        self.step(Started(self.cluster.now_ms))

    def next_epoch(self, height: int) -> NextEpoch | None:
        """What the block at `height` says about height + 2."""
        members = self.cluster.changes.get(height)
        if members is None:
            return None
        is_member = members.seat_of(self.organisation) is not None
        return NextEpoch(members, self.voting, self.cluster.keys.sign(self.number) if is_member else None)

    def step(self, event: Event) -> list[Effect]:
        effects = self.replica.step(event)
        for effect in effects:
            self.effects.append(effect)
            self.perform(effect)
        return effects

    def perform(self, effect: Effect) -> None:
        cluster = self.cluster
        match effect:
            case Persist():
                self.journal.append(effect.record)
            case Broadcast():
                for other in cluster.persons(self.members):
                    if other != self.number:
                        cluster.queue.append((self.number, other, effect.message))
            case Send():
                cluster.queue.append((self.number, cluster.persons(self.members)[effect.seat], effect.message))
            case SendBlocks():
                start = effect.from_height - 1
                for block in self.blocks[start : start + effect.count]:
                    cluster.answers.append((self.number, cluster.persons(self.members)[effect.seat], block))
            case FetchBlocks():
                cluster.fetches.append((self.number, cluster.persons(self.members)[effect.seat], effect))
            case StartTimer():
                self.timers[effect.timer] = (effect.number, effect.timeout_ms)
            case StopTimer():
                self.timers.pop(effect.timer, None)
            case Finalise():
                self.blocks.append(effect)
                self.application.apply(effect.header, effect.transactions)
                self.pool = [entry for entry in self.pool if entry not in effect.transactions]
                self.head = Head(
                    effect.header.height, effect.header.digest(), effect.header.time_ms, effect.certificate
                )
                height = effect.header.height
                self.journal = [entry for entry in self.journal if (record_height(entry) or height + 1) > height]
                if not self.pool:
                    cluster.later.append((self, WorkChanged(False, cluster.now_ms)))
            case Propose():
                header = None
                if self.pool or effect.may_be_empty:
                    time_ms = max(effect.time_min_ms, cluster.now_ms)
                    name = self.organisation
                    header = self.application.build(self.head, name, time_ms, self.pool)
                opened = self.next_epoch(effect.height)
                ready = ProposalReady(effect.view, effect.height, header, list(self.pool), cluster.now_ms, opened)
                cluster.later.append((self, ready))
            case CheckBlock():
                valid = self.application.is_valid(self.head, effect.header, effect.transactions)
                valid = valid and not self.finds_invalid
                code, opened = "" if valid else "roots_differ", self.next_epoch(effect.header.height)
                checked = BlockChecked(effect.header.digest(), valid, code, cluster.now_ms, opened)
                cluster.later.append((self, checked))
            case EnterEpoch() | LeaveSet():
                self.former, self.members = self.members, effect.members
                self.application.members = effect.members.digest()
            case Accuse() | Refuse() | PassOn() | BecomeLearner() | Halt():
                pass

    def did(self, kind: type[Effect]) -> list[Effect]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def height(self) -> int:
        return len(self.blocks)


class Cluster:
    """`n` members in the first set; `others` organisations have a key and no seat yet."""

    def __init__(self, n: int = 4, others: int = 0) -> None:
        self.n = n
        self.keys = Keys(n + others, is_real=True)
        self.members = ValidatorSet(1, self.keys.members.members[:n])
        self.changes: dict[int, ValidatorSet] = {}  # height -> the set that its block opens two heights above
        self.now_ms = GENESIS_MS + 1_000
        self.queue: list[tuple[int, int, Message]] = []
        self.answers: list[tuple[int, int, Finalise]] = []  # fetched blocks under way
        self.fetches: list[tuple[int, int, FetchBlocks]] = []  # asker, asked
        self.later: list[tuple[Seat, Event]] = []  # of executors
        self.silent: set[int] = set()
        self.seats: list[Seat] = []
        for number in range(n):
            self.seats.append(Seat(self, number))
            self.seats[-1].start()
        self.queue.clear()

    def __getitem__(self, number: int) -> Seat:
        """Of an organisation."""
        return next(seat for seat in self.seats if seat.number == number)

    # -- what tests do -------------------------------------------------------------------------------------------------

    def submit(self, *names: str, to: list[int] | None = None) -> None:
        """Transactions arrive at all members, or at some."""
        for number in to if to is not None else range(self.n):
            seat = self[number]
            seat.pool += [transaction(name) for name in names]
            seat.step(WorkChanged(True, self.now_ms))
        self.work()

    def work(self) -> None:
        """Let executors answer."""
        while self.later:
            seat, event = self.later.pop(0)
            seat.step(event)

    def deliver(self, *kinds: type[Message], to: list[int] | None = None, source: list[int] | None = None) -> int:
        """Deliver what lies in the queue of these kinds, also what follows of the same kinds; the rest stays."""
        count = 0
        while True:
            self.work()
            for index, (sender, receiver, message) in enumerate(self.queue):
                chosen = (not kinds or isinstance(message, kinds)) and (to is None or receiver in to)
                if chosen and (source is None or sender in source) and sender not in self.silent:
                    del self.queue[index]
                    self.give(sender, receiver, message)
                    count += 1
                    break
            else:
                return count

    def give(self, sender: int, receiver: int, message: Message) -> None:
        """What the runtime does: the set of the message's epoch, its checks, the sender's seat in that set."""
        seats = [seat for seat in self.seats if seat.number == receiver]
        if receiver not in self.silent and seats:
            seat = seats[0]
            members, former, upcoming = seat.members, seat.former, seat.replica.upcoming
            if upcoming is not None and epoch_of(message) == upcoming.epoch:
                members, former = upcoming, members
            number = members.seat_of(f"member-{sender}")
            try:
                verify_message(message, members, CHAIN_ID, self.keys.verify, former)
            except ForeignEpoch:
                return
            if number is not None:
                seat.step(MessageReceived(number, message, self.now_ms))
            is_seated = seat.members.seat_of(f"member-{sender}") is not None
            if not is_seated and isinstance(message, Status) and message.height > seat.height:
                self.answers += [(sender, receiver, block) for block in self[sender].blocks[seat.height :]]
        self.work()

    # -- sets ----------------------------------------------------------------------------------------------------------

    def set_at(self, height: int) -> ValidatorSet:
        """Who votes at a height."""
        opened = [members for members in self.changes.values() if members.epoch <= height]
        return max(opened, key=lambda members: members.epoch, default=self.members)

    def set_before(self, height: int) -> ValidatorSet | None:
        epoch = self.set_at(height).epoch
        return self.set_at(epoch - 1) if epoch > 1 else None

    def persons(self, members: ValidatorSet) -> list[int]:
        """The number of each seat's organisation."""
        return [int(member.organisation.removeprefix("member-")) for member in members.members]

    def plan(self, height: int, *numbers: int) -> ValidatorSet:
        """Block `height` will say that these vote from height + 2 on."""
        everybody = self.keys.members.members
        self.changes[height] = ValidatorSet(height + 2, [everybody[number] for number in sorted(numbers)])
        return self.changes[height]

    def join(self, number: int, source: int, may_vote: bool = True) -> Seat:
        """An organisation that has a seat now begins, with the blocks of another."""
        seat = Seat(self, number, self[source].blocks)
        self.seats.append(seat)
        seat.start(may_vote)
        self.work()
        return seat

    def has(self, number: int) -> bool:
        """Whether the organisation runs a node."""
        return any(seat.number == number for seat in self.seats)

    def connect(self, number: int) -> None:
        """Links of one member come up, at both ends."""
        for seat in self.seats:
            mine = seat.members.seat_of(f"member-{number}")
            if seat.number == number:
                for other in range(len(seat.members.members)):
                    if other != mine:
                        seat.step(PeerConnected(other, self.now_ms))
            elif mine is not None:
                seat.step(PeerConnected(mine, self.now_ms))
        self.work()

    def drop(self, *kinds: type[Message], to: list[int] | None = None) -> None:
        self.queue = [
            entry
            for entry in self.queue
            if (kinds and not isinstance(entry[2], kinds)) or (to is not None and entry[1] not in to)
        ]

    def expire(self, timer: Timer, *numbers: int) -> None:
        """The timer ends at these seats, where it runs."""
        for number in numbers or [seat.number for seat in self.seats]:
            seat = self[number]
            running = seat.timers.get(timer)
            if running is not None and number not in self.silent:
                del seat.timers[timer]
                seat.step(TimerExpired(timer, running[0], self.now_ms))
        self.work()

    def settle(self) -> None:
        """Everything is delivered, fetched and answered, until nothing moves. Timers stand still."""
        while self.queue or self.later or self.answers or self.fetches:
            self.queue = [entry for entry in self.queue if not self.silent & {entry[0], entry[1]}]
            self.deliver()
            while self.fetches:
                asker, asked, fetch = self.fetches.pop(0)
                if asked not in self.silent:
                    start = fetch.from_height - 1
                    for block in self[asked].blocks[start : start + fetch.count]:
                        self.answers.append((asked, asker, block))
            while self.answers:
                sender, receiver, block = self.answers.pop(0)
                if receiver not in self.silent:
                    known = self[receiver].members.seat_of(f"member-{sender}")
                    event = BlockFetched(known, block.header, block.transactions, block.certificate, self.now_ms)
                    self[receiver].step(event)
            self.work()

    def tick(self, count: int = 1) -> None:
        """Seconds go by: each sends its Status, and all of it arrives."""
        for _ in range(count):
            self.now_ms += 1_000
            self.expire(Timer.STATUS)
            self.settle()

    def restart(self, number: int, may_vote: bool = True, must_hear: bool = False) -> None:
        self[number].start(may_vote, must_hear)
        self.work()

    # -- what tests look at --------------------------------------------------------------------------------------------

    def views(self) -> set[int]:
        return {seat.replica.view for seat in self.seats}

    def heights(self) -> list[int]:
        return [seat.height for seat in self.seats]

    def final(self, number: int) -> list[list[bytes]]:
        return [block.transactions for block in self.seats[number].blocks]

    def queued(self, kind: type[Message]) -> list[Message]:
        return [message for _, _, message in self.queue if isinstance(message, kind)]

    def proposal(
        self, *names: str, view: int = 0, time_ms: int | None = None, proposer: int | None = None
    ) -> PrePrepare:
        """A PrePrepare that the primary of `view` signed for its next height, whatever it has said before."""
        seat = self.seats[self.members.primary(view)]
        transactions = [transaction(name) for name in names]
        name = self.members.members[seat.number if proposer is None else proposer].organisation
        header = seat.application.build(seat.head, name, time_ms or self.now_ms, transactions)
        return self.signed_proposal(header, transactions, view)

    def signed_proposal(self, header: Header, transactions: list[bytes], view: int) -> PrePrepare:
        message = vote_message(CHAIN_ID, 1, PREPARE, view, header.height, header.digest())
        signature = self.keys.sign(self.members.primary(view))(message)
        return PrePrepare(1, view, header.height, header, transactions, signature)


def transaction(name: str) -> bytes:
    return sha256(name.encode()).digest()
