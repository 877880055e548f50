"""Schedules: what fits together, until when they may change, and which numbers a channel gives out."""

from __future__ import annotations

from typing import Any

import pytest

from chain import keyspace
from chain.number_pool import free_numbers
from chain.operation import NUMBERS_MAX, Pool, StopSchedule, SubstituteStaff, SuspendOrganisation
from chain.records import STOPPED, TAKES_PLACE, ReasonBody
from chain.rules.schedules import HORIZON_MS_MAX, PAY_WITHIN_MS_MAX
from tests.chain.making import Chain, at, key_of, mac
from tests.chain.visiting import (
    BOOK_UNTIL_MS,
    CANCEL_UNTIL_MS,
    DAY_MS,
    ENDS_MS,
    HOUR_MS,
    LENDER_A,
    OPENS_MS,
    STARTS_MS,
    A,
    book,
    cancel,
    code,
    hold,
    hospital,
    later,
    on_day,
    publish,
    schedule_body,
)


@pytest.fixture
def chain() -> Chain:
    return hospital()


def test_a_schedule_is_published_once(chain: Chain) -> None:
    assert code(chain, publish()) == "recorded"
    assert code(chain, publish()) == "already_recorded"
    assert code(chain, publish(fee_fen=0)) == "schedule_exists"
    body = schedule_body(chain)
    assert (body.state, body.changes, body.taken, body.returned) == (TAKES_PLACE, 0, [], 0)
    assert (body.book_until_ms, body.cancel_until_ms) == (BOOK_UNTIL_MS, CANCEL_UNTIL_MS)


def gap(first: int, count: int = 5) -> list[Pool]:
    return [Pool("app", 1, 10, OPENS_MS), Pool("window", first, count, OPENS_MS)]


@pytest.mark.parametrize(
    "changes",
    [
        {"pools": gap(12)},  # 11 is nobody's
        {"pools": gap(10)},  # 10 is two channels'
        {"pools": [Pool("app", 2, 10, OPENS_MS)]},
        {"pools": list(reversed(gap(11)))},
        {"pools": [Pool("app", 1, 10, OPENS_MS), Pool("window", 11, NUMBERS_MAX - 9, OPENS_MS)]},
        {"ends_ms": STARTS_MS, "book_until_ms": STARTS_MS},
        {"ends_ms": STARTS_MS + DAY_MS + 1},
        {"date": 20260602},
        {"date": 20260604},
        {"book_until_ms": ENDS_MS + 1},
        {"cancel_until_ms": STARTS_MS + 1},
        {"fee_fen": -1},
        {"fee_fen": 10**12 + 1},
        {"pay_within_ms": 0},
        {"pay_within_ms": PAY_WITHIN_MS_MAX + 1},
    ],
)
def test_what_does_not_fit_together_is_refused(chain: Chain, changes: dict[str, Any]) -> None:
    assert code(chain, publish(**changes)) == "schedule_malformed"


@pytest.mark.parametrize(
    "changes",
    [
        {"pools": [Pool("app", 1, 10, OPENS_MS), Pool("window", 11, NUMBERS_MAX - 10, OPENS_MS)]},
        {"pools": [Pool("app", 1, 1, 0)], "fee_fen": 0, "pay_within_ms": PAY_WITHIN_MS_MAX},
        {"ends_ms": STARTS_MS + DAY_MS, "cancel_until_ms": STARTS_MS, "fee_fen": 10**12},
        {"ends_ms": STARTS_MS + 1, "book_until_ms": STARTS_MS + 1},
        {"starts_ms": at("2026-06-03 23:59:59"), "ends_ms": at("2026-06-04 06:00"), "session": "night"},
    ],
)
def test_what_just_fits_is_taken(chain: Chain, changes: dict[str, Any]) -> None:
    assert code(chain, publish(**changes)) == "recorded"


def test_the_first_fault_is_told(chain: Chain) -> None:
    """Each with all that come later."""
    over = {"fee_fen": -1, "book_until_ms": 0}
    seal = key_of("finance-city/seal")
    assert code(chain, publish(**over), "finance-city", key=seal) == "wrong_key"
    assert code(chain, publish(**over), LENDER_A) == "not_a_hospital"
    assert code(chain, publish(**over)) == "schedule_malformed"
    late = on_day(0) | {"book_until_ms": chain.time_ms}
    assert code(chain, publish(**late), time_ms=chain.time_ms) == "schedule_over"
    far = {"starts_ms": chain.time_ms + HORIZON_MS_MAX + 1, "ends_ms": chain.time_ms + HORIZON_MS_MAX + HOUR_MS}
    far |= {"date": 20260830, "book_until_ms": far["ends_ms"]}
    assert code(chain, publish(**far), time_ms=chain.time_ms) == "schedule_too_far"
    near = far | {"starts_ms": chain.time_ms + HORIZON_MS_MAX}
    assert code(chain, publish(**near), time_ms=chain.time_ms) == "recorded"
    assert code(chain, SuspendOrganisation(A, "audit", 0, []), "finance-city") == "recorded"
    for operation in (publish("t", **over), StopSchedule(mac("s"), "ill"), SubstituteStaff(mac("s"), mac("x"), 0)):
        assert code(chain, operation) == "organisation_suspended"


def test_a_session_that_goes_on_may_still_be_added_for_the_window(chain: Chain) -> None:
    later(chain, STARTS_MS + HOUR_MS)
    assert code(chain, publish()) == "recorded"
    later(chain, BOOK_UNTIL_MS)
    assert code(chain, publish("t")) == "schedule_over"


def test_a_schedule_is_stopped_once_and_before_it_is_over(chain: Chain) -> None:
    assert chain.run(A, publish(), publish("t")) == ["recorded"] * 2
    assert code(chain, StopSchedule(mac("none"), "doctor_ill")) == "schedule_unknown"
    stop = StopSchedule(mac("s"), "doctor_ill")
    assert code(chain, stop, "hospital-b") == "schedule_unknown"
    assert code(chain, stop) == "recorded"
    assert code(chain, stop) == "already_recorded"
    assert code(chain, StopSchedule(mac("s"), "other")) == "schedule_stopped"
    assert (schedule_body(chain).state, schedule_body(chain).reason) == (STOPPED, "doctor_ill")
    assert code(chain, hold(chain, "p", 1, "li")) == "schedule_stopped"
    assert code(chain, StopSchedule(mac("t"), "too_late"), time_ms=ENDS_MS) == "schedule_over"


def test_appointments_of_a_stopped_schedule_stay_and_are_cancelled_at_any_time(chain: Chain) -> None:
    assert code(chain, publish()) == "recorded"
    book(chain, "p", 1, "li")
    later(chain, STARTS_MS)
    assert code(chain, cancel("p")) == "cancel_too_late"
    assert code(chain, StopSchedule(mac("s"), "doctor_ill")) == "recorded"
    later(chain, ENDS_MS + DAY_MS)
    assert code(chain, cancel("p")) == "recorded"


def test_somebody_else_sees_the_patients_one_change_after_the_other(chain: Chain) -> None:
    assert chain.run(A, publish(), publish("t")) == ["recorded"] * 2
    assert code(chain, SubstituteStaff(mac("none"), mac("second"), 1)) == "schedule_unknown"
    assert code(chain, SubstituteStaff(mac("s"), mac("doctor"), 1)) == "standing_moved"
    assert code(chain, SubstituteStaff(mac("s"), mac("doctor"), 0)) == "staff_unchanged"
    first = SubstituteStaff(mac("s"), mac("second"), 0)
    assert code(chain, first) == "recorded"
    assert code(chain, first) == "already_recorded"
    assert code(chain, SubstituteStaff(mac("s"), mac("third"), 0)) == "standing_moved"
    assert code(chain, SubstituteStaff(mac("s"), mac("doctor"), 1)) == "recorded"
    assert (schedule_body(chain).staff, schedule_body(chain).changes) == (mac("doctor"), 2)
    assert chain.body(keyspace.schedule_step(A, mac("s"), "1"), ReasonBody) == ReasonBody("")
    assert code(chain, StopSchedule(mac("t"), "doctor_ill")) == "recorded"
    assert code(chain, SubstituteStaff(mac("t"), mac("doctor"), 9), time_ms=ENDS_MS) == "schedule_stopped"
    assert code(chain, SubstituteStaff(mac("s"), mac("doctor"), 9)) == "schedule_over"


def test_who_reads_sees_what_a_channel_could_give_out(chain: Chain) -> None:
    assert code(chain, publish()) == "recorded"
    held = hold(chain, "p", 3, "li")
    assert code(chain, held) == "recorded"
    body = schedule_body(chain)
    assert free_numbers(body, "window", OPENS_MS - 1) == [11, 12, 13, 14, 15]
    assert free_numbers(body, "city", OPENS_MS - 1) == []
    assert free_numbers(body, "city", OPENS_MS) == list(range(1, 11))
    assert free_numbers(body, "app", held.until_ms - 1) == [1, 2, *range(4, 11)]
    assert free_numbers(body, "app", held.until_ms) == list(range(1, 11))
    assert free_numbers(body, "app", BOOK_UNTIL_MS - 1) == list(range(1, 11))
    assert free_numbers(body, "app", BOOK_UNTIL_MS) == []
    assert code(chain, StopSchedule(mac("s"), "doctor_ill")) == "recorded"
    assert free_numbers(schedule_body(chain), "app", OPENS_MS) == []
