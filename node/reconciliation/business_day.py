"""A day in the ledger's own time zone, and what is near its end."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from chain.rules.context import DAY_MS

EPOCH = date(1970, 1, 1).toordinal()
NEAR_MIDNIGHT_MS = 30 * 60_000  # by default; a channel's clock and its notices are minutes late, seldom more
NEAR_MIDNIGHT_MS_MAX = 6 * 3_600_000


class BusinessDay(msgspec.Struct, frozen=True):
    """From `start_ms` up to, not with, `end_ms`; milliseconds since the epoch."""

    number: int  # yyyymmdd
    utc_offset_minutes: int
    near_midnight_ms: int = NEAR_MIDNIGHT_MS

    @property
    def date(self) -> date:
        return date(self.number // 10_000, self.number // 100 % 100, self.number % 100)

    @property
    def start_ms(self) -> int:
        return (self.date.toordinal() - EPOCH) * DAY_MS - self.utc_offset_minutes * 60_000

    @property
    def end_ms(self) -> int:
        return self.start_ms + DAY_MS

    @property
    def before(self) -> int:
        """yyyymmdd of the day before."""
        return number_of(self.date - timedelta(days=1))


def number_of(day: date) -> int:
    """yyyymmdd."""
    return day.year * 10_000 + day.month * 100 + day.day
