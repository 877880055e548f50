"""Sorting more lines than memory holds: chunks to nameless temporary files, then a merge.

The files have no name in the directory (O_TMPFILE where the system has it), so nothing is left behind, not even by a killed process.
Rejected: a table in SQLite, which sorts the same lines in four times the time (README).
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from node.reconciliation.errors import TemporaryFailed

CHUNK_BYTES = 24 << 20  # of lines, sorted at once; as Python objects they take some 1.3 times that
FILES_MAX = 64  # open at once; more are merged into one
BUFFER_BYTES = 256 << 10  # of each file while it is written or merged: 16 MiB of all


class ExternalSort:
    """Takes lines, each ending in its only line feed; gives them back ascending, once. Equal lines are all kept.

    Use it in a `with`. Every method raises TemporaryFailed if the disk does not do its part.
    """

    def __init__(self, directory: Path | None = None, chunk_bytes: int = CHUNK_BYTES) -> None:
        self.directory = directory or Path(tempfile.gettempdir())
        self.spilled_bytes = 0
        self._chunk_bytes = chunk_bytes
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._files: list[IO[bytes]] = []  # at most FILES_MAX

    def __enter__(self) -> ExternalSort:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held = []
        for file in self._files:
            try:
                file.close()
            except OSError as failed:  # what a full disk did not take is still in a buffer, and not wanted any more
                if kind is None:
                    raise TemporaryFailed(failed, self.directory) from None
        self._files = []

    def add(self, line: bytes) -> None:
        self._held.append(line)
        self._held_bytes += len(line)
        if self._held_bytes >= self._chunk_bytes:
            self._spill()

    def sorted(self) -> Iterator[bytes]:
        """All lines. Nothing may be added afterwards."""
        self._held.sort()
        if not self._files:
            yield from self._held
            return
        yield from heapq.merge(*map(self._read, self._files), self._held)

    def _spill(self) -> None:
        self._held.sort()
        if len(self._files) == FILES_MAX:
            merged = self._write(heapq.merge(*map(self._read, self._files)))
            for file in self._files:
                file.close()
            self._files = [merged]
        self._files.append(self._write(iter(self._held)))
        self._held, self._held_bytes = [], 0

    def _write(self, lines: Iterator[bytes]) -> IO[bytes]:
        try:
            file = tempfile.TemporaryFile(dir=self.directory, buffering=BUFFER_BYTES)  # noqa: SIM115 - closed in __exit__
        except OSError as error:
            raise TemporaryFailed(error, self.directory) from None
        try:
            file.writelines(lines)
            file.flush()
            self.spilled_bytes += file.tell()
            file.seek(0)
        except OSError as error:
            self._files.append(file)  # closed with the others
            raise TemporaryFailed(error, self.directory) from None
        return file

    def _read(self, file: IO[bytes]) -> Iterator[bytes]:
        try:
            yield from file
        except OSError as error:
            raise TemporaryFailed(error, self.directory) from None
