"""Who does not come: told after the end, counted, and what three of them cost."""

from __future__ import annotations

import pytest

from chain.operation import StopSchedule
from chain.records import (
    MISSED,
)
from chain.rules.appointments import NO_SHOW_BLOCK_MS, NO_SHOW_WINDOW_MS
from tests.chain.making import Chain, mac
from tests.chain.visiting import (
    DAY_MS,
    ENDS_MS,
    STARTS_MS,
    A,
    B,
    appointment_body,
    book,
    cancel,
    check_in,
    code,
    hold,
    hospital,
    later,
    miss,
    missed_body,
    on_day,
    publish,
    schedule_body,
)


@pytest.fixture
def chain() -> Chain:
    chain = hospital()
    assert code(chain, publish()) == "recorded"
    return chain


def test_who_did_not_come_has_missed_it_and_not_before_it_is_over(chain: Chain) -> None:
    for number, name in enumerate(("p", "q"), 1):
        book(chain, name, number, name)
    assert code(chain, hold(chain, "h", 9, "held")) == "recorded"
    assert code(chain, miss("none")) == "appointment_unknown"
    assert code(chain, miss("h")) == "appointment_unconfirmed"
    assert code(chain, check_in("q"), time_ms=STARTS_MS) == "recorded"
    assert code(chain, miss("q")) == "already_arrived"
    assert code(chain, miss("p"), time_ms=ENDS_MS - 1) == "too_early"
    assert code(chain, miss("p"), time_ms=ENDS_MS) == "recorded"
    assert code(chain, miss("p")) == "already_recorded"
    assert appointment_body(chain, "p").state == MISSED
    assert code(chain, check_in("p")) == "already_missed"
    assert code(chain, cancel("p")) == "already_missed"
    assert missed_body(chain, "p").times_ms == [ENDS_MS]
    assert [one.number for one in schedule_body(chain).taken] == [1, 2, 9]


def test_nobody_misses_what_was_stopped(chain: Chain) -> None:
    book(chain, "p", 1, "li")
    assert code(chain, StopSchedule(mac("s"), "doctor_ill")) == "recorded"
    assert code(chain, check_in("p"), time_ms=STARTS_MS) == "schedule_stopped"
    assert code(chain, miss("p"), time_ms=ENDS_MS) == "schedule_stopped"


def missed_on(chain: Chain, day: int, holder: str = "li") -> int:
    """So many days after the others: booked, and not come to. When the ledger was told, just after its end."""
    name = f"{holder} {day}"
    later(chain, max(chain.time_ms, STARTS_MS + (day - 1) * DAY_MS))
    assert code(chain, publish(name, **on_day(day))) == "recorded"
    book(chain, name, 1, holder, name)
    told_ms = max(chain.time_ms, ENDS_MS + day * DAY_MS)
    assert code(chain, miss(name), time_ms=told_ms) == "recorded"
    return told_ms


def test_who_misses_three_gets_no_number_until_a_day(chain: Chain) -> None:
    """Row 34: 409 `appointment_blocked` until D. Other people, and what is booked already, are untouched."""
    assert code(chain, publish("ahead", **on_day(20))) == "recorded"
    book(chain, "before", 1, "li", "ahead")
    missed_on(chain, 1)
    missed_on(chain, 2)
    assert (len(missed_body(chain, "li").times_ms), missed_body(chain, "li").blocked_until_ms) == (2, 0)
    assert code(chain, publish("u", **on_day(7))) == "recorded"
    assert code(chain, hold(chain, "u", 3, "li", "u")) == "recorded"
    assert code(chain, cancel("u")) == "recorded"
    blocked_until_ms = missed_on(chain, 4) + NO_SHOW_BLOCK_MS
    assert missed_body(chain, "li").blocked_until_ms == blocked_until_ms
    assert code(chain, hold(chain, "v", 99, "li", "u", until_ms=0)) == "appointment_blocked"
    assert code(chain, hold(chain, "w", 2, "wang", "u")) == "recorded"
    assert code(chain, check_in("before"), time_ms=STARTS_MS + 20 * DAY_MS) == "recorded"
    last_day = 4 + NO_SHOW_BLOCK_MS // DAY_MS + 1
    later(chain, STARTS_MS + (last_day - 5) * DAY_MS)
    assert code(chain, publish("x", **on_day(last_day))) == "recorded"
    assert code(chain, hold(chain, "y", 1, "li", "x"), time_ms=blocked_until_ms - 1) == "appointment_blocked"
    held = hold(chain, "y", 1, "li", "x", until_ms=blocked_until_ms + 1)
    assert code(chain, held, time_ms=blocked_until_ms) == "recorded"


def test_after_a_block_the_count_begins_anew(chain: Chain) -> None:
    for day in (1, 2):
        missed_on(chain, day)
    until_ms = missed_on(chain, 3) + NO_SHOW_BLOCK_MS
    assert missed_body(chain, "li").times_ms == []
    missed_on(chain, 100)
    missed_on(chain, 101)
    assert missed_body(chain, "li").blocked_until_ms == until_ms  # of the former one
    assert missed_on(chain, 102) + NO_SHOW_BLOCK_MS == missed_body(chain, "li").blocked_until_ms


@pytest.mark.parametrize(
    ("last", "is_blocked"), [(NO_SHOW_WINDOW_MS // DAY_MS, True), (1 + NO_SHOW_WINDOW_MS // DAY_MS, False)]
)
def test_three_count_within_half_a_year(chain: Chain, last: int, is_blocked: bool) -> None:
    """By when the schedules ended: the last of 180 days still counts with the first."""
    missed_on(chain, 1)
    missed_on(chain, 90)
    missed_on(chain, last)
    assert (missed_body(chain, "li").blocked_until_ms > 0) == is_blocked
    assert len(missed_body(chain, "li").times_ms) == (0 if is_blocked else 2)


def test_what_was_missed_may_be_told_late_and_in_any_order(chain: Chain) -> None:
    days = [5, 1, 3]
    for day in days:
        assert code(chain, publish(f"day {day}", **on_day(day))) == "recorded"
        book(chain, f"day {day}", 1, "li", f"day {day}")
    later(chain, ENDS_MS + 30 * DAY_MS)
    assert chain.run(A, *(miss(f"day {day}") for day in days[:2])) == ["recorded"] * 2
    assert missed_body(chain, "li").times_ms == [ENDS_MS + day * DAY_MS for day in (1, 5)]
    told_ms = chain.time_ms
    assert code(chain, miss("day 3")) == "recorded"
    assert missed_body(chain, "li").blocked_until_ms == told_ms + NO_SHOW_BLOCK_MS


def test_no_hospital_counts_what_was_missed_elsewhere(chain: Chain) -> None:
    for day in (1, 2, 3):
        missed_on(chain, day)
    assert code(chain, publish("s", **on_day(9)), B) == "recorded"
    assert code(chain, hold(chain, "p", 1, "li"), B) == "recorded"
