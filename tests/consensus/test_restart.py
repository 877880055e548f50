"""Rule 13: votes and ViewChanges come from the journal and stand for ever. Rule 14, as far as it is here."""

from __future__ import annotations

import pytest

from consensus.effects import BecomeLearner, Broadcast
from consensus.errors import JournalDamaged
from consensus.events import Timer
from consensus.model import Commit, Prepare, PreparedSaved, PrePrepare, ProposalSaved, ViewChange, ViewChangeSaved
from tests.consensus.cluster import Cluster, transaction


def test_a_restarted_member_sends_its_votes_again_byte_for_byte(cluster: Cluster) -> None:
    """Rule 13: everything was lost on the way, and everybody restarts."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare)
    before = {repr(vote) for vote in cluster.queued(Commit)}
    cluster.queue.clear()
    for number in range(4):
        cluster.restart(number)
    cluster.queue.clear()
    cluster.tick(2)
    assert cluster.heights() == [1] * 4
    assert before == {repr(seat.effects[index].message) for seat in cluster.seats for index in commits(seat.effects)}  # type: ignore[union-attr]


def commits(effects: list[object]) -> list[int]:
    return [
        index
        for index, effect in enumerate(effects)
        if isinstance(effect, Broadcast) and isinstance(effect.message, Commit)
    ]


def test_a_restarted_member_does_not_vote_again_in_a_slot(cluster: Cluster) -> None:
    """Rule 2 over restarts: the primary lies about what it proposed."""
    cluster.give(0, 1, cluster.proposal("B-7"))
    cluster.queue.clear()
    cluster.restart(1)
    cluster.queue.clear()
    cluster.give(0, 1, cluster.proposal("B-8"))
    assert not cluster.queued(Prepare)
    assert cluster[1].replica.is_active


def test_a_restarted_member_keeps_its_promise(cluster: Cluster) -> None:
    """Rule 6 over restarts: it left view 0 and gives no vote there."""
    cluster.expire(Timer.VIEW, 1)
    cluster.submit("B-7", to=[1])
    cluster.expire(Timer.VIEW, 1)
    cluster.queue.clear()
    cluster.restart(1)
    assert cluster[1].replica.view == 1
    assert not cluster[1].replica.is_active
    assert len(cluster.queued(ViewChange)) == 3  # said again at once
    cluster.queue.clear()
    cluster.give(0, 1, cluster.proposal("B-8"))
    assert not cluster.queued(Prepare)


def test_a_restarted_member_tells_what_it_had_prepared(cluster: Cluster) -> None:
    """Rule 13: the prepared certificate is in its next ViewChange."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare)
    cluster.queue.clear()
    cluster.restart(2)
    cluster[2].pool = [transaction("B-7")]
    cluster.submit("B-8", to=[2])
    cluster.queue.clear()
    cluster.expire(Timer.VIEW, 2)
    change = cluster.queued(ViewChange)[0]
    assert isinstance(change, ViewChange)
    assert change.prepared is not None
    assert change.prepared.transactions == [transaction("B-7")]


def test_everybody_restarts_in_the_middle_of_a_view_change(cluster: Cluster) -> None:
    """Rules 6 and 13: the ViewChanges are on disk, the NewView is made from them again."""
    cluster.submit("B-7")
    cluster.queue.clear()
    cluster.expire(Timer.VIEW)
    cluster.queue.clear()
    for number in range(4):
        cluster.restart(number)
    cluster.submit("B-7")
    cluster.settle()
    cluster.tick(2)
    assert cluster.views() == {1}
    assert cluster.heights() == [1] * 4


def test_a_member_that_voted_in_a_view_is_active_in_it_after_a_restart(cluster: Cluster) -> None:
    """Rule 13: although it had sent a ViewChange for that view, and nobody keeps the NewView."""
    cluster.submit("B-7")
    cluster.queue.clear()
    cluster.expire(Timer.VIEW)
    cluster.deliver(ViewChange)
    cluster.deliver()
    assert cluster.heights() == [1] * 4
    for number in range(4):
        cluster.restart(number)
    assert all(seat.replica.is_active and seat.replica.view == 1 for seat in cluster.seats)
    cluster.submit("B-8")
    cluster.settle()
    assert cluster.heights() == [2] * 4


def test_a_journal_ahead_of_the_block_log_stops_the_node(cluster: Cluster) -> None:
    """The log has lost a block that the journal's votes stand on."""
    cluster.submit("B-7")
    cluster.settle()
    cluster.submit("B-8")
    cluster.deliver(PrePrepare, Prepare)
    cluster[1].blocks.pop()
    with pytest.raises(JournalDamaged):
        cluster.restart(1)


def test_a_journal_with_two_votes_in_one_slot_stops_the_node(cluster: Cluster) -> None:
    cluster.give(0, 1, cluster.proposal("B-7"))
    cluster.give(0, 2, cluster.proposal("B-8"))
    other = cluster[2].journal[0]
    assert isinstance(other, ProposalSaved)
    vote = other.prepare
    forged = ProposalSaved(other.proposal, Prepare(1, 0, 1, vote.digest, 1, vote.signature))
    cluster[1].journal.append(forged)
    with pytest.raises(JournalDamaged):
        cluster.restart(1)


def test_a_certificate_without_its_proposal_stops_the_node(cluster: Cluster) -> None:
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare)
    cluster[1].journal = [record for record in cluster[1].journal if isinstance(record, PreparedSaved)]
    with pytest.raises(JournalDamaged):
        cluster.restart(1)


def test_a_node_without_its_journal_only_follows(cluster: Cluster) -> None:
    """Rule 14: may_vote is False: it signs nothing, and comes along by certificates."""
    cluster[3].journal.clear()
    cluster.restart(3, may_vote=False)
    cluster[3].effects.clear()
    cluster.submit("B-7")
    cluster.settle()
    cluster.tick()
    assert cluster.heights() == [1] * 4
    said = [effect.message for effect in cluster[3].effects if isinstance(effect, Broadcast)]
    assert not any(isinstance(message, Prepare | Commit | ViewChange | PrePrepare) for message in said)
    assert not cluster[3].journal


def test_a_member_that_is_shown_a_vote_it_forgot_becomes_a_learner(cluster: Cluster) -> None:
    """Rule 14: the disk was restored from a copy; a peer's Status gives it away."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare)
    cluster[3].journal.clear()
    cluster.restart(3)
    assert cluster[3].replica.may_vote
    cluster.queue.clear()
    cluster.tick()
    assert cluster[3].did(BecomeLearner)
    assert not cluster[3].replica.may_vote


def test_a_member_that_is_shown_a_view_change_it_forgot_becomes_a_learner(cluster: Cluster) -> None:
    """Rule 14, by a NewView that rests on it."""
    cluster.submit("B-7")
    cluster.queue.clear()
    cluster.expire(Timer.VIEW, 0, 1, 3)
    cluster[3].journal = [record for record in cluster[3].journal if not isinstance(record, ViewChangeSaved)]
    cluster.deliver(ViewChange, to=[1])
    cluster.restart(3)
    cluster.deliver(to=[3], source=[1])
    assert cluster[3].did(BecomeLearner)
