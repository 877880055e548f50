"""A copy of a database in a temporary place, to look into without changing anything where it lies.

Opening a LevelDB writes: it rotates its own log file even before it looks at the lock. So it is opened elsewhere, and
LevelDB's lock (a POSIX lock on the file LOCK) is held while files are copied.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chain.database import Database
from chain.errors import StorageDamaged, StorageLocked

COPIES_MAX = 20  # of a database in use: its files may change while they are copied
CONTENTS = ("CURRENT", "MANIFEST")
TABLES = (".ldb", ".sst")
UNTOLD = ("LOCK", "LOG", "LOG.old")  # LevelDB's lock, and what it tells of itself


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

    Raises StorageLocked if a process has it open. With `in_use` that process is let be: tables never change once they
    are there, and the log only grows, so a copy counts if the same files were there before and after it, and the
    table of contents had not grown. Else a log file could have gone while its table was not named yet, and the copy
    would open without what it held. Raises StorageDamaged if it does not open.
    """
    if not in_use:
        with held(path):
            _copy(path, place)
        return Database.open(place)
    for _attempt in range(COPIES_MAX):
        before = _contents(path)
        with contextlib.suppress(FileNotFoundError):
            _copy(path, place)
            if _contents(path) == before:
                return Database.open(place)
        shutil.rmtree(place, ignore_errors=True)
    raise StorageDamaged(str(path), f"changed each time while it was copied, {COPIES_MAX} times: try again")


def _contents(path: Path) -> list[tuple[str, int]]:
    """Names, and the size of the table of contents."""
    names = sorted(entry.name for entry in path.iterdir() if entry.name not in UNTOLD)
    return [(name, (path / name).stat().st_size if name.startswith(CONTENTS) else 0) for name in names]


def _copy(path: Path, place: Path) -> None:
    """Names that point to others first, so that what they point to is there when it is copied.

    Tables are linked where that is possible: they are written once.
    """
    place.mkdir()
    try:
        names = sorted(entry.name for entry in path.iterdir() if entry.is_file() and entry.name not in UNTOLD)
    except OSError as error:
        raise StorageDamaged(str(path), f"no database: {error.strerror}") from None
    for name in sorted(names, key=lambda name: (not name.startswith(CONTENTS), name)):
        if name.endswith(TABLES):
            try:
                os.link(path / name, place / name)
            except FileNotFoundError:
                raise
            except OSError:  # another file system
                shutil.copyfile(path / name, place / name)
        else:
            shutil.copyfile(path / name, place / name)
