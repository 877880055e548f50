"""Whom the words that honest nodes saw convict (I8), found without the core.

Two votes of one kind in one slot; or a Commit, and later a ViewChange that does not show what it committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chain.validators import COMMIT, PREPARE, Certificate, vote_message
from consensus.model import Commit, NewView, Prepare, PrePrepare, Status, ViewChange
from tests.simulator.disk import StoredBlock

if TYPE_CHECKING:
    from tests.simulator.world import World

Slot = tuple[int, int, int, int, int]  # (epoch, seat, kind, view, height)


def convicted(world: World) -> set[int]:
    """Organisations that lied, by what honest nodes received and hold."""
    seen = _Seen(world)
    for target, message in world.seen:
        if target not in world.options.liars:
            seen.take(message)
    for node in world.honest:
        for item in [*node.disk.blocks, *node.disk.unflushed, *node.saver.jobs]:
            if isinstance(item, StoredBlock):
                seen.certificate(1, COMMIT, item.header.height, item.digest, item.certificate)
        if node.replica is not None and node.replica._state.decided is not None:
            decided = node.replica._state.decided
            seen.certificate(1, COMMIT, node.replica._state.slot, decided.digest, decided.certificate)
    members = world.genesis.validators
    return {int(members[seat].organisation[-2:]) for seat in seen.guilty()}


class _Seen:
    def __init__(self, world: World) -> None:
        self.world = world
        self.digests: dict[Slot, set[bytes]] = {}
        self.changes: list[ViewChange] = []

    def take(self, message: object) -> None:
        match message:
            case PrePrepare():
                seat = message.view % self.world.options.n
                digest = message.header.digest()
                self._vote(message.epoch, seat, PREPARE, message.view, message.height, digest, message.signature)
            case Prepare():
                self._vote(
                    message.epoch,
                    message.seat,
                    PREPARE,
                    message.view,
                    message.height,
                    message.digest,
                    message.signature,
                )
            case Commit():
                self._vote(
                    message.epoch, message.seat, COMMIT, message.view, message.height, message.digest, message.signature
                )
            case Status():
                for vote in message.votes:
                    self.take(vote)
            case ViewChange():
                self.changes.append(message)
                if message.certificate is not None:
                    self.certificate(1, COMMIT, message.height, message.digest, message.certificate)
                if message.prepared is not None:
                    header = message.prepared.header
                    self.certificate(1, PREPARE, header.height, header.digest(), message.prepared.certificate)
            case NewView():
                for change in message.view_changes:
                    self.take(change)
            case _:
                pass

    def certificate(self, epoch: int, kind: int, height: int, digest: bytes, certificate: Certificate) -> None:
        for entry in certificate.signatures:
            self._vote(epoch, entry.seat, kind, certificate.view, height, digest, entry.signature)

    def _vote(self, epoch: int, seat: int, kind: int, view: int, height: int, digest: bytes, signature: bytes) -> None:
        key = self.world.genesis.validators[seat].key
        message = vote_message(self.world.chain_id, epoch, kind, view, height, digest)
        if self.world.signers.verify(key, message, signature):
            self.digests.setdefault((epoch, seat, kind, view, height), set()).add(digest)

    def guilty(self) -> set[int]:
        found = {slot[1] for slot, digests in self.digests.items() if len(digests) > 1}
        commits = [(slot, digest) for slot, digests in self.digests.items() if slot[2] == COMMIT for digest in digests]
        for change in self.changes:
            if change.seat in found or not self.world.is_whole(change, self.world.genesis.validator_set(), None):
                continue
            for (_epoch, seat, _kind, view, height), digest in commits:
                if seat == change.seat and view < change.view and self._hides(change, view, height, digest):
                    found.add(seat)
        return found

    def _hides(self, change: ViewChange, view: int, height: int, digest: bytes) -> bool:
        """Whether a ViewChange contradicts the signer's Commit of a lower view."""
        if change.height >= height:
            return False
        prepared = change.prepared
        if prepared is None or prepared.header.height != height:
            return True
        return prepared.certificate.view < view or (
            prepared.certificate.view == view and prepared.header.digest() != digest
        )
