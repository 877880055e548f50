"""Who waits for a view escalates together with a quorum, also where their views differ, and prepared blocks get no older."""

from __future__ import annotations

from consensus.effects import FetchBlocks
from consensus.events import PassedOver, PeerConnected, PeerUnreachable, Timer
from consensus.model import Commit, Prepare, PrePrepare, Status, ViewChange
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


def status(seat: int, height: int) -> Status:
    """Of an active member in view 0 that says to be at a height, and holds no vote. (The seat is who sends it.)"""
    return Status(1, 0, True, height, bytes([seat]) * 32, [], [0] * 4)


def test_who_is_left_behind_fetches_and_does_not_leave_its_view(cluster: Cluster) -> None:
    """Rule 10: f + 1 others above H, so an honest one: the slot is decided. A restarted member that left its view alone
    voted for nothing, and the next fault stopped the ledger."""
    cluster.submit("B-7", to=[3])
    assert Timer.VIEW in cluster[3].timers
    cluster.give(0, 3, status(0, height=5))
    assert Timer.VIEW in cluster[3].timers  # f may be liars
    cluster.give(1, 3, status(1, height=9))
    assert Timer.VIEW not in cluster[3].timers
    assert cluster.fetches[0][0] == 3


def test_words_of_long_ago_stop_no_timer(cluster: Cluster) -> None:
    """Rule 10: who said to be ahead and fell silent may be gone with what it had; the others must be able to go on."""
    cluster.submit("B-7", to=[3])
    cluster.give(0, 3, status(0, height=5))
    cluster.give(1, 3, status(1, height=5))
    cluster.now_ms += 2_999
    cluster.expire(Timer.STATUS, 3)
    assert Timer.VIEW not in cluster[3].timers
    cluster.now_ms += 1
    cluster.expire(Timer.STATUS, 3)
    assert Timer.VIEW in cluster[3].timers
    cluster.give(0, 3, status(0, height=5))
    cluster.give(1, 3, status(1, height=5))
    assert Timer.VIEW not in cluster[3].timers


def test_blocks_are_asked_at_once_of_another_when_no_link_leads_to_the_first(cluster: Cluster) -> None:
    """Rule 11: a Status shows votes of third members; one of them was asked before its link was up, and a second lost."""
    seat = cluster[3]

    def asked() -> list[int]:
        return [effect.seat for effect in seat.effects if isinstance(effect, FetchBlocks)]

    for other in (0, 1, 2):
        cluster.give(other, 3, status(other, height=5))
    assert len(asked()) == 1
    first = asked()[0]
    seat.step(PeerUnreachable(first, cluster.now_ms))
    second = asked()[1]
    seat.step(PeerUnreachable(second, cluster.now_ms))
    third = asked()[2]
    assert {first, second, third} == {0, 1, 2}
    seat.step(PeerUnreachable(third, cluster.now_ms))
    cluster.give(0, 3, status(0, height=6))
    assert len(asked()) == 3  # nobody is left, and nothing goes round in circles
    seat.step(PeerConnected(second, cluster.now_ms))
    assert asked()[3:] == [second]


def test_who_could_not_be_asked_is_asked_again_after_a_second(cluster: Cluster) -> None:
    """Rule 11: a seat may be marked by mistake, as when a change of set gave its number to another member between the
    question and the answer that no link leads there."""
    for other in (0, 1, 2):
        cluster[3].step(PeerUnreachable(other, cluster.now_ms))
    cluster.give(0, 3, status(0, height=5))
    assert cluster.fetches == []
    cluster.now_ms += 1_000
    cluster.expire(Timer.STATUS, 3)
    assert [asked for _, asked, _ in cluster.fetches] == [0]


def test_who_is_left_behind_blames_no_primary_for_blocks_that_passed_a_transaction_over(cluster: Cluster) -> None:
    """Rule 10: that counts as the timer's end, and no timer runs then. The blocks that it takes one after the other are
    old, and were made by a clock that is not its own."""
    seat = cluster[3]
    cluster.give(0, 3, status(0, height=5))
    cluster.give(1, 3, status(1, height=5))
    seat.step(PassedOver(cluster.now_ms))
    assert seat.replica.is_active
    cluster.now_ms += 3_000
    seat.step(PassedOver(cluster.now_ms))
    assert (seat.replica.is_active, seat.replica.view) == (False, 1)
