"""Times as channels write them. All speak Beijing time, which has had no summer time since 1991."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

from node.channels.errors import WrongForm

BEIJING = timezone(timedelta(hours=8))
SECONDS, COMPACT, MONTH_DAY = "%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S", "%m%d%H%M%S"

_FORMS = {
    SECONDS: re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})"),
    COMPACT: re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})"),
}
_OFFSET = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T([0-9]{2}:){2}[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")
_WITHOUT_YEAR = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})")
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


def beijing_text(time_ms: int, form: str = SECONDS) -> str:
    return _beijing(time_ms).strftime(form)


def beijing_day(time_ms: int) -> date:
    return _beijing(time_ms).date()


def offset_text(time_ms: int) -> str:
    """As RFC 3339 with +08:00, which WeChat Pay wants."""
    return _beijing(time_ms).isoformat(timespec="seconds")


def parse_beijing(text: str, name: str, form: str = SECONDS) -> int:
    """Milliseconds since the epoch. Raises WrongForm; `strptime` would take digits of any script, five times as slowly."""
    found = _FORMS[form].fullmatch(text)
    if found is None:
        raise WrongForm(f"{name}: not a time")
    return _milliseconds([int(part) for part in found.groups()], name)


def parse_offset(text: str, name: str) -> int:
    """Milliseconds since the epoch of RFC 3339. Raises WrongForm."""
    if not _OFFSET.fullmatch(text):
        raise WrongForm(f"{name}: not a time with its zone")
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        raise WrongForm(f"{name}: not a time with its zone") from None


def parse_without_year(text: str, name: str, near: date) -> int:
    """Milliseconds of `MMDDhhmmss`, in the year that brings it nearest to `near`. Raises WrongForm."""
    found = _WITHOUT_YEAR.fullmatch(text)
    if found is None:
        raise WrongForm(f"{name}: not a time")
    month, day, *rest = (int(part) for part in found.groups())
    years = [near.year - 1, near.year, near.year + 1]
    distances = [(abs(date(year, month, day) - near), year) for year in years if _is_day(year, month, day)]
    if not distances:
        raise WrongForm(f"{name}: not a time")
    return _milliseconds([min(distances)[1], month, day, *rest], name)


def _beijing(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms // 1000, UTC).astimezone(BEIJING)


def _milliseconds(parts: list[int], name: str) -> int:
    try:
        year, month, day, hour, minute, second = parts
        return (datetime(year, month, day, hour, minute, second, tzinfo=BEIJING) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        raise WrongForm(f"{name}: not a time") from None


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
