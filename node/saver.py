"""Saved before said: one writer that carries out a replica's ordered effects.

Whatever is sent leaves only after everything that stood before it is on the disk. What waits together shares the
flushes: blocks first, then the journal, then the messages go out in their order. The state's batch, which is derived and
may come late, goes down beside it in a thread of its own, once its blocks are flushed: no vote waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from chain.codec import Wire, encode
from chain.failpoint import failpoint
from chain.ledger import BLOCKS_UNFLUSHED_MAX, Ledger
from chain.transaction import Transaction
from node.journal import Journal
from node.thread_work import finished

STATE_FLUSH_SECONDS = 1.0
WAITING_MAX = 100_000  # effects; more means that the disk has stopped
WAITING_BYTES_MAX = 512 << 20  # of blocks, journal entries and messages among them: some 30 of the largest blocks

_Batch = tuple[dict[bytes, bytes], list[bytes]]  # of the state: puts, deletes


class SavedEntry(Wire, frozen=True):
    """What lies in the journal: the core's record, and the bodies of the proposal that it votes for."""

    record: bytes
    bodies: list[Transaction]


@dataclass(slots=True)
class _Job:
    """In the order given: a block, a journal entry, work on the journal itself, or something to send."""

    block: tuple[int, bytes, bytes] | None = None  # height, digest, record of the log
    entry: tuple[int, bytes] | None = None  # height, payload
    work: Callable[[], None] | None = None  # in the writer's thread
    send: Callable[[], None] | None = None
    size_bytes: int = 0


@dataclass(slots=True)
class Figures:
    """What the saver has done: for metrics."""

    flushes: int = 0
    flush_seconds: float = 0.0
    state_flushes: int = 0
    latest_flush_seconds: list[float] = field(default_factory=list)


class Saver:
    """`on_flushed(height)` is called on the loop when blocks up to it may be spoken of."""

    def __init__(
        self,
        ledger: Ledger,
        journal: Journal | None,
        thread: Executor,
        state_thread: Executor,
        on_flushed: Callable[[int], None],
    ) -> None:
        """`thread` writes log and journal, `state_thread` the state."""
        self._ledger, self._thread, self._state_thread, self._on_flushed = ledger, thread, state_thread, on_flushed
        self.journal = journal
        self._jobs: list[_Job] = []  # at most WAITING_MAX, and WAITING_BYTES_MAX with those being written
        self._jobs_bytes = 0
        self._wake = asyncio.Event()
        self._flushed_state_at = time.monotonic()
        self._state_write: asyncio.Future[None] | None = None  # under way
        self._state_failure: BaseException | None = None
        self.keep: list[bytes] = []  # payloads that outlive pruning: the epoch's highest ViewChange
        self.sequence_min = 0  # what blocks name at least: above all entries of a journal that has forgotten a vote
        self.figures = Figures()

    def block(self, height: int, digest: bytes, record: bytes) -> None:
        self._put(_Job(block=(height, digest, record), size_bytes=len(record)))

    def entry(self, height: int, payload: bytes) -> None:
        self._put(_Job(entry=(height, payload), size_bytes=len(payload)))

    def work(self, work: Callable[[], None]) -> None:
        """On the journal's file, after the entries before it were flushed."""
        self._put(_Job(work=work))

    def drop_journal(self, has_forgotten: bool) -> None:
        """What was saved so far is kept, then its file is let go. If it lacks a vote, blocks from here on say so."""

        def drop() -> None:
            if self.journal is not None:
                if has_forgotten:
                    self.sequence_min = self.journal.last_sequence + 1
                self.journal.close()
                self.journal = None

        self.work(drop)

    def send(self, send: Callable[[], None], size_bytes: int = 0) -> None:
        """`size_bytes`: of the message, if it is held until then."""
        self._put(_Job(send=send, size_bytes=size_bytes))

    def _put(self, job: _Job) -> None:
        if len(self._jobs) >= WAITING_MAX or self._jobs_bytes + job.size_bytes > WAITING_BYTES_MAX:
            raise RuntimeError("the disk does not keep up: too many effects wait")
        self._jobs.append(job)
        self._jobs_bytes += job.size_bytes
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. Raises what the disk raises: the node stops."""
        while True:
            try:
                async with asyncio.timeout(STATE_FLUSH_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                if not self._jobs:
                    self._write_state(self._state_batch())
                continue
            await self._work_off()

    async def drain(self) -> None:
        """Do what waits, and wait for the state's batch that is under way."""
        await self._work_off()
        await self._state_written()

    async def _work_off(self) -> None:
        loop = asyncio.get_running_loop()
        if self._ledger.unflushed_blocks >= 2 * BLOCKS_UNFLUSHED_MAX:  # the state's disk does not keep up
            await self._state_written()
        elif self._state_failure is not None:
            raise self._state_failure
        self._wake.clear()
        jobs, self._jobs = self._jobs, []
        try:
            if any(job.send is None for job in jobs):
                await self._write_whole(loop, jobs)
            sends = [job.send for job in jobs if job.send is not None]
            for number, send in enumerate(sends):
                send()
                if number == 0 and len(sends) > 1:
                    failpoint("saver.sent_one")
            if sends:
                failpoint("saver.sent_all")
        finally:
            self._jobs_bytes -= sum(job.size_bytes for job in jobs)

    async def _write_whole(self, loop: asyncio.AbstractEventLoop, jobs: list[_Job]) -> None:
        """Cancelled, it waits until the writing has ended: what comes after it must not overtake it.

        `keep` as it is at these jobs: a block after them may end the epoch while they are written, and until that block
        is on the disk too the promise of the epoch stands.
        """
        await finished(asyncio.ensure_future(self._write(loop, jobs, self.keep, self._state_batch())))

    def _state_batch(self) -> _Batch | None:
        """What the state has gathered, if it is due. Called before anything else has its turn on the loop: every block
        adopted so far is among the jobs just taken or flushed already, so the state never leads the log."""
        ledger = self._ledger
        now = time.monotonic()
        due = ledger.unflushed_blocks >= BLOCKS_UNFLUSHED_MAX or now - self._flushed_state_at >= STATE_FLUSH_SECONDS
        if not due or not ledger.unflushed_blocks or self._state_write is not None:
            return None
        ledger.unflushed_blocks = 0
        self._flushed_state_at = now
        return ledger.state.begin_flush()

    async def _write(
        self, loop: asyncio.AbstractEventLoop, jobs: list[_Job], keep: list[bytes], batch: _Batch | None
    ) -> None:
        heights = [job.block[0] for job in jobs if job.block]
        started = time.perf_counter()
        await loop.run_in_executor(self._thread, self._save, jobs, keep)
        self.figures.flushes += 1
        self.figures.flush_seconds += time.perf_counter() - started
        failpoint("saver.saved")
        if heights:
            self._on_flushed(heights[-1])
        self._write_state(batch)

    def _write_state(self, batch: _Batch | None) -> None:
        """Begin to; the log holds its blocks."""
        if batch is not None:
            loop = asyncio.get_running_loop()
            self._state_write = loop.run_in_executor(self._state_thread, self._save_state, batch)
            self._state_write.add_done_callback(self._state_ended)

    def _state_ended(self, write: asyncio.Future[None]) -> None:
        self._state_write = None
        if write.cancelled():  # the process ends
            return
        try:
            write.result()
            self._ledger.state.end_flush()
            self.figures.state_flushes += 1
        except Exception as error:  # told to whoever drains or runs, which stops the node
            self._state_failure = error
        self._wake.set()

    async def _state_written(self) -> None:
        """Wait for the batch that is under way. Raises what the disk raised."""
        if self._state_write is not None:
            await asyncio.wait([self._state_write])
        if self._state_failure is not None:
            raise self._state_failure

    def _save_state(self, batch: _Batch) -> None:
        """In the state's thread."""
        self._ledger.state.store.write(batch[0], batch[1], sync=True)
        failpoint("saver.state_written")

    def _save(self, jobs: list[_Job], keep: list[bytes]) -> None:
        """In the writer thread."""
        ledger, journal = self._ledger, self.journal
        failpoint("saver.taken")
        last = None
        for job in jobs:
            if job.block is not None:
                height, digest, record = job.block
                ledger.log.append(height, record, self.sequence())
                last = (height, digest)
        # Before a byte of the journal is written, which may hold votes that follow from the block: after a loss of
        # power a journal ahead of the log is damage. Nothing was said yet that follows from entries before the block.
        if last is not None:
            failpoint("saver.blocks_appended")
            ledger.log.flush()
            failpoint("saver.blocks_flushed")
        entries = [job.entry for job in jobs if job.entry is not None]
        if entries and journal is None:
            raise RuntimeError("a vote without a journal to keep it")
        if journal is not None:
            for height, payload in entries:
                journal.append(payload, height)
            if entries:
                failpoint("saver.entries_appended")
                journal.flush()
                failpoint("saver.entries_flushed")
            if last is not None:
                journal.prune(last[0], last[1], keep)
                failpoint("saver.pruned")
        for job in jobs:
            if job.work is not None:
                job.work()

    def sequence(self) -> int:
        """What a block record says of the journal: only what it is sure to hold after any crash, and never less than
        the record before. So a journal that was found too short stays too short, however many blocks come after."""
        known = self._ledger.log.last_journal_sequence
        flushed = self.journal.flushed_sequence if self.journal is not None else 0
        return max(known, flushed, self.sequence_min)


def saved_entry(record: bytes, bodies: list[Transaction]) -> bytes:
    return encode(SavedEntry(record, bodies))
