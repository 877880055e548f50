"""Work in a thread that must not be left half way: a task that is cancelled waits for it to end first."""

from __future__ import annotations

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def finished(work: asyncio.Future[T]) -> T:
    """The result. Cancelled, it waits until the work has ended and is cancelled then; an error of the work counts
    more than the cancelling."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        if not work.done():
            await asyncio.wait([work])
        if not work.cancelled():
            work.result()
        raise
