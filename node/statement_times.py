"""When lines are stated and when what is stated is due: local days of the ledger's zone, whoever states them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from chain.rules.context import DAY_MS

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
EPOCH_DAY = date(1970, 1, 1).toordinal()


def newest_moment(statement_day: int, statement_minute: int, now_ms: int, offset_ms: int) -> int:
    """The newest time at or before `now_ms` at which a product states its lines.

    `statement_day`: of the month, 1 to 28, or 0 for every day; `statement_minute`: of the local day.
    """
    day = (now_ms + offset_ms - statement_minute * MINUTE_MS) // DAY_MS
    if statement_day:
        found = date.fromordinal(EPOCH_DAY + day)
        if found.day < statement_day:  # not yet in this month
            found = found.replace(day=1) - timedelta(days=1)
        day = found.replace(day=statement_day).toordinal() - EPOCH_DAY
    return day * DAY_MS + statement_minute * MINUTE_MS - offset_ms


def due_after(now_ms: int, days: int, offset_ms: int) -> int:
    """The end of a local day so many days from now; an hour more where midnight is near, since a block may be stamped after it."""
    return ((now_ms + offset_ms + HOUR_MS) // DAY_MS + days + 1) * DAY_MS - offset_ms - 1


def end_of_day(text: str, offset_ms: int) -> int:
    """The last millisecond of a local day, yyyy-mm-dd. Raises ValueError."""
    day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    return int(day.timestamp()) * 1000 + DAY_MS - offset_ms - 1
