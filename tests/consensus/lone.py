"""One replica alone on the table: a test makes up what the others say. Nobody signs, since the core takes a message as
checked; so thousands of steps cost little."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from chain.block import PROTOCOL_VERSION, Header, transactions_root
from chain.digest import EMPTY_DIGEST
from chain.validators import PREPARE, Certificate, Member, SeatSignature, ValidatorSet
from consensus.effects import CheckBlock, Effect, FetchBlocks, Finalise, Halt, Propose, Send, StartTimer, StopTimer
from consensus.events import (
    BlockChecked,
    BlockFetched,
    Event,
    MessageReceived,
    NextEpoch,
    PassedOver,
    PeerConnected,
    PeerUnreachable,
    ProposalReady,
    Started,
    Timer,
    TimerExpired,
    Voting,
    WorkChanged,
)
from consensus.model import Commit, Head, Message, NewView, Prepare, PrePrepare, Status, ViewChange, Vote
from consensus.replica import Replica, Settings
from consensus.restart import genesis_head
from tests.consensus.cluster import HEARTBEAT_MS
from tests.simulator.application import CHAIN_ID, GENESIS_MS

UNSIGNED = bytes(64)


class Lone:
    """The replica of seat `me` of n, whose last block is the genesis or an empty one at `height`."""

    def __init__(self, n: int = 4, me: int = 3, height: int = 0, **told: Any) -> None:
        self.n, self.me = n, me
        self.members = ValidatorSet(1, [Member(f"member-{seat}", bytes([seat]) * 32) for seat in range(n)])
        self.others = [seat for seat in range(n) if seat != me]
        self.now_ms = GENESIS_MS + 1_000
        self.head = genesis_head(CHAIN_ID, GENESIS_MS)
        for _ in range(height):
            block = self.header("below", time_ms=self.head.time_ms + 1)
            self.head = Head(block.height, block.digest(), block.time_ms, self.certificate())
        settings = Settings(CHAIN_ID, self.members, me, lambda message: 2 * message, HEARTBEAT_MS, **told)
        self.replica = Replica.restore(settings, self.head)
        self.timers: dict[Timer, StartTimer] = {}
        self.effects: list[Effect] = []  # all, since the beginning
        self.step(Started(self.now_ms))

    # -- what happens to it --------------------------------------------------------------------------------------------

    def step(self, event: Event) -> list[Effect]:
        effects = self.replica.step(event)
        self.effects += effects
        for effect in effects:
            if isinstance(effect, StartTimer):
                self.timers[effect.timer] = effect
            elif isinstance(effect, StopTimer):
                del self.timers[effect.timer]
            elif isinstance(effect, Finalise):
                block = effect.header
                self.head = Head(block.height, block.digest(), block.time_ms, effect.certificate)
        return effects

    def hear(self, sender: int, message: Message) -> list[Effect]:
        return self.step(MessageReceived(sender, message, self.now_ms))

    def expire(self, timer: Timer) -> list[Effect]:
        return self.step(TimerExpired(timer, self.timers.pop(timer).number, self.now_ms))

    def work(self, waits: bool = True) -> list[Effect]:
        return self.step(WorkChanged(waits, self.now_ms))

    def pass_over(self) -> list[Effect]:
        return self.step(PassedOver(self.now_ms))

    def connect(self, seat: int) -> list[Effect]:
        return self.step(PeerConnected(seat, self.now_ms))

    def disconnect(self, seat: int) -> list[Effect]:
        return self.step(PeerUnreachable(seat, self.now_ms))

    def checked(self, header: Header, valid: bool = True, opens: ValidatorSet | None = None) -> list[Effect]:
        next_epoch = NextEpoch(opens, Voting.AS_BEFORE, lambda message: 2 * message) if opens else None
        code = "" if valid else "roots_differ"
        return self.step(BlockChecked(header.digest(), valid, code, self.now_ms, next_epoch))

    def built(self, header: Header | None, *transactions: bytes, view: int = 0) -> list[Effect]:
        height = self.head.height + 1 if header is None else header.height
        return self.step(ProposalReady(view, height, header, list(transactions), self.now_ms))

    def fetched(self, sender: int | None, header: Header, certificate: Certificate | None = None) -> list[Effect]:
        return self.step(BlockFetched(sender, header, [], certificate or self.certificate(), self.now_ms))

    def final(self, header: Header) -> list[Effect]:
        """The others commit it, and it is fetched and valid."""
        return self.fetched(None, header) + self.checked(header)

    def enter(self, view: int, *prepared: ViewChange) -> list[Effect]:
        """The primary of the view opens it, upon these and enough others that have prepared nothing."""
        seats = [seat for seat in self.others if seat not in [change.seat for change in prepared]]
        empty = [self.view_change(seat, view) for seat in seats]
        changes = sorted([*prepared, *empty][: self.members.quorum], key=lambda change: change.seat)
        return self.hear(view % self.n, NewView(1, view, changes, None, UNSIGNED))

    # -- what others say -----------------------------------------------------------------------------------------------

    def header(self, name: str, *transactions: bytes, after: Head | Header | None = None, **changes: Any) -> Header:
        """A block upon the replica's last one, or upon another; by the primary of view 0."""
        parent = after or self.head
        fields: dict[str, Any] = {
            "height": parent.height + 1,
            "parent": parent.digest() if isinstance(parent, Header) else parent.digest,
            "time_ms": parent.time_ms + 1,
            "proposer": "member-0",
            "validators": self.members.digest(),
        } | changes
        return Header(
            PROTOCOL_VERSION, CHAIN_ID, fields["height"], fields["parent"], fields["time_ms"], fields["proposer"],
            transactions_root(list(transactions)), EMPTY_DIGEST, 0, sha256(name.encode()).digest(), 0, EMPTY_DIGEST,
            fields["validators"], self.members.digest(),
        )  # fmt: skip

    def proposal(self, header: Header, *transactions: bytes, view: int = 0) -> PrePrepare:
        return PrePrepare(1, view, header.height, header, list(transactions), UNSIGNED)

    def vote(self, kind: int, seat: int, digest: bytes, view: int = 0, height: int | None = None) -> Vote:
        """For the slot, if nothing else is said."""
        form = Prepare if kind == PREPARE else Commit
        return form(1, view, self.head.height + 1 if height is None else height, digest, seat, UNSIGNED)

    def status(self, height: int, view: int = 0, active: bool = True, **shown: Any) -> Status:
        votes, views = shown.get("votes", []), shown.get("views", [0] * self.n)
        return Status(1, view, active, height, bytes(32), votes, views)

    def certificate(self, *seats: int, view: int = 0) -> Certificate:
        """By these, or by the first quorum."""
        signers = sorted(seats) or list(range(self.members.quorum))
        return Certificate(view, [SeatSignature(seat, UNSIGNED) for seat in signers])

    def view_change(self, seat: int, view: int, **told: Any) -> ViewChange:
        """Of a member that is at the same height and has prepared nothing, if nothing else is said."""
        head = self.head
        height, digest = told.get("height", head.height), told.get("digest", head.digest)
        certificate = told.get("certificate", head.certificate)
        return ViewChange(1, view, seat, height, digest, certificate, told.get("prepared"), UNSIGNED)


# -- what it did -------------------------------------------------------------------------------------------------------


def asked(effects: list[Effect]) -> list[FetchBlocks]:
    return [effect for effect in effects if isinstance(effect, FetchBlocks)]


def to_check(effects: list[Effect]) -> list[CheckBlock]:
    return [effect for effect in effects if isinstance(effect, CheckBlock)]


def finals(effects: list[Effect]) -> list[Finalise]:
    return [effect for effect in effects if isinstance(effect, Finalise)]


def halts(effects: list[Effect]) -> list[str]:
    return [effect.reason for effect in effects if isinstance(effect, Halt)]


def sent(effects: list[Effect], seat: int) -> list[Message]:
    return [effect.message for effect in effects if isinstance(effect, Send) and effect.seat == seat]


def wanted(effects: list[Effect]) -> list[Propose]:
    return [effect for effect in effects if isinstance(effect, Propose)]
