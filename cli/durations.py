"""Durations and moments as people write them on a command line."""

from __future__ import annotations

import re
from datetime import datetime

from cli.failures import CommandFailed

DURATION = re.compile(r"([1-9][0-9]{0,8})(ms|s|m|h|d)", re.ASCII)
UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def parse_duration_ms(text: str) -> int:
    """24h, 30m, 90s, 2d, 500ms. Raises CommandFailed `argument_refused`."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise CommandFailed("argument_refused", f"'{text}': write a number and ms, s, m, h or d, as in 24h")
    return int(match[1]) * UNITS_MS[match[2]]


def parse_moment(text: str) -> tuple[int | None, int | None]:
    """A block's height, or a moment as RFC 3339 with its zone, in ms since the epoch: one of the two is None.

    Raises CommandFailed `argument_refused`.
    """
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return int(text), None
    return None, parse_time_ms(text)


def parse_time_ms(text: str) -> int:
    """2026-03-01T10:00+08:00. Raises CommandFailed `argument_refused`."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or "T" not in text:
            raise ValueError
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise CommandFailed("argument_refused", f"'{text}': write a moment as 2026-03-01T10:00+08:00") from None
