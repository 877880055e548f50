"""What waits for the disk, in bytes (node/README, "What waits"); what is saved, and in which order: test_validator."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chain.ledger import Ledger
from node.journal import Journal
from node.saver import Saver

BYTES_MAX = 1_000


@pytest.fixture
def disk() -> Iterator[threading.Event]:
    """Set: it takes what is written. Cleared, it hangs."""
    works = threading.Event()
    works.set()
    yield works
    works.set()


@pytest.fixture
def saver(disk: threading.Event, monkeypatch: pytest.MonkeyPatch) -> Iterator[Saver]:
    monkeypatch.setattr("node.saver.WAITING_BYTES_MAX", BYTES_MAX)

    def flush() -> None:
        disk.wait(10)

    def nothing(*_: Any) -> None: ...

    log = SimpleNamespace(append=nothing, flush=flush, last_journal_sequence=0)
    journal = SimpleNamespace(append=nothing, flush=flush, prune=nothing, flushed_sequence=0)
    ledger = SimpleNamespace(log=log, unflushed_blocks=0)
    with ThreadPoolExecutor(1) as thread:
        yield Saver(cast(Ledger, ledger), cast(Journal, journal), thread, nothing)


def put_all_kinds(saver: Saver, size: int) -> None:
    """A block, an entry and a message of `size` bytes each."""
    saver.block(1, bytes(32), bytes(size))
    saver.entry(1, bytes(size))
    saver.send(lambda: None, size)


@pytest.mark.parametrize("kind", ["block", "entry", "message"])
async def test_beyond_its_bytes_the_node_stops(saver: Saver, kind: str) -> None:
    """Blocks, journal entries and messages count alike: a disk that does not keep up must not fill the memory."""
    put_all_kinds(saver, BYTES_MAX // 4)
    over = BYTES_MAX // 4 + BYTES_MAX % 4 + 1
    put: dict[str, Callable[[], None]] = {
        "block": lambda: saver.block(2, bytes(32), bytes(over)),
        "entry": lambda: saver.entry(2, bytes(over)),
        "message": lambda: saver.send(lambda: None, over),
    }
    with pytest.raises(RuntimeError, match="the disk does not keep up"):
        put[kind]()
    saver.entry(2, bytes(over - 1))  # what fits is taken


async def test_what_is_being_written_counts_until_it_is(saver: Saver, disk: threading.Event) -> None:
    disk.clear()
    saver.entry(1, bytes(BYTES_MAX))
    writing = asyncio.ensure_future(saver.drain())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="the disk does not keep up"):
        saver.entry(2, b"x")
    disk.set()
    await writing
    saver.entry(2, bytes(BYTES_MAX))


async def test_what_was_being_written_when_a_seat_was_lost_counts_no_more(saver: Saver, disk: threading.Event) -> None:
    disk.clear()
    saver.entry(1, bytes(BYTES_MAX))
    writing = asyncio.ensure_future(saver.drain())
    await asyncio.sleep(0)
    writing.cancel()
    disk.set()
    await asyncio.gather(writing, return_exceptions=True)
    saver.entry(2, bytes(BYTES_MAX))


async def test_what_is_written_counts_no_more(saver: Saver) -> None:
    """It once counted for ever: every validator would have stopped after its first 512 MiB."""
    for _ in range(20):
        put_all_kinds(saver, BYTES_MAX // 3)
        await saver.drain()


async def test_what_comes_during_a_write_counts_on(saver: Saver, disk: threading.Event) -> None:
    disk.clear()
    saver.entry(1, bytes(BYTES_MAX // 2))
    writing = asyncio.ensure_future(saver.drain())
    await asyncio.sleep(0)
    saver.entry(2, bytes(BYTES_MAX // 2))
    disk.set()
    await writing
    with pytest.raises(RuntimeError, match="the disk does not keep up"):
        saver.entry(3, bytes(BYTES_MAX // 2 + 1))
