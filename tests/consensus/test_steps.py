"""How a step goes: which timer's end counts, what a halt or a lost seat leaves, when the rules have come to rest."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace as replaced

from chain.validators import COMMIT, ValidatorSet
from consensus import replica as replica_file
from consensus.effects import Broadcast, Effect, EnterEpoch, Halt, LeaveSet, PassOn, Send, StartTimer
from consensus.events import NextEpoch, Timer, TimerExpired, Voting
from consensus.model import NewView, Status, ViewChange
from consensus.state import ReplicaState
from tests.consensus.cluster import HEARTBEAT_MS
from tests.consensus.lone import Lone, asked, finals, halts, to_check, wanted

ONE = bytes([1]) * 32  # a transaction


def started(effects: list[Effect], timer: Timer) -> list[int]:
    return [effect.timeout_ms for effect in effects if isinstance(effect, StartTimer) and effect.timer is timer]


def said(effects: list[Effect]) -> list[type]:
    return [type(effect.message) for effect in effects if isinstance(effect, Broadcast)]


# -- timers ------------------------------------------------------------------------------------------------------------


def test_a_status_goes_out_at_the_start_and_every_second() -> None:
    """Rule 11: whatever the view, and by a learner too."""
    for may_vote in (True, False):
        lone = Lone(may_vote=may_vote)
        effects = lone.effects[:]
        for _ in range(3):
            assert said(effects) == [Status]
            assert started(effects, Timer.STATUS) == [1_000]
            lone.now_ms += 1_000
            effects = lone.expire(Timer.STATUS)


@pytest.mark.parametrize("timer", [Timer.VIEW, Timer.PASS_ON, Timer.STATUS, Timer.HEARTBEAT, Timer.HELD])
def test_only_the_end_of_the_timer_that_runs_counts(timer: Timer) -> None:
    """Rule 10: one that was replaced or stopped while it ended changes nothing, whether its number is lower or higher."""
    lone = Lone()
    assert lone.step(TimerExpired(timer, 0, lone.now_ms)) == []
    lone.work()
    far = lone.header("block 1", ONE, time_ms=lone.now_ms + 20_000)
    lone.hear(0, lone.proposal(far, ONE))
    number = lone.timers[timer].number
    assert lone.step(TimerExpired(timer, number - 1, lone.now_ms)) == []
    assert lone.step(TimerExpired(timer, number + 1, lone.now_ms)) == []
    lone.now_ms += 30_000
    effects = lone.expire(timer)
    match timer:
        case Timer.VIEW:
            assert said(effects) == [ViewChange]
        case Timer.PASS_ON:
            assert PassOn(0) in effects
        case Timer.STATUS:
            assert said(effects) == [Status]
        case _:
            assert to_check(effects)
    if timer is not Timer.PASS_ON:  # which stays known, so that it does not start again in this view and height
        assert lone.step(TimerExpired(timer, number, lone.now_ms)) == []


def test_the_heartbeat_wakes_when_it_is_due_and_when_it_is_overdue() -> None:
    """Rules 2 and 10: the primary then asks for a block, empty if need be; ten seconds later the others leave it."""
    for me in (0, 3):
        lone = Lone(me=me)
        due_ms = lone.head.time_ms + HEARTBEAT_MS
        assert lone.timers[Timer.HEARTBEAT].timeout_ms == due_ms - lone.now_ms
        lone.now_ms = due_ms
        effects = lone.expire(Timer.HEARTBEAT)
        assert len(wanted(effects)) == (me == 0)
        assert started(effects, Timer.HEARTBEAT) == [10_000]
        assert Timer.VIEW not in lone.timers
        lone.now_ms += 10_000
        effects = lone.expire(Timer.HEARTBEAT)
        assert started(effects, Timer.VIEW) == [1_000]
        assert Timer.HEARTBEAT not in lone.timers


def test_half_way_the_work_goes_to_the_primary_of_the_view() -> None:
    """Rule 10."""
    lone = Lone()
    lone.enter(1)
    effects = lone.work()
    [view_ms], [pass_on_ms] = started(effects, Timer.VIEW), started(effects, Timer.PASS_ON)
    assert pass_on_ms * 2 == view_ms
    effects = lone.expire(Timer.PASS_ON)
    assert [effect for effect in effects if isinstance(effect, PassOn)] == [PassOn(1)]
    assert not started(effects, Timer.PASS_ON)  # once a view and height


@pytest.mark.parametrize("case", ["active", "waiting", "fetching", "left behind", "learner"])
def test_being_passed_over_counts_as_the_timers_end_where_that_timer_may_run(case: str) -> None:
    """Rule 10: not while fetching, left behind, waiting or learning."""
    lone = Lone(me=3, may_vote=case != "learner")
    if case == "waiting":
        lone.pass_over()
    elif case == "fetching":
        lone.fetched(0, lone.header("block 2", height=2))
    elif case == "left behind":
        for seat in (0, 1):
            lone.hear(seat, lone.status(9))
    view = lone.replica.view
    effects = lone.pass_over()
    assert said(effects) == ([ViewChange] if case == "active" else [])
    assert lone.replica.view == view + (case == "active")


def test_the_end_of_a_view_leads_to_the_next_one() -> None:
    """Rule 6: to view + 1, whatever others have announced."""
    lone = Lone(7, me=6)
    lone.enter(4)
    lone.hear(2, lone.view_change(2, 9))
    lone.work()
    effects = lone.expire(Timer.VIEW)
    [change] = [effect.message for effect in effects if isinstance(effect, Broadcast)]
    assert isinstance(change, ViewChange)
    assert (change.view, lone.replica.view, lone.replica.is_active) == (5, 5, False)


# -- ends --------------------------------------------------------------------------------------------------------------


def leaving(me: int, gone: int) -> Lone:
    """A member whose last block has given the seat of `gone` to another from height 4 on."""
    members = Lone(5, me).members.members
    following = ValidatorSet(4, [member for seat, member in enumerate(members) if seat != gone])
    return Lone(5, me, height=2, next_epoch=NextEpoch(following, Voting.AS_BEFORE, lambda message: 2 * message))


@pytest.mark.parametrize("me", [0, 1])
def test_who_lost_its_seat_does_nothing_more(me: int) -> None:
    """Rule 15: as primary with work, or with the next proposal at hand: neither is its business any more."""
    lone = leaving(me, gone=me)
    lone.work()
    block = lone.header("block 3")
    following = lone.header("block 4", ONE, after=block)
    if me != 0:
        lone.hear(0, lone.proposal(following, ONE))
    lone.fetched(None, block)
    effects = lone.checked(block)
    assert finals(effects)
    assert isinstance(effects[-1], LeaveSet)
    assert not wanted(effects)
    assert not to_check(effects)
    assert lone.work() + lone.pass_over() + lone.hear(2, lone.status(3)) == []


def test_who_keeps_its_seat_tells_all_where_it_stands_and_counts_anew() -> None:
    """Rules 11 and 15: others of the new set may not know it yet; the next set, its seats and its quorum count."""
    lone = leaving(4, gone=1)
    assert lone.replica.upcoming is not None
    assert lone.replica.upcoming.epoch == 4
    assert (lone.replica.members.epoch, lone.replica.seat) == (1, 4)
    effects = lone.final(lone.header("block 3"))
    assert [effect.may_vote for effect in effects if isinstance(effect, EnterEpoch)] == [True]
    assert said(effects) == [Status]
    assert (lone.replica.members.epoch, lone.replica.seat, lone.replica.height) == (4, 3, 3)
    assert lone.replica.upcoming is None


def test_all_that_came_early_for_the_next_epoch_is_heard_in_the_step_that_begins_it() -> None:
    """Rule 12: the commits of a quorum that was a block ahead decide at once which block is to be fetched."""
    lone = leaving(4, gone=1)
    for seat in (0, 1, 2):
        assert not asked(lone.hear(seat, replaced(lone.vote(COMMIT, seat, ONE, height=4), epoch=4)))
    effects = lone.final(lone.header("block 3"))
    assert [(fetch.seat, fetch.from_height) for fetch in asked(effects)] == [(1, 4)]


@pytest.mark.parametrize("times", [0, 1, 999])
def test_the_rules_are_applied_until_none_applies(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also many times in one step; a thousand are a loop of ours, and stop the node."""

    def rule(state: ReplicaState, out: list[Effect]) -> bool:
        state.timers_started += 1
        return state.timers_started <= before + times

    lone, looping = Lone(), Lone()
    before = lone.replica._state.timers_started
    monkeypatch.setattr(replica_file, "RULES", (rule,))
    assert not halts(lone.connect(0))
    assert lone.replica._state.timers_started == before + times + 1
    before, times = looping.replica._state.timers_started, 1_000
    effects = looping.connect(0)
    assert isinstance(effects[-1], Halt)
    assert halts(effects) == ["the rules go round in circles"]
    assert looping.connect(0) == []


def test_the_first_word_to_a_peer_is_a_status() -> None:
    """Rule 11: as soon as its link is up, to it alone; and who could not be asked may be asked again."""
    lone = Lone()
    lone.disconnect(1)
    lone.disconnect(2)
    assert lone.replica._state.unlinked == {1, 2}
    effects = lone.connect(2)
    assert [(effect.seat, type(effect.message)) for effect in effects if isinstance(effect, Send)] == [(2, Status)]
    assert not said(effects)
    assert lone.replica._state.unlinked == {1}


def test_a_replica_tells_what_its_node_asks() -> None:
    """Who leads, whether it takes part, votes, waits to hear or fetches."""

    def answers(lone: Lone) -> dict[str, Any]:
        names = ("view", "primary", "is_active", "may_vote", "waits_to_hear", "is_fetching", "height", "seat")
        return {name: getattr(lone.replica, name) for name in names}

    usual = {
        "view": 0, "primary": 0, "is_active": True, "may_vote": True, "waits_to_hear": False, "is_fetching": False,
        "height": 0, "seat": 2,
    }  # fmt: skip
    assert answers(Lone(me=2)) == usual
    assert answers(Lone(me=2, must_hear=True)) == usual | {"waits_to_hear": True}
    learner = usual | {"is_active": False, "may_vote": False}
    assert answers(Lone(me=2, may_vote=False)) == learner
    assert answers(Lone(me=2, may_vote=False, must_hear=True)) == learner
    lone = Lone(me=2, height=5)
    lone.enter(7)
    assert answers(lone) == usual | {"view": 7, "primary": 3, "height": 5}
    lone.pass_over()
    assert answers(lone) == usual | {"view": 8, "primary": 0, "height": 5, "is_active": False}
    lone.fetched(0, lone.header("block 7", height=7))
    assert answers(lone)["is_fetching"]
    assert NewView not in said(lone.effects)
