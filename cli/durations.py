"""Durations as people write them on a command line."""

from __future__ import annotations

import re

from cli.failures import CommandFailed

DURATION = re.compile(r"([1-9][0-9]{0,8})(ms|s|m|h|d)", re.ASCII)
UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def parse_duration_ms(text: str) -> int:
    """24h, 30m, 90s, 2d, 500ms. Raises CommandFailed `argument_refused`."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise CommandFailed("argument_refused", f"'{text}': write a number and ms, s, m, h or d, as in 24h")
    return int(match[1]) * UNITS_MS[match[2]]
