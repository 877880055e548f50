"""Another set of validators: rules 14 and 15.

A change of set, executed in block h, begins at height h + 2: so who votes on h + 1 is known at h. Nothing that was
signed in one epoch counts in another.
"""

from __future__ import annotations

from consensus.effects import BecomeLearner, Effect, EnterEpoch, LeaveSet
from consensus.events import MessageReceived, NextEpoch, Voting
from consensus.model import Fetch, Status
from consensus.state import ReplicaState


def on_foreign(state: ReplicaState, event: MessageReceived) -> None:
    """A message of another epoch. Of the one that begins at slot + 1: the newest of each sender and kind waits for it
    (rule 12). Of any other one a Status tells where to ask for blocks, and nothing else."""
    message, upcoming = event.message, state.upcoming
    assert not isinstance(message, Fetch)  # which has no epoch
    seat: int | None = event.sender
    if upcoming is not None and message.epoch == upcoming.members.epoch:
        state.early_epoch[event.sender, type(message)] = event
        seat = state.members.seat_of(upcoming.members.members[event.sender].organisation)
    if isinstance(message, Status) and seat is not None:
        state.claim(seat, message.height)


def enter(state: ReplicaState, beginning: NextEpoch, out: list[Effect]) -> None:
    """Rule 15, at H = epoch - 1: view 0, active, base = H; votes and ViewChanges of the epoch before are void."""
    before, members = state.members, beginning.members
    seat = members.seat_of(before.members[state.me].organisation)
    if seat is None:
        state.has_left, state.may_vote = True, False
        out.append(LeaveSet(members))
        return
    has_heard = state.has_heard
    claims = {before.members[old].organisation: claim for old, claim in state.claims.items()}
    state.set_members(members, seat, beginning.sign or _no_key)
    state.must_hear = state.must_hear and not has_heard  # heard once, heard for this life
    was_voter = state.may_vote
    state.may_vote = state.may_vote or beginning.voting is Voting.FREED
    if beginning.voting is Voting.BARRED or beginning.sign is None:
        state.may_vote = False
    state.votes, state.early, state.view_changes = {}, {}, {}
    state.heard.clear()
    state.past.clear()
    state.accused.clear()
    state.blocks_sent_ms.clear()
    state.answered_ms.clear()
    state.asked, state.last_asked = None, 0
    state.unlinked.clear()
    state.claims = {
        now: claims[member.organisation] for now, member in enumerate(members.members) if member.organisation in claims
    }
    state.leave_view(0, active=True, base=state.height, obliged=None)
    state.inbox, state.early_epoch = list(state.early_epoch.values()), {}
    out.append(EnterEpoch(members, state.may_vote))
    if was_voter and not state.may_vote:
        out.append(BecomeLearner(f"epoch {members.epoch}: the seat was renewed elsewhere, or its key is not here"))


def _no_key(message: bytes) -> bytes:
    raise RuntimeError("a learner signs nothing")
