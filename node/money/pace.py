"""How much one patient may ask of a gateway: all that is kept for anybody shares one outbox and one loop.

Asked again counts too. What is remembered is lost at a restart, and bounded: beyond PATIENTS_MAX who asked longest ago is forgotten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from node.service import ServiceRefused

HOUR_MS = 3_600_000
WISHES_MAX = 120  # of one patient within an hour
PATIENTS_MAX = 10_000


class PatientPace:
    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._asked: dict[bytes, deque[int]] = {}  # patient -> when, ascending; who asked last stands last

    def count(self, holder: bytes) -> None:
        """One wish of a patient. Raises ServiceRefused `too_many_requests`; then it does not count."""
        now_ms = self._now_ms()
        times = self._asked.pop(holder, None) or deque()
        self._asked[holder] = times
        while times and times[0] <= now_ms - HOUR_MS:
            times.popleft()
        if len(times) >= WISHES_MAX:
            raise ServiceRefused("too_many_requests", f"{WISHES_MAX} within an hour at most: ask later")
        times.append(now_ms)
        if len(self._asked) > PATIENTS_MAX:
            del self._asked[next(iter(self._asked))]
