"""A liar that makes up what its key cannot sign: certificates, other members' words, views borne by too little.

The simulator's own liars sign everything that they say; honest nodes refuse what this one says at the door. It stands
where a bent check would let it in.
"""

from __future__ import annotations

from functools import partial

import msgspec

from chain.validators import PREPARE, Certificate, SeatSignature
from consensus.model import Commit, Message, NewView, Prepared, PrePrepare, Status, ViewChange
from consensus.wire import base_and_obligation, new_view_message
from tests.simulator.liar import Liar
from tests.simulator.node import Node
from tests.simulator.payloads import Payload
from tests.simulator.province import member_name
from tests.simulator.world import World

FORGERIES = (
    "repeated",  # a prepared certificate of one member, q times
    "junk",  # one whose signatures are noise but for its own
    "swapped",  # a prepared block whose list is another
    "few",  # a NewView of q - 1, without whoever prepared
    "twice",  # a NewView in which it counts twice, without whoever prepared
    "older",  # a NewView of ViewChanges for earlier views
    "stripped",  # a NewView of others' ViewChanges from which the prepared block was taken out
    "dropped",  # a NewView as it should be, and then another block than the obliged one
    "based",  # a NewView that bears the word of the one that was cut off, and then a block for the height it is final at
    "high",  # a ViewChange that says that a block which there is not is final
    "votes",  # votes in the name of others
    "status",  # the same inside a Status
)
NOISE = bytes(range(64))


class Forger(Liar):
    def __init__(self, world: World, number: int, brain: int, forgeries: tuple[str, ...]) -> None:
        self.forgeries = forgeries
        self.forged: set[tuple[int, int]] = set()
        self.answered: set[tuple[int, int, int]] = set()  # (epoch, view, seat) of ViewChanges
        super().__init__(world, number, brain)

    def receive(self, source: int, payload: Payload) -> None:
        super().receive(source, payload)
        if isinstance(payload, PrePrepare) and self.is_seated and payload.epoch == self.epoch:
            self._speak_for_others(payload)

    def _speak_for_others(self, proposal: PrePrepare) -> None:
        digest = proposal.header.digest()
        votes = [
            Commit(self.epoch, proposal.view, proposal.height, digest, seat, NOISE) for seat in range(self.members.n)
        ]
        votes = [vote for vote in votes if vote.seat != (self.replica.seat if self.replica else None)]
        if "votes" in self.forgeries:
            for vote in votes:
                self._to_some(vote, "a vote in the name of another")
        if "status" in self.forgeries:
            head = self.my_head()
            views = [0] * self.members.n
            status = Status(self.epoch, proposal.view, True, head.height, head.digest, list(votes), views)
            self._to_some(status, "votes of others inside a Status")

    @property
    def is_hiding(self) -> bool:
        """The trap is closed: the others must not learn of the block that is final."""
        return self.world.cut_off is not None and not self.world.is_healed

    def say(self, other: int, message: Message) -> None:
        if self.is_hiding and other != self.world.cut_off and self.is_seated:
            return
        if "high" in self.forgeries and isinstance(message, ViewChange) and self.is_seated:
            message = self._raised(message)
        super().say(other, message)

    def _raised(self, change: ViewChange) -> ViewChange:
        certificate = Certificate(0, [SeatSignature(seat, NOISE) for seat in range(self.members.quorum)])
        return self.signed_again(
            msgspec.structs.replace(
                change, height=change.height + 1, digest=NOISE[:32], certificate=certificate, prepared=None
            )
        )

    def serve(self, source: int, first: int, count: int) -> None:
        if not self.is_hiding:
            super().serve(source, first, count)

    def _say_yes(self, epoch: int, view: int, height: int, digest: bytes) -> None:
        if self.is_hiding and (self.replica is None or self.members.primary(view) != self.replica.seat):
            return
        super()._say_yes(epoch, view, height, digest)

    # -- views ---------------------------------------------------------------------------------------------------------

    def _hear(self, change: ViewChange) -> None:
        """While it hides something it goes along with every change of view, as one that knows of nothing."""
        super()._hear(change)
        cut_off = self.world.cut_off
        if "based" in self.forgeries and cut_off is not None and change.seat != self._hidden_seat():
            self.world.send(self.number, cut_off, change)  # so that it goes along
        mine = (self.epoch, change.view, change.seat)
        if not self.is_hiding or not self.is_seated or change.epoch != self.epoch or mine in self.answered:
            return
        assert self.replica is not None
        if change.seat != self.replica.seat and change.seat != self._hidden_seat():
            self.answered.add(mine)
            word = self._mine(change.view, [change])
            word = self._raised(word) if "high" in self.forgeries else word
            for number in self.world.organisations:
                if number not in (self.number, self.world.cut_off):
                    self.world.send(self.number, number, word)

    def _hidden_seat(self) -> int | None:
        number = self.world.cut_off
        return self.members.seat_of(member_name(number)) if number is not None and self.is_hiding else None

    def _hidden_word(self, view: int) -> ViewChange | None:
        seat = self._hidden_seat()
        kept = self.heard[self.epoch, view].get(seat) if seat is not None else None
        return kept[-1] if kept else None

    def _open(self, view: int) -> None:
        assert self.replica is not None
        unwanted = (self.replica.seat, self._hidden_seat())
        others = {seat: kept[-1] for seat, kept in self.heard[self.epoch, view].items() if seat not in unwanted}
        is_due = "based" not in self.forgeries or self._hidden_word(view) is not None
        if is_due and len(others) >= self.members.quorum - 1 and (self.epoch, view) not in self.forged:
            self.forged.add((self.epoch, view))
            for name in self.forgeries:
                chosen = self._chosen(name, view, others)
                if chosen:
                    self._send(name, view, sorted(chosen, key=lambda change: change.seat))
        if not self.forgeries:
            super()._open(view)

    def _mine(self, view: int, others: list[ViewChange]) -> ViewChange:
        """As high as the others are, and no higher."""
        assert self.replica is not None
        highest, seat = max(others, key=lambda change: change.height), self.replica.seat
        height, digest, certificate = highest.height, highest.digest, highest.certificate
        return self.signed_again(ViewChange(self.epoch, view, seat, height, digest, certificate, None, bytes(64)))

    def _chosen(self, name: str, view: int, others: dict[int, ViewChange]) -> list[ViewChange]:
        """The ViewChanges that are to bear a view."""
        quorum = self.members.quorum
        mine = self._mine(view, list(others.values()))
        unprepared_first = sorted(others.values(), key=lambda change: (change.prepared is not None, change.height))
        match name:
            case "repeated" | "junk" | "swapped":
                forged = self._with_a_prepared_block(name, mine, list(others.values()))
                return [forged, *unprepared_first[: quorum - 1]] if forged is not None else []
            case "few":
                return [mine, *unprepared_first[: quorum - 2]]
            case "twice":
                return [mine, mine, *unprepared_first[: quorum - 2]]
            case "older":
                earlier = {
                    seat: change
                    for (epoch, old), of_view in sorted(self.heard.items())
                    for seat, kept in of_view.items()
                    for change in kept
                    if epoch == self.epoch and old < view and seat != mine.seat
                    if change.prepared is None and change.height <= mine.height
                }
                return [mine, *list(earlier.values())[: quorum - 1]] if len(earlier) >= quorum - 1 else []
            case "stripped":
                stripped = [msgspec.structs.replace(change, prepared=None) for change in unprepared_first]
                return [mine, *stripped[: quorum - 1]]
            case "based":
                hidden = self._hidden_word(view)
                return [mine, hidden, *unprepared_first[: quorum - 2]] if hidden is not None else []
            case "dropped":
                prepared_first = sorted(others.values(), key=lambda change: change.prepared is None)
                return [mine, *prepared_first[: quorum - 1]]
            case _:
                return []

    def _with_a_prepared_block(self, name: str, mine: ViewChange, others: list[ViewChange]) -> ViewChange | None:
        """A block of my own with a certificate that is none, or another's block with a list that is none."""
        if name == "swapped":
            found = [change for change in others if change.prepared is not None]
            if not found:
                return None
            prepared = found[0].prepared
            assert prepared is not None
            mine = msgspec.structs.replace(
                mine, height=found[0].height, digest=found[0].digest, certificate=found[0].certificate
            )
            view = prepared.certificate.view
            return self.signed_again(
                msgspec.structs.replace(
                    mine, prepared=Prepared(prepared.header, [bytes([view]) * 32], prepared.certificate)
                )
            )
        block = self.alternates.get(mine.height + 1) or self._alternate(1)
        if block is None or block[0].height != mine.height + 1:
            return None
        header, transactions = block
        view, seat, quorum = mine.view - 1, mine.seat, self.members.quorum
        signature = self.sign_vote(PREPARE, view, header.height, header.digest())
        seats = [seat] * quorum if name == "repeated" else sorted([seat, *range(seat + 1, seat + quorum)])
        signatures = [SeatSignature(entry, signature if entry == seat else NOISE) for entry in seats]
        return self.signed_again(
            msgspec.structs.replace(mine, prepared=Prepared(header, transactions, Certificate(view, signatures)))
        )

    def _send(self, name: str, view: int, chosen: list[ViewChange]) -> None:
        base, obliged = base_and_obligation(chosen)
        prepare = None
        if obliged is not None and name != "dropped":
            prepare = self.sign_vote(PREPARE, view, base + 1, obliged.header.digest())
        unsigned = NewView(self.epoch, view, chosen, prepare, bytes(64))
        signature = self.sign(new_view_message(unsigned, self.world.chain_id))
        self.world.sometimes[f"forged: {name}"] += 1
        self.look_back = 1.0
        for number in self.world.organisations:
            if number != self.number:
                self.world.send(self.number, number, msgspec.structs.replace(unsigned, signature=signature))
                if prepare is None:
                    self.world.after(20, partial(self._propose_later, number, view))
        if prepare is not None and obliged is not None:
            self._say_yes(self.epoch, view, base + 1, obliged.header.digest())

    def _propose_later(self, number: int, view: int) -> None:
        if self.is_seated and self.is_up:
            self._propose_to(number, view)


def build_forger(forgeries: tuple[str, ...], world: World, number: int) -> list[Node]:
    """In place of `liar.build_liar`."""
    return [Forger(world, number, 0, forgeries)]
