"""When lines are stated, and when that is due: local days, over ends of months and years."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.rules.context import DAY_MS
from node.statement_times import due_after, end_of_day, newest_moment
from tests.chain.making import BEIJING, at

OFFSET_MS = 8 * 3_600_000


@pytest.mark.parametrize(
    ("day", "minute", "now", "newest"),
    [
        (0, 1200, "2026-06-01 19:59:59.999", "2026-05-31 20:00"),
        (0, 1200, "2026-06-01 20:00", "2026-06-01 20:00"),
        (0, 0, "2026-06-01 00:00", "2026-06-01 00:00"),
        (20, 1200, "2026-06-20 19:59", "2026-05-20 20:00"),
        (20, 1200, "2026-06-20 20:00", "2026-06-20 20:00"),
        (28, 5, "2026-03-01 00:00", "2026-02-28 00:05"),
        (1, 1439, "2027-01-01 23:58", "2026-12-01 23:59"),
    ],
)
def test_the_newest_time_of_a_product(day: int, minute: int, now: str, newest: str) -> None:
    assert newest_moment(day, minute, at(now), OFFSET_MS) == at(newest)


@given(st.integers(0, 28), st.integers(0, 1439), st.integers(0, 4 * 10**12))
def test_it_is_on_its_day_and_minute_and_less_than_a_period_ago(day: int, minute: int, now_ms: int) -> None:
    found_ms = newest_moment(day, minute, now_ms, OFFSET_MS)
    found = datetime.fromtimestamp(found_ms / 1000, BEIJING)
    assert (found.hour * 60 + found.minute, found.second) == (minute, 0)
    assert day in (0, found.day)
    assert 0 <= now_ms - found_ms < (31 if day else 1) * DAY_MS


def test_due_is_the_end_of_a_day_and_never_too_soon() -> None:
    assert due_after(at("2026-06-01 20:00"), 10, OFFSET_MS) == at("2026-06-11 23:59:59.999")
    late = at("2026-06-01 23:30")  # its block may be of the next day
    assert due_after(late, 10, OFFSET_MS) == at("2026-06-12 23:59:59.999")


def test_a_day_ends_with_its_last_millisecond() -> None:
    assert end_of_day("2028-02-29", OFFSET_MS) == at("2028-02-29 23:59:59.999")
    with pytest.raises(ValueError, match="day is out of range"):
        end_of_day("2026-02-29", OFFSET_MS)
