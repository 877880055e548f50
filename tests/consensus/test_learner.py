"""Rule 14: who may have forgotten a vote signs nothing, and finds out before it signs."""

from __future__ import annotations

from consensus.effects import BecomeLearner, Broadcast
from consensus.events import Timer
from consensus.model import Commit, Prepare, PrePrepare, Status, ViewChange
from tests.consensus.cluster import Cluster, transaction


def signed_by(cluster: Cluster, number: int) -> list[object]:
    """What a member broadcast with its signature since its last start."""
    kinds = (PrePrepare, Prepare, Commit, ViewChange)
    return [
        effect.message
        for effect in cluster[number].effects
        if isinstance(effect, Broadcast) and isinstance(effect.message, kinds)
    ]


def rolled_back(cluster: Cluster, number: int) -> None:
    """The member comes back with blocks and journal of long ago."""
    cluster[number].blocks.clear()
    cluster[number].journal.clear()
    cluster[number].effects.clear()
    cluster.restart(number, must_hear=True)


def test_a_restarted_member_signs_nothing_before_a_quorum_was_heard(cluster: Cluster) -> None:
    cluster.submit("B-1", to=[0, 1, 2])
    cluster.drop()
    cluster.restart(1, must_hear=True)
    cluster[1].effects.clear()
    cluster.queue.clear()
    cluster.give(0, 1, cluster.proposal("B-1"))
    assert cluster[1].replica.waits_to_hear
    assert not signed_by(cluster, 1)
    cluster.expire(Timer.STATUS, 0)
    cluster.deliver(Status, to=[1])
    assert not signed_by(cluster, 1)  # one is too few: it may be the liar
    cluster.expire(Timer.STATUS, 2)
    cluster.deliver(Status, to=[1])
    assert not cluster[1].replica.waits_to_hear
    assert len(signed_by(cluster, 1)) == 1


def test_a_member_that_waits_to_hear_leaves_no_view(cluster: Cluster) -> None:
    """Rules 6 and 14: a ViewChange is signed, too, and its timer does not even run."""
    cluster.restart(2, must_hear=True)
    cluster.submit("B-1", to=[2])
    assert Timer.VIEW not in cluster[2].timers
    cluster.queue.clear()
    for number in (0, 1):
        cluster.submit("B-1", to=[number])
        cluster.expire(Timer.VIEW, number)
    cluster.deliver(ViewChange, to=[2])  # f + 1 others announce view 1
    assert not signed_by(cluster, 2)


def test_a_rolled_back_primary_proposes_no_second_block(cluster: Cluster) -> None:
    """It had proposed B-1; one member got it. Back with an empty journal it would propose B-2 in the same slot."""
    cluster.submit("B-1")
    cluster.deliver(PrePrepare, to=[1, 2])
    cluster.queue.clear()
    rolled_back(cluster, 0)
    cluster.queue.clear()
    cluster.submit("B-2", to=[0])
    assert not signed_by(cluster, 0)
    cluster.expire(Timer.STATUS, 1, 2)
    cluster.deliver(Status)
    assert not signed_by(cluster, 0)
    assert cluster[0].did(BecomeLearner)


def test_a_vote_of_a_view_that_the_others_have_left_is_shown_too(cluster: Cluster) -> None:
    """Member 0 proposed in view 0 and was cut off; the others are in view 1 when it comes back empty."""
    cluster.submit("B-1")
    cluster.deliver(PrePrepare, to=[1, 2, 3])
    cluster.queue.clear()
    cluster.silent = {0}
    cluster.expire(Timer.VIEW, 1, 2, 3)
    cluster.deliver(ViewChange)
    cluster.silent = set()
    cluster.queue.clear()
    rolled_back(cluster, 0)
    cluster.submit("B-2", to=[0])
    cluster.tick()
    assert cluster[0].did(BecomeLearner)
    assert not signed_by(cluster, 0)
    cluster.tick(2)
    assert [entry[:1] for entry in cluster.final(0)] == [[transaction("B-1")]]


def test_a_forgotten_view_change_comes_back_as_proof(cluster: Cluster) -> None:
    """Rule 14: the Status of others says that they hold one, and it follows."""
    cluster.submit("B-1", to=[2])
    cluster.expire(Timer.VIEW, 2)
    cluster.deliver(ViewChange)
    rolled_back(cluster, 2)
    cluster.queue.clear()
    cluster.tick()
    assert cluster[2].did(BecomeLearner)
    assert not signed_by(cluster, 2)


def test_a_liars_word_makes_nobody_a_learner(cluster: Cluster) -> None:
    """It claims to hold a ViewChange of member 2 that never was: it is not heard, and the other two are enough."""
    cluster.restart(2, must_hear=True)
    cluster.queue.clear()
    for view in (1, 9):
        cluster.give(3, 2, Status(1, 0, True, 0, cluster[3].head.digest, [], [0, 0, view, 0]))
    assert not cluster[2].replica._state.heard
    assert cluster[2].replica.waits_to_hear
    cluster.expire(Timer.STATUS, 0)
    cluster.deliver(Status, to=[2])
    assert cluster[2].replica.waits_to_hear
    cluster.expire(Timer.STATUS, 1)
    cluster.deliver(Status, to=[2])
    assert not cluster[2].replica.waits_to_hear
    assert not cluster[2].did(BecomeLearner)


def test_who_is_behind_me_cannot_tell(cluster: Cluster) -> None:
    """A member that lacks my last block holds no votes for my slot."""
    cluster.silent = {3}
    cluster.submit("B-1", to=[0, 1, 2])
    cluster.settle()
    cluster.silent = set()
    cluster.restart(1, must_hear=True)
    cluster.queue.clear()
    cluster.give(3, 1, Status(1, 0, True, 0, cluster[3].head.digest, [], [0] * 4))
    cluster.give(0, 1, Status(1, 0, True, 1, cluster[0].head.digest, [], [0] * 4))
    assert cluster[1].replica.waits_to_hear
    cluster.tick(2)
    assert not cluster[1].replica.waits_to_hear


def test_all_restart_at_once_and_go_on(cluster: Cluster) -> None:
    """Nothing waits for ever: each hears the others, whatever was under way."""
    cluster.submit("B-1")
    cluster.deliver(PrePrepare, Prepare)
    cluster.queue.clear()
    for number in range(4):
        cluster.restart(number, must_hear=True)
    cluster.tick(3)
    assert cluster.heights() == [1] * 4


def test_a_restarted_member_commits_nothing_before_a_quorum_was_heard(cluster: Cluster) -> None:
    """Its own Prepare is in the journal and a quorum of others is here; its Commit of before the crash may be, too."""
    cluster.submit("B-1")
    cluster.deliver(PrePrepare)
    cluster.restart(2, must_hear=True)
    cluster[2].effects.clear()
    cluster.deliver(Prepare, to=[2])
    assert cluster[2].replica.is_active
    assert not signed_by(cluster, 2)
    cluster.drop()
    cluster.expire(Timer.STATUS, 0, 1)
    cluster.deliver(Status, to=[2])
    assert [type(message) for message in signed_by(cluster, 2)] == [Commit]
