"""What a replica is after a restart: rule 13. Votes and ViewChanges come from the journal and stand for ever."""

from __future__ import annotations

from collections.abc import Sequence

from chain.validators import PREPARE
from consensus import evidence
from consensus.errors import JournalDamaged
from consensus.model import (
    Head,
    JournalRecord,
    Prepared,
    PreparedSaved,
    ProposalSaved,
    ViewChangeSaved,
    Vote,
    kind_of,
)
from consensus.state import ReplicaState, Settings


def genesis_head(chain_id: bytes, time_ms: int) -> Head:
    """The head of an empty ledger: height 0, whose digest is the chain id."""
    return Head(0, chain_id, time_ms, None)


def restored_state(settings: Settings, head: Head, records: Sequence[JournalRecord]) -> ReplicaState:
    """The state that the disk tells. A node that may not vote has no journal to speak of, and only follows.

    Raises JournalDamaged if the journal holds a vote above H + 1 (the block log lost blocks), two votes in one slot,
    or a certificate without its proposal.
    """
    state = ReplicaState(settings, head, settings.may_vote)
    if not settings.may_vote:
        return state
    for record in records:
        match record:
            case ViewChangeSaved(view_change):
                if view_change.epoch > state.epoch:
                    raise JournalDamaged(f"a ViewChange of epoch {view_change.epoch}; the last block is {state.height}")
                if view_change.epoch == state.epoch:
                    mine = state.view_changes.get(state.me)
                    if mine is None or mine.view < view_change.view:
                        state.view_changes[state.me] = view_change
            case ProposalSaved(proposal, vote):
                if keep_vote(state, vote):
                    state.learn(proposal.header, proposal.transactions)
            case PreparedSaved(certificate, vote):
                if keep_vote(state, vote):
                    block = state.known.get(vote.digest)
                    if block is None:
                        raise JournalDamaged(f"height {vote.height}: a certificate without its proposal")
                    if state.prepared is None or state.prepared.certificate.view < certificate.view:
                        state.prepared = Prepared(block.header, block.transactions, certificate)
    voted = {vote.view for vote in state.votes.values()}
    promised = {view_change.view for view_change in state.view_changes.values()}
    state.view = max({state.certificate_view, *voted, *promised})
    # `certificate_view` is 0 without a certificate of this epoch; and who has sent a ViewChange is not in view 0.
    state.active = state.view in voted or state.view == state.certificate_view
    state.base = state.height if state.active else 0
    if state.own_vote(PREPARE) is not None:
        restore_current(state, records)
    return state


def keep_vote(state: ReplicaState, vote: Vote) -> bool:
    """Take a vote of mine from the journal, the newest of each kind; says whether it is for the slot."""
    if vote.height > state.slot:
        raise JournalDamaged(f"a vote for height {vote.height}, but the last block is {state.height}")
    if vote.height <= state.height or vote.epoch != state.epoch:
        return False  # decided, not dropped yet when the node stopped; or void: nobody could vote so for this height
    key = (vote.height, kind_of(vote), state.me)
    earlier = state.votes.get(key)
    if earlier is not None and evidence.is_conflict(earlier, vote):
        raise JournalDamaged(f"two votes at height {vote.height}, view {vote.view}")
    if earlier is None or earlier.view < vote.view:
        state.votes[key] = vote
    return True


def restore_current(state: ReplicaState, records: Sequence[JournalRecord]) -> None:
    """The proposal that I voted for in my view: as primary I may have to repeat it."""
    for record in records:
        if isinstance(record, ProposalSaved):
            proposal = record.proposal
            if (proposal.epoch, proposal.view, proposal.height) == (state.epoch, state.view, state.slot):
                state.current = proposal
