"""Waiting for blocks (PROTOCOL 17: followers hear of a block at once)."""

from __future__ import annotations

import asyncio

from node.feed import Feed


async def test_who_waits_is_woken_by_the_block_that_he_waits_for_and_not_before() -> None:
    """node/feed.py: one publication wakes all, each goes on only above his own height."""
    feed = Feed(3)
    first = asyncio.create_task(feed.above(3, 60))
    second = asyncio.create_task(feed.above(4, 60))
    await asyncio.sleep(0)

    feed.publish(4)
    assert await first
    assert not second.done()
    feed.publish(5)
    assert await second


async def test_a_height_that_is_there_already_is_not_waited_for() -> None:
    """node/feed.py"""
    assert await Feed(7).above(6, 0)


async def test_after_the_time_there_is_an_answer_all_the_same() -> None:
    """PROTOCOL 17: a long poll ends with nothing."""
    assert not await Feed(7).above(7, 0)


async def test_an_older_height_says_nothing_new() -> None:
    """Heights never go back."""
    feed = Feed(7)
    feed.publish(6)
    assert feed.height == 7
