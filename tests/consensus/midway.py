"""Members in the middle of a ledger. Epoch, heights and views are large there, and words come as bytes: what is equal is
not the same object, and nothing is right because it happens to be 0 or 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from chain.block import PROTOCOL_VERSION, Header, transactions_root
from chain.codec import decode, encode
from chain.digest import EMPTY_DIGEST
from chain.validators import COMMIT, PREPARE, Certificate, SeatSignature, ValidatorSet, vote_message
from consensus.model import Commit, Head, NewView, Prepare, Prepared, PrePrepare, Status, ViewChange, Vote
from consensus.state import ReplicaState, Settings
from consensus.wire import new_view_message, verify_message, view_change_message
from tests.simulator.application import CHAIN_ID, GENESIS_MS
from tests.simulator.keys import Keys

EPOCH, VIEW, HEIGHT = 1_000, 500, 2_000
HEARTBEAT_MS = 600_000
T = TypeVar("T")
replaced = msgspec.structs.replace


def again(value: T) -> T:
    """As another node, or the next life, reads it."""
    return decode(encode(value), type(value))


def digest_of(name: object) -> bytes:
    return sha256(repr(name).encode()).digest()


class Midway:
    """n members, who sign with keyed hashes, in an epoch of theirs; the set before was made of other keys."""

    def __init__(self, n: int = 4, epoch: int = EPOCH) -> None:
        self.n = n
        self.keys, former = Keys(n, is_real=False), Keys(n, is_real=False)
        self.members = ValidatorSet(epoch, self.keys.members.members)
        self.former = ValidatorSet(max(epoch - 100, 1), former.members.members)
        self.q = self.members.quorum

    # -- blocks and what proves them ---------------------------------------------------------------------------------

    def header(self, height: int, parent: bytes | None = None, name: object = "", **changes: Any) -> Header:
        validators = self.members.digest()
        parent = digest_of(height - 1) if parent is None else parent
        root, chain = transactions_root(self.list_of(name)), CHAIN_ID
        numbers = (EMPTY_DIGEST, 0, digest_of(name), 1, EMPTY_DIGEST)
        time_ms = GENESIS_MS + height
        header = Header(
            PROTOCOL_VERSION, chain, height, parent, time_ms, "member-0", root, *numbers, validators, validators
        )
        return replaced(header, **changes)

    @staticmethod
    def list_of(name: object) -> list[bytes]:
        return [digest_of(name)]

    def certificate(
        self, kind: int, view: int, height: int, digest: bytes, seats: Sequence[int] | None = None
    ) -> Certificate:
        """Of the set that votes at the height."""
        members = self.members if height >= self.members.epoch else self.former
        message = vote_message(CHAIN_ID, members.epoch, kind, view, height, digest)
        signers = range(self.q) if seats is None else seats
        return Certificate(view, [SeatSignature(seat, self.keys.sign(seat)(message)) for seat in signers])

    def prepared(self, height: int, view: int, name: object = "", **changes: Any) -> Prepared:
        header = self.header(height, name=name, **changes)
        return Prepared(header, self.list_of(name), self.certificate(PREPARE, view, header.height, header.digest()))

    # -- signed words ------------------------------------------------------------------------------------------------

    def vote(self, kind: int, seat: int, view: int, height: int, digest: bytes, epoch: int | None = None) -> Vote:
        epoch = self.members.epoch if epoch is None else epoch
        signature = self.keys.sign(seat % self.n)(vote_message(CHAIN_ID, epoch, kind, view, height, digest))
        make = Prepare if kind == PREPARE else Commit
        return make(epoch, view, height, digest, seat, signature)

    def proposal(self, view: int, height: int, name: object = "", **changes: Any) -> PrePrepare:
        """Its primary signed it, whatever it says."""
        header = self.header(**{"height": height, "name": name, **changes})
        epoch = self.members.epoch
        vote = self.vote(PREPARE, self.members.primary(view), view, height, header.digest())
        return PrePrepare(epoch, view, height, header, self.list_of(name), vote.signature)

    def view_change(self, seat: int, view: int = VIEW, height: int = HEIGHT, **changes: Any) -> ViewChange:
        """Of a member at a height, whose block came in view 400. Its sender signed it, whatever it says."""
        digest = digest_of(height) if height else CHAIN_ID
        certificate = self.certificate(COMMIT, 400, height, digest) if height else None
        change = ViewChange(self.members.epoch, view, seat, height, digest, certificate, None, bytes(64))
        return self.signed(replaced(change, **changes))

    def signed(self, change: ViewChange) -> ViewChange:
        return replaced(change, signature=self.keys.sign(change.seat % self.n)(view_change_message(change, CHAIN_ID)))

    def new_view(self, changes: Sequence[ViewChange], view: int = VIEW, prepare: bytes | None = None) -> NewView:
        new_view = NewView(self.members.epoch, view, list(changes), prepare, bytes(64))
        primary = self.members.primary(view)
        return replaced(new_view, signature=self.keys.sign(primary)(new_view_message(new_view, CHAIN_ID)))

    def status(self, votes: Sequence[Vote] = (), views: Sequence[int] | None = None) -> Status:
        heard = [VIEW] * self.n if views is None else list(views)
        return Status(self.members.epoch, VIEW, True, HEIGHT, digest_of(HEIGHT), list(votes), heard)

    def check(self, message: Any, former: bool = True) -> None:
        """What the runtime does before a word becomes an event."""
        before = self.former if former else None
        verify_message(again(message), self.members, CHAIN_ID, self.keys.verify, before)

    # -- a member ----------------------------------------------------------------------------------------------------

    def head(self, height: int = HEIGHT, view: int = 400) -> Head:
        if not height:
            return Head(0, CHAIN_ID, GENESIS_MS, None)
        digest = digest_of(height)
        return again(Head(height, digest, GENESIS_MS + height, self.certificate(COMMIT, view, height, digest)))

    def settings(self, seat: int = 0, **changes: Any) -> Settings:
        settings = Settings(CHAIN_ID, again(self.members), seat, self.keys.sign(seat), HEARTBEAT_MS)
        return replace(settings, **changes)

    def state(self, seat: int = 0, view: int = VIEW, height: int = HEIGHT, **changes: Any) -> ReplicaState:
        """An active member in a view, as far as nothing else is said."""
        state = ReplicaState(self.settings(seat), self.head(height), may_vote=True, view=view, active=True)
        for name, value in changes.items():
            setattr(state, name, value)
        return state
