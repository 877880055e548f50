"""What waits for the disk, in bytes (node/README, "What waits"), and what does not wait for the state's batch; what is saved, and
in which order: test_validator."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chain.errors import StorageDamaged, StorageFailed
from chain.ledger import BLOCKS_UNFLUSHED_MAX, Ledger
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

    log = SimpleNamespace(append=nothing, flush=flush, last_journal_sequence=0)
    journal = SimpleNamespace(append=nothing, flush=flush, prune=nothing, flushed_sequence=0)
    ledger = SimpleNamespace(log=log, unflushed_blocks=0)
    with ThreadPoolExecutor(1) as thread:
        yield Saver(cast(Ledger, ledger), cast(Journal, journal), thread, thread, nothing)


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


# ── the state's batch ────────────────────────────────────────────────────────────────────────────────────────────────


class SlowState:
    """A ledger whose log takes everything at once and whose state's store hangs until `works` is set."""

    def __init__(self) -> None:
        self.works = threading.Event()
        self.unflushed_blocks = self.begun = self.ended = 0
        self.error: Exception | None = None
        self.log = SimpleNamespace(append=nothing, flush=nothing, last_journal_sequence=0)
        self.state = self.store = self

    def begin_flush(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        assert self.begun == self.ended
        self.begun += 1
        return {}, []

    def write(self, _puts: object, _deletes: object, sync: bool) -> None:
        assert sync
        self.works.wait(10)
        if self.error is not None:
            raise self.error

    def end_flush(self) -> None:
        self.ended += 1

    def block(self, saver: Saver, count: int = BLOCKS_UNFLUSHED_MAX) -> None:
        """So many final ones, of which the last is not in the log yet."""
        self.unflushed_blocks += count
        saver.block(self.unflushed_blocks, bytes(32), b"block")


def nothing(*_: Any) -> None: ...


@pytest.fixture
def slow() -> Iterator[SlowState]:
    ledger = SlowState()
    yield ledger
    ledger.works.set()


@pytest.fixture
def beside(slow: SlowState) -> Iterator[Saver]:
    journal = SimpleNamespace(append=nothing, flush=nothing, prune=nothing, flushed_sequence=0)
    with ThreadPoolExecutor(1) as thread, ThreadPoolExecutor(1) as state_thread:
        yield Saver(cast(Ledger, slow), cast(Journal, journal), thread, state_thread, nothing)
        slow.works.set()


async def test_a_vote_leaves_while_the_state_is_being_written(slow: SlowState, beside: Saver) -> None:
    """The batch of a second under load takes a tenth of one; votes once waited for it, on all validators at the same time."""
    running = asyncio.ensure_future(beside.run())
    slow.block(beside)
    for turn in range(3):
        said = asyncio.Event()
        beside.entry(turn, b"vote")
        beside.send(said.set)
        async with asyncio.timeout(10):
            await said.wait()
    assert (slow.begun, slow.ended) == (1, 0)
    slow.works.set()
    await beside.drain()
    assert (slow.begun, slow.ended) == (1, 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_state_that_falls_behind_is_waited_for(slow: SlowState, beside: Saver) -> None:
    """What is final gathers in memory until it is written."""
    running = asyncio.ensure_future(beside.run())
    slow.block(beside)
    await asyncio.sleep(0.05)
    assert slow.begun == 1
    said = asyncio.Event()
    slow.block(beside, 2 * BLOCKS_UNFLUSHED_MAX)
    beside.send(said.set)
    await asyncio.sleep(0.1)
    assert not said.is_set()
    slow.works.set()
    async with asyncio.timeout(10):
        await said.wait()
    await beside.drain()
    assert slow.ended == slow.begun == 2
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("when", ["running", "draining"])
async def test_a_state_that_is_not_written_stops_the_node(slow: SlowState, beside: Saver, when: str) -> None:
    slow.error = StorageFailed("state", "no space")
    slow.works.set()
    slow.block(beside)
    with pytest.raises(StorageFailed, match="no space"):
        async with asyncio.timeout(10):
            await (beside.run() if when == "running" else beside.drain())
    assert slow.ended == 0


async def test_a_node_that_stops_waits_for_the_state(slow: SlowState, beside: Saver) -> None:
    slow.block(beside)
    stopping = asyncio.ensure_future(beside.drain())
    await asyncio.sleep(0.05)
    assert (slow.begun, stopping.done()) == (1, False)
    slow.works.set()
    await stopping
    assert slow.ended == 1


async def test_damage_that_is_met_when_a_batch_ends_stops_the_node(slow: SlowState, beside: Saver) -> None:
    """Then a little more of the store is read: an error there once went to the loop's log, and the flush never ended."""

    def damaged() -> None:
        raise StorageDamaged("state", "a key is damaged")

    slow.end_flush = damaged  # type: ignore[method-assign]
    slow.works.set()
    slow.block(beside)
    with pytest.raises(StorageDamaged, match="a key is damaged"):
        async with asyncio.timeout(10):
            await beside.run()
