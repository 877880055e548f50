"""When a bill's business was done: RFC 3339 with zone, read strictly, and its date in the ledger's own zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from chain.records import ParametersBody
from chain.rules.context import Refused, days_between, local_date
from node.service import ServiceRefused

_RFC3339 = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
POINTER = "/business_time"


def parse_business_time(text: str) -> int:
    """Milliseconds since the epoch. Raises ServiceRefused `invalid_time`; never repeats what was sent."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ServiceRefused("invalid_time", "RFC 3339 with zone, such as 2026-03-01T09:30:00+08:00", POINTER)
    date, time, fraction, zone = match.groups()
    milliseconds = int(((fraction or ".0")[1:] + "00")[:3])
    try:
        moment = datetime.fromisoformat(f"{date}T{time}{'+00:00' if zone in 'Zz' else zone}")
        return (moment - _EPOCH) // timedelta(milliseconds=1) + milliseconds
    except (ValueError, OverflowError):
        raise ServiceRefused("invalid_time", "no such day or time", POINTER) from None


def business_date(time_ms: int, now_ms: int, parameters: ParametersBody) -> int:
    """yyyymmdd in the ledger's zone. Raises ServiceRefused `date_out_of_window` as the rules would refuse it."""
    offset = parameters.utc_offset_minutes
    try:
        date, today = local_date(time_ms, offset), local_date(now_ms, offset)
        is_ahead = time_ms > now_ms + parameters.business_ahead_max_ms
        if not is_ahead and days_between(date, today) <= parameters.business_days_behind_max:
            return date
    except (Refused, ValueError, OverflowError):
        pass
    days = parameters.business_days_behind_max
    raise ServiceRefused("date_out_of_window", f"not before {days} days ago and not after now", POINTER)


def local_text(time_ms: int, utc_offset_minutes: int) -> str:
    """RFC 3339 in the ledger's zone, to the second."""
    zone = timezone(timedelta(minutes=utc_offset_minutes))
    return (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(zone).isoformat(timespec="seconds")
