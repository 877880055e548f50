"""Who waits for a view escalates together with a quorum, also where their views differ, and prepared blocks get no older."""

from __future__ import annotations

from consensus.events import Timer
from consensus.model import Commit, Prepare, PrePrepare, ViewChange
from consensus.wire import view_change_message
from tests.consensus.cluster import Cluster
from tests.simulator.application import CHAIN_ID


def view_change(cluster: Cluster, seat: int, view: int) -> ViewChange:
    """Of a member that has no block and prepared nothing."""
    unsigned = ViewChange(1, view, seat, 0, CHAIN_ID, None, None, bytes(64))
    signature = cluster.keys.sign(seat)(view_change_message(unsigned, CHAIN_ID))
    return ViewChange(1, view, seat, 0, CHAIN_ID, None, None, signature)


def test_who_has_gone_further_counts_towards_the_quorum_that_lets_timers_run(cluster: Cluster) -> None:
    """Rule 10: q members announce my view or a higher one. Counting exactly my view, spread members never meet."""
    cluster.submit("B-7")
    cluster.drop()
    cluster.expire(Timer.VIEW, 1)
    assert Timer.VIEW not in cluster[1].timers
    cluster.give(2, 1, view_change(cluster, 2, view=1))
    assert Timer.VIEW not in cluster[1].timers
    cluster.give(3, 1, view_change(cluster, 3, view=3))
    assert cluster[1].replica.view == 1
    assert Timer.VIEW in cluster[1].timers


def test_a_prepared_block_may_be_as_old_as_it_likes(cluster: Cluster) -> None:
    """Rule 2: age is looked at in first proposals only. indy-plenum #1488: else views change for ever."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare)
    cluster.drop(Commit)
    assert cluster.heights() == [0] * 4
    cluster.now_ms += 300_000  # below the heartbeat
    cluster.expire(Timer.VIEW)
    cluster.settle()
    assert cluster.heights() == [1] * 4
    assert cluster.views() == {1}
