"""What must hold in every run. Nothing here uses the core: messages are looked at as anybody could.

Checked at each effect of an honest node, over all its restarts. Raises Broken.
"""

from __future__ import annotations

from chain.block import Header
from chain.validators import COMMIT, Certificate, vote_message
from consensus.model import (
    Commit,
    JournalRecord,
    Message,
    NewView,
    Prepare,
    PreparedSaved,
    PrePrepare,
    ProposalSaved,
    Status,
    ViewChange,
    ViewChangeSaved,
)
from tests.simulator.application import CHAIN_ID
from tests.simulator.keys import Keys


class Broken(Exception):
    """An invariant does not hold. `verdict` is DIVERGED for a fork, else BROKEN."""

    def __init__(self, verdict: str, detail: str) -> None:
        super().__init__(f"{verdict}: {detail}")
        self.verdict = verdict


class Checks:
    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.final: dict[int, bytes] = {0: CHAIN_ID}  # height -> digest, of all honest nodes together
        self.votes: dict[tuple[int, int, int, int, str], bytes] = {}  # (seat, epoch, view, height, kind) -> digest
        self.view_changes: dict[tuple[int, int, int], ViewChange] = {}  # (seat, epoch, view) -> what was sent
        self.sent: dict[int, int] = {}  # seat -> highest view of a ViewChange it sent

    def on_finalise(self, seat: int, height_before: int, header: Header, certificate: Certificate) -> None:
        """Agreement, contiguous heights, links, and a certificate that anybody can check."""
        digest, height = header.digest(), header.height
        if height != height_before + 1:
            raise Broken("BROKEN", f"seat {seat} went from height {height_before} to {height}")
        if header.parent != self.final.get(height - 1):
            raise Broken("DIVERGED", f"seat {seat}: block {height} does not follow the final block before it")
        other = self.final.setdefault(height, digest)
        if other != digest:
            raise Broken("DIVERGED", f"height {height}: {other.hex()[:8]} and, at seat {seat}, {digest.hex()[:8]}")
        self.check_certificate(seat, height, digest, certificate)

    def check_certificate(self, seat: int, height: int, digest: bytes, certificate: Certificate) -> None:
        members = self.keys.members
        n = len(members.members)
        signers = {entry.seat for entry in certificate.signatures}
        if len(signers) != n - (n - 1) // 3 or len(certificate.signatures) != len(signers):
            raise Broken("BROKEN", f"seat {seat}: {len(signers)} signers make block {height} final")
        message = vote_message(CHAIN_ID, members.epoch, COMMIT, certificate.view, height, digest)
        for entry in certificate.signatures:
            if not self.keys.verify(members.members[entry.seat].key, message, entry.signature):
                raise Broken("BROKEN", f"seat {seat}: a signature under block {height} does not hold")

    def on_persist(self, seat: int, record: JournalRecord) -> None:
        """A new vote is never for a view that was left."""
        match record:
            case ProposalSaved(_, vote) | PreparedSaved(_, vote):
                if vote.view < self.sent.get(seat, 0):
                    raise Broken("BROKEN", f"seat {seat} votes in view {vote.view}, which it has left")

    def on_send(self, seat: int, message: Message, flushed: list[JournalRecord], flushed_height: int) -> None:
        """One vote per slot and one ViewChange per view, for ever; each of them is on disk before it leaves."""
        match message:
            case PrePrepare():
                vote = (message.epoch, message.view, message.height, "prepare")
                self._vote(seat, vote, message.header.digest(), flushed, flushed_height)
            case Prepare() | Commit():
                if message.seat == seat:
                    vote = (message.epoch, message.view, message.height, type(message).__name__.lower())
                    self._vote(seat, vote, message.digest, flushed, flushed_height)
            case Status():
                for given in message.votes:
                    if given.seat == seat:
                        self.on_send(seat, given, flushed, flushed_height)
            case ViewChange():
                self._view_change(seat, message, flushed)
            case NewView():
                if message.view % len(self.keys.members.members) == seat and message.prepare is not None:
                    base = max(change.height for change in message.view_changes)
                    prepared = [change.prepared for change in message.view_changes if change.prepared is not None]
                    above = [entry for entry in prepared if entry.header.height == base + 1]
                    highest = max(above, key=lambda entry: entry.certificate.view)
                    vote = (message.epoch, message.view, base + 1, "prepare")
                    self._vote(seat, vote, highest.header.digest(), flushed, flushed_height)

    def _vote(
        self,
        seat: int,
        slot: tuple[int, int, int, str],
        digest: bytes,
        flushed: list[JournalRecord],
        flushed_height: int,
    ) -> None:
        epoch, view, height, kind = slot
        earlier = self.votes.setdefault((seat, epoch, view, height, kind), digest)
        if earlier != digest:
            raise Broken("BROKEN", f"seat {seat} signed two digests: {kind}, view {view}, height {height}")
        if height <= flushed_height:
            return
        wanted = ProposalSaved if kind == "prepare" else PreparedSaved
        for record in reversed(flushed):
            if isinstance(record, wanted):
                saved = record.prepare if isinstance(record, ProposalSaved) else record.commit  # type: ignore[attr-defined]
                if (saved.view, saved.height, saved.digest) == (view, height, digest):
                    return
        raise Broken("BROKEN", f"seat {seat} said before it saved: {kind}, view {view}, height {height}")

    def _view_change(self, seat: int, message: ViewChange, flushed: list[JournalRecord]) -> None:
        if message.seat != seat:
            return
        earlier = self.view_changes.setdefault((seat, message.epoch, message.view), message)
        if earlier != message:
            raise Broken("BROKEN", f"seat {seat} sent two ViewChanges to view {message.view}")
        if not any(isinstance(record, ViewChangeSaved) and record.view_change == message for record in flushed):
            raise Broken("BROKEN", f"seat {seat} said before it saved: ViewChange to view {message.view}")
        self.sent[seat] = max(self.sent.get(seat, 0), message.view)
