"""One file of the block log: records of consecutive blocks, and where each begins.

A segment `NNNNNNNN.log` is named by the height of its first block. A record is

    length 4 · height 8 · journal sequence 8 · unflushed 4 · checksum 8 · block with certificate (`length` bytes)

big-endian; `unflushed` is how many blocks before it were not flushed yet when it was written; the checksum is the first
8 bytes of SHA-256 over height, length, sequence, unflushed and block. Source: DESIGN section 8.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from chain.errors import StorageDamaged
from chain.failpoint import failpoint, failpoint_write

RECORD_BYTES_MAX = 32 << 20  # a block with its certificate fits one frame between nodes
READ_BYTES = 1 << 20  # at a time, when headers are walked
LOOKED_FOR = 64  # heights behind a record that does not read, whose records are looked for
_HEADER = struct.Struct(">IQQI8s")
_COVERED = struct.Struct(">QIQI")


class Record(NamedTuple):
    height: int
    block: bytes
    sequence: int  # of the journal, flushed before the block was written
    unflushed: int  # blocks before this one that were not flushed when it was written

    @property
    def flushed_height(self) -> int:
        """Blocks up to here were on the disk before this record was written."""
        return self.height - 1 - self.unflushed


class Segment:
    """An open file of blocks `first` … `last`. Raises StorageDamaged naming file and offset for what does not read.

    It knows the records that were walked (`walk_headers`, `walk_records`) or appended; `end` is where the next one
    goes.
    """

    def __init__(self, path: Path, first: int, writable: bool) -> None:
        self.path, self.first = path, first
        self.end = 0
        self._offsets = array("I")  # of height first + i, 4 bytes a block: a segment stays far below 4 GiB
        try:
            self._handle = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
        except OSError as error:
            raise StorageDamaged(str(path), f"does not open: {error.strerror}") from None

    @property
    def last(self) -> int:
        """The height of the last record; `first` - 1 if there is none."""
        return self.first + len(self._offsets) - 1

    def append(self, height: int, block: bytes, sequence: int, unflushed: int = 0) -> None:
        """Write the record after the last one, without a flush. Raises OSError."""
        covered = _COVERED.pack(height, len(block), sequence, unflushed)
        data = memoryview(_HEADER.pack(len(block), height, sequence, unflushed, _checksum(covered, block)) + block)
        failpoint_write("segment.write", self._handle, data, self.end)
        written = 0
        while written < len(data):
            written += os.pwrite(self._handle, data[written:], self.end + written)
        failpoint("segment.written")
        self._add(len(block))

    def fits(self, block: bytes, bytes_max: int) -> bool:
        """Whether the segment stays within `bytes_max` with this block, or is empty."""
        return not self._offsets or self.end + _HEADER.size + len(block) <= bytes_max

    def flush(self) -> None:
        """Return when what was appended is on the disk. Raises OSError."""
        failpoint("segment.flush")
        os.fdatasync(self._handle)
        failpoint("segment.flushed")

    def read(self, height: int) -> tuple[bytes, int]:
        """The block and the journal sequence beside it, checked again."""
        if not self.first <= height <= self.last:
            raise StorageDamaged(self.place(self.end), f"ends before block {height}")
        record = self._read_record(self._offsets[height - self.first], height)
        return record.block, record.sequence

    def walk_headers(self) -> None:
        """Find the records of a segment that was closed, by their lengths: quick, and blind for damaged blocks."""
        size = os.fstat(self._handle).st_size
        window, window_start = b"", 0
        while self.end < size:
            within = self.end - window_start
            if not 0 <= within <= len(window) - _HEADER.size:
                window, window_start, within = os.pread(self._handle, READ_BYTES, self.end), self.end, 0
            if len(window) < _HEADER.size:
                raise StorageDamaged(self.place(self.end), f"block {self.last + 1}: the record is cut short")
            length, height, _sequence, _unflushed, _sum = _HEADER.unpack_from(window, within)
            if height != self.last + 1 or not 0 < length <= RECORD_BYTES_MAX:
                raise StorageDamaged(self.place(self.end), f"not the head of the record of block {self.last + 1}")
            if self.end + _HEADER.size + length > size:
                raise StorageDamaged(self.place(self.end), f"block {height}: the record is cut short")
            self._add(length)

    def walk_records(self) -> int:
        """Find the records of the last segment, checking each; how many bytes behind `end` were never flushed.

        That is so if a record does not read and no later one was written after its flush: a loss of power keeps what
        was written since the last flush in any order, or nothing of it. Raises StorageDamaged if a later record says
        that this one had been flushed. Blocks in between that read are as good as unwritten: nobody heard of them.
        """
        size = os.fstat(self._handle).st_size
        while self.end < size:
            height = self.last + 1
            try:
                record = self._read_record(self.end, height)
            except StorageDamaged as damage:
                if any(later.flushed_height >= height for later in self.records_behind()):
                    raise damage from None
                return size - self.end
            self._add(len(record.block))
        return 0

    def records_behind(self) -> Iterator[Record]:
        """Whole records behind `end`, where one does not read: those that follow the first that is found there."""
        size = os.fstat(self._handle).st_size
        rest = os.pread(self._handle, size - self.end, self.end)
        found = self._first_in(rest)
        if found is None:
            return
        offset, record = found
        while True:
            yield record
            offset += _HEADER.size + len(record.block)
            try:
                record = self._read_record(offset, record.height + 1)
            except StorageDamaged:
                return

    def _first_in(self, rest: bytes) -> tuple[int, Record] | None:
        """(offset, record) of the lowest of the next heights that has a whole record in the bytes from `end` on."""
        for height in range(self.last + 2, self.last + 2 + LOOKED_FOR):
            wanted = height.to_bytes(8, "big")
            found = rest.find(wanted, 4)  # the height follows the length
            while found >= 0:
                offset = self.end + found - 4
                try:
                    return offset, self._read_record(offset, height)
                except StorageDamaged:
                    found = rest.find(wanted, found + 1)
        return None

    def cut(self) -> None:
        """Drop what lies behind `end`, and flush. Raises OSError."""
        failpoint("segment.cut")
        os.ftruncate(self._handle, self.end)
        failpoint("segment.cut_flush")
        os.fsync(self._handle)

    def close(self) -> None:
        """Release the file; what is known of it stays. A second call does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def place(self, offset: int) -> str:
        return f"{self.path} offset {offset}"

    def _add(self, length: int) -> None:
        self._offsets.append(self.end)
        self.end += _HEADER.size + length

    def _read_record(self, offset: int, height: int) -> Record:
        try:
            header = os.pread(self._handle, _HEADER.size, offset)
            if len(header) < _HEADER.size:
                raise StorageDamaged(self.place(offset), f"block {height}: the record is cut short")
            length, actual, sequence, unflushed, checksum = _HEADER.unpack(header)
            if actual != height or not 0 < length <= RECORD_BYTES_MAX:
                raise StorageDamaged(self.place(offset), f"not the head of the record of block {height}")
            block = os.pread(self._handle, length, offset + _HEADER.size)
        except OSError as error:
            raise StorageDamaged(self.place(offset), f"block {height}: {error}") from None
        if len(block) != length or _checksum(_COVERED.pack(height, length, sequence, unflushed), block) != checksum:
            raise StorageDamaged(self.place(offset), f"block {height}: the checksum does not fit")
        return Record(height, block, sequence, unflushed)


def _checksum(covered: bytes, block: bytes) -> bytes:
    return sha256(covered + block).digest()[:8]
