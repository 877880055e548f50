"""ViewChange and NewView: rules 6 to 10. Source: PBFT 4.4, with certificates of signatures in place of checkpoints."""

from __future__ import annotations

from chain.validators import PREPARE
from consensus import catch_up, normal_case
from consensus.effects import Broadcast, Effect, Persist
from consensus.model import NewView, ViewChange, ViewChangeSaved
from consensus.state import ReplicaState
from consensus.wire import (
    VIEW_MAX,
    base_and_obligation,
    new_view_message,
    obliged_proposal,
    view_change_message,
)

ALONE_MS = 5_000  # so long a member that is level has waited in the next view: it is not coming back by itself
ALONE_FRESH_MS = 3_000  # and has said so lately: one that is gone is not followed
ACCOMPANIED_EVERY_MS = 300_000  # and is followed; a liar may cost one change of view in so long


def leave(state: ReplicaState, view: int, out: list[Effect]) -> None:
    """Rule 6: promise never to vote below `view`, which is above mine, again, and say so once the promise is saved."""
    if not state.may_sign or view == VIEW_MAX:
        return
    certificate = state.head.certificate
    unsigned = ViewChange(
        state.epoch, view, state.me, state.height, state.head.digest, certificate, state.prepared, bytes(64)
    )
    signature = state.sign(view_change_message(unsigned, state.settings.chain_id))
    mine = ViewChange(
        state.epoch, view, state.me, state.height, state.head.digest, certificate, state.prepared, signature
    )
    state.leave_view(view, active=False, base=0, obliged=None)
    state.view_changes[state.me] = mine
    out.extend([Persist(ViewChangeSaved(mine)), Broadcast(mine)])


def join(state: ReplicaState, out: list[Effect]) -> bool:
    """Rule 6: to the (f + 1)-th highest view that others announce, when it is above mine. One of them is honest, and a
    single liar moves nobody."""
    view, me = state.view, state.me
    above = [change.view for seat, change in state.view_changes.items() if change.view > view and seat != me]
    if not state.may_sign or len(above) <= state.f:
        return False
    leave(state, sorted(above, reverse=True)[state.f], out)
    return True


def accompany(state: ReplicaState, out: list[Effect]) -> bool:
    """A member that left this view alone has promised never to vote in it again, and the others have no reason to leave:
    it would use up f for as long as the view lasts. So they follow it by one view, seldom enough that a liar who asks
    for it costs next to nothing. Whoever announces a view further off is not followed."""
    last_ms = state.accompanied_ms
    if not state.active or not state.may_sign or state.is_fetching or state.is_left_behind or not state.alone:
        return False
    if last_ms is not None and state.is_within(ACCOMPANIED_EVERY_MS, last_ms):
        return False
    for seat, (since_ms, heard_ms) in state.alone.items():
        change = state.view_changes.get(seat)
        has_promised = change is not None and change.view == state.view + 1
        if has_promised and not state.is_within(ALONE_MS, since_ms) and state.is_within(ALONE_FRESH_MS, heard_ms):
            state.accompanied_ms = state.now_ms
            leave(state, state.view + 1, out)
            return True
    return False


def on_view_change(state: ReplicaState, sender: int | None, message: ViewChange, out: list[Effect]) -> None:
    """Rule 7: keep the highest of each member, and learn from its certificates. `sender` is None inside a NewView."""
    mine = state.view_changes.get(state.me)
    if message.seat == state.me:
        if state.may_vote and (mine is None or mine.view < message.view):
            reason = f"my ViewChange to view {message.view} is missing from my journal"
            normal_case.forget(state, reason, out)
        return
    kept = state.view_changes.get(message.seat)
    if kept is None or kept.view < message.view:
        state.view_changes[message.seat] = message
    if message.certificate is not None:
        catch_up.on_certificate(state, message.height, message.digest, message.certificate, out)
    state.claim(message.seat, message.height)
    if message.prepared is not None:
        state.learn(message.prepared.header, message.prepared.transactions)
    if sender == message.seat:
        catch_up.push_blocks(state, sender, message.height + 1, out)


def open_view(state: ReplicaState, out: list[Effect]) -> bool:
    """Rule 8: as primary of the view that I wait for, with q ViewChanges for it, mine among them: up to base first,
    then the obliged block is executed and saved with my vote, then the NewView is sent."""
    mine = state.view_changes.get(state.me)
    if state.active or not state.may_sign or state.primary != state.me or mine is None or mine.view != state.view:
        return False
    others = [
        change for seat, change in sorted(state.view_changes.items()) if seat != state.me and change.view == state.view
    ]
    quorum = state.quorum
    if len(others) < quorum - 1:
        return False
    chosen = sorted([mine, *others[: quorum - 1]], key=lambda change: change.seat)
    base, obliged = base_and_obligation(chosen)
    if state.height < base:
        return False  # `fetch` goes there: the ViewChange with this height made a claim
    proposal = None
    if obliged is not None and state.height == base:
        digest = obliged.header.digest()
        state.learn(obliged.header, obliged.transactions)
        normal_case.ask_check(state, digest, out)
        if not state.checked.get(digest):
            return False
        proposal = normal_case.build_proposal(state, digest)
    prepare = proposal.signature if proposal is not None else None
    unsigned = NewView(state.epoch, state.view, chosen, prepare, bytes(64))
    signature = state.sign(new_view_message(unsigned, state.settings.chain_id))
    new_view = NewView(state.epoch, state.view, chosen, prepare, signature)
    state.leave_view(state.view, active=True, base=base, obliged=obliged.header.digest() if obliged else None)
    state.new_view = new_view
    if proposal is not None:
        state.current = proposal
        normal_case.save_vote(state, proposal, out)
    out.append(Broadcast(new_view))
    return True


def on_new_view(state: ReplicaState, message: NewView, out: list[Effect]) -> None:
    """Rule 9: enter a view above mine, or mine while I wait for it. The runtime has checked the message as a whole."""
    for change in message.view_changes:
        on_view_change(state, None, change, out)
    if message.view < state.view or (message.view == state.view and state.active):
        return
    if not state.may_vote:
        state.view = message.view
        return
    base, obliged = base_and_obligation(message.view_changes)
    state.leave_view(message.view, active=True, base=base, obliged=obliged.header.digest() if obliged else None)
    state.new_view = message
    if obliged is not None:
        state.learn(obliged.header, obliged.transactions)
    proposal = obliged_proposal(message)
    if proposal is not None:
        normal_case.on_pre_prepare(state, proposal, out)


def has_quorum_left(state: ReplicaState) -> bool:
    """Rule 10: q members, I included, announce a view that is mine or higher."""
    announced = sum(1 for change in state.view_changes.values() if change.view >= state.view)
    return announced >= state.quorum


def has_work(state: ReplicaState) -> bool:
    """Rule 10: an obligation, a proposal, a transaction, a change of set waits. (An overdue heartbeat: timers.py.)"""
    primary_voted = state.votes.get((state.slot, PREPARE, state.primary))
    proposed = state.current is not None or (primary_voted is not None and primary_voted.view == state.view)
    return state.obligation is not None or proposed or state.work_waits or state.upcoming is not None
