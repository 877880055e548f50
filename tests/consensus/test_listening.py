"""What a change of set leaves of who was heard, who votes and who has gone: rules 14 and 15."""

from __future__ import annotations

from consensus.effects import BecomeLearner, Broadcast, EnterEpoch, LeaveSet, Persist
from consensus.events import PassedOver, Timer
from consensus.model import Commit, Fetch, Prepare, PrePrepare, Status
from tests.consensus.cluster import Cluster, transaction


def test_who_was_heard_before_a_change_was_heard_for_this_life(cluster: Cluster) -> None:
    """Rule 14: exactly q - 1 others are enough, and the next set need not be heard again."""
    cluster.restart(3, must_hear=True)
    cluster.tick()
    assert not cluster[3].replica.waits_to_hear
    cluster[3].replica._state.heard = {0: 0, 1: 0}
    cluster.plan(1, 0, 1, 2, 3)
    cluster.submit("B-1")
    cluster.deliver(PrePrepare, Prepare, Commit)
    assert cluster.heights() == [2] * 4
    assert [effect.may_vote for effect in cluster[3].effects if isinstance(effect, EnterEpoch)] == [True]
    assert not cluster[3].replica.waits_to_hear


def test_who_was_not_heard_before_a_change_must_be_heard_after_it(cluster: Cluster) -> None:
    """Rule 14: one peer too few; those that it heard have other seats now."""
    cluster.restart(3, must_hear=True)
    cluster.queue.clear()
    cluster.plan(1, 0, 1, 2, 3)
    cluster.submit("B-1")
    cluster[3].replica._state.heard = {0: 0}
    cluster.deliver(PrePrepare, Prepare, Commit)
    assert cluster.heights() == [2] * 4
    assert cluster[3].replica.waits_to_hear
    assert cluster[3].replica._state.heard == {}
    assert not cluster[3].did(Persist)
    cluster.queue.clear()
    cluster.tick()
    assert not cluster[3].replica.waits_to_hear


def test_who_was_set_back_signs_nothing_where_others_forgot_its_votes(cluster: Cluster) -> None:
    """Rule 14: they had its vote until the block was final. A liar that proposes another one there got a second vote,
    which convicted an honest key."""
    cluster.submit("B-1")
    cluster.settle()
    assert cluster.heights() == [1] * 4
    cluster[3].blocks, cluster[3].journal = [], []  # an earlier state of the whole machine
    cluster.restart(3, must_hear=True)
    for other in (0, 1, 2):
        cluster.expire(Timer.STATUS, other)
    cluster.deliver(Status, to=[3])
    cluster.queue.clear()
    listed = [transaction("B-2")]
    other_block = cluster[3].application.build(cluster[3].head, "member-0", cluster.now_ms, listed)
    cluster.give(0, 3, cluster.signed_proposal(other_block, listed, view=0))
    assert cluster.queued(Prepare) == []
    assert cluster[3].replica.waits_to_hear
    cluster.now_ms += 1_000
    cluster.expire(Timer.STATUS, 3)
    cluster.settle()  # what the others had then is final here too: now their word counts
    assert cluster.heights() == [1] * 4
    assert not cluster[3].replica.waits_to_hear


def test_who_votes_on_in_the_next_set_is_no_learner(cluster: Cluster) -> None:
    """Rule 15: only who voted and may no longer is told so."""
    cluster.plan(1, 0, 1, 2, 3)
    cluster.submit("B-1")
    cluster.settle()
    assert cluster.heights() == [2] * 4
    for seat in cluster.seats:
        assert seat.did(EnterEpoch)
        assert not seat.did(BecomeLearner)


def test_a_learner_that_stays_one_is_not_told_again(cluster: Cluster) -> None:
    cluster.restart(3, may_vote=False)
    cluster.plan(1, 0, 1, 2, 3)
    cluster.submit("B-1")
    cluster.settle()
    assert cluster.heights() == [2] * 4
    assert cluster[3].did(EnterEpoch)
    assert not cluster[3].did(BecomeLearner)


def test_nothing_follows_when_the_seat_is_gone() -> None:
    """Rule 15: it goes on following by other means, and says nothing as a member."""
    cluster = Cluster(5)
    cluster.plan(1, 0, 1, 2, 3)
    cluster.submit("B-1")
    cluster.settle()
    assert isinstance(cluster[4].effects[-1], LeaveSet)
    assert not cluster[4].replica.may_vote
    assert cluster[4].step(PassedOver(cluster.now_ms)) == []
    before = len([effect for effect in cluster[4].effects if isinstance(effect, Broadcast)])
    cluster.give(0, 4, Fetch(1, 1))
    assert len([effect for effect in cluster[4].effects if isinstance(effect, Broadcast)]) == before
