"""One rule removed or bent at a time: the simulator must notice each. PROTOCOL's table of what forks, and a few more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from chain.validators import ValidatorSet, max_faulty
from consensus import normal_case, replica, restart, view_change, wire
from consensus.effects import Effect, Persist
from consensus.model import PreparedSaved, ProposalSaved, ViewChangeSaved
from consensus.state import ReplicaState, Rule
from consensus.wire import base_and_obligation


@contextmanager
def vote_at_or_below_the_base() -> Iterator[None]:
    """Rule 9 without its last sentence."""
    real = ReplicaState.leave_view

    def bent(state: ReplicaState, view: int, active: bool, base: int, obliged: bytes | None) -> None:
        real(state, view, active, min(base, state.height), obliged if base <= state.height else None)

    # A certificate inside a ViewChange closes most of this hole by itself: both have to go.
    with patch.object(ReplicaState, "leave_view", bent), patch.object(view_change, "on_view_change", _unlearning):
        yield


def _unlearning(state: ReplicaState, sender: int | None, message: Any, out: list[Effect]) -> None:
    kept = state.view_changes.get(message.seat)
    if message.seat != state.me and (kept is None or kept.view < message.view):
        state.view_changes[message.seat] = message


@contextmanager
def forget_the_prepared_certificate() -> Iterator[None]:
    """Rule 6 with a ViewChange that never tells what was prepared."""
    real = view_change.leave

    def bent(state: ReplicaState, view: int, out: list[Effect]) -> None:
        state.prepared = None
        real(state, view, out)

    with patch.object(view_change, "leave", bent):
        yield


@contextmanager
def quorum_of_2f_plus_1() -> Iterator[None]:
    """Safe for n = 4 and 7, not for 5 and 6."""
    with patch.object(ValidatorSet, "quorum", property(lambda members: 2 * max_faulty(members.n) + 1)):
        yield


@contextmanager
def lowest_certificate_chosen() -> Iterator[None]:
    """Rule 8 with the lowest view among the prepared blocks."""

    def bent(view_changes: list[Any]) -> Any:
        base, obliged = base_and_obligation(view_changes)
        found = [
            change.prepared
            for change in view_changes
            if change.prepared is not None and change.prepared.header.height == base + 1
        ]
        return base, min(found, key=lambda entry: entry.certificate.view) if obliged else None

    with patch.object(view_change, "base_and_obligation", bent), patch.object(wire, "base_and_obligation", bent):
        yield


def _restoring_without(*kinds: type) -> Any:
    real = restart.restored_state

    def bent(settings: Any, head: Any, records: Any) -> ReplicaState:
        return real(settings, head, [record for record in records if not isinstance(record, kinds)])

    return patch.object(restart, "restored_state", bent)


@contextmanager
def view_change_forgotten_by_a_restart() -> Iterator[None]:
    with _restoring_without(ViewChangeSaved):
        yield


@contextmanager
def votes_forgotten_by_a_restart() -> Iterator[None]:
    with _restoring_without(ProposalSaved, PreparedSaved):
        yield


def _rule_replaced(real: Rule, bent: Rule) -> Any:
    rules = tuple(bent if rule is real else rule for rule in replica.RULES)
    return patch.object(replica, "RULES", rules)


@contextmanager
def vote_in_a_view_that_was_left() -> Iterator[None]:
    """Rule 6 without its promise: one that waits for a NewView goes on committing in the view before."""
    real = normal_case.commit

    def bent(state: ReplicaState, out: list[Effect]) -> bool:
        changed = real(state, out)
        if changed or state.active or state.view == 0:
            return changed
        view = state.view
        state.view, state.active = view - 1, True
        try:
            return real(state, out)
        finally:
            state.view, state.active = view, False

    def late_vote(state: ReplicaState, vote: Any, out: list[Effect]) -> None:
        view, state.view = state.view, min(state.view, vote.view)
        try:
            real_on_vote(state, vote, out)
        finally:
            state.view = view

    real_on_vote = normal_case.on_vote
    with _rule_replaced(real, bent), patch.object(normal_case, "on_vote", late_vote):
        yield


@contextmanager
def said_before_saved() -> Iterator[None]:
    """Effects with the word before the writing."""
    from consensus.replica import Replica

    real = Replica.step

    def bent(replica: Replica, event: Any) -> list[Effect]:
        effects = real(replica, event)
        return sorted(effects, key=lambda effect: isinstance(effect, Persist))

    with patch.object(Replica, "step", bent):
        yield


@contextmanager
def prepare_twice_in_a_slot() -> Iterator[None]:
    """Rule 2 without 'I prepared no other digest': a second proposal of the primary replaces the first."""
    real = normal_case.on_pre_prepare

    def bent(state: ReplicaState, proposal: Any, out: list[Effect]) -> None:
        key = (proposal.height, state.members.primary(proposal.view))
        kept = state.early.get(key)
        if kept is not None and kept.proposal != proposal and state.current == kept.proposal:
            del state.early[key]
            state.current = None
            state.votes.pop((proposal.height, 1, state.me), None)
        real(state, proposal, out)

    with patch.object(normal_case, "on_pre_prepare", bent):
        yield


MUTANTS: dict[str, Callable[[], Any]] = {
    mutant.__name__: mutant
    for mutant in (
        vote_at_or_below_the_base,
        forget_the_prepared_certificate,
        quorum_of_2f_plus_1,
        lowest_certificate_chosen,
        view_change_forgotten_by_a_restart,
        votes_forgotten_by_a_restart,
        vote_in_a_view_that_was_left,
        said_before_saved,
        prepare_twice_in_a_slot,
    )
}
