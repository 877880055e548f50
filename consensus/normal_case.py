"""PrePrepare, Prepare, Commit: rules 2, 3, 4, 12 and 16. Source: PBFT 4.2."""

from __future__ import annotations

from chain.validators import COMMIT, PREPARE
from consensus import evidence
from consensus.effects import Accuse, BecomeLearner, Broadcast, CheckBlock, Effect, Persist, Propose, Refuse
from consensus.errors import (
    EMPTY,
    INVALID,
    NOT_OBLIGED,
    TOO_OLD,
    WRONG_PARENT,
    WRONG_PROPOSER,
    WRONG_SET,
    ProposalRefused,
)
from consensus.events import BlockChecked, ProposalReady
from consensus.model import Commit, Prepare, Prepared, PreparedSaved, PrePrepare, ProposalSaved, Vote, kind_of
from consensus.state import ACCUSED_MAX, PAST_HEIGHTS_MAX, EarlyProposal, ReplicaState, quorum_certificate
from consensus.wire import prepare_of

PROPOSAL_BEHIND_MAX_MS = 60_000  # a first proposal older than this, on arrival, is refused
PROPOSAL_AHEAD_MAX_MS = 10_000  # one from further ahead is held until the clock comes near


def on_pre_prepare(state: ReplicaState, proposal: PrePrepare, out: list[Effect]) -> None:
    """Keep a proposal for slot or slot + 1 of a view not below mine, the newest of its primary (rule 12).

    Who waits for a view keeps one of a view below too, and never votes for it: the others may go on without him, and
    their Commits then name a block that he need not fetch.
    """
    on_vote(state, prepare_of(proposal, state.members), out)
    if proposal.height not in (state.slot, state.slot + 1) or (proposal.view < state.view and state.active):
        return
    state.learn(proposal.header, proposal.transactions)
    key = (proposal.height, state.members.primary(proposal.view))
    kept = state.early.get(key)
    if kept is None or kept.proposal.view < proposal.view:
        state.early[key] = EarlyProposal(proposal, state.now_ms)


def on_vote(state: ReplicaState, vote: Vote, out: list[Effect]) -> None:
    """Keep a vote for slot or slot + 1: the newest of each member and kind (rule 12). Two in one slot are evidence
    (rule 16). Commits of any view count (rule 5), Prepares only of views not below mine."""
    if vote.seat == state.me:
        on_own_vote(state, vote, out)
        return
    state.claim(vote.seat, vote.height - 1)
    if vote.height not in (state.slot, state.slot + 1) or (isinstance(vote, Prepare) and vote.view < state.view):
        on_late_vote(state, vote, out)
        return
    key = (vote.height, kind_of(vote), vote.seat)
    kept = state.votes.get(key)
    if kept is None:
        state.votes[key] = vote
    elif kept.view < vote.view:
        state.votes[key] = vote
        state.remember(kept)
    else:
        on_late_vote(state, vote, out)


def on_late_vote(state: ReplicaState, vote: Vote, out: list[Effect]) -> None:
    """It counts for nothing: a final height, a view that its member or I have left, or said before. Who shows its
    second vote only then has lied all the same (rule 16)."""
    if not state.height - PAST_HEIGHTS_MAX < vote.height <= state.slot + 1:
        return
    kept = state.votes.get((vote.height, kind_of(vote), vote.seat))
    if kept is None or kept.view != vote.view:
        kept = state.remember(vote)
    if not evidence.is_conflict(kept, vote):
        return
    mark = (vote.height, kind_of(vote), vote.view, vote.seat)
    if mark not in state.accused and sum(seat == vote.seat for *_, seat in state.accused) < ACCUSED_MAX:
        state.accused.add(mark)
        out.append(Accuse(*evidence.in_order(kept, vote)))


def on_own_vote(state: ReplicaState, vote: Vote, out: list[Effect]) -> None:
    """A peer shows a vote with my signature. One above H that I do not know means that I forgot it (rule 14)."""
    if vote.height <= state.height or not state.may_vote:
        return
    mine = state.votes.get((vote.height, kind_of(vote), state.me))
    if mine is None or mine.view < vote.view or evidence.is_conflict(mine, vote):
        forget(state, f"a vote of mine at height {vote.height}, view {vote.view} is missing from my journal", out)


def forget(state: ReplicaState, reason: str, out: list[Effect]) -> None:
    """From here on follow and sign nothing (rule 14)."""
    state.may_vote = state.active = False
    state.current = state.proposing = None
    out.append(BecomeLearner(reason))


def take_proposal(state: ReplicaState, out: list[Effect]) -> bool:
    """Rule 2: accept the primary's proposal for the slot, and have it checked (rule 3)."""
    if not state.active or state.current is not None or state.slot <= state.base:
        return False
    early = state.early.get((state.slot, state.primary))
    if early is None or early.proposal.view != state.view:
        return False
    proposal = early.proposal
    refusal = refusal_of(state, early)
    if refusal is not None:
        del state.early[state.slot, state.primary]
        out.append(Refuse(state.primary, ProposalRefused(proposal.height, proposal.view, refusal)))
        return True
    ahead_ms = proposal.header.time_ms - state.now_ms - PROPOSAL_AHEAD_MAX_MS
    # After a block from the future a right clock makes a proposal a millisecond later, and no more can be asked of it.
    is_least = proposal.header.time_ms == state.head.time_ms + 1
    if state.obligation is None and ahead_ms > 0 and not is_least:
        state.held_until_ms = state.now_ms + ahead_ms
        return False
    state.held_until_ms = None
    state.learn(proposal.header, proposal.transactions)
    state.current = proposal
    ask_check(state, proposal.header.digest(), out)
    return True


def refusal_of(state: ReplicaState, early: EarlyProposal) -> str | None:
    """Why nobody may vote for a proposal of my view and slot, or None. Clock, proposer and emptiness are looked at in
    first proposals only: an obliged one had a quorum already, and must stay acceptable for ever."""
    header = early.proposal.header
    if header.parent != state.head.digest or header.time_ms <= state.head.time_ms:
        return WRONG_PARENT
    if header.validators != state.members.digest():
        return WRONG_SET
    digest = header.digest()
    mine = state.own_vote(PREPARE)
    if mine is not None and mine.digest != digest:
        return NOT_OBLIGED
    if state.obligation is not None:
        return None if digest == state.obligation else NOT_OBLIGED
    if header.proposer != state.members.members[state.primary].organisation:
        return WRONG_PROPOSER
    is_early = header.time_ms < state.head.time_ms + state.settings.heartbeat_ms
    if not early.proposal.transactions and is_early and state.upcoming is None:
        return EMPTY
    if header.time_ms < early.arrived_ms - PROPOSAL_BEHIND_MAX_MS:
        return TOO_OLD
    return None


def ask_check(state: ReplicaState, digest: bytes, out: list[Effect]) -> None:
    """Have a known block executed, once (rule 3)."""
    block = state.known.get(digest)
    if block is not None and digest not in state.checked:
        state.checked[digest] = None
        out.append(CheckBlock(block.header, block.transactions, state.primary, holders(state, digest)))


def holders(state: ReplicaState, digest: bytes) -> list[int]:
    """Seats other than mine whose vote says that they hold the bodies."""
    seats = {seat for (_, _, seat), vote in state.votes.items() if vote.digest == digest}
    return sorted(seats - {state.me})


def on_block_checked(state: ReplicaState, event: BlockChecked, out: list[Effect]) -> None:
    """Note the result; what follows from it is for the rules. A block that q members prepared or committed must be
    valid here too: otherwise this node computes something else than the others, and stops."""
    if event.digest not in state.checked:
        return
    state.checked[event.digest] = event.valid
    if event.valid:
        if event.next_epoch is not None:
            state.next_epochs[event.digest] = event.next_epoch
        return
    if event.digest == state.obligation or (state.decided and event.digest == state.decided.digest):
        state.halt(f"block {state.slot} was agreed, and is invalid here: {event.code}", out)
    elif state.current and state.current.header.digest() == event.digest:
        refused = ProposalRefused(state.slot, state.view, f"{INVALID}: {event.code}")
        out.append(Refuse(state.primary, refused))


def prepare(state: ReplicaState, out: list[Effect]) -> bool:
    """Rule 3: the accepted proposal is valid: save it with my vote, then say so. The primary says it by PrePrepare."""
    if not state.active or not state.may_sign or state.current is None or state.own_vote(PREPARE) is not None:
        return False
    proposal, digest = state.current, state.current.header.digest()
    if not state.checked.get(digest):
        return False
    vote = save_vote(state, proposal, out)
    out.append(Broadcast(proposal if state.primary == state.me else vote))
    return True


def save_vote(state: ReplicaState, proposal: PrePrepare, out: list[Effect]) -> Prepare:
    """Sign and save my Prepare for a proposal of (view, slot). Whoever calls this sends it afterwards."""
    digest = proposal.header.digest()
    signature = proposal.signature if state.primary == state.me else state.sign_vote(PREPARE, digest)
    vote = Prepare(state.epoch, state.view, state.slot, digest, state.me, signature)
    state.votes[state.slot, PREPARE, state.me] = vote
    out.append(Persist(ProposalSaved(proposal, vote)))
    return vote


def commit(state: ReplicaState, out: list[Effect]) -> bool:
    """Rule 4: q Prepares, mine among them, while active in their view: save the certificate, then send my Commit."""
    mine = state.own_vote(PREPARE)
    if not state.active or not state.may_sign or mine is None or state.own_vote(COMMIT) is not None:
        return False
    signatures = state.voters(PREPARE, state.view, mine.digest)
    if len(signatures) < state.quorum:
        return False
    certificate = quorum_certificate(state.view, signatures, state.quorum, state.me)
    block = state.known[mine.digest]
    state.prepared = Prepared(block.header, block.transactions, certificate)
    signature = state.sign_vote(COMMIT, mine.digest)
    vote = Commit(state.epoch, state.view, state.slot, mine.digest, state.me, signature)
    state.votes[state.slot, COMMIT, state.me] = vote
    out.extend([Persist(PreparedSaved(certificate, vote)), Broadcast(vote)])
    return True


def propose(state: ReplicaState, out: list[Effect]) -> bool:
    """As primary: ask for a block when work waits. An obliged one went out with my NewView, saved before it."""
    if not state.active or not state.may_sign or state.primary != state.me:
        return False
    if state.is_fetching or state.obligation is not None:  # up to base it is fetching
        return False
    if state.current is not None or state.own_vote(PREPARE) is not None or state.proposing is not None:
        return False
    heartbeat_due = state.now_ms >= state.head.time_ms + state.settings.heartbeat_ms
    may_be_empty = heartbeat_due or state.upcoming is not None
    if state.nothing_to_propose or not (state.work_waits or may_be_empty):
        return False
    state.proposing = (state.view, state.slot)
    time_min_ms = state.head.time_ms + 1
    out.append(Propose(state.view, state.slot, state.head.digest, time_min_ms, may_be_empty))
    return True


def build_proposal(state: ReplicaState, digest: bytes) -> PrePrepare:
    """My PrePrepare in (view, slot) for a known block."""
    block = state.known[digest]
    signature = state.sign_vote(PREPARE, digest)
    return PrePrepare(state.epoch, state.view, state.slot, block.header, block.transactions, signature)


def on_proposal_ready(state: ReplicaState, event: ProposalReady) -> None:
    """A block that was built here; one for a view or height that is over is dropped."""
    if state.proposing is None or state.proposing != (event.view, event.height):
        return
    state.proposing = None
    if event.header is None:
        state.nothing_to_propose = True
        return
    digest = event.header.digest()
    state.learn(event.header, event.transactions)
    state.checked[digest] = True
    if event.next_epoch is not None:
        state.next_epochs[digest] = event.next_epoch
    state.current = build_proposal(state, digest)
