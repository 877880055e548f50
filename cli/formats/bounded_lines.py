"""A stream's lines, one after the other, none longer than a bound; and the stream's digest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from chain.reconciliation_result import InputFile
from cli.formats.reconciliation_columns import LINE_BYTES_MAX
from node.reconciliation.errors import FileRefused, LineRefused

BLOCK_BYTES = 1 << 20


class InputSource:
    """A file that is read for a reconciliation: once for its digest, once by whatever reader; it may not change meanwhile.

    Raises OSError, FileRefused (in `described`).
    """

    def __init__(self, path: Path, role: str, form: str) -> None:
        self.path, self.role, self.form = path, role, form
        self.lines = 0  # that its reader gave
        self.stream: BinaryIO = path.open("rb")
        self._before = os.fstat(self.stream.fileno())
        seen, self.ends = sha256(), 0  # line feeds
        while block := self.stream.read(BLOCK_BYTES):
            seen.update(block)
            self.ends += block.count(b"\n")
        self._sha256 = seen.digest()
        self.stream.seek(0)

    def __enter__(self) -> InputSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stream.close()

    def described(self) -> InputFile:
        """What a result says of it, when it has been read."""
        now = os.fstat(self.stream.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._before.st_size, self._before.st_mtime_ns):
            raise FileRefused(self.path.name, "was changed while it was read")
        return InputFile(self.role, self.form, now.st_size, self.lines, self._sha256)


def bounded_lines(stream: BinaryIO, source: str) -> Iterator[bytes]:
    """Each line with its end. Raises LineRefused for one that is too long or, the last one, has no end; FileRefused for none."""
    number = 0
    while line := stream.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(line) > LINE_BYTES_MAX:
            raise LineRefused(source, number, f"longer than {LINE_BYTES_MAX} bytes")
        if not line.endswith(b"\n"):
            raise LineRefused(source, number, "the file breaks off in it")
        yield line
    if not number:
        raise FileRefused(source, "is empty")
