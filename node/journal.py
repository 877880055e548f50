"""The journal: what this validator may not forget, in order, numbered, flushed before what it allows is sent.

To this file an entry is opaque bytes with a height. One file, `journal.log`: a head with the renewal and the vote keys
that it was made for, which file it is itself, the floor (height and digest of a block that was flushed, at the last
rewriting) and the number of the first entry; then entries

    length 4 · height 8 · sequence 8 · unflushed 4 · CRC-32 of these 24 bytes · checksum 8 · payload (`length` bytes)

big-endian; the checksum is the first 8 bytes of SHA-256 over these 24 bytes and the payload. `unflushed`
is how many entries before it were not flushed yet when it was written: so a batch that a loss of power left in any
order is told from a flushed entry that does not read any more. The head of an
entry has a checksum of its own so that a damaged length cannot make a flushed vote look like an unfinished one.
A journal is made together with the vote key or for a renewal, never copied, never restored: `open` finds out a file
that is not the one that was written, moves to another disk included. What it cannot see is a file overwritten in its
place, or a snapshot of the whole machine: there the last block record tells, or the peers. Source: DESIGN section 8;
PROTOCOL rules 3, 13, 14.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from chain.directory import flush_directory, lock_directory
from chain.errors import StorageDamaged, StorageFailed
from chain.failpoint import failpoint, failpoint_write, is_forced
from node.errors import JournalCopied, JournalMissing
from node.file_identity import FileIdentity, identity_of

PAYLOAD_BYTES_MAX = 64 << 20  # a proposal with its bodies
PRUNE_BYTES_MIN = 64 << 20  # smaller files are not worth a rewriting: it costs two flushes and holds up the writer
SECTOR_BYTES = 512  # is written whole or not at all; one that never was reads as zeros
HOLE_BYTES_MIN = 8  # of an entry in one sector: a length, at least, is not all zeros
LOOKED_FOR = 64  # entries behind one that does not read
FILE_NAME = "journal.log"
NEW_FILE_NAME = "journal.new"
KEYS_MAX = 8  # that a journal remembers; a seat changes its key seldom
FIRST_RENEWAL = bytes(32)  # the number of a journal that was made together with its key
_MAGIC = b"medbill/2/journal"
_HEAD = struct.Struct(f">17s32s{32 * KEYS_MAX}sQQQQ32s8s")
# magic, renewal, keys (zeros: none), inode, generation, first sequence, floor height, floor digest, checksum
_ENTRY = struct.Struct(">IQQI")
_ENTRY_BYTES = _ENTRY.size + 4 + 8


class JournalEntry(NamedTuple):
    sequence: int
    height: int
    payload: bytes


class Journal:
    """Entries `first_sequence` … `last_sequence`. One process, one thread.

    `append` and `flush` raise StorageFailed when the disk does not take it, and everything after it does too; reading
    raises StorageDamaged, naming file and offset.
    """

    def __init__(self, directory: Path, lock: int) -> None:
        """For the constructors below."""
        self.directory = directory
        self.path = directory / FILE_NAME
        self.renewal = FIRST_RENEWAL  # the number of the operation whose epoch it may vote in first
        self.keys: list[bytes] = []  # public vote keys that were here before their first epoch; newest last, KEYS_MAX
        self.identity = FileIdentity(0, 0)  # of the file that was written
        self.floor: tuple[int, bytes] | None = None  # (height, digest) of the block last flushed at a rewriting
        self.first_sequence = 1
        self.flushed_sequence = 0  # what follows from later entries may not be sent yet
        self.torn_bytes = 0  # of an entry that was never flushed, cut by `open`
        self._lock = lock
        self._handle = -1
        self._failed = ""
        self._end = 0  # of the file
        self._offsets = array("Q")  # of entry first_sequence + i
        self._heights = array("Q")

    @classmethod
    def create(
        cls, directory: Path, keys: Sequence[bytes] = (), renewal: bytes = FIRST_RENEWAL, first_sequence: int = 1
    ) -> Journal:
        """Make an empty journal: together with the vote keys (public) that it is for, or for a fresh renewal.

        `first_sequence` is above all numbers that the block log may name. Raises StorageFailed if one is there.
        """
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise StorageFailed(str(directory), "not empty: a journal is made only where nothing is")
        journal = cls(directory, lock_directory(directory))
        journal.renewal, journal.keys = renewal, list(keys)[-KEYS_MAX:]
        try:
            journal._rewrite(None, first_sequence, [])
            flush_directory(directory.parent)
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def open(cls, directory: Path, *, may_be_copy: bool = False) -> Journal:
        """Open what `create` made, after checking all of it. Only who looks and never votes may look at a copy.

        An entry at the end that is not whole is cut: it was never flushed, so nothing followed from it. Raises
        JournalMissing, JournalCopied, StorageDamaged (with each the node follows without voting), StorageLocked.
        """
        if not (directory / FILE_NAME).is_file():
            raise JournalMissing(directory)
        journal = cls(directory, lock_directory(directory))
        try:
            (directory / NEW_FILE_NAME).unlink(missing_ok=True)  # a rewriting that a crash cut short
            journal._handle = os.open(journal.path, os.O_RDWR)
            journal._load()
            if not may_be_copy and not journal.identity.is_same(identity_of(journal._handle)):
                raise JournalCopied(journal.path)
            journal.flush()
        except OSError as error:
            journal.close()
            raise StorageDamaged(str(journal.path), f"does not open: {error}") from None
        except BaseException:
            journal.close()
            raise
        return journal

    @property
    def last_sequence(self) -> int:
        """Of the last entry; never smaller than in an earlier life, prunings included. PROTOCOL 14 compares it with
        the number in the last block record: a journal that ends below has lost something."""
        return self.first_sequence + len(self._offsets) - 1

    @property
    def size_bytes(self) -> int:
        return self._end

    def append(self, payload: bytes, height: int) -> int:
        """Write an entry and return its number. It counts only after `flush`; several may share one."""
        self._verify_usable()
        if not 0 < len(payload) <= PAYLOAD_BYTES_MAX:
            raise ValueError(f"an entry of {len(payload)} bytes")
        sequence = self.last_sequence + 1
        data = _entry(payload, height, sequence, sequence - 1 - self.flushed_sequence)
        try:
            failpoint_write("journal.write", self._handle, data, self._end)
            _write(self._handle, data, self._end)
        except OSError as error:
            raise self._failure(error) from None
        failpoint("journal.written")
        self._add(height, len(payload))
        return sequence

    def flush(self) -> None:
        """Return when all entries are on the disk."""
        self._verify_usable()
        sequence = self.last_sequence
        try:
            failpoint("journal.flush")
            os.fdatasync(self._handle)
        except OSError as error:
            raise self._failure(error) from None
        failpoint("journal.flushed")
        self.flushed_sequence = sequence

    def records(self) -> Iterator[JournalEntry]:
        """All entries that are left, in order."""
        for sequence in range(self.first_sequence, self.last_sequence + 1):
            yield self._read(sequence)

    def has_records_above(self, height: int) -> bool:
        """Whether something was kept for a later height: what BlockLog.open asks before it cuts."""
        return any(entry > height for entry in self._heights)

    def prune(self, height: int, digest: bytes, keep: Iterable[bytes] = (), bytes_min: int = PRUNE_BYTES_MIN) -> bool:
        """Forget entries up to `height`, whose block (of that header digest) is flushed in the block log.

        `keep` are payloads that stay whatever their height, such as the epoch's highest ViewChange; they come first,
        under `height`. What is left is numbered on, never again. Does nothing and returns False while the file is
        smaller than `bytes_min` or more than half of it would stay: forgotten entries may come back at the next start.
        """
        self._verify_usable()
        if self._end < bytes_min and not is_forced("journal.prune"):
            return False
        ends = [*self._offsets[1:], self._end]
        staying = [number for number, entry in enumerate(self._heights) if entry > height]
        bytes_staying = sum(ends[number] - self._offsets[number] for number in staying)
        if 2 * bytes_staying > self._end - _HEAD.size:
            return False
        left = [(entry.height, entry.payload) for entry in map(self._read, (self.first_sequence + n for n in staying))]
        present = {payload for _height, payload in left}
        entries = [(height, payload) for payload in dict.fromkeys(keep) if payload not in present] + left
        self._rewrite((height, digest), self.last_sequence + 1, entries)
        return True

    def take_key(self, public: bytes) -> None:
        """Remember a vote key that came here before any set has it: so this journal will hold all votes by it."""
        self._verify_usable()
        if public in self.keys:
            return
        self.keys = [*self.keys, public][-KEYS_MAX:]
        entries = [(entry.height, entry.payload) for entry in self.records()]
        self._rewrite(self.floor, self.first_sequence, entries)

    def close(self) -> None:
        """Release file and lock, without a flush. A second call does nothing."""
        self._failed = self._failed or "closed"
        for handle in (self._handle, self._lock):
            if handle >= 0:
                os.close(handle)
        self._handle = self._lock = -1

    def _load(self) -> None:
        size = os.fstat(self._handle).st_size
        head = os.pread(self._handle, _HEAD.size, 0)
        if len(head) < _HEAD.size or sha256(head[:-8]).digest()[:8] != head[-8:] or not head.startswith(_MAGIC):
            raise StorageDamaged(f"{self.path} offset 0", "not the head of a journal")
        _magic, self.renewal, keys, inode, generation, self.first_sequence, height, digest, _ = _HEAD.unpack(head)
        self.identity = FileIdentity(inode, generation)
        self.keys = [key for start in range(0, len(keys), 32) if (key := keys[start : start + 32]).strip(b"\0")]
        self.floor = (height, digest) if digest.strip(b"\0") else None
        self._end = _HEAD.size
        while self._end < size:
            head = os.pread(self._handle, _ENTRY_BYTES, self._end)
            length, height, *_ = _ENTRY.unpack_from(head) if len(head) == _ENTRY_BYTES else (0, 0)
            if len(head) < _ENTRY_BYTES or (_is_head(head) and self._end + len(head) + length > size):
                return self._cut(size)
            try:
                self._add(height, len(self._read_at(self._end, self.last_sequence + 1).payload))
            except StorageDamaged:
                if self._was_never_flushed(size):
                    return self._cut(size)
                raise
        return None

    def _was_never_flushed(self, size: int) -> bool:
        """Of an entry at `_end` that does not read: whether a loss of power explains it, and no rot.

        Then part of a sector in it or behind it was never written, which reads as zeros; and no later entry was
        written after its flush. What a flipped bit leaves has no such hole.
        """
        rest = os.pread(self._handle, size - self._end, self._end)
        first = SECTOR_BYTES - self._end % SECTOR_BYTES
        pieces = [
            rest[:first],
            *(rest[start : start + SECTOR_BYTES] for start in range(first, len(rest), SECTOR_BYTES)),
        ]
        if not any(len(piece) >= HOLE_BYTES_MIN and not piece.strip(b"\0") for piece in pieces):
            return False
        missing = self.last_sequence + 1
        return all(flushed < missing for flushed in self._flushed_before_later(rest))

    def _flushed_before_later(self, rest: bytes) -> Iterator[int]:
        """Of each whole entry behind the one that does not read: up to where entries were flushed when it was written."""
        for sequence in range(self.last_sequence + 2, self.last_sequence + 2 + LOOKED_FOR):
            wanted = sequence.to_bytes(8, "big")
            found = rest.find(wanted, 12)  # length and height stand before it
            while found >= 0:
                try:
                    self._read_at(self._end + found - 12, sequence)
                except StorageDamaged:
                    found = rest.find(wanted, found + 1)
                    continue
                (unflushed,) = struct.unpack_from(">I", rest, found + 8)
                yield sequence - 1 - unflushed
                break

    def _cut(self, size: int) -> None:
        self.torn_bytes = size - self._end
        try:
            failpoint("journal.cut")
            os.ftruncate(self._handle, self._end)
            failpoint("journal.cut_flush")
            os.fsync(self._handle)
        except OSError as error:  # the disk's refusal: nothing is lost, so it is no reason to stop voting for good
            raise self._failure(error) from None

    def _rewrite(self, floor: tuple[int, bytes] | None, first_sequence: int, entries: list[tuple[int, bytes]]) -> None:
        """Put a new file in the place of the old one: flushed, renamed, the directory flushed."""
        height, digest = floor or (0, b"\0" * 32)
        new_path, handle = self.directory / NEW_FILE_NAME, -1
        try:
            failpoint("journal.rewrite")
            handle = os.open(new_path, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600)
            head = _HEAD.pack(
                _MAGIC, self.renewal, b"".join(self.keys), *identity_of(handle), first_sequence, height, digest, b""
            )[:-8]
            head += sha256(head).digest()[:8]
            _write(handle, head, 0)
            offsets, heights, end = array("Q"), array("Q"), len(head)
            for number, (entry_height, payload) in enumerate(entries):
                data = _entry(payload, entry_height, first_sequence + number)
                _write(handle, data, end)
                offsets.append(end)
                heights.append(entry_height)
                end += len(data)
            failpoint("journal.rewrite_flush")
            os.fsync(handle)
            failpoint("journal.rename")
            os.rename(new_path, self.path)
            failpoint("journal.renamed")
            flush_directory(self.directory)
            failpoint("journal.rewritten")
        except OSError as error:
            if handle >= 0:
                os.close(handle)
            raise self._failure(error) from None
        if self._handle >= 0:
            os.close(self._handle)
        self.identity = identity_of(handle)
        self._handle, self._offsets, self._heights, self._end = handle, offsets, heights, end
        self.floor, self.first_sequence = floor, first_sequence
        self.flushed_sequence = self.last_sequence

    def _read(self, sequence: int) -> JournalEntry:
        return self._read_at(self._offsets[sequence - self.first_sequence], sequence)

    def _read_at(self, offset: int, sequence: int) -> JournalEntry:
        place = f"{self.path} offset {offset}"
        try:
            head = os.pread(self._handle, _ENTRY_BYTES, offset)
            if not _is_head(head):
                raise StorageDamaged(place, f"not the head of entry {sequence}")
            length, height, actual, _unflushed = _ENTRY.unpack_from(head)
            payload = os.pread(self._handle, length, offset + _ENTRY_BYTES)
        except OSError as error:
            raise StorageDamaged(place, f"entry {sequence}: {error}") from None
        if actual != sequence:
            raise StorageDamaged(place, f"entry {actual} where {sequence} belongs")
        if len(payload) != length or sha256(head[: _ENTRY.size] + payload).digest()[:8] != head[-8:]:
            raise StorageDamaged(place, f"entry {sequence}: the checksum does not fit")
        return JournalEntry(sequence, height, payload)

    def _add(self, height: int, length: int) -> None:
        self._offsets.append(self._end)
        self._heights.append(height)
        self._end += _ENTRY_BYTES + length

    def _verify_usable(self) -> None:
        if self._failed:
            raise StorageFailed(str(self.path), f"no longer usable: {self._failed}")

    def _failure(self, error: OSError) -> StorageFailed:
        self._failed = str(error)
        return StorageFailed(str(self.path), self._failed)


def _entry(payload: bytes, height: int, sequence: int, unflushed: int = 0) -> bytes:
    fields = _ENTRY.pack(len(payload), height, sequence, unflushed)
    return fields + crc32(fields).to_bytes(4, "big") + sha256(fields + payload).digest()[:8] + payload


def _is_head(head: bytes) -> bool:
    return len(head) == _ENTRY_BYTES and crc32(head[: _ENTRY.size]).to_bytes(4, "big") == head[_ENTRY.size : -8]


def _write(handle: int, data: bytes, offset: int) -> None:
    view, written = memoryview(data), 0
    while written < len(view):
        written += os.pwrite(handle, view[written:], offset + written)
