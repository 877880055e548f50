"""Which timers run, and for how long, told by the numbers on both sides of each limit."""

from __future__ import annotations

from typing import Any

import pytest

from chain.validators import COMMIT, PREPARE
from consensus import timers
from consensus.effects import Effect, StartTimer, StopTimer
from consensus.events import NextEpoch, Timer, Voting
from consensus.state import Claim, Decided, ReplicaState
from consensus.view_change import has_work
from consensus.wire import VIEW_MAX
from tests.consensus.midway import EPOCH, HEARTBEAT_MS, HEIGHT, VIEW, Midway, again, digest_of

ledger = Midway()
LAST_MS = ledger.head().time_ms  # of the last block
DUE_MS = LAST_MS + HEARTBEAT_MS
OVERDUE_MS = DUE_MS + 10_000
CERTIFIED = 400  # view of the last certificate


def active(view: int = VIEW, **changes: Any) -> ReplicaState:
    """With work that waits."""
    return ledger.state(0, view, **{"work_waits": True, "now_ms": LAST_MS + 1, **changes})


def waiting(*views: int, **changes: Any) -> ReplicaState:
    """For view 500; these are the ViewChanges of seats 0 (its own), 1, ..."""
    announced = {seat: again(ledger.view_change(seat, view)) for seat, view in enumerate(views)}
    return ledger.state(0, VIEW, active=False, view_changes=announced, now_ms=LAST_MS + 1, **changes)


def wanted(state: ReplicaState) -> int | None:
    """How long the view timer is to run."""
    wish = timers.view_timer(state)
    return wish[0] if wish is not None else None


def test_a_view_has_a_second_doubled_with_each_view_since_the_last_certificate_up_to_ten() -> None:
    """Rule 10."""
    views = [CERTIFIED, *range(CERTIFIED + 1, CERTIFIED + 7), CERTIFIED + 100, VIEW_MAX - 1]
    expected = [1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000, 10_000, 10_000]
    assert [wanted(active(view)) for view in views] == expected
    assert [wanted(waiting(VIEW, VIEW, VIEW, head=ledger.head(view=VIEW - step))) for step in (1, 2)] == [2_000, 4_000]


def test_a_certificate_of_the_epoch_before_shortens_no_view() -> None:
    """Rule 10: of this epoch, or 0. Views began at 0 again."""
    for height, expected in ((EPOCH, [1_000, 2_000, 4_000]), (EPOCH - 1, [10_000] * 3)):
        head = ledger.head(height)
        assert [wanted(active(CERTIFIED + step, head=head)) for step in (0, 1, 2)] == expected
    before = ledger.head(EPOCH - 1)
    assert [wanted(active(view, head=before)) for view in (0, 1, 2)] == [1_000, 2_000, 4_000]


def test_an_active_members_timer_runs_while_work_waits() -> None:
    """Rule 10; a heartbeat is the primary's fault once it is ten seconds late, counted from my own start at least."""
    assert wanted(active()) is not None
    idle = [active(work_waits=False, now_ms=now_ms) for now_ms in (LAST_MS, OVERDUE_MS - 1, OVERDUE_MS, OVERDUE_MS + 1)]
    assert [wanted(state) is not None for state in idle] == [False, False, True, True]
    late = [active(work_waits=False, started_ms=DUE_MS + 700, now_ms=OVERDUE_MS + more) for more in (699, 700)]
    assert [wanted(state) is not None for state in late] == [False, True]


def test_a_waiting_members_timer_runs_with_a_quorum_only() -> None:
    """Rule 10: whatever waits."""
    for views, expected in (
        ((VIEW,), False),
        ((VIEW, VIEW), False),
        ((VIEW, VIEW, VIEW - 1), False),
        ((VIEW, VIEW, VIEW), True),
        ((VIEW, VIEW + 1, VIEW + 9), True),
    ):
        assert (wanted(waiting(*views, work_waits=True)) is not None) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"may_vote": False},
        {"must_hear": True},
        {"base": HEIGHT + 1},
        {"decided": Decided(bytes(32), ledger.certificate(COMMIT, VIEW, HEIGHT + 1, bytes(32)))},
        {"claims": {seat: Claim(HEIGHT + 1, LAST_MS, LAST_MS - 2_998) for seat in (1, 2)}},
    ],
)
def test_no_view_timer_runs_while_a_member_learns_or_fetches(changes: dict[str, Any]) -> None:
    """Rules 10 and 14: nor where f + 1 others were above H within three seconds."""
    assert wanted(active(**changes)) is None
    assert wanted(waiting(VIEW, VIEW, VIEW, **changes)) is None


def test_the_view_timer_begins_anew_with_a_view_a_block_and_a_change_of_part() -> None:
    """Rule 10: from the last block, from entry, or from when work came; and not from any other word."""
    reasons = []
    for state in (
        active(),
        active(VIEW + 1),
        active(head=ledger.head(HEIGHT + 1)),
        waiting(VIEW, VIEW, VIEW),
        waiting(VIEW + 1, VIEW + 1, VIEW + 1),
    ):
        if not state.active:
            state.view = state.view_changes[0].view
        wish = timers.view_timer(state)
        assert wish is not None
        reasons.append(wish[1])
    assert len(set(reasons)) == len(reasons)
    later = timers.view_timer(active(now_ms=LAST_MS + 400))
    assert later is not None
    assert later[1] == reasons[0]


def test_what_waits_is_work() -> None:
    """Rule 10: an obligation, a proposal, a transaction, a change of set. The primary's vote in this view tells of a
    proposal, in another view, or at another height, it does not; nor does anybody else's."""
    primary, other = VIEW % 4, VIEW % 4 + 1
    nothing: dict[str, Any] = {"work_waits": False}
    assert not has_work(ledger.state(2, **nothing))
    assert has_work(ledger.state(2, work_waits=True))
    assert has_work(ledger.state(2, current=ledger.proposal(VIEW, HEIGHT + 1)))
    assert has_work(ledger.state(2, upcoming=NextEpoch(ledger.members, Voting.AS_BEFORE, None)))
    assert has_work(ledger.state(2, base=HEIGHT, obliged=bytes(32)))
    assert not has_work(ledger.state(2, base=HEIGHT - 1, obliged=bytes(32)))
    for seat, kind, view, height, expected in (
        (primary, PREPARE, VIEW, HEIGHT + 1, True),
        (primary, PREPARE, VIEW - 1, HEIGHT + 1, False),
        (primary, PREPARE, VIEW + 1, HEIGHT + 1, False),
        (primary, PREPARE, VIEW, HEIGHT + 2, False),
        (primary, COMMIT, VIEW, HEIGHT + 1, False),
        (other, PREPARE, VIEW, HEIGHT + 1, False),
    ):
        vote = again(ledger.vote(kind, seat, view, height, digest_of("block")))
        assert has_work(ledger.state(2, votes={(height, kind, seat): vote})) == expected


def test_half_way_a_waiting_backup_passes_its_work_on() -> None:
    """Rule 10: to the primary, who has nobody to pass it to; and whoever has left that view has no primary."""
    wish = (1_001, (VIEW, HEIGHT))
    backup = ledger.state(2, work_waits=True)
    assert timers.pass_on_timer(backup, wish) == (500, wish[1])
    assert timers.pass_on_timer(backup, None) is None
    assert timers.pass_on_timer(ledger.state(2), wish) is None
    assert timers.pass_on_timer(ledger.state(2, active=False, work_waits=True), wish) is None
    assert timers.pass_on_timer(ledger.state(VIEW % 4, work_waits=True), wish) is None


def test_a_member_wakes_when_the_heartbeat_is_due_and_when_it_is_overdue() -> None:
    """Rules 2 and 10; a clock that stands in 1970 makes it wait long, and breaks nothing."""
    found = [
        timers.heartbeat_timer(ledger.state(now_ms=now_ms))
        for now_ms in (1_000, LAST_MS, DUE_MS - 1, DUE_MS, OVERDUE_MS - 1, OVERDUE_MS)
    ]
    assert found == [
        (DUE_MS - 1_000, (DUE_MS,)),
        (HEARTBEAT_MS, (DUE_MS,)),
        (1, (DUE_MS,)),
        (10_000, (OVERDUE_MS,)),
        (1, (OVERDUE_MS,)),
        None,
    ]


def test_a_member_wakes_when_a_proposal_from_the_future_is_near() -> None:
    """Rule 2; a clock that was set forward meanwhile wakes it at once."""
    until = DUE_MS
    assert timers.held_timer(ledger.state(now_ms=LAST_MS)) is None
    times = (1_000, until - 500, until - 1, until, until + 500)
    found = [timers.held_timer(ledger.state(held_until_ms=until, now_ms=now_ms)) for now_ms in times]
    assert found == [(wait_ms, (until,)) for wait_ms in (until - 1_000, 500, 1, 1, 1)]


def test_a_timer_runs_on_while_its_reason_is_the_same() -> None:
    """Rule 10, and each start has a number of its own, so that an end that comes late is known."""
    state, out = ledger.state(), list[Effect]()
    first, same = (VIEW, HEIGHT), tuple(again([VIEW, HEIGHT]))
    next_block, next_epoch = (VIEW, HEIGHT + 1), (0, HEIGHT + 2)
    for wish in (None, (700, first), (300, same), (300, next_block), (200, next_epoch), None, None, (9, next_epoch)):
        timers.suit(state, Timer.VIEW, wish, out)
    assert out == [
        StartTimer(Timer.VIEW, 700, 1),
        StartTimer(Timer.VIEW, 300, 2),
        StartTimer(Timer.VIEW, 200, 3),
        StopTimer(Timer.VIEW),
        StartTimer(Timer.VIEW, 9, 4),
    ]
    assert list(state.timers) == [Timer.VIEW]


def test_each_timer_is_what_its_rule_wants() -> None:
    """All four at once, after a step."""
    out: list[Effect] = []
    timers.adjust(active(CERTIFIED + 1, held_until_ms=LAST_MS + 301), out)
    assert out == [
        StartTimer(Timer.VIEW, 2_000, 1),
        StartTimer(Timer.PASS_ON, 1_000, 2),
        StartTimer(Timer.HEARTBEAT, HEARTBEAT_MS - 1, 3),
        StartTimer(Timer.HELD, 300, 4),
    ]
