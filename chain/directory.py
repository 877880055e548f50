"""A directory of a store: new names in it must be flushed like bytes in a file, and one process owns it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from chain.errors import StorageLocked
from chain.failpoint import failpoint


def flush_directory(path: Path) -> None:
    """Return when the names in `path` (made, renamed, removed) survive a loss of power. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        failpoint("directory.flush")
        os.fsync(handle)
        failpoint("directory.flushed")
    finally:
        os.close(handle)


def lock_directory(path: Path) -> int:
    """A handle that keeps every other process, and every other handle of ours, from locking `path` until it is closed.

    The kernel lets go of it when the process dies, however it dies. Raises StorageLocked, OSError if there is none.
    """
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise StorageLocked(str(path)) from None
    return handle
