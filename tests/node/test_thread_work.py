"""Work in a thread is not left half way (DESIGN 9: SIGTERM finishes the block)."""

from __future__ import annotations

import asyncio

import pytest

from node.thread_work import finished


async def test_who_is_cancelled_waits_for_the_work_to_end() -> None:
    """node/thread_work.py"""
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(finished(work))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()

    work.set_result(1)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_work_counts_more_than_the_cancelling() -> None:
    """A disk that failed stops the node, also while it stops."""
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(finished(work))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)

    work.set_exception(OSError("full"))
    with pytest.raises(OSError, match="full"):
        await task
