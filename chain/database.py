"""The node's key-value store: LevelDB, and the only place that imports it.

LevelDB by default takes an unsynced write for done, reads without checking, repairs by inventing and makes an empty
store where one is missing. This door allows none of that. What it holds is derived from the block log and can be
dropped and rebuilt; so nothing here repairs, but for `salvage`, of copies that are only read. Source: DESIGN section 8;
measured faults of LevelDB 1.22 under flipped bits, torn tails and a full disk.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from chain.database_log import verify_end
from chain.directory import flush_directory
from chain.errors import StorageDamaged, StorageFailed, StorageLocked
from chain.failpoint import failpoint

if sys.version_info >= (3, 13):
    import plyvel_next as leveldb
else:
    import plyvel as leveldb

WRITE_BUFFER_BYTES = (
    16 << 20
)  # twice in memory while one is written; LevelDB's own log of this size is replayed at open
CACHE_BYTES = 16 << 20  # of blocks; files are mapped, so the rest of what is free serves too
TABLE_BYTES = 2 << 20  # narrow: what is new at the end of each kind of key takes little along that is old
BLOOM_FILTER_BITS = 10  # per key: about 1 % of the misses touch the disk
CHECKSUM_BYTES = 8
MARKER = "medbill-database"  # this file says that a database was made here, whatever else is missing
DAMAGED = "medbill-damaged"  # and this one, of a derived database, that damage was met in it: it does not open again


class Database:
    """An ordered map from bytes to bytes on disk. One process, one owner thread.

    A read raises StorageDamaged, naming the key, for bytes that are not what was written under that key. Any failed
    write raises StorageFailed, and so does everything after it: the process is to stop and to open the store again.
    """

    def __init__(self, path: Path, handle: Any, is_derived: bool = False) -> None:
        self.path = path
        self._handle = handle
        self._is_derived = is_derived
        self._failed = ""

    @classmethod
    def create(cls, path: Path) -> Database:
        """Make an empty database at `path`, which must not exist or be an empty directory. Raises StorageFailed."""
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise StorageFailed(str(path), "not empty: a database is made only where nothing is")
            handle = _open(path, create=True)
            failpoint("database.made")
            with open(path / MARKER, "xb") as marker:
                marker.write(b"medbill/1\n")
                marker.flush()
                os.fsync(marker.fileno())
            failpoint("database.marked")
            flush_directory(path)
            flush_directory(path.parent)
        except (OSError, leveldb.Error) as error:
            raise StorageFailed(str(path), f"cannot be made: {error}") from None
        return cls(path, handle)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        is_derived: bool = False,
        write_buffer_bytes: int = WRITE_BUFFER_BYTES,
        cache_bytes: int = CACHE_BYTES,
    ) -> Database:
        """Open what `create` made. Never makes, repairs or empties anything.

        In memory it takes up to two write buffers and one cache.

        Raises StorageLocked if another handle has it open, StorageDamaged if it is missing or does not open whole. One
        that is derived, and in which a read or a compaction met damage, does not open any more: its owner builds it again.
        """
        if not (path / MARKER).is_file():
            raise StorageDamaged(str(path), "no database was made here")
        if not (path / "CURRENT").is_file():
            raise StorageDamaged(str(path / "CURRENT"), "missing: the database lost its table of contents")
        if is_derived and (path / DAMAGED).exists():
            raise StorageDamaged(str(path), "damage was met here")
        try:
            for file in [*path.glob("*.log"), *path.glob("MANIFEST-*")]:
                verify_end(file)
        except OSError as error:
            raise StorageDamaged(str(path), f"does not open: {error}") from None
        try:
            failpoint(f"{path.name}.open", leveldb.IOError)
            return cls(path, _open(path, False, write_buffer_bytes, cache_bytes), is_derived)
        except leveldb.IOError as error:
            if "lock" in str(error).lower():
                raise StorageLocked(str(path)) from None
            raise StorageDamaged(str(path), f"does not open: {error}") from None
        except leveldb.Error as error:
            raise StorageDamaged(str(path), f"does not open: {error}") from None

    @classmethod
    def salvage(cls, path: Path) -> Database:
        """Make a *copy* of a database that does not open readable again, as far as LevelDB can; for reading only.

        Each value is still checked against its key, so none is invented; but rows may be missing, and others may be
        older versions. Nobody may go on with such a database: whoever reads it decides what each row is still good
        for. Raises StorageDamaged.
        """
        try:
            (path / MARKER).touch()
            leveldb.repair_db(str(path), paranoid_checks=False)
            return cls(path, _open(path, create=False))
        except (OSError, leveldb.Error) as error:
            raise StorageDamaged(str(path), f"nothing of it can be read: {error}") from None

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`, or None."""
        self._verify_usable()
        try:
            stored = self._handle.get(key, verify_checksums=True)
        except leveldb.Error as error:
            raise self._damaged(key, str(error)) from None
        return None if stored is None else self._value(key, stored)

    def get_many(self, keys: Iterable[bytes]) -> list[bytes | None]:
        """The values under `keys`, in their order."""
        return [self.get(key) for key in keys]

    def scan(
        self, prefix: bytes, start: bytes | None = None, limit: int | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with `prefix` and their values, ascending, or descending if `reverse`; at most `limit`.

        `start` is a whole key: the scan begins with it or with the next one in its direction. It sees the database as
        it was when the first entry was asked for.
        """
        self._verify_usable()
        low, high = prefix, _after(prefix)
        include_high = False
        if start is not None and reverse and (high is None or start < high):
            high, include_high = start, True
        elif start is not None and not reverse:
            low = max(low, start)
        if limit is not None and limit <= 0:
            return
        left = limit
        try:
            cursor = self._handle.iterator(
                start=low, stop=high, include_stop=include_high, reverse=reverse, verify_checksums=True
            )
        except leveldb.Error as error:  # a table whose end is damaged does not even open
            raise self._damaged(prefix, f"scan: {error}") from None
        try:
            while left is None or left > 0:
                try:
                    key, stored = next(cursor)
                except StopIteration:
                    return
                except (leveldb.Error, RuntimeError) as error:  # RuntimeError: the database was closed meanwhile
                    raise self._damaged(prefix, f"scan: {error}") from None
                yield key, self._value(key, stored)
                if left is not None:
                    left -= 1
        finally:
            cursor.close()

    def keys(self, prefix: bytes, start: bytes, limit: int) -> list[bytes]:
        """Keys that begin with `prefix`, from `start` on, ascending; at most `limit`. Values are not looked at."""
        self._verify_usable()
        try:
            with self._handle.iterator(
                start=max(prefix, start), stop=_after(prefix), include_value=False, verify_checksums=True
            ) as cursor:
                return list(islice(cursor, limit))
        except leveldb.Error as error:
            raise self._damaged(prefix, f"keys: {error}") from None

    def write(self, puts: Mapping[bytes, bytes], deletes: Iterable[bytes] = (), sync: bool = True) -> None:
        """Write all of it or nothing, deletes first; with `sync` it is on the disk when this returns.

        Raises StorageFailed.
        """
        self._verify_usable()
        try:
            batch = self._handle.write_batch(sync=sync)
            for key in deletes:
                batch.delete(key)
            for key, value in puts.items():
                batch.put(key, _checksum(key, value) + value)
            failpoint(f"{self.path.name}.{'before_write' if sync else 'before_unsynced_write'}", leveldb.IOError)
            batch.write()
            failpoint(f"{self.path.name}.after_write")
        except BaseException as error:
            if isinstance(error, leveldb.CorruptionError):  # met by LevelDB's compaction, behind a write
                self._mark_damaged()
            self._failed = f"{type(error).__name__}: {error}"
            if isinstance(error, (leveldb.Error, OSError, MemoryError)):
                raise StorageFailed(str(self.path), self._failed) from None
            raise

    def close(self) -> None:
        """Release the lock. A second call does nothing; a call other than this one then raises StorageFailed."""
        self._failed = self._failed or "closed"
        self._handle.close()

    def _verify_usable(self) -> None:
        if self._failed:
            raise StorageFailed(str(self.path), f"no longer usable: {self._failed}")

    def _value(self, key: bytes, stored: bytes) -> bytes:
        value = stored[CHECKSUM_BYTES:]
        if _checksum(key, value) != stored[:CHECKSUM_BYTES]:
            raise self._damaged(key, "the value does not fit its key")
        return value

    def _damaged(self, key: bytes, detail: str) -> StorageDamaged:
        if not self._failed:
            self._mark_damaged()
        return StorageDamaged(f"{self.path} key {key[:64].hex()}", detail)

    def _mark_damaged(self) -> None:
        if self._is_derived:
            with contextlib.suppress(OSError):  # the damage is what is told, whatever else the disk refuses
                (self.path / DAMAGED).touch()


def _open(
    path: Path, create: bool, write_buffer_bytes: int = WRITE_BUFFER_BYTES, cache_bytes: int = CACHE_BYTES
) -> Any:
    return leveldb.DB(
        str(path),
        create_if_missing=create,
        error_if_exists=create,
        paranoid_checks=True,
        write_buffer_size=write_buffer_bytes,
        lru_cache_size=cache_bytes,
        bloom_filter_bits=BLOOM_FILTER_BITS,
        max_file_size=TABLE_BYTES,
        compression=None,  # most of it are digests and boxes: a quarter less on the disk for three times the work
    )


def _checksum(key: bytes, value: bytes) -> bytes:
    """LevelDB's own 32 bits tell neither a record of another key nor one cut short; these do."""
    return sha256(len(key).to_bytes(4, "big") + key + value).digest()[:CHECKSUM_BYTES]


def _after(prefix: bytes) -> bytes | None:
    """The first key behind all those with `prefix`; None if there is none."""
    shortened = prefix.rstrip(b"\xff")
    return shortened[:-1] + bytes([shortened[-1] + 1]) if shortened else None
