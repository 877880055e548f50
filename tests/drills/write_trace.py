"""What a program wrote to files through `os`, call by call, and what a loss of power may have left of it.

A disk keeps all that was flushed. Of what was written since, it keeps any part: whole writes in any order, and of one of
them only some sectors; a length may reach the disk before the bytes do, which are zeros then.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

SECTOR_BYTES = 512


@dataclass
class Write:
    path: str
    offset: int
    data: bytes


@dataclass
class Trace:
    """The calls in their order: a Write, or the path that was flushed."""

    calls: list[Write | str] = field(default_factory=list)


@contextmanager
def traced(directory: Path) -> Iterator[Trace]:
    """Record `pwrite` and flushes of files below `directory`, in this process."""
    trace = Trace()
    pwrite, fdatasync, fsync = os.pwrite, os.fdatasync, os.fsync

    def name(handle: int) -> str:
        return os.readlink(f"/proc/self/fd/{handle}")

    def recorded(handle: int, data: bytes, offset: int) -> int:
        path = name(handle)
        written = pwrite(handle, data, offset)
        if path.startswith(str(directory)):
            trace.calls.append(Write(path, offset, bytes(data[:written])))
        return written

    def flushed(flush):  # type: ignore[no-untyped-def]
        def call(handle: int) -> None:
            path = name(handle)
            flush(handle)
            if path.startswith(str(directory)):
                trace.calls.append(path)

        return call

    with (
        mock.patch("os.pwrite", recorded),
        mock.patch("os.fdatasync", flushed(fdatasync)),
        mock.patch("os.fsync", flushed(fsync)),
    ):
        yield trace


def disks_after(
    trace: Trace, calls: int, start: dict[str, bytes], chosen: random.Random, variants: int
) -> Iterator[dict[str, bytes]]:
    """What files may hold if power was lost after the first `calls` calls; `start` is what they held before the first.

    First all of it, then nothing that was not flushed, then `variants` drawn mixtures.
    """
    done = trace.calls[:calls]
    sure: dict[str, bytearray] = {path: bytearray(data) for path, data in start.items()}
    unsure: dict[str, list[Write]] = {}
    for call in done:
        if isinstance(call, Write):
            unsure.setdefault(call.path, []).append(call)
        else:
            for write in unsure.pop(call, []):
                _put(sure.setdefault(call, bytearray()), write.offset, write.data)
    writes = [write for some in unsure.values() for write in some]
    yield _disk(sure, writes)
    yield _disk(sure, [])
    for _ in range(variants if writes else 0):
        kept = [write for write in writes if chosen.random() < 0.6]
        chosen.shuffle(kept)
        yield _disk(sure, [_torn(write, chosen) if chosen.random() < 0.4 else write for write in kept])


def _disk(sure: dict[str, bytearray], writes: list[Write]) -> dict[str, bytes]:
    files = {path: bytearray(data) for path, data in sure.items()}
    for write in writes:
        _put(files.setdefault(write.path, bytearray()), write.offset, write.data)
    return {path: bytes(data) for path, data in files.items()}


def _torn(write: Write, chosen: random.Random) -> Write:
    """Cut short anywhere, or some of its sectors never written."""
    if chosen.random() < 0.5:
        return Write(write.path, write.offset, write.data[: chosen.randrange(len(write.data) + 1)])
    data = bytearray(write.data)
    first = -write.offset % SECTOR_BYTES
    for start in [0, *range(first, len(data), SECTOR_BYTES)]:
        if chosen.random() < 0.5:
            end = min(start + SECTOR_BYTES, len(data)) if start >= first else min(first, len(data))
            data[start:end] = bytes(end - start)
    return Write(write.path, write.offset, bytes(data))


def _put(file: bytearray, offset: int, data: bytes) -> None:
    if len(file) < offset + len(data):
        file.extend(bytes(offset + len(data) - len(file)))
    file[offset : offset + len(data)] = data
