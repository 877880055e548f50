"""Bundles of other validators take turns: whoever floods waits for itself alone. RELIABILITY 2.2 Y13."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from node.bundle_queue import BUNDLES_BYTES_MAX, BUNDLES_MAX, Bundle, BundleQueue


def bundle(organisation: str, size_bytes: int = 1) -> Bundle:
    return Bundle(cast(Any, SimpleNamespace(organisation=organisation)), [], size_bytes)


async def test_an_honest_bundle_waits_for_one_of_the_flooder_and_not_for_all() -> None:
    queue = BundleQueue()
    flood = [bundle("insurance") for _ in range(BUNDLES_MAX)]
    assert all(queue.put(entry) for entry in flood)
    honest, second = bundle("health"), bundle("health")
    assert queue.put(honest)
    assert queue.put(second)
    taken = [await queue.get() for _ in range(4)]
    assert taken == [flood[0], honest, flood[1], second]


async def test_who_fills_its_row_is_turned_away_and_others_are_not() -> None:
    queue = BundleQueue()
    assert all(queue.put(bundle("insurance")) for _ in range(BUNDLES_MAX))
    assert not queue.put(bundle("insurance"))
    assert queue.put(bundle("health"))
    await queue.get()
    assert queue.put(bundle("insurance"))


async def test_a_row_is_bounded_in_bytes_and_what_was_taken_counts_no_more() -> None:
    queue = BundleQueue()
    assert queue.put(bundle("insurance", BUNDLES_BYTES_MAX - 1))
    assert not queue.put(bundle("insurance", 2))
    assert queue.put(bundle("insurance", 1))
    await queue.get()
    assert queue.put(bundle("insurance", BUNDLES_BYTES_MAX - 1))


async def test_who_asks_an_empty_queue_waits_for_the_next() -> None:
    queue = BundleQueue()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await queue.get()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    late = bundle("health")
    queue.put(late)
    assert await waiting is late
    assert not queue._has_some.is_set()
