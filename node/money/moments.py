"""Moments as they are asked for and shown: RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime

from node.service import ServiceRefused


def parse_moment(text: str, pointer: str) -> int:
    """RFC 3339 with its zone, in ms since the epoch. Raises ServiceRefused `invalid_time`."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or "T" not in text:
            raise ValueError
        time_ms = round(moment.timestamp() * 1000)
        datetime.fromtimestamp(time_ms / 1000, UTC)  # it is shown in UTC, where its year may be another one
        return time_ms
    except (ValueError, OverflowError):
        raise ServiceRefused("invalid_time", "a moment as 2026-12-31T23:59:59+08:00", pointer) from None


def utc_moment(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
