"""Members that lie: real replicas whose words and ears are bent, and messages of their own making under their key."""

from __future__ import annotations

from functools import partial
from hashlib import sha256

import msgspec

from chain.block import Header
from chain.validators import COMMIT, PREPARE, vote_message
from consensus.effects import Propose
from consensus.events import Event, ProposalReady
from consensus.model import (
    Commit,
    Head,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    Status,
    ViewChange,
)
from consensus.restart import genesis_head
from consensus.wire import base_and_obligation, new_view_message, view_change_message
from tests.simulator.application import CHAIN_ID
from tests.simulator.node import Node
from tests.simulator.world import Payload, World

CHANGE_MIND_MS = 1_500  # mean time between changes of whom a brain speaks to
VIEW_CHANGES_KEPT_MAX = 200


class Liar(Node):
    """One brain. `audience` are the seats it speaks to at the moment."""

    is_honest = False

    def __init__(self, world: World, seat: int, brain: int) -> None:
        self.brain = brain
        self.lies = world.options.lies
        self.audience = set(range(world.options.n))
        self.signed: set[tuple[int, int, bytes]] = set()  # (view, height, digest) of "yes"
        self.heard: dict[int, dict[int, list[ViewChange]]] = {}  # view -> seat -> ViewChanges
        self.before: tuple[Head, bytes] | None = None  # my last block's parent, and its state root
        self.look_back = 0.5  # chance to propose for the height of my last block again
        self.opened: set[int] = set()  # views that I made NewViews for
        super().__init__(world, seat)

    def start(self) -> None:
        super().start()
        self._change_mind()

    def _change_mind(self) -> None:
        seats = range(self.members.n)
        if "twins" in self.lies or "mute" in self.lies:
            self.audience = {seat for seat in seats if self.world.draw.random() < 0.6}
        self.after(self.world.spread(CHANGE_MIND_MS), partial(self._change_mind))

    def sign(self, message: bytes) -> bytes:
        return self.world.keys.sign(self.seat)(message)

    def random_seats(self) -> list[int]:
        return [seat for seat in range(self.members.n) if seat != self.seat and self.world.draw.random() < 0.7]

    # -- ears ----------------------------------------------------------------------------------------------------------

    def receive(self, source: int, payload: Payload) -> None:
        """A brain does not hear of its own votes: they might be its twin's."""
        if "dead" in self.lies:
            return
        match payload:
            case PrePrepare():
                self._say_yes(payload.view, payload.height, payload.header.digest())
            case Prepare() | Commit():
                if payload.seat == self.seat:
                    return
                self._say_yes(payload.view, payload.height, payload.digest)
            case Status():
                payload = msgspec.structs.replace(
                    payload, votes=[vote for vote in payload.votes if vote.seat != self.seat]
                )
            case ViewChange():
                self._hear(payload)
                if payload.seat == self.seat:
                    if self.replica is not None:
                        self._remember(payload)
                    return
            case NewView():
                for change in payload.view_changes:
                    self._hear(change)
                    if change.seat == self.seat and self.replica is not None:
                        self._remember(change)
            case _:
                pass
        super().receive(source, payload)

    def _remember(self, mine: ViewChange) -> None:
        """Not to take a ViewChange of the twin for a sign of forgetting."""
        known = self.replica._state.view_changes  # type: ignore[union-attr]
        if mine.seat not in known or known[mine.seat].view < mine.view:
            known[mine.seat] = mine

    def _say_yes(self, view: int, height: int, digest: bytes) -> None:
        if "yes" not in self.lies or (view, height, digest) in self.signed:
            return
        self.signed.add((view, height, digest))
        for kind, make in ((PREPARE, Prepare), (COMMIT, Commit)):
            signature = self.sign(vote_message(CHAIN_ID, 1, kind, view, height, digest))
            vote = make(1, view, height, digest, self.seat, signature)
            for seat in self.random_seats():
                self.world.send(self.seat, seat, vote)

    def _hear(self, change: ViewChange) -> None:
        if "views" not in self.lies:
            return
        of_view = self.heard.setdefault(change.view, {})
        kept = of_view.setdefault(change.seat, [])
        if change not in kept and len(kept) < VIEW_CHANGES_KEPT_MAX:
            kept.append(change)
        if self.members.primary(change.view) == self.seat:
            self._open(change.view)

    # -- mouth ---------------------------------------------------------------------------------------------------------

    def say(self, other: int, message: Message) -> None:
        if "dead" in self.lies:
            return
        if other not in self.audience and ("mute" in self.lies or "twins" in self.lies):
            return
        if isinstance(message, ViewChange):
            self._hear(message)
            if "hide" in self.lies and self.world.draw.random() < 0.7:
                message = self.hidden(message)
                self._hear(message)
            if "far" in self.lies and self.world.draw.random() < 0.2:
                message = self.signed_again(msgspec.structs.replace(message, view=self.world.draw.choice([50, 2**31])))
        if isinstance(message, Status) and "far" in self.lies:
            message = msgspec.structs.replace(message, height=message.height + self.world.draw.randint(0, 1000))
        super().say(other, message)

    def hidden(self, change: ViewChange) -> ViewChange:
        """Without what was prepared; sometimes as if nothing had ever been final."""
        self.world.sometimes["lie: hidden certificate"] += 1
        if self.world.draw.random() < 0.5:
            change = msgspec.structs.replace(change, height=0, digest=CHAIN_ID, certificate=None)
        return self.signed_again(msgspec.structs.replace(change, prepared=None))

    def signed_again(self, change: ViewChange) -> ViewChange:
        return msgspec.structs.replace(change, signature=self.sign(view_change_message(change, CHAIN_ID)))

    def _open(self, view: int) -> None:
        """NewViews from whatever quorums I heard of, another one for each member, and votes to go with them."""
        of_view = self.heard[view]
        quorum = self.members.quorum
        if view not in self.opened:
            # Sometimes: from genesis, as if nothing had been final. Sometimes: from my real head, which may be above
            # theirs, and then a fresh proposal for a height that is final already.
            is_hiding = self.world.draw.random() < 0.5
            self.look_back = 0.2 if is_hiding else 0.9
            head = genesis_head(CHAIN_ID, 0) if is_hiding else self.head
            mine = ViewChange(1, view, self.seat, head.height, head.digest, head.certificate, None, bytes(64))
            mine = self.signed_again(mine)
            of_view[self.seat] = [mine] if not is_hiding else [mine, *of_view.get(self.seat, [])]
        if len(of_view) < quorum or (view in self.opened and self.world.draw.random() < 0.7):
            return
        self.opened.add(view)
        for seat in self.random_seats():
            chosen_seats = sorted(self.world.draw.sample(sorted(of_view), quorum))
            chosen = [self.world.draw.choice(of_view[member]) for member in chosen_seats]
            base, obliged = base_and_obligation(chosen)
            prepare = None
            if obliged is not None:
                digest = obliged.header.digest()
                prepare = self.sign(vote_message(CHAIN_ID, 1, PREPARE, view, base + 1, digest))
            unsigned = NewView(1, view, chosen, prepare, bytes(64))
            new_view = msgspec.structs.replace(unsigned, signature=self.sign(new_view_message(unsigned, CHAIN_ID)))
            self.world.sometimes["lie: NewView of its own making"] += 1
            self.world.send(self.seat, seat, new_view)
            if obliged is None:
                self._propose_to(seat, view)

    def _applied(self, header: Header, transactions: list[bytes]) -> None:
        self.before = (self.head, self.application.state_root)
        super()._applied(header, transactions)

    def _propose_to(self, seat: int, view: int) -> None:
        """A fresh proposal on my head or on the block before it, one of two for each member."""
        label = b"liar %d %d %d %d" % (self.seat, view, self.head.height, self.world.draw.randint(0, 1))
        transaction = sha256(label).digest()
        self.bodies[transaction] = None
        proposer = self.members.members[self.seat].organisation
        head, state_root = self.head, self.application.state_root
        if self.before is not None and self.world.draw.random() < self.look_back:
            head, state_root = self.before
        time_ms = max(self.clock() // 2_000 * 2_000, head.time_ms + 1)
        root = sha256(state_root + transaction).digest()
        header = self.application.build(head, proposer, time_ms, [transaction])
        header = msgspec.structs.replace(header, state_root=root)
        signature = self.sign(vote_message(CHAIN_ID, 1, PREPARE, view, header.height, header.digest()))
        proposal = PrePrepare(1, view, header.height, header, [transaction], signature)
        self.world.sometimes["lie: a proposal for one member"] += 1
        self.world.send(self.seat, seat, proposal)
        self._say_yes(view, header.height, header.digest())

    def _proposal(self, effect: Propose) -> Event:
        event = super()._proposal(effect)
        if not isinstance(event, ProposalReady) or event.header is None:
            return event
        if "views" in self.lies or "yes" in self.lies:
            for seat in self.random_seats():
                if self.world.draw.random() < 0.3:
                    self._propose_to(seat, effect.view)
        if "wrong" in self.lies and self.world.draw.random() < 0.5:
            wrong = msgspec.structs.replace(event.header, state_root=bytes(32))
            self.world.sometimes["lie: wrong state root"] += 1
            return ProposalReady(event.view, event.height, wrong, event.transactions, event.now_ms)
        return event


def build_liar(world: World, seat: int) -> list[Node]:
    brains = 2 if "twins" in world.options.lies else 1
    return [Liar(world, seat, brain) for brain in range(brains)]
