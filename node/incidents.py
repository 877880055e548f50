"""What peers did wrong, counted by reason for the metrics and logged sparingly: a flood must not fill the disk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog

LOG_INTERVAL_MS = 60_000  # one line per reason; the next one says how many were left out


class Incidents(Counter[str]):
    """Reason -> how often. Reasons are words of this program, never of a peer; so there are few."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, event: str = "link_incident") -> None:
        """`event`: how lines of the log begin."""
        super().__init__()
        self._clock, self._event = clock, event  # seconds
        self._logged: dict[str, tuple[float, int]] = {}  # reason -> (when, count then); as few as the reasons

    def record(self, reason: str, **fields: Any) -> None:
        """Count one, and log it with `fields` (addresses and node names at most) unless one was logged just now."""
        self[reason] += 1
        now = self._clock()
        when, count = self._logged.get(reason, (-float("inf"), 0))
        if (now - when) * 1000 >= LOG_INTERVAL_MS:
            self._logged[reason] = (now, self[reason])
            structlog.get_logger("transport").warning(
                self._event, reason=reason, left_out=self[reason] - count - 1, **fields
            )
