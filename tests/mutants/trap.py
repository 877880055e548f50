"""The network works for a liar: one honest member alone learns that a block is final, another one hears no Prepare.

n = 4, the liar is member 1. Then the favoured member is cut off from the honest ones, and the two that are left change views
with the liar until it is primary and says what its forgery is. What it has to hide it hides: that the block is final.
"""

from __future__ import annotations

from consensus.model import Commit, Prepare, Status, Vote
from tests.simulator.payloads import Payload
from tests.simulator.world import World

TRAP_MS = 12_000  # the views of three honest primaries and one of the liar, with their timers


class TrapWorld(World):
    """`shielded` prepares nothing while the trap is open, so that a quorum without the prepared block is nearly there."""

    shielded: int | None = None
    hidden: bytes = b""  # digest of the block that is final at the member that was cut off

    def send(self, source: int, target: int, payload: Payload) -> None:
        if target in self.nodes and (self.is_healed or not self._is_withheld(source, target, payload)):
            self.network.send(source, target, payload)

    def _is_withheld(self, source: int, target: int, payload: Payload) -> bool:
        if self.cut_off is not None:
            if self.cut_off in (source, target):
                return source not in self.options.liars and target not in self.options.liars
            return any(vote.digest == self.hidden for vote in votes_of(payload))
        if self.favoured is None or target == self.favoured or target in self.options.liars:
            return False
        kinds = (Prepare, Commit) if target == self.shielded else (Commit,)
        return any(isinstance(vote, kinds) for vote in votes_of(payload))

    def _hunt(self) -> None:
        self.cut_off = self.shielded = self.favoured = None
        if self.is_healed:
            return
        honest = [node.number for node in self.honest if node.replica is not None]
        self.favoured, shielded = self.draw.sample(honest, 2)
        self.shielded = shielded if self.draw.random() < 0.7 else None

    def on_final(self, number: int) -> None:
        if self.is_healed or number != self.favoured:
            return
        self.sometimes["hunt: final at one, which is then cut off"] += 1
        self.trace(number, "cut off")
        ledger = self.nodes[number][0].ledger
        assert ledger is not None
        self.cut_off, self.favoured, self.hidden = number, None, ledger.head.digest
        self.after(TRAP_MS, self._hunt)


def votes_of(payload: Payload) -> list[Vote]:
    """What it would show of votes."""
    if isinstance(payload, Status):
        return payload.votes
    return [payload] if isinstance(payload, Prepare | Commit) else []
