"""One file of the block log: records of consecutive blocks, and where each begins.

A segment `NNNNNNNN.log` is named by the height of its first block. A record is

    length 4 · height 8 · journal sequence 8 · checksum 8 · block with certificate (`length` bytes)

big-endian; the checksum is the first 8 bytes of SHA-256 over height, length, sequence and block. Source: DESIGN
section 8.
"""

from __future__ import annotations

import os
import struct
from array import array
from hashlib import sha256
from pathlib import Path

from chain.errors import StorageDamaged

RECORD_BYTES_MAX = 32 << 20  # a block with its certificate fits one frame between nodes
READ_BYTES = 1 << 20  # at a time, when headers are walked
_HEADER = struct.Struct(">IQQ8s")
_COVERED = struct.Struct(">QIQ")


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

    def append(self, height: int, block: bytes, sequence: int) -> None:
        """Write the record after the last one, without a flush. Raises OSError."""
        covered = _COVERED.pack(height, len(block), sequence)
        data = memoryview(_HEADER.pack(len(block), height, sequence, _checksum(covered, block)) + block)
        written = 0
        while written < len(data):
            written += os.pwrite(self._handle, data[written:], self.end + written)
        self._add(len(block))

    def fits(self, block: bytes, bytes_max: int) -> bool:
        """Whether the segment stays within `bytes_max` with this block, or is empty."""
        return not self._offsets or self.end + _HEADER.size + len(block) <= bytes_max

    def flush(self) -> None:
        """Return when what was appended is on the disk. Raises OSError."""
        os.fdatasync(self._handle)

    def read(self, height: int) -> tuple[bytes, int]:
        """The block and the journal sequence beside it, checked again."""
        if not self.first <= height <= self.last:
            raise StorageDamaged(self.place(self.end), f"ends before block {height}")
        return self._read_record(self._offsets[height - self.first], height)

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
            length, height, _sequence, _sum = _HEADER.unpack_from(window, within)
            if height != self.last + 1 or not 0 < length <= RECORD_BYTES_MAX:
                raise StorageDamaged(self.place(self.end), f"not the head of the record of block {self.last + 1}")
            if self.end + _HEADER.size + length > size:
                raise StorageDamaged(self.place(self.end), f"block {height}: the record is cut short")
            self._add(length)

    def walk_records(self) -> int:
        """Find the records of the last segment, checking each; how many bytes of a torn one lie at `end`.

        A record is torn if it does not read and no later one does. Raises StorageDamaged if a later one does.
        """
        size = os.fstat(self._handle).st_size
        while self.end < size:
            try:
                block, _sequence = self._read_record(self.end, self.last + 1)
            except StorageDamaged as damage:
                if self._has_record_after_the_end(size):
                    raise damage from None
                return size - self.end
            self._add(len(block))
        return 0

    def cut(self) -> None:
        """Drop what lies behind `end`, and flush. Raises OSError."""
        os.ftruncate(self._handle, self.end)
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

    def _read_record(self, offset: int, height: int) -> tuple[bytes, int]:
        try:
            header = os.pread(self._handle, _HEADER.size, offset)
            if len(header) < _HEADER.size:
                raise StorageDamaged(self.place(offset), f"block {height}: the record is cut short")
            length, actual, sequence, checksum = _HEADER.unpack(header)
            if actual != height or not 0 < length <= RECORD_BYTES_MAX:
                raise StorageDamaged(self.place(offset), f"not the head of the record of block {height}")
            block = os.pread(self._handle, length, offset + _HEADER.size)
        except OSError as error:
            raise StorageDamaged(self.place(offset), f"block {height}: {error}") from None
        if len(block) != length or _checksum(_COVERED.pack(height, length, sequence), block) != checksum:
            raise StorageDamaged(self.place(offset), f"block {height}: the checksum does not fit")
        return block, sequence

    def _has_record_after_the_end(self, size: int) -> bool:
        """Whether a whole record of one of the next heights lies somewhere behind the one that does not read."""
        rest = os.pread(self._handle, size - self.end, self.end)
        for height in range(self.last + 2, self.last + 10):
            wanted = height.to_bytes(8, "big")
            found = rest.find(wanted, 4)  # the height follows the length
            while found >= 0:
                try:
                    self._read_record(self.end + found - 4, height)
                except StorageDamaged:
                    found = rest.find(wanted, found + 1)
                else:
                    return True
        return False


def _checksum(covered: bytes, block: bytes) -> bytes:
    return sha256(covered + block).digest()[:8]
