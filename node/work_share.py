"""How much of this node's time and memory one peer may take: what a liar makes us check must not hold up the others.

A link that is over its share of time is read later, no more: what it sends waits in its own socket, and every other
link goes on. Large frames of one organisation share so many bytes; the next one is read when another was dealt with.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

WORK_SHARE = 0.1  # of one core; ordinary consensus takes a hundredth
WORK_BURST_S = 0.5  # at once, after a quiet time: a NewView with its certificates and some blocks
TURN_S = 0.01  # then others have theirs, whatever is left
LARGE_FRAME_BYTES = 256 << 10  # smaller ones are bounded by the number of links
LARGE_BYTES_MAX = 64 << 20  # of one organisation's large frames, read and not dealt with: two of the largest


class WorkShare:
    """Seconds of the loop's time that one link may still take."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left_s, self._at = WORK_BURST_S, clock()
        self._turn_s = 0.0
        self.waits = 0  # how often it was over its share

    def spend(self, seconds: float) -> None:
        self._left_s = self._now_left() - seconds
        self._turn_s += seconds

    async def wait(self) -> None:
        """Until the link may be read on."""
        left_s = self._now_left()
        if left_s < 0:
            self.waits += 1
            self._turn_s = 0.0
            await asyncio.sleep(-left_s / WORK_SHARE)
        elif self._turn_s >= TURN_S:
            self._turn_s = 0.0
            await asyncio.sleep(0)

    def _now_left(self) -> float:
        now = self._clock()
        self._left_s = min(WORK_BURST_S, self._left_s + (now - self._at) * WORK_SHARE)
        self._at = now
        return self._left_s


class Allowance:
    """Bytes of large frames that an organisation may have under way; who finds none left waits in turn. `answering` is
    held while one of its larger answers is worked out."""

    def __init__(self, bytes_max: int = LARGE_BYTES_MAX) -> None:
        self._left = self._bytes_max = bytes_max
        self.answering = asyncio.Lock()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()  # at most one for each link

    async def take(self, size: int) -> None:
        """Wait for `size` bytes, at most bytes_max; `give` them back whatever happens after."""
        if not self._waiting and size <= self._left:
            self._left -= size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size, turn)
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(size)
            else:
                self._waiting.remove(entry)
                self._wake()
            raise

    def give(self, size: int) -> None:
        self._left += size
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._left:
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._left -= size
                turn.set_result(None)
