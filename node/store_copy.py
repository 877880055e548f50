"""A copy of a database in a temporary place, to look into without changing anything where it lies.

Opening a LevelDB writes: it rotates its own log file even before it looks at the lock. So it is opened elsewhere, and
LevelDB's lock (a POSIX lock on the file LOCK) is held while files are copied.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chain.database import Database
from chain.errors import StorageDamaged, StorageLocked

COPIES_MAX = 3  # of a database in use: its files may change while they are copied


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep every process from opening the database. Raises StorageLocked if one has it open."""
    try:
        handle = os.open(path / "LOCK", os.O_RDWR)
    except OSError as error:
        raise StorageDamaged(str(path), f"no database: {error.strerror}") from None
    try:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise StorageLocked(str(path)) from None
            raise
        yield
    finally:
        os.close(handle)


def open_copy(path: Path, place: Path, *, in_use: bool = False) -> Database:
    """Copy the database at `path` to `place`, which must not exist, and open the copy.

    Raises StorageLocked if a process has it open; with `in_use` that process is let be, and the copy is taken anew if
    files changed meanwhile. Raises StorageDamaged if it does not open.
    """
    if not in_use:
        with held(path):
            _copy(path, place)
        return Database.open(place)
    for attempt in range(COPIES_MAX):
        try:
            _copy(path, place)
            return Database.open(place)
        except (StorageDamaged, OSError) as error:
            shutil.rmtree(place, ignore_errors=True)
            if attempt == COPIES_MAX - 1:
                raise StorageDamaged(str(path), f"its copy does not open: {error}") from None
    raise AssertionError("unreachable")


def _copy(path: Path, place: Path) -> None:
    """Names that point to others first, so that what they point to is there when it is copied."""
    place.mkdir()
    try:
        names = sorted(entry.name for entry in path.iterdir() if entry.is_file() and entry.name != "LOCK")
    except OSError as error:
        raise StorageDamaged(str(path), f"no database: {error.strerror}") from None
    for name in sorted(names, key=lambda name: (not name.startswith(("CURRENT", "MANIFEST")), name)):
        shutil.copyfile(path / name, place / name)
