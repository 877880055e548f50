"""Room on the node's disk: below a reserve it takes no new work, so that what it has taken can always be finished.

A gateway that is low refuses bills and keeps nothing of them; a mirror takes no details and no transactions; a
validator admits and proposes nothing, and goes on to store what others decide. There is room again when a quarter more
than the reserve is free, so that a node at the edge does not change its mind with every block.

The reserve is looked at, not held: no ballast file. Such a file would only help to write the last state, which here is
nothing but a batch that can be derived again, and costs what it saves. If other programs eat the reserve meanwhile,
the next write fails and stops the node with `storage_failed`; nothing that was acknowledged depends on that write.
Source: RELIABILITY 3.2, rule 7; DESIGN section 10 (503 only if nothing was kept).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import structlog

CODE = "disk_nearly_full"
RESERVE_BYTES_MAX = 512 << 20  # by default: eight segments of the block log, or hours of a busy hospital
RESERVE_SHARE = 50  # or this part of the file system, whichever is smaller
LOOK_S = 1.0  # so old an answer may be: a node writes far less than its reserve in that time


def reserve_of(path: Path) -> int:
    """What is kept free by default where `path` lies."""
    status = os.statvfs(path)
    return min(RESERVE_BYTES_MAX, status.f_blocks * status.f_frsize // RESERVE_SHARE)


def free_bytes(path: Path) -> int:
    """What a program without privileges may still write where `path` lies."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


class DiskSpace:
    """Of the file system where `path` lies. `reserve_bytes` None: the default; 0: it is never low."""

    def __init__(
        self,
        path: Path,
        reserve_bytes: int | None = None,
        free: Callable[[Path], int] = free_bytes,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reserve_bytes = reserve_of(path) if reserve_bytes is None else reserve_bytes
        self._path, self._free, self._now_s = path, free, now_s
        self._looked_at_s = float("-inf")
        self._is_low = False

    def is_low(self) -> bool:
        """Whether new work is to be refused. What cannot be asked counts as full: the disk is in trouble."""
        now = self._now_s()
        if self.reserve_bytes and now - self._looked_at_s >= LOOK_S:
            self._looked_at_s = now
            try:
                free = self._free(self._path)
            except OSError:
                free = 0
            needed = self.reserve_bytes * 5 // 4 if self._is_low else self.reserve_bytes
            if (free < needed) != self._is_low:
                self._is_low = not self._is_low
                word = CODE if self._is_low else "disk_has_room"
                structlog.get_logger().warning(word, free_bytes=free, reserve_bytes=self.reserve_bytes)
        return self._is_low


def boundless() -> DiskSpace:
    """Where nobody looks: tools and tests."""
    return DiskSpace(Path("/"), 0)
