"""When the lines of a product are stated: on its day of the month or every day, at its minute of the local day. DOMAIN section 5."""

from __future__ import annotations

from datetime import UTC, datetime

from chain.rules.context import DAY_MS

MINUTE_MS = 60_000
EVERY_DAY = 0


def last_statement_ms(day: int, minute: int, now_ms: int, offset_ms: int) -> int:
    """The newest moment of such statements that is not after `now_ms`.

    `day` is 1 to 28 of the month or EVERY_DAY, `minute` 0 to 1439 of the local day, `offset_ms` what local time is ahead of UTC.
    """
    local_ms = now_ms + offset_ms - minute * MINUTE_MS  # as if all were stated at midnight
    today = local_ms // DAY_MS
    if day != EVERY_DAY:
        date = datetime.fromtimestamp(today * DAY_MS / 1000, UTC)
        if date.day < day:
            date = datetime(date.year - (date.month == 1), (date.month - 2) % 12 + 1, 1, tzinfo=UTC)
        today = int(date.replace(day=day).timestamp()) * 1000 // DAY_MS
    return today * DAY_MS + minute * MINUTE_MS - offset_ms
