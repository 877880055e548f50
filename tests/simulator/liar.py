"""Members that lie: real replicas whose words and ears are bent, and messages of their own making under their key.

The names of the lies, and the catalogue's ids, are in `options.LIES`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec

from chain.block import Header
from chain.errors import BlockInvalid
from chain.execute import Execution, execute_block
from chain.operation import ApproveChange
from chain.transaction import Entry, ReceivedTransaction
from chain.validators import COMMIT, PREPARE, vote_message
from consensus.effects import Finalise, Propose
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
from tests.simulator.node import Node
from tests.simulator.payloads import Payload, SimulatedBlocks
from tests.simulator.province import GENESIS_MS
from tests.simulator.world import World

CHANGE_MIND_MS = 1_500  # mean time between changes of whom a brain speaks to
VIEW_CHANGES_KEPT_MAX = 200
HEARD_MAX = 300
OWN_MAX = 20
LATE_MS = 900  # just under the first view timeout
# Signatures that libraries of Ed25519 disagree about: small order, S not reduced, an R that is no canonical point.
EDGE_SIGNATURES = (
    bytes(64),
    bytes([1]) + bytes(63),
    bytes([1]) + bytes(31) + bytes.fromhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"),
    b"\xff" * 64,
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f") + bytes(32),
)


class Liar(Node):
    """One brain. `audience` are the organisations it speaks to at the moment."""

    is_honest = False

    def __init__(self, world: World, number: int, brain: int) -> None:
        self.brain = brain
        self.lies = world.options.lies
        self.audience = set(world.organisations)
        self.signed: set[tuple[int, int, int, bytes]] = set()  # (epoch, view, height, digest) of "yes"
        self.heard: dict[tuple[int, int], dict[int, list[ViewChange]]] = {}  # (epoch, view) -> seat -> ViewChanges
        self.others: list[Message] = []  # of "again"
        self.alternates: dict[int, tuple[Header, list[bytes]]] = {}  # height -> another valid block on its parent
        self.look_back = 0.5  # chance to propose for the height of my last block again
        self.opened: set[tuple[int, int]] = set()  # views that I made NewViews for
        self.own: dict[tuple[int, int], ReceivedTransaction] = {}  # (height, turn) -> mine, of the last OWN_MAX
        super().__init__(world, number)

    def start(self) -> None:
        super().start()
        self._change_mind()

    def _change_mind(self) -> None:
        if "twins" in self.lies or "mute" in self.lies:
            self.audience = {number for number in self.world.organisations if self.world.draw.random() < 0.6}
        if self.replica is not None and "again" in self.lies and self.others:
            for _ in range(3):
                self._to_some(self.world.draw.choice(self.others), "Y9 old words of others again")
        if self.replica is not None and "flood" in self.lies:
            self._flood()
        if not self.world.is_healed:
            self.after(self.world.spread(CHANGE_MIND_MS), partial(self._change_mind))

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        return self.replica.members.epoch if self.replica is not None else self.members.epoch

    def sign(self, message: bytes) -> bytes:
        signature: bytes = self.memory.sign_in(self.members)(message)
        return signature

    def sign_vote(self, kind: int, view: int, height: int, digest: bytes) -> bytes:
        return self.sign(vote_message(self.world.chain_id, self.epoch, kind, view, height, digest))

    def some(self, chance: float = 0.7) -> list[int]:
        everybody = [number for number in self.world.organisations if number != self.number]
        return [number for number in everybody if self.world.draw.random() < chance]

    def _to_some(self, message: Payload, name: str) -> None:
        self.world.sometimes[f"lie {name}"] += 1
        for number in self.some():
            self.world.send(self.number, number, message)

    @property
    def is_seated(self) -> bool:
        return self.replica is not None and self.members.seat_of(self.organisation) is not None

    # -- ears ----------------------------------------------------------------------------------------------------------

    def receive(self, source: int, payload: Payload) -> None:
        """A brain does not hear of its own votes: they might be its twin's."""
        if "dead" in self.lies or self.ledger is None:
            return
        seat = self.replica.seat if self.replica is not None else None
        match payload:
            case PrePrepare():
                self._keep(payload)
                self._say_yes(payload.epoch, payload.view, payload.height, payload.header.digest())
            case Prepare() | Commit():
                self._keep(payload)
                if payload.seat == seat:
                    return
                self._say_yes(payload.epoch, payload.view, payload.height, payload.digest)
            case Status():
                votes = [vote for vote in payload.votes if vote.seat != seat]
                views = [0 if place == seat else view for place, view in enumerate(payload.views)]
                payload = msgspec.structs.replace(payload, votes=votes, views=views)
            case ViewChange():
                self._keep(payload)
                self._hear(payload)
                if payload.seat == seat:
                    self._remember(payload)
                    return
            case NewView():
                self._keep(payload)
                for change in payload.view_changes:
                    self._hear(change)
                    if change.seat == seat:
                        self._remember(change)
            case _:
                pass
        super().receive(source, payload)

    def _keep(self, message: Message) -> None:
        if "again" in self.lies:
            if len(self.others) >= HEARD_MAX:
                self.others.pop(self.world.draw.randrange(HEARD_MAX))
            self.others.append(message)

    def _remember(self, mine: ViewChange) -> None:
        """Not to take a ViewChange of the twin for a sign of forgetting."""
        if self.replica is None or mine.epoch != self.epoch:
            return
        known = self.replica._state.view_changes
        if mine.seat not in known or known[mine.seat].view < mine.view:
            known[mine.seat] = mine

    def _say_yes(self, epoch: int, view: int, height: int, digest: bytes) -> None:
        if "yes" not in self.lies or (epoch, view, height, digest) in self.signed:
            return
        if not self.is_seated or epoch != self.epoch:
            return
        self.signed.add((epoch, view, height, digest))
        assert self.replica is not None
        for kind, make in ((PREPARE, Prepare), (COMMIT, Commit)):
            signature = self.sign_vote(kind, view, height, digest)
            vote = make(epoch, view, height, digest, self.replica.seat, signature)
            if "split" in self.lies:
                for number in self._half(int(digest in self.world.split)):
                    self.world.send(self.number, number, vote)
            else:
                self._to_some(vote, "Y3 yes to everything")

    # -- a fork, which takes more than f ------------------------------------------------------------------------------

    def _half(self, which: int) -> list[int]:
        """Honest members of the first set, every second one."""
        honest = [number for number in range(self.world.options.n) if number not in self.world.options.liars]
        return honest[which::2]

    def _split(self, view: int) -> None:
        """As primary: another block beside the one that I propose; the second half of the honest sees that one alone."""
        block = self._alternate(1)
        if block is None:
            return
        header, transactions = block
        signature = self.sign_vote(PREPARE, view, header.height, header.digest())
        proposal = PrePrepare(self.epoch, view, header.height, header, transactions, signature)
        self.world.split.add(header.digest())
        for number in [*self._half(1), *self.world.options.liars]:
            if number != self.number:
                self.world.send(self.number, number, proposal)
        self._say_yes(self.epoch, view, header.height, header.digest())

    def _hear(self, change: ViewChange) -> None:
        if "views" not in self.lies or not self.is_seated or change.epoch != self.epoch:
            return
        of_view = self.heard.setdefault((change.epoch, change.view), {})
        kept = of_view.setdefault(change.seat, [])
        if change not in kept and len(kept) < VIEW_CHANGES_KEPT_MAX:
            kept.append(change)
        assert self.replica is not None
        if self.members.primary(change.view) == self.replica.seat:
            self._open(change.view)

    # -- mouth ---------------------------------------------------------------------------------------------------------

    def say(self, other: int, message: Message) -> None:
        draw = self.world.draw
        if "dead" in self.lies or (other not in self.audience and ("mute" in self.lies or "twins" in self.lies)):
            return
        if "split" in self.lies and isinstance(message, PrePrepare | Prepare | Commit) and other in self._half(1):
            return
        if isinstance(message, ViewChange) and message.epoch == self.epoch and self.is_seated:
            self._hear(message)
            if "hide" in self.lies and draw.random() < 0.7:
                message = self.hidden(message)
                self._hear(message)
            if "far" in self.lies and draw.random() < 0.2:
                self.world.sometimes["lie Y4 a huge view"] += 1
                message = self.signed_again(msgspec.structs.replace(message, view=draw.choice([50, 2**31])))
        if isinstance(message, Status) and "far" in self.lies:
            self.world.sometimes["lie Y12 a false height"] += 1
            message = msgspec.structs.replace(message, height=message.height + draw.randint(0, 1000))
        if "bend" in self.lies and draw.random() < 0.15:
            message = self.bent(message)
        if "edge" in self.lies and draw.random() < 0.15 and hasattr(message, "signature"):
            self.world.sometimes["lie Y15 an edge-case signature"] += 1
            message = msgspec.structs.replace(message, signature=draw.choice(EDGE_SIGNATURES))
        if "late" in self.lies and not self.world.is_healed and isinstance(message, PrePrepare | Prepare | Commit):
            self.world.sometimes["lie Y6 just before patience ends"] += 1
            self.world.after(LATE_MS, partial(self.world.send, self.number, other, message))
            return
        super().say(other, message)

    def bent(self, message: Message) -> Message:
        """One field a little other than it was, signed as before: nobody may take it."""
        draw = self.world.draw
        numbers = [
            name
            for name in message.__struct_fields__
            if isinstance(getattr(message, name), int) and not isinstance(getattr(message, name), bool)
        ]
        if not numbers:
            return message
        self.world.sometimes["lie Y8 a bent field"] += 1
        name = draw.choice(numbers)
        value = max(0, getattr(message, name) + draw.choice([-1, 1]))
        if name == "seat":
            value %= 50
        if name == "count":
            value = max(1, min(64, value))
        return msgspec.structs.replace(message, **{name: value})

    def hidden(self, change: ViewChange) -> ViewChange:
        """Without what was prepared; sometimes as if nothing had ever been final."""
        self.world.sometimes["lie Y4 a hidden certificate"] += 1
        if self.world.draw.random() < 0.5 and self.epoch == 1:
            change = msgspec.structs.replace(change, height=0, digest=self.world.chain_id, certificate=None)
        return self.signed_again(msgspec.structs.replace(change, prepared=None))

    def signed_again(self, change: ViewChange) -> ViewChange:
        return msgspec.structs.replace(change, signature=self.sign(view_change_message(change, self.world.chain_id)))

    def _flood(self) -> None:
        """Y13: votes for slots far away, and each many times."""
        if not self.is_seated:
            return
        assert self.replica is not None
        draw = self.world.draw
        for _ in range(10):
            view, height = draw.randint(0, 1_000), self.height + draw.randint(0, 1_000)
            digest = draw.randbytes(32)
            signature = self.sign_vote(PREPARE, view, height, digest)
            vote = Prepare(self.epoch, view, height, digest, self.replica.seat, signature)
            self._to_some(vote, "Y13 a flood of far votes")

    def serve(self, source: int, first: int, count: int) -> None:
        """Y11: as a server of blocks it gives none, too few, or a block that nobody certified."""
        draw = self.world.draw
        if "false" not in self.lies or draw.random() < 0.3:
            super().serve(source, first, count)
            return
        self.world.sometimes["lie Y11 a false server"] += 1
        blocks = list(self.disk.blocks[first - 1 : first - 1 + count])
        if not blocks or draw.random() < 0.4:
            return
        place = draw.randrange(len(blocks))
        bad = blocks[place]
        header = msgspec.structs.replace(bad.header, time_ms=bad.header.time_ms + 1)
        blocks[place] = replace(bad, header=header, digest=header.digest())
        self.world.send(self.number, source, SimulatedBlocks(blocks))

    # -- views of its own making ---------------------------------------------------------------------------------------

    def my_head(self) -> Head:
        head = self.replica._state.head if self.replica is not None else None
        return head or genesis_head(self.world.chain_id, GENESIS_MS)

    def _open(self, view: int) -> None:
        """NewViews from whatever quorums I heard of, another one for each member, and votes to go with them."""
        assert self.replica is not None
        draw, seat = self.world.draw, self.replica.seat
        of_view = self.heard[self.epoch, view]
        quorum = self.members.quorum
        if (self.epoch, view) not in self.opened:
            # Sometimes: from genesis, as if nothing had been final. Sometimes: from my real head, which may be above
            # theirs, and then a fresh proposal for a height that is final already.
            is_hiding = draw.random() < 0.5 and self.epoch == 1
            self.look_back = 0.2 if is_hiding else 0.9
            head = genesis_head(self.world.chain_id, GENESIS_MS) if is_hiding else self.my_head()
            mine = ViewChange(self.epoch, view, seat, head.height, head.digest, head.certificate, None, bytes(64))
            mine = self.signed_again(mine)
            of_view[seat] = [mine] if not is_hiding else [mine, *of_view.get(seat, [])]
        if len(of_view) < quorum or ((self.epoch, view) in self.opened and draw.random() < 0.7):
            return
        self.opened.add((self.epoch, view))
        for number in self.some():
            chosen_seats = sorted(draw.sample(sorted(of_view), quorum))
            chosen = [draw.choice(of_view[member]) for member in chosen_seats]
            base, obliged = base_and_obligation(chosen)
            prepare = None
            if obliged is not None:
                prepare = self.sign_vote(PREPARE, view, base + 1, obliged.header.digest())
            unsigned = NewView(self.epoch, view, chosen, prepare, bytes(64))
            signature = self.sign(new_view_message(unsigned, self.world.chain_id))
            self.world.sometimes["lie Y5 a NewView of its own making"] += 1
            self.world.send(self.number, number, msgspec.structs.replace(unsigned, signature=signature))
            if obliged is None:
                self._propose_to(number, view)

    def finalise(self, effect: Finalise) -> None:
        """Before the head moves: another block that would have been as good."""
        alternate = self._alternate()
        if alternate is not None:
            self.alternates = {effect.header.height: alternate}
        super().finalise(effect)

    def execution_of(self, effect: Finalise) -> Execution:
        """A wrong block of mine may be right: then others have executed it, and I have not."""
        assert self.ledger is not None
        found = self.proposals.executions.get(effect.header.digest())
        return found or self.ledger.executed(
            effect.header, [self.proposals.bodies[entry] for entry in effect.transactions]
        )

    def _alternate(self, turn: int = 0) -> tuple[Header, list[bytes]] | None:
        """A valid block on my head that nobody else would make: another time, and a transaction of my own."""
        assert self.ledger is not None
        parent = self.ledger.parent()
        chosen = [self._own_transaction(turn)]
        time_ms = max(self.clock() // 2_000 * 2_000 + turn, parent.time_ms + 1 + turn)
        try:
            execution = execute_block(parent, time_ms, self.organisation, chosen, self.ledger.holds)
        except BlockInvalid:
            return None
        self.proposals.executions[execution.digest] = execution
        return execution.header, [received.digest for received in chosen]

    def _own_transaction(self, turn: int) -> ReceivedTransaction:
        """One of two at each height; what it asks will be refused, it may stand in a block all the same."""
        found = self.own.get((self.height, turn))
        if found is None:
            nothing = ApproveChange(sha256(b"%d %d %d" % (self.number, self.height, turn)).digest())
            found = self.world.clients.transaction(self.organisation, Entry(False, nothing))
            self.own[self.height, turn] = found
            while len(self.own) > OWN_MAX:
                del self.own[next(iter(self.own))]
        self.proposals.bodies[found.digest] = found
        return found

    def finalised(self, *arguments: Any) -> None:
        super().finalised(*arguments)
        self.proposals.keep(self.own.values())

    def _propose_to(self, number: int, view: int) -> None:
        """A fresh proposal on my head or for the height of my last block again, one of two for each member."""
        draw = self.world.draw
        block = self._alternate(draw.randint(0, 1))
        if self.alternates and draw.random() < self.look_back:
            block = next(iter(self.alternates.values()))
        if block is None:
            return
        header, transactions = block
        signature = self.sign_vote(PREPARE, view, header.height, header.digest())
        proposal = PrePrepare(self.epoch, view, header.height, header, transactions, signature)
        self.world.sometimes["lie Y2 a proposal for one member"] += 1
        self.world.send(self.number, number, proposal)
        self._say_yes(self.epoch, view, header.height, header.digest())

    def choose(self) -> list[ReceivedTransaction]:
        waiting = super().choose()
        if "censor" in self.lies:
            kept = [received for received in waiting if received.transaction.organisation != "hospital-a"]
            if len(kept) < len(waiting):
                self.world.sometimes["lie Y6 censored"] += 1
            return kept
        return waiting

    def proposal(self, effect: Propose) -> Event:
        event = super().proposal(effect)
        if not isinstance(event, ProposalReady) or event.header is None:
            return event
        draw = self.world.draw
        if "split" in self.lies:
            self._split(effect.view)
        elif {"views", "yes", "two"} & set(self.lies):
            for number in self.some():
                if draw.random() < (0.6 if "two" in self.lies else 0.3):
                    self._propose_to(number, effect.view)
        if "wrong" in self.lies and draw.random() < 0.5:
            field, value = draw.choice(
                [
                    ("state_root", bytes(32)),
                    ("outcomes_root", bytes(32)),
                    ("time_ms", event.header.time_ms + 7_200_000),
                    ("history_root", bytes(32)),
                    ("next_validators", bytes(32)),
                    ("proposer", "member-00"),
                ]
            )
            self.world.sometimes[f"lie Y7 wrong {field}"] += 1
            wrong = msgspec.structs.replace(event.header, **{field: value})
            return ProposalReady(event.view, event.height, wrong, event.transactions, event.now_ms)
        return event


def build_liar(world: World, number: int) -> list[Node]:
    brains = 2 if "twins" in world.options.lies else 1
    return [Liar(world, number, brain) for brain in range(brains)]
