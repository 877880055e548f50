"""A member that left a view alone: the others follow it, seldom. Rule 6, beyond the page: see the README's decisions."""

from __future__ import annotations

from itertools import product

import pytest

from consensus.effects import Persist
from consensus.events import Timer, WorkChanged
from consensus.model import Status, ViewChangeSaved
from tests.consensus.cluster import Cluster
from tests.consensus.lone import Lone
from tests.consensus.test_view_change import empty_view_change
from tests.simulator.application import CHAIN_ID


def left_alone(cluster: Cluster, number: int) -> None:
    """It left view 0 and nobody else had a reason to."""
    cluster.submit("B-1", to=[number])
    cluster.expire(Timer.VIEW, number)
    cluster[number].pool.clear()
    cluster[number].step(WorkChanged(False, cluster.now_ms))
    cluster.settle()
    assert cluster[number].replica.view == 1
    assert not cluster[number].replica.is_active


def test_who_left_a_view_alone_is_followed_after_a_while(cluster: Cluster) -> None:
    """Rule 6: its promise keeps it from voting in view 0 for ever; of four, two would be away at the next fault."""
    left_alone(cluster, 3)
    cluster.submit("B-2", to=[0, 1, 2])
    cluster.settle()
    assert cluster.heights() == [1] * 4  # the others decide without it
    cluster.tick(5)
    assert [cluster[number].replica.view for number in range(3)] == [0] * 3
    cluster.tick(2)
    assert cluster.views() == {1}
    assert all(seat.replica.is_active for seat in cluster.seats)
    cluster.silent.add(2)
    cluster.submit("B-3", to=[0, 1, 3])
    cluster.settle()
    assert [cluster[number].height for number in (0, 1, 3)] == [2] * 3  # it votes again


def test_who_asks_to_be_followed_again_and_again_is_followed_once_in_five_minutes(cluster: Cluster) -> None:
    """Rule 6: a liar may cost a change of view, and not one after the other."""
    left_alone(cluster, 3)
    cluster.tick(7)
    assert cluster.views() == {1}
    cluster.submit("B-1", to=[3])
    cluster.expire(Timer.VIEW, 3)
    cluster.settle()
    cluster.tick(280)
    assert [cluster[number].replica.view for number in range(3)] == [1] * 3
    cluster.tick(25)
    assert cluster.views() == {2}


@pytest.mark.parametrize(("promised", "waits_in"), [(7, 7), (7, 1), (None, 1)])
def test_who_announces_a_far_view_or_promises_nothing_is_not_followed(
    cluster: Cluster, promised: int | None, waits_in: int
) -> None:
    """Rule 6; RELIABILITY 1.2 row 6: one node announced a huge view and all chased it."""
    for _ in range(20):
        cluster.now_ms += 1_000
        for other in range(3):
            if promised is not None:
                cluster.give(3, other, empty_view_change(cluster, 3, promised))
            cluster.give(3, other, Status(1, waits_in, False, 0, CHAIN_ID, [], [0] * 4))
    cluster.settle()
    assert [cluster[number].replica.view for number in range(3)] == [0] * 3


def test_who_fell_silent_in_the_next_view_is_not_followed(cluster: Cluster) -> None:
    """It could not vote there either."""
    left_alone(cluster, 3)
    cluster.tick(2)
    cluster.silent.add(3)
    cluster.tick(20)
    assert [cluster[number].replica.view for number in range(3)] == [0] * 3


def test_who_is_far_behind_in_the_next_view_is_not_followed_before_it_is_level(cluster: Cluster) -> None:
    """It would vote for nothing as long as it fetches."""
    cluster.submit("B-1", to=[0, 1, 2])
    cluster.settle()
    cluster.submit("B-2", to=[0, 1, 2])
    cluster.settle()
    promise, waits = empty_view_change(cluster, 3, 1), Status(1, 1, False, 0, CHAIN_ID, [], [0] * 4)
    for _ in range(20):
        cluster.now_ms += 1_000
        for other in range(3):
            cluster.give(3, other, promise)
            cluster.give(3, other, waits)
    cluster.settle()
    assert [cluster[number].replica.view for number in range(3)] == [0] * 3


@pytest.mark.parametrize("may_vote", [True, False])
@pytest.mark.parametrize("height", [0, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("waits_in", [0, 1, 2, 3])
def test_who_is_level_and_has_waited_five_seconds_in_the_next_view_is_followed(
    waits_in: int, height: int, may_vote: bool
) -> None:
    """Rule 6 at its limits: level is at most one block behind, or ahead. A learner follows nobody."""
    for active, waited_ms in product((False, True), (4_999, 5_000, 5_001)):
        lone = Lone(7, me=6, height=4, may_vote=may_vote)
        lone.enter(1)
        lone.hear(3, lone.view_change(3, waits_in))
        word = lone.status(height, waits_in, active, views=[9] * 6 + [0])
        lone.hear(3, word)
        lone.now_ms += 1_000
        lone.hear(3, word)
        lone.now_ms += waited_ms - 1_000
        effects = lone.work(False)
        assert not [effect for effect in effects if isinstance(effect, Persist)]  # silent for 3 s: it may be gone
        effects = lone.hear(3, word)
        is_followed = may_vote and waits_in == 2 and not active and height >= 3 and waited_ms >= 5_000
        assert [type(effect.record) for effect in effects if isinstance(effect, Persist)] == (
            [ViewChangeSaved] if is_followed else []
        )
        assert lone.replica.view == (2 if is_followed else 1)


@pytest.mark.parametrize("elsewhere", ["active", "in my view", "further off", "behind"])
def test_who_was_elsewhere_meanwhile_has_not_waited(elsewhere: str) -> None:
    """Rule 6: five seconds in one piece."""
    lone = Lone(7, me=6, height=2)
    lone.enter(1)
    lone.hear(3, lone.view_change(3, 2))
    waits = lone.status(2, 2, active=False, views=[9] * 6 + [0])
    lone.hear(3, waits)
    lone.now_ms += 2_500
    seen = {
        "active": lone.status(2, 2, views=[9] * 6 + [0]),
        "in my view": lone.status(2, 1, active=False, views=[9] * 6 + [0]),
        "further off": lone.status(2, 3, active=False, views=[9] * 6 + [0]),
        "behind": lone.status(0, 2, active=False, views=[9] * 6 + [0]),
    }
    lone.hear(3, seen[elsewhere])
    lone.hear(3, waits)
    lone.now_ms += 2_500
    lone.hear(3, waits)
    assert lone.replica.view == 1
    lone.now_ms += 2_500
    lone.hear(3, waits)
    assert lone.replica.view == 2
