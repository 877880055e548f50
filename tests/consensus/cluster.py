"""Replicas on a table: messages lie in a queue until a test delivers or drops them; blocks are executed at once."""

from __future__ import annotations

from hashlib import sha256

from chain.block import Header
from chain.validators import PREPARE, vote_message
from consensus.effects import (
    Accuse,
    BecomeLearner,
    Broadcast,
    CheckBlock,
    Effect,
    FetchBlocks,
    Finalise,
    Halt,
    PassOn,
    Persist,
    Propose,
    Refuse,
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
from consensus.model import Head, JournalRecord, Message, PrePrepare, record_height
from consensus.replica import Replica, Settings
from consensus.restart import genesis_head
from consensus.wire import verify_message
from tests.simulator.application import CHAIN_ID, GENESIS_MS, Application
from tests.simulator.keys import Keys

HEARTBEAT_MS = 600_000


class Seat:
    """One replica and what its node keeps."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        self.cluster, self.number = cluster, number
        self.journal: list[JournalRecord] = []
        self.blocks: list[Finalise] = []
        self.timers: dict[Timer, tuple[int, int]] = {}  # running: number, milliseconds
        self.effects: list[Effect] = []  # all since the start of the test
        self.finds_invalid = False
        self.start()

    def start(self, may_vote: bool = True) -> None:
        self.application = Application(self.cluster.members)
        self.pool: list[bytes] = []
        self.timers.clear()
        head = genesis_head(CHAIN_ID, GENESIS_MS)
        for block in self.blocks:
            self.application.apply(block.header, block.transactions)
            head = Head(block.header.height, block.header.digest(), block.header.time_ms, block.certificate)
        self.head = head
        settings = Settings(
            CHAIN_ID, self.cluster.members, self.number, self.cluster.keys.sign(self.number), HEARTBEAT_MS, may_vote
        )
        self.replica = Replica.restore(settings, head, self.journal)
        self.step(Started(self.cluster.now_ms))

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
                for other in range(cluster.n):
                    if other != self.number:
                        cluster.queue.append((self.number, other, effect.message))
            case Send():
                cluster.queue.append((self.number, effect.seat, effect.message))
            case SendBlocks():
                start = effect.from_height - 1
                for block in self.blocks[start : start + effect.count]:
                    cluster.answers.append((self.number, effect.seat, block))
            case FetchBlocks():
                cluster.fetches.append((self.number, effect))
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
                    name = cluster.members.members[self.number].organisation
                    header = self.application.build(self.head, name, time_ms, self.pool)
                ready = ProposalReady(effect.view, effect.height, header, list(self.pool), cluster.now_ms)
                cluster.later.append((self, ready))
            case CheckBlock():
                valid = self.application.is_valid(self.head, effect.header, effect.transactions)
                valid = valid and not self.finds_invalid
                checked = BlockChecked(effect.header.digest(), valid, "" if valid else "roots_differ", cluster.now_ms)
                cluster.later.append((self, checked))
            case Accuse() | Refuse() | PassOn() | BecomeLearner() | Halt():
                pass

    def did(self, kind: type[Effect]) -> list[Effect]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def height(self) -> int:
        return len(self.blocks)


class Cluster:
    def __init__(self, n: int = 4) -> None:
        self.n = n
        self.keys = Keys(n, is_real=True)
        self.members = self.keys.members
        self.now_ms = GENESIS_MS + 1_000
        self.queue: list[tuple[int, int, Message]] = []
        self.answers: list[tuple[int, int, Finalise]] = []  # fetched blocks under way
        self.fetches: list[tuple[int, FetchBlocks]] = []
        self.later: list[tuple[Seat, Event]] = []  # of executors
        self.silent: set[int] = set()
        self.seats: list[Seat] = []
        for number in range(n):
            self.seats.append(Seat(self, number))
        self.queue.clear()

    def __getitem__(self, number: int) -> Seat:
        return self.seats[number]

    # -- what tests do -------------------------------------------------------------------------------------------------

    def submit(self, *names: str, to: list[int] | None = None) -> None:
        """Transactions arrive at all members, or at some."""
        for number in to if to is not None else range(self.n):
            seat = self.seats[number]
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
        if receiver not in self.silent:
            verify_message(message, self.members, CHAIN_ID, self.keys.verify)
            self.seats[receiver].step(MessageReceived(sender, message, self.now_ms))
        self.work()

    def drop(self, *kinds: type[Message], to: list[int] | None = None) -> None:
        self.queue = [
            entry
            for entry in self.queue
            if (kinds and not isinstance(entry[2], kinds)) or (to is not None and entry[1] not in to)
        ]

    def expire(self, timer: Timer, *numbers: int) -> None:
        """The timer ends at these seats, where it runs."""
        for number in numbers or range(self.n):
            running = self.seats[number].timers.get(timer)
            if running is not None and number not in self.silent:
                del self.seats[number].timers[timer]
                self.seats[number].step(TimerExpired(timer, running[0], self.now_ms))
        self.work()

    def settle(self) -> None:
        """Everything is delivered, fetched and answered, until nothing moves. Timers stand still."""
        while self.queue or self.later or self.answers or self.fetches:
            self.queue = [entry for entry in self.queue if not self.silent & {entry[0], entry[1]}]
            self.deliver()
            while self.fetches:
                asker, fetch = self.fetches.pop(0)
                if fetch.seat not in self.silent:
                    start = fetch.from_height - 1
                    for block in self.seats[fetch.seat].blocks[start : start + fetch.count]:
                        self.answers.append((fetch.seat, asker, block))
            while self.answers:
                sender, receiver, block = self.answers.pop(0)
                if receiver not in self.silent:
                    event = BlockFetched(sender, block.header, block.transactions, block.certificate, self.now_ms)
                    self.seats[receiver].step(event)
            self.work()

    def tick(self, count: int = 1) -> None:
        """Seconds go by: each sends its Status, and all of it arrives."""
        for _ in range(count):
            self.now_ms += 1_000
            self.expire(Timer.STATUS)
            self.settle()

    def restart(self, number: int, may_vote: bool = True) -> None:
        self.seats[number].start(may_vote)
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
