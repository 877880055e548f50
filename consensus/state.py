"""What a replica knows: its head, its view, and the one slot that is open. Owned by replica.py, changed by the rules.

The letters of the rules: H is `head.height`, slot is H + 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chain.block import Header
from chain.validators import COMMIT, Certificate, SeatSignature, ValidatorSet, vote_message
from consensus.effects import Effect, Halt
from consensus.events import BlockFetched, MessageReceived, NextEpoch, Timer
from consensus.model import (
    Commit,
    Head,
    NewView,
    Prepared,
    PrePrepare,
    Sign,
    ViewChange,
    Vote,
    kind_of,
)

PROPOSALS_KEPT_MAX = 16  # different blocks known for the slot; one per view at most comes in
CLAIM_FRESH_MS = 3_000  # three Status: older ones stop no timer
PAST_HEIGHTS_MAX = 64  # final heights below H + 1 of which votes are remembered: contradicted late, they still convict
PAST_VIEWS_MAX = 4  # of a member, kind and height: remembered votes beside those that counted
ACCUSED_MAX = 16  # of a member, slots with evidence that are remembered, so that each is reported once


@dataclass(frozen=True, slots=True)
class Settings:
    """What a replica is told once; all of it from genesis and the chain but for `seat`, `sign` and `may_vote`."""

    chain_id: bytes
    members: ValidatorSet
    seat: int  # mine
    sign: Sign
    heartbeat_ms: int
    may_vote: bool = True  # False for a node without its journal: it may have forgotten votes (rule 14)
    next_epoch: NextEpoch | None = None  # that block H, the last one here, opens at H + 2
    must_hear: bool = False  # sign nothing before q - 1 others have said in this life what they hold of mine (rule 14)


@dataclass(frozen=True, slots=True)
class EarlyProposal:
    """A PrePrepare that waits for its view or height, or that the clock holds back."""

    proposal: PrePrepare
    arrived_ms: int


@dataclass(frozen=True, slots=True)
class Known:
    """A block that was proposed, prepared or fetched for the slot."""

    header: Header
    transactions: list[bytes]


@dataclass(frozen=True, slots=True)
class Decided:
    """A commit certificate for the slot."""

    digest: bytes
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Claim:
    """A peer seems to have this height. A hint where to ask, no more: targets count only with a certificate."""

    height: int
    since_ms: int
    heard_ms: int  # when it last showed to be above H


@dataclass(frozen=True, slots=True)
class Asked:
    """The fetch under way."""

    seat: int
    since_ms: int  # asked, or last block received
    answered: bool


@dataclass(frozen=True, slots=True)
class RunningTimer:
    number: int
    reason: tuple[object, ...]  # it runs on while this stays equal


@dataclass(slots=True)
class ReplicaState:
    settings: Settings
    head: Head
    may_vote: bool
    view: int = 0
    active: bool = False
    base: int = 0  # in this view votes only above it
    obliged: bytes | None = None  # the digest that must be proposed at base + 1
    now_ms: int = 0
    started_ms: int = 0

    # the slot
    votes: dict[tuple[int, int, int], Vote] = field(default_factory=dict)  # (height, kind, seat) -> newest; 4 n
    early: dict[tuple[int, int], EarlyProposal] = field(default_factory=dict)  # (height, primary) -> newest; 2 n
    known: dict[bytes, Known] = field(default_factory=dict)  # digest -> block, at most PROPOSALS_KEPT_MAX
    checked: dict[bytes, bool | None] = field(default_factory=dict)  # digest -> result, None under way; as `known`
    current: PrePrepare | None = None  # accepted in (view, slot)
    prepared: Prepared | None = None  # for the slot, of the highest view
    decided: Decided | None = None
    next_epochs: dict[bytes, NextEpoch] = field(default_factory=dict)  # digest -> what it opens; as `checked`
    proposing: tuple[int, int] | None = None  # (view, height) that a Propose is under way for
    nothing_to_propose: bool = False  # until there is work again, or the next Status

    # views
    view_changes: dict[int, ViewChange] = field(default_factory=dict)  # seat -> its highest, mine too; n
    alone: dict[int, tuple[int, int]] = field(
        default_factory=dict
    )  # seat that waits in my next view -> since when, and when it last said so; n
    accompanied_ms: int | None = None  # when I last followed one of them
    new_view: NewView | None = None  # opened my view; repeated to who missed it

    # epochs
    upcoming: NextEpoch | None = None  # begins at slot + 1
    early_epoch: dict[tuple[int, type], MessageReceived] = field(
        default_factory=dict
    )  # of it: (sender, kind) -> newest
    inbox: list[MessageReceived] = field(default_factory=list)  # taken from there at its beginning, for this step
    has_left: bool = False  # no seat any more
    heard: dict[int, int] = field(default_factory=dict)  # seat that showed nothing of mine that I lack -> its H; n
    must_hear: bool = False

    # catching up
    claims: dict[int, Claim] = field(default_factory=dict)  # seat -> ; n
    asked: Asked | None = None
    last_asked: int = 0  # seat
    unlinked: set[int] = field(default_factory=set)  # seats to which no link led, since the last Status; n
    fetched: dict[int, BlockFetched] = field(default_factory=dict)  # height -> ; BLOCKS_PER_FETCH_MAX above H
    blocks_sent_ms: dict[int, int] = field(default_factory=dict)  # seat -> when blocks were pushed to it; n
    answered_ms: dict[int, int] = field(default_factory=dict)  # seat -> when a Status of it was answered; n

    # timers
    work_waits: bool = False
    held_until_ms: int | None = None
    timers: dict[Timer, RunningTimer] = field(default_factory=dict)
    timers_started: int = 0

    # what convicts late (rule 16)
    past: dict[int, dict[tuple[int, int], dict[int, Vote]]] = field(
        default_factory=dict
    )  # height, at most PAST_HEIGHTS_MAX + 2 -> (kind, seat) -> view -> vote that counts no more, PAST_VIEWS_MAX + 2
    accused: set[tuple[int, int, int, int]] = field(default_factory=set)  # (height, kind, view, seat); n ACCUSED_MAX

    halted: bool = False

    # of the epoch; looked at in every rule
    members: ValidatorSet = field(init=False)
    me: int = field(init=False)
    sign: Sign = field(init=False)
    epoch: int = field(init=False)
    n: int = field(init=False)
    f: int = field(init=False)
    quorum: int = field(init=False)
    seats: range = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.upcoming, self.must_hear = settings.next_epoch, settings.must_hear
        self.set_members(settings.members, settings.seat, settings.sign)

    def set_members(self, members: ValidatorSet, seat: int, sign: Sign) -> None:
        """Who votes now, and as whom I do."""
        self.members, self.me, self.sign, self.epoch = members, seat, sign, members.epoch
        self.n, self.f, self.quorum, self.seats = members.n, members.f, members.quorum, range(members.n)

    @property
    def may_sign(self) -> bool:
        """Whether votes and ViewChanges of mine may be made: no learner, and heard what others hold of mine."""
        return self.may_vote and (not self.must_hear or self.has_heard)

    @property
    def has_heard(self) -> bool:
        """q - 1 others held nothing of mine that I lack, where I am by now: what they had of a height that is final
        there they have forgotten (rule 14)."""
        return sum(1 for height in self.heard.values() if height <= self.height) >= self.quorum - 1

    def is_within(self, milliseconds: int, since_ms: int) -> bool:
        """Whether less time has gone by; no, if the clock was set back meanwhile."""
        return 0 <= self.now_ms - since_ms < milliseconds

    def halt(self, reason: str, out: list[Effect]) -> None:
        """The ledger or this node is broken."""
        self.halted = True
        out.append(Halt(reason))

    @property
    def height(self) -> int:
        return self.head.height

    @property
    def slot(self) -> int:
        return self.head.height + 1

    @property
    def primary(self) -> int:
        return self.view % self.n

    @property
    def certificate_view(self) -> int:
        """View of the last certificate of this epoch, or 0."""
        certificate = self.head.certificate
        return certificate.view if certificate is not None and self.head.height >= self.epoch else 0

    @property
    def is_fetching(self) -> bool:
        """Certified blocks above H exist that are not executed here yet."""
        return self.decided is not None or bool(self.fetched) or self.base > self.head.height

    @property
    def is_left_behind(self) -> bool:
        """f + 1 others show to be above H, so an honest one is: the slot is decided, and is fetched from it."""
        fresh = sum(1 for claim in self.claims.values() if self.is_within(CLAIM_FRESH_MS, claim.heard_ms))
        return fresh > self.f

    @property
    def obligation(self) -> bytes | None:
        """The digest that alone may be voted for at the slot, in this view."""
        return self.obliged if self.slot == self.base + 1 else None

    def own_vote(self, kind: int) -> Vote | None:
        """My vote of a kind in (view, slot)."""
        vote = self.votes.get((self.slot, kind, self.me))
        return vote if vote is not None and vote.view == self.view else None

    def voters(self, kind: int, view: int, digest: bytes) -> dict[int, bytes]:
        """Seat -> signature of those who voted so for the slot, ascending."""
        slot, votes = self.slot, self.votes
        found = {}
        for seat in self.seats:
            vote = votes.get((slot, kind, seat))
            if vote is not None and vote.view == view and vote.digest == digest:
                found[seat] = vote.signature
        return found

    def sign_vote(self, kind: int, digest: bytes) -> bytes:
        """My signature in (view, slot)."""
        message = vote_message(self.settings.chain_id, self.epoch, kind, self.view, self.slot, digest)
        return self.sign(message)

    def learn(self, header: Header, transactions: list[bytes]) -> None:
        """Remember a block for the slot; the oldest that nothing depends on gives way."""
        digest = header.digest()
        if header.height != self.slot or digest in self.known:
            return
        if len(self.known) >= PROPOSALS_KEPT_MAX:
            needed = {self.obliged, self.decided.digest if self.decided else None}
            needed.add(self.current.header.digest() if self.current else None)
            needed.add(self.prepared.header.digest() if self.prepared else None)
            for old in self.known:
                if old not in needed:
                    del self.known[old]
                    self.checked.pop(old, None)
                    self.next_epochs.pop(old, None)
                    break
        self.known[digest] = Known(header, transactions)

    def remember(self, vote: Vote, has_counted: bool = False) -> Vote:
        """Keep a vote that counts no more, so that another one in its slot convicts (rule 16). Returns the first that
        was seen there. Of views that never counted only so many: a liar may sign votes in any number of them."""
        views = self.past.setdefault(vote.height, {}).setdefault((kind_of(vote), vote.seat), {})
        if has_counted or len(views) < PAST_VIEWS_MAX:
            return views.setdefault(vote.view, vote)
        return views.get(vote.view, vote)

    def leave_slot(self) -> None:
        """After a block: forget what belonged to its height and below, but for what may convict yet."""
        height, certificate = self.head.height, self.head.certificate
        for key, vote in self.votes.items():
            if key[0] <= height:
                self.remember(vote, has_counted=True)
        if certificate is not None:  # of a fetched block it shows votes that did not come here
            for entry in certificate.signatures:
                views = self.past.get(height, {}).get((COMMIT, entry.seat), {})
                if certificate.view not in views:
                    vote = Commit(self.epoch, certificate.view, height, self.head.digest, entry.seat, entry.signature)
                    self.remember(vote, has_counted=True)
        self.past.pop(height - PAST_HEIGHTS_MAX, None)
        self.accused = {mark for mark in self.accused if mark[0] > height - PAST_HEIGHTS_MAX}
        self.votes = {key: vote for key, vote in self.votes.items() if key[0] > height}
        self.early = {key: early for key, early in self.early.items() if key[0] > height}
        self.fetched = {key: block for key, block in self.fetched.items() if key > height}
        self.claims = {seat: claim for seat, claim in self.claims.items() if claim.height > height}
        self.known, self.checked, self.next_epochs = {}, {}, {}
        self.current = self.prepared = self.decided = None
        self.proposing = self.held_until_ms = None
        self.nothing_to_propose = False

    def leave_view(self, view: int, active: bool, base: int, obliged: bytes | None) -> None:
        """Be in another view, or active in this one. What was executed and prepared for the slot stays."""
        self.view, self.active, self.base, self.obliged = view, active and self.may_vote, base, obliged
        self.current = self.proposing = self.new_view = self.held_until_ms = None
        self.nothing_to_propose = False
        self.alone.clear()

    def claim(self, seat: int, height: int) -> None:
        """A peer seems to have `height`."""
        if seat == self.me or height <= self.height:
            return
        earlier = self.claims.get(seat)
        if earlier is None:
            self.claims[seat] = Claim(height, self.now_ms, self.now_ms)
        else:
            self.claims[seat] = Claim(max(height, earlier.height), earlier.since_ms, self.now_ms)


def quorum_certificate(view: int, signatures: dict[int, bytes], quorum: int, me: int | None = None) -> Certificate:
    """Exactly `quorum` of the signatures, the one of seat `me` among them if given, by seat ascending."""
    seats = sorted(signatures)
    if me is not None:
        seats = sorted([me, *(seat for seat in seats if seat != me)][:quorum])
    return Certificate(view, [SeatSignature(seat, signatures[seat]) for seat in seats[:quorum]])


Rule = Callable[[ReplicaState, list[Effect]], bool]  # applies if it can, adds effects, says whether anything changed
