"""The block log: append-only segments of final blocks, the only truth of a node.

To this file a block is opaque bytes with a height; `segment.py` says how a record looks. Source: DESIGN section 8;
PROTOCOL rules 5 and 14.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from chain.directory import flush_directory, lock_directory
from chain.errors import StorageDamaged, StorageFailed
from chain.failpoint import failpoint, is_forced
from chain.segment import RECORD_BYTES_MAX, Segment

SEGMENT_BYTES_MAX = 64 << 20  # a block that does not fit any more opens a new segment
SEGMENTS_OPEN_MAX = 32  # closed segments whose file is open and whose offsets are in memory
CLOSED = "closed"


class BlockLog:
    """The blocks of heights `first_height` … `height`, each once. One thread appends; another may read meanwhile.

    A read checks its record again and raises StorageDamaged naming file and offset. A failed write or flush raises
    StorageFailed, and so does every later one.
    """

    def __init__(self, directory: Path, segment_bytes_max: int, lock: int | None) -> None:
        """For the constructors below."""
        self.directory = directory
        self.flushed_height = 0  # up to here blocks survive a loss of power: only these may be spoken of
        self.last_journal_sequence = 0  # beside the last block; 0 if there is no block
        self.torn_bytes = 0  # behind the last block, never flushed: cut off by `open`, left alone by a reader
        self.cut_place = ""  # file and offset where `open` cut them off
        self._segment_bytes_max = segment_bytes_max
        self._lock = lock  # the directory's; None if read-only
        self._failed = ""
        self._firsts: list[int] = []  # first heights of the segments, ascending
        self._tail: Segment | None = None  # the last segment
        self._closed: OrderedDict[int, Segment] = OrderedDict()  # by first height, at most SEGMENTS_OPEN_MAX
        self._reading = threading.Lock()  # segments are closed only while nobody reads them

    @classmethod
    def create(cls, directory: Path, first_height: int = 1, segment_bytes_max: int = SEGMENT_BYTES_MAX) -> BlockLog:
        """Make an empty log that will begin with block `first_height`. Raises StorageFailed if the place is not empty."""
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise StorageFailed(str(directory), "not empty: a log is made only where nothing is")
        log = cls(directory, segment_bytes_max, lock_directory(directory))
        log._add_segment(first_height)
        log.flushed_height = log.height
        flush_directory(directory.parent)
        return log

    @classmethod
    def open(
        cls,
        directory: Path,
        journal_has_votes_above: bool | Callable[[int], bool] = False,
        floor: tuple[int, bytes] | None = None,
        digest_of: Callable[[bytes], bytes] | None = None,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> BlockLog:
        """Open for appending, after checking the last segment whole; older ones are checked as they are read.

        What was never flushed at the end (a torn record, or records of one batch that a loss of power left in any
        order: `Segment.walk_records`) is cut, unless the journal has votes above the height of the first record that
        does not read (a callable is asked with that height): they followed from the block, so it was flushed once.
        `floor` is the journal's: height and digest of a
        block that was flushed; `digest_of` gives the digest of a record's bytes, to compare.
        Raises StorageDamaged for every other damage and for a log that is missing or ends below the floor,
        StorageLocked if another process appends.
        """
        try:
            lock = lock_directory(directory)
        except OSError as error:
            raise StorageDamaged(str(directory), f"no block log: {error.strerror}") from None
        log = cls(directory, segment_bytes_max, lock)
        try:
            log._load()
            if log.torn_bytes:
                voted = journal_has_votes_above
                log._cut(voted if isinstance(voted, bool) else voted(log.height + 1))
            log._verify_floor(floor, digest_of)
            log.flush()  # what a killed process wrote but did not flush is as good as any other block
        except BaseException:
            log.close()
            raise
        return log

    @classmethod
    def open_read_only(cls, directory: Path) -> BlockLog:
        """Open beside the process that appends; a record that is not whole yet is not seen. See `refresh`.

        Raises StorageDamaged as `open` does, except for a torn end.
        """
        log = cls(directory, SEGMENT_BYTES_MAX, None)
        try:
            log.refresh()
        except BaseException:
            log.close()
            raise
        return log

    @property
    def height(self) -> int:
        """Of the last block; of the one before the first, if there is none."""
        assert self._tail is not None
        return self._tail.last

    @property
    def first_height(self) -> int:
        """The height of the first block, whether it is there yet or not."""
        return self._firsts[0]

    @property
    def closed_segments(self) -> list[Path]:
        """The files that will never change again, oldest first: what a backup takes."""
        return [self._path(first) for first in self._firsts[:-1]]

    @property
    def last_segment(self) -> int:
        """The first height of the segment that grows."""
        return self._firsts[-1]

    def append(self, height: int, block: bytes, journal_sequence: int) -> None:
        """Write the block after the last one. It may be spoken of only after `flush`; several may share one."""
        tail = self._verify_writable()
        if height != tail.last + 1 or not 0 < len(block) <= RECORD_BYTES_MAX:
            raise ValueError(f"block {height} of {len(block)} bytes after block {tail.last}")
        try:
            if not tail.fits(block, self._segment_bytes_max) or is_forced("block_log.roll"):
                self.flush()  # a segment is whole before the next one exists
                tail = self._add_segment(height)
            tail.append(height, block, journal_sequence, height - 1 - self.flushed_height)
        except OSError as error:
            raise self._failure(error) from None
        self.last_journal_sequence = journal_sequence

    def flush(self) -> None:
        """Return when all appended blocks are on the disk."""
        tail = self._verify_writable()
        height = tail.last
        try:
            tail.flush()
        except OSError as error:
            raise self._failure(error) from None
        self.flushed_height = height

    def read(self, height: int) -> bytes:
        """The bytes of the block. Raises KeyError if the log does not have that height, StorageDamaged."""
        return self._read(height)[0]

    def read_many(self, from_height: int, bytes_max: int) -> list[bytes]:
        """Consecutive blocks from `from_height`: as many as fit `bytes_max`, but one at least if there is one."""
        found: list[bytes] = []
        size = 0
        for height in range(from_height, self.height + 1):
            block = self.read(height)
            size += len(block)
            if found and size > bytes_max:
                break
            found.append(block)
        return found

    def journal_sequence(self, height: int) -> int:
        """The journal's sequence number that was written beside the block. Raises as `read` does."""
        return self._read(height)[1]

    def refresh(self) -> None:
        """Of a log opened read-only: see what the other process has appended since."""
        if self._lock is not None:
            raise ValueError("a log opened for appending sees all it has")
        self._close_segments()
        self._load()
        self.flushed_height = self.height

    def close(self) -> None:
        """Release files and lock, without a flush."""
        self._failed = CLOSED
        self._close_segments()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _load(self) -> None:
        """Find the segments and walk the last one."""
        try:
            names = sorted(path.name for path in self.directory.iterdir() if path.suffix == ".log")
        except OSError as error:
            raise StorageDamaged(str(self.directory), f"no block log: {error.strerror}") from None
        stems = [name.removesuffix(".log") for name in names]
        for stem in stems:
            if not (stem.isascii() and stem.isdecimal() and f"{int(stem):08d}" == stem):
                raise StorageDamaged(str(self.directory / f"{stem}.log"), "not the name of a segment")
        if not stems:
            raise StorageDamaged(str(self.directory), "no segment: the block log is missing")
        self._firsts = sorted(int(stem) for stem in stems)
        self._tail = Segment(self._path(self._firsts[-1]), self._firsts[-1], self._lock is not None)
        self.torn_bytes = self._tail.walk_records()
        if self.height >= self.first_height:
            with self._reading:
                if len(self._firsts) > 1:
                    self._segment(self._tail.first - 1)  # the one before is whole and leads up to this one
            self.last_journal_sequence = self.journal_sequence(self.height)

    def _cut(self, is_forbidden: bool) -> None:
        assert self._tail is not None
        if is_forbidden:
            raise StorageDamaged(
                self._tail.place(self._tail.end), f"block {self.height + 1} does not read; the journal has votes above"
            )
        try:
            self._tail.cut()
        except OSError as error:
            raise self._failure(error) from None
        self.cut_place = self._tail.place(self._tail.end)

    def _verify_floor(self, floor: tuple[int, bytes] | None, digest_of: Callable[[bytes], bytes] | None) -> None:
        assert self._tail is not None
        if floor is None or floor[0] < self.first_height:
            return
        height, digest = floor
        if self.height < height:
            raise StorageDamaged(
                self._tail.place(self._tail.end),
                f"ends at block {self.height}, but block {height} was flushed once: so says the journal's floor",
            )
        if digest_of is not None and digest_of(self.read(height)) != digest:
            raise StorageDamaged(str(self.directory), f"block {height} is not the one of the journal's floor")

    def _read(self, height: int) -> tuple[bytes, int]:
        if not self.first_height <= height <= self.height:
            raise KeyError(height)
        with self._reading:
            if self._failed == CLOSED:
                raise StorageFailed(str(self.directory), CLOSED)
            return self._segment(height).read(height)

    def _segment(self, height: int) -> Segment:
        """The segment with that block. An older one is opened at its first use; its records are found by length."""
        assert self._tail is not None
        if height >= self._tail.first:
            return self._tail
        place = bisect_right(self._firsts, height) - 1
        first, following = self._firsts[place], self._firsts[place + 1]
        segment = self._closed.get(first)
        if segment is not None:
            self._closed.move_to_end(first)
            return segment
        segment = Segment(self._path(first), first, False)
        try:
            segment.walk_headers()
            if segment.last != following - 1:
                raise StorageDamaged(segment.place(segment.end), f"ends at block {segment.last}, before {following}")
        except BaseException:
            segment.close()
            raise
        self._closed[first] = segment
        if len(self._closed) > SEGMENTS_OPEN_MAX:
            self._closed.popitem(last=False)[1].close()
        return segment

    def _add_segment(self, first: int) -> Segment:
        path = self._path(first)
        failpoint("block_log.new_segment")
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        failpoint("block_log.segment_made")
        flush_directory(self.directory)
        failpoint("block_log.segment_flushed")
        with self._reading:
            if self._tail is not None:
                self._tail.close()  # opened again as a closed one when it is read
            self._tail = Segment(path, first, True)
            self._firsts.append(first)
        return self._tail

    def _path(self, first: int) -> Path:
        return self.directory / f"{first:08d}.log"

    def _close_segments(self) -> None:
        with self._reading:
            for segment in [*self._closed.values(), *([self._tail] if self._tail else [])]:
                segment.close()
            self._closed.clear()

    def _verify_writable(self) -> Segment:
        if self._failed:
            raise StorageFailed(str(self.directory), f"no longer usable: {self._failed}")
        if self._lock is None or self._tail is None:
            raise ValueError("a log opened read-only")
        return self._tail

    def _failure(self, error: OSError) -> StorageFailed:
        self._failed = str(error)
        return StorageFailed(str(self.directory), self._failed)
