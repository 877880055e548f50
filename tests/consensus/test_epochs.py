"""Rule 15: another set of validators begins two blocks after the change; nothing signed before counts in it."""

from __future__ import annotations

import pytest

from consensus.effects import BecomeLearner, EnterEpoch, LeaveSet
from consensus.events import MessageReceived, Timer, Voting
from consensus.model import Commit, Prepare, PrePrepare, ViewChange
from tests.consensus.cluster import Cluster


@pytest.fixture
def cluster() -> Cluster:
    """Four members, and two organisations that may become one."""
    return Cluster(others=2)


def test_a_change_begins_two_blocks_later_and_needs_no_other_work(cluster: Cluster) -> None:
    """Member 4 takes the place of member 3. Block 2 is empty: the change alone is reason enough for it."""
    cluster.plan(1, 0, 1, 2, 4)
    cluster.submit("B-1")
    cluster.settle()

    assert cluster.heights() == [2] * 4
    assert cluster.final(0)[1] == []
    assert [seat.replica.members.epoch for seat in cluster.seats] == [3, 3, 3, 1]
    assert cluster[3].did(LeaveSet)

    cluster.join(4, source=0)
    cluster.connect(4)
    cluster.silent = {2}  # so the newcomer's votes are needed
    cluster.submit("B-2", to=[0, 1, 3])
    cluster.settle()
    assert cluster[0].height == cluster[4].height == 3
    assert cluster[3].height == 2  # it left: its replica does nothing any more


def test_a_primary_that_holds_the_change_up_is_left(cluster: Cluster) -> None:
    """Rule 10: a change that is due is work, though nobody's transaction waits."""
    cluster.plan(1, 0, 1, 2, 3)
    cluster.submit("B-1")
    cluster.deliver(PrePrepare, Prepare)
    cluster.drop(Commit, to=[0])
    cluster.deliver(Commit)
    assert cluster.heights() == [0, 1, 1, 1]
    cluster.silent = {0}
    cluster.expire(Timer.VIEW, 1, 2, 3)
    cluster.settle()
    assert [cluster[number].replica.members.epoch for number in (1, 2, 3)] == [3] * 3


def test_each_epoch_begins_in_view_0(cluster: Cluster) -> None:
    cluster.plan(2, 0, 1, 2, 3)
    cluster.submit("B-1")
    cluster.settle()
    cluster.submit("B-2")
    cluster.silent = {0}
    cluster.expire(Timer.VIEW, 1, 2, 3)
    cluster.settle()
    assert [cluster[number].replica.view for number in (1, 2, 3)] == [0] * 3  # blocks 2 and 3 came in view 1
    assert [block.certificate.view for block in cluster[1].blocks] == [0, 1, 1]
    assert cluster[1].height == 3


def test_promises_of_the_epoch_before_are_void(cluster: Cluster) -> None:
    """Rule 15: member 1 had left view 0; in the new epoch it votes in view 0 again, which forks nothing."""
    cluster.plan(1, 0, 1, 2, 3)
    cluster.submit("B-1")
    cluster.settle()
    before = cluster[1].replica.members.epoch
    assert before == 3
    cluster.plan(3, 0, 1, 2, 3)
    cluster.submit("B-3")
    cluster.deliver(PrePrepare, Prepare, to=[0, 2, 3])
    cluster.expire(Timer.VIEW, 1)
    assert not cluster[1].replica.is_active
    cluster.settle()
    cluster.tick()
    assert cluster.heights() == [4] * 4
    assert cluster[1].replica.is_active
    assert cluster[1].replica.view == 0


def test_messages_of_the_next_epoch_wait_for_its_beginning(cluster: Cluster) -> None:
    """Rule 12: member 3 gets the first proposal of epoch 3 before the Commits of block 2."""
    cluster.plan(1, 0, 1, 2, 3)
    cluster.submit("B-1")
    cluster.deliver(PrePrepare, Prepare, Commit, to=[0, 1, 2])
    cluster.deliver(PrePrepare, Prepare, to=[3])
    cluster.deliver(Commit, to=[3])
    assert cluster.heights() == [2] * 4
    cluster.plan(3, 0, 1, 2, 3)
    cluster.submit("B-3", "B-4")
    cluster.deliver(PrePrepare, Prepare)
    late = [(sender, to, message) for sender, to, message in cluster.queue if to == 3 and isinstance(message, Commit)]
    cluster.drop(Commit, to=[3])
    cluster.deliver(Commit)
    assert cluster.heights() == [3, 3, 3, 2]
    cluster.deliver(PrePrepare, Prepare, Commit, to=[0, 1, 2])
    assert cluster.heights() == [4, 4, 4, 2]
    held = [entry for entry in cluster.queue if entry[1] == 3]
    cluster.queue.clear()
    cluster.queue += late
    cluster.deliver()  # block 3 at member 3: epoch 5 is known to it now
    cluster.submit("B-5")
    cluster.deliver(PrePrepare, to=[3])
    assert cluster[3].replica.height == 3
    cluster.queue = held + cluster.queue
    cluster.deliver(PrePrepare, Prepare, Commit)
    assert cluster.heights() == [5] * 4
    assert not [effect for effect in cluster[3].effects if type(effect).__name__ == "FetchBlocks"]


def test_who_was_away_over_a_change_asks_on_a_status_that_it_cannot_check(cluster: Cluster) -> None:
    """Rule 15: the others are two epochs ahead; their height is the hint, certificates are the proof."""
    cluster.silent = {3}
    cluster.plan(1, 0, 1, 2, 3)
    cluster.plan(4, 0, 1, 2, 3, 4)
    for name in ("B-1", "B-3", "B-4"):
        cluster.submit(name, to=[0, 1, 2])
        cluster.settle()
    assert cluster[0].replica.members.epoch == 6
    cluster.silent = set()
    cluster.tick(2)
    assert cluster.heights() == [5] * 4
    assert cluster[3].replica.members.epoch == 6
    assert len(cluster[3].did(EnterEpoch)) == 2


def test_a_block_prepared_in_the_last_height_of_an_epoch_survives_a_view_change(cluster: Cluster) -> None:
    """Rules 8 and 15: what may be final anywhere as block 2 is block 2 everywhere, before epoch 3 begins."""
    cluster.plan(1, 0, 1, 2, 4)
    cluster.submit("B-1")
    cluster.deliver(PrePrepare, Prepare)
    cluster.deliver(Commit)
    cluster.deliver(PrePrepare, Prepare)
    prepared = {message.digest for message in cluster.queued(Commit)}
    cluster.drop(Commit)
    cluster.silent = {0}
    cluster.expire(Timer.VIEW, 1, 2, 3)
    cluster.settle()
    assert [cluster[number].height for number in (1, 2, 3)] == [2] * 3
    assert {cluster[1].blocks[1].header.digest()} == prepared


def test_a_view_change_at_the_first_height_of_an_epoch_is_proven_by_the_former_set(cluster: Cluster) -> None:
    """Rule 7: the certificate of H = epoch - 1 carries the votes of the set before, member 3's among them."""
    cluster.plan(1, 0, 1, 2, 4)
    cluster.submit("B-1")
    cluster.settle()
    cluster.join(4, source=0)
    cluster.connect(4)
    cluster.settle()
    cluster.silent = {0}
    cluster.submit("B-3", to=[1, 2])
    cluster[4].pool = list(cluster[1].pool)
    cluster.expire(Timer.VIEW, 1, 2)
    changes = cluster.queued(ViewChange)
    assert {(change.epoch, change.height) for change in changes} == {(3, 2)}  # type: ignore[union-attr]
    cluster.settle()
    cluster.tick()
    cluster.expire(Timer.VIEW, 4)
    cluster.settle()
    assert [cluster[number].height for number in (1, 2, 4)] == [3] * 3


@pytest.mark.parametrize("height", [1, 2])
def test_a_restart_inside_the_switch(cluster: Cluster, height: int) -> None:
    """At H = 1 the change is due, at H = 2 its epoch begins: all four crash and go on."""
    cluster.plan(1, 0, 1, 2, 3)
    cluster.submit("B-1")
    cluster.deliver(PrePrepare, Prepare)
    cluster.deliver(Commit)
    if height == 1:
        cluster.queue.clear()
    else:
        cluster.settle()
    assert cluster.heights() == [height] * 4
    for number in range(4):
        cluster.restart(number)
    cluster.tick(2)
    assert cluster.heights() == [2] * 4
    assert [seat.replica.members.epoch for seat in cluster.seats] == [3] * 4
    cluster.submit("B-3")
    cluster.settle()
    assert cluster.heights() == [3] * 4


def test_changes_in_two_blocks_running(cluster: Cluster) -> None:
    """Epoch 3 lasts one block."""
    cluster.plan(1, 0, 1, 2, 3)
    cluster.plan(2, 0, 1, 2, 3)
    cluster.submit("B-1")
    cluster.settle()
    assert cluster.heights() == [3] * 4
    assert [[effect.members.epoch for effect in seat.did(EnterEpoch)] for seat in cluster.seats] == [[3, 4]] * 4  # type: ignore[attr-defined]


def test_a_learner_votes_again_from_the_epoch_that_its_own_renewal_opens(cluster: Cluster) -> None:
    """Rule 14: not before, whatever it hears."""
    cluster.plan(2, 0, 1, 2, 3)
    cluster[3].voting = Voting.FREED
    cluster.restart(3, may_vote=False)
    cluster.queue.clear()
    cluster.submit("B-1")
    cluster.settle()
    assert not cluster[3].replica.may_vote
    assert not [message for message in cluster[3].effects if isinstance(getattr(message, "message", 0), Prepare)]
    cluster.submit("B-2")
    cluster.settle()
    assert cluster[3].replica.members.epoch == 4
    assert cluster[3].replica.may_vote
    cluster.silent = {0}
    cluster.submit("B-4", to=[1, 2, 3])
    cluster.expire(Timer.VIEW, 1, 2, 3)
    cluster.settle()
    assert cluster[3].height == 4  # three of four: it did vote


def test_whose_seat_was_renewed_elsewhere_votes_no_more(cluster: Cluster) -> None:
    """Rule 14: a copy of the node was renewed; this one, with the old journal, is the learner now."""
    cluster.plan(1, 0, 1, 2, 3)
    cluster[3].voting = Voting.BARRED
    cluster.submit("B-1")
    cluster.settle()
    assert cluster[3].did(BecomeLearner)
    assert not cluster[3].replica.may_vote
    cluster.submit("B-3")
    cluster.settle()
    assert cluster.heights() == [3] * 4  # it follows
    assert all(entry.seat != 3 for entry in cluster[0].blocks[2].certificate.signatures)


def test_votes_of_the_former_epoch_decide_nothing_in_the_next(cluster: Cluster) -> None:
    """Rule 15: three Commits for the open height, signed in the epoch before, are no certificate of this one. They come
    past the checks of the runtime here, so that it is the core that does not count them."""
    cluster.plan(1, 0, 1, 2, 3)
    cluster.submit("B-1")
    cluster.settle()
    replica = cluster[1].replica
    assert (replica.members.epoch, replica.height) == (3, 2)
    for seat in (0, 2, 3):
        vote = Commit(1, 0, 3, bytes(32), seat, bytes(64))
        cluster[1].step(MessageReceived(seat, vote, cluster.now_ms))
    assert not replica.is_fetching
    for seat in (0, 2, 3):  # the same in this epoch is one: a block that it must fetch
        vote = Commit(3, 0, 3, bytes(32), seat, bytes(64))
        cluster[1].step(MessageReceived(seat, vote, cluster.now_ms))
    assert replica.is_fetching
