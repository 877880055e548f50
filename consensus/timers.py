"""Which timers run, and how long: rule 10. Looked at once after every step."""

from __future__ import annotations

from consensus import view_change
from consensus.effects import Effect, StartTimer, StopTimer
from consensus.events import Timer
from consensus.state import ReplicaState, RunningTimer

VIEW_TIMEOUT_FIRST_MS = 1_000
VIEW_TIMEOUT_MAX_MS = 10_000
HEARTBEAT_OVERDUE_MS = 10_000  # a heartbeat so late is the primary's fault

Wish = tuple[int, tuple[object, ...]]  # milliseconds, and what it runs for: an equal reason lets it run on


def view_timeout_ms(state: ReplicaState) -> int:
    """min(10 s, 1 s * 2^(view - view of the last certificate of this epoch))."""
    doublings = min(max(state.view - state.certificate_view, 0), 10)
    return min(VIEW_TIMEOUT_MAX_MS, VIEW_TIMEOUT_FIRST_MS << doublings)


def view_timer(state: ReplicaState) -> Wish | None:
    """Active: from the last block, from entry or from when work came, while work waits. Not active: only once a quorum
    left for this view or above, so that all escalate together. Never while fetching, learning, or left behind: then
    the slot is decided, and another view would not find another block for it."""
    if not state.may_sign or state.is_fetching or state.is_left_behind:
        return None
    if state.active:
        waits = view_change.has_work(state) or state.now_ms >= heartbeat_overdue_ms(state)
        return (view_timeout_ms(state), (state.view, state.height)) if waits else None
    if view_change.has_quorum_left(state):
        return view_timeout_ms(state), (state.view,)
    return None


def pass_on_timer(state: ReplicaState, view_wish: Wish | None) -> Wish | None:
    """Half of the view timer, while a backup's transactions wait."""
    if view_wish is None or not state.active or not state.work_waits or state.primary == state.me:
        return None
    return view_wish[0] // 2, view_wish[1]


def heartbeat_due_ms(state: ReplicaState) -> int:
    """When a block may be empty."""
    return state.head.time_ms + state.settings.heartbeat_ms


def heartbeat_overdue_ms(state: ReplicaState) -> int:
    """When the primary has had its time for a heartbeat: after a long stop, counted from my own start."""
    return max(heartbeat_due_ms(state), state.started_ms) + HEARTBEAT_OVERDUE_MS


def heartbeat_timer(state: ReplicaState) -> Wish | None:
    """Wakes when the heartbeat is due, and when it is overdue."""
    for due_ms in (heartbeat_due_ms(state), heartbeat_overdue_ms(state)):
        if state.now_ms < due_ms:
            return due_ms - state.now_ms, (due_ms,)
    return None


def held_timer(state: ReplicaState) -> Wish | None:
    """Wakes when the clock has come near enough to a proposal from the future."""
    if state.held_until_ms is None:
        return None
    return max(state.held_until_ms - state.now_ms, 1), (state.held_until_ms,)


def adjust(state: ReplicaState, out: list[Effect]) -> None:
    """Start and stop what changed. One that ended stays known by its reason where it must not start again."""
    view_wish = view_timer(state)
    suit(state, Timer.VIEW, view_wish, out)
    suit(state, Timer.PASS_ON, pass_on_timer(state, view_wish), out)
    suit(state, Timer.HEARTBEAT, heartbeat_timer(state), out)
    suit(state, Timer.HELD, held_timer(state), out)


def suit(state: ReplicaState, timer: Timer, wanted: Wish | None, out: list[Effect]) -> None:
    """Make one timer what is wanted."""
    running = state.timers.get(timer)
    if wanted is None:
        if running is not None:
            del state.timers[timer]
            out.append(StopTimer(timer))
    elif running is None or running.reason != wanted[1]:
        start(state, timer, wanted[0], wanted[1], out)


def start(state: ReplicaState, timer: Timer, timeout_ms: int, reason: tuple[object, ...], out: list[Effect]) -> None:
    """Start a timer, in place of one that runs."""
    state.timers_started += 1
    state.timers[timer] = RunningTimer(state.timers_started, reason)
    out.append(StartTimer(timer, timeout_ms, state.timers_started))
