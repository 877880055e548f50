"""Whoever waits for the next final block is woken by it: nobody polls.

One loop, no threads: `publish` is called on the loop that the waiters run on.
"""

from __future__ import annotations

import asyncio


class Feed:
    """The height of the last final block, and who waits for a higher one."""

    def __init__(self, height: int = 0) -> None:
        self.height = height
        self._next = asyncio.Event()  # set at the next publication, then replaced: one for all who wait

    def publish(self, height: int) -> None:
        """Block `height` is final and on the disk. Lower ones than before say nothing new."""
        if height <= self.height:
            return
        self.height = height
        woken, self._next = self._next, asyncio.Event()
        woken.set()

    async def above(self, height: int, timeout_s: float) -> bool:
        """Wait until there is a block above `height`; False if after `timeout_s` there is none."""
        if self.height > height:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                while self.height <= height:
                    await self._next.wait()
        except TimeoutError:
            pass
        return self.height > height
