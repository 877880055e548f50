"""Rows of a store as one file: what a backup holds of a database, without the database's own files.

    medbill/1/rows ⏎ · (key length 4 · value length 4 · key · value) … · ff ff ff ff · how many rows 8

big-endian, by key, ascending. The manifest holds the file's digest; what is private in a row lies in a box of
`sealed_box.py` and is opened with the storage key only, which no backup holds.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from chain.database import Database
from chain.errors import Malformed, StorageDamaged, StorageLocked
from chain.state import Store
from node.store_copy import open_copy

MAGIC = b"medbill/1/rows\n"
END = b"\xff\xff\xff\xff"
BATCH_BYTES = 4 << 20  # of rows put into a database at once
VALUE_BYTES_MAX = 64 << 20
_LENGTHS = struct.Struct(">II")
_COUNT = struct.Struct(">Q")


def open_snapshot(path: Path, place: Path) -> Database:
    """A copy of a store as it is now, whether a node has it open or not. Raises StorageDamaged."""
    try:
        return open_copy(path, place)
    except StorageLocked:
        return open_copy(path, place, in_use=True)


def write_rows(path: Path, rows: Iterable[tuple[bytes, bytes]]) -> int:
    """Returns how many. Raises OSError."""
    count = 0
    with path.open("xb") as file:
        file.write(MAGIC)
        for key, value in rows:
            file.write(_LENGTHS.pack(len(key), len(value)) + key + value)
            count += 1
        file.write(END + _COUNT.pack(count))
    return count


def read_rows(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Raises Malformed at the first byte that cannot be right, OSError."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise Malformed(f"{path}: not a file of rows")
        count, before = 0, b""
        while True:
            head = _exactly(file, 4, path)
            if head == END:
                break
            key_length, length = _LENGTHS.unpack(head + _exactly(file, 4, path))
            if key_length > 65_536 or length > VALUE_BYTES_MAX:
                raise Malformed(f"{path}: row {count + 1} is too long")
            key = _exactly(file, key_length, path)
            if key <= before and count:
                raise Malformed(f"{path}: row {count + 1} is out of order")
            count, before = count + 1, key
            yield key, _exactly(file, length, path)
        if _COUNT.unpack(_exactly(file, _COUNT.size, path))[0] != count or file.read(1):
            raise Malformed(f"{path}: not so many rows as its end says")


def fill(store: Store, rows: Iterable[tuple[bytes, bytes]]) -> int:
    """Put rows into a store, flushed. Returns how many. Raises StorageFailed."""
    batch: dict[bytes, bytes] = {}
    size = count = 0
    for key, value in rows:
        batch[key] = value
        size += len(key) + len(value)
        count += 1
        if size > BATCH_BYTES:
            store.write(batch, [], sync=False)
            batch, size = {}, 0
    store.write(batch, [], sync=True)
    return count


@contextmanager
def salvaged(path: Path, place: Path) -> Iterator[Database]:
    """What can still be read of a damaged store, from a copy at `place`: rows may be missing, or be older versions."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(path, place, ignore=shutil.ignore_patterns("LOCK", "LOG", "LOG.old"))
    try:
        database = Database.open(place)
    except StorageDamaged:
        database = Database.salvage(place)
    try:
        yield database
    finally:
        database.close()
        shutil.rmtree(place, ignore_errors=True)


def readable_rows(database: Database, damaged: list[str]) -> Iterator[tuple[bytes, bytes]]:
    """All rows that read, in order; what does not is passed over, and its place added to `damaged`."""
    start: bytes | None = None
    while True:
        try:
            for key, value in database.scan(b"", start=start):
                start = key + b"\0"
                yield key, value
        except StorageDamaged as damage:
            damaged.append(damage.place)
            following = _beyond(database, start)
            if following is None:
                return
            start = following
        else:
            return


def _beyond(database: Database, start: bytes | None) -> bytes | None:
    """A key behind the damage from which a scan goes on, as near as is found; None if there is none."""
    first = start or b""
    candidates = [
        first[: length - 1] + bytes([first[length - 1] + 1])
        for length in range(len(first), 0, -1)
        if first[length - 1] < 255
    ]
    candidates += [bytes([number]) for number in range(first[0] + 1 if first else 1, 256)]
    for candidate in candidates:
        try:
            next(database.scan(b"", start=candidate), None)
        except StorageDamaged:
            continue
        return candidate
    return None


def _exactly(file: BinaryIO, count: int, path: Path) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise Malformed(f"{path}: ends in the middle of a row")
    return data
