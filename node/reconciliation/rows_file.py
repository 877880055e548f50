"""The file beside a result, with every row: JSON lines, in the order of orders, the bank's last. Its digest is in the result."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from chain.reconciliation_result import CLASS_NAMES, ROWS_SHOWN_MAX, ClassTotal, ReconciliationStatement, ShownRow
from node.reconciliation.errors import FileRefused, ResultExists
from node.reconciliation.row import Row

RESULT_ENDING = ".reconciliation"
ROWS_ENDING = ".differences.jsonl"
MAKING_ENDING = ".making"
ROW_BYTES_MAX = 4096

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Row).decode


def rows_path(result: Path) -> Path:
    """Where the rows of a result lie."""
    return result.with_name(result.name.removesuffix(RESULT_ENDING) + ROWS_ENDING)


class ClassTally:
    """Rows counted by class."""

    def __init__(self) -> None:
        self.rows = 0
        self.shown: list[ShownRow] = []  # at most ROWS_SHOWN_MAX
        self._counts: Counter[str] = Counter()
        self._gaps_fen: Counter[str] = Counter()

    def count(self, row: Row) -> None:
        self.rows += 1
        self._counts[row.name] += 1
        self._gaps_fen[row.name] += row.gap_fen
        if len(self.shown) < ROWS_SHOWN_MAX:
            self.shown.append(row.shown())

    def totals(self) -> list[ClassTotal]:
        """In their precedence; classes without rows are left out."""
        return [
            ClassTotal(name, self._counts[name], self._gaps_fen[name]) for name in CLASS_NAMES if name in self._counts
        ]


class RowsWriter:
    """Writes to a name beside until `keep`; what is not kept is removed on leaving the `with`. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path, self.tally = path, ClassTally()
        self._making = path.with_name(path.name + MAKING_ENDING)
        self._digest = sha256()
        if path.exists():
            raise ResultExists(path)
        self._stream: Any = self._making.open("wb")

    def __enter__(self) -> RowsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stream.close()
        finally:
            self._making.unlink(missing_ok=True)

    def write(self, row: Row) -> None:
        self.tally.count(row)
        line = _encode(row) + b"\n"
        self._digest.update(line)
        self._stream.write(line)

    def digest(self) -> bytes:
        return self._digest.digest()

    def keep(self) -> None:
        """Flush to the disk and give the file its name."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        os.link(self._making, self.path)  # unlike a rename it fails where a file is already


def read_rows(path: Path, sha256_expected: bytes | None = None) -> Iterator[Row]:
    """Each row; the digest is compared at the end. Raises FileRefused, OSError."""
    seen = sha256()
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(ROW_BYTES_MAX + 1):
            number += 1
            seen.update(line)
            if len(line) > ROW_BYTES_MAX or not line.endswith(b"\n"):
                raise FileRefused(path.name, f"row {number} is too long or has no end")
            try:
                row = _decode(line)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                raise FileRefused(path.name, f"row {number} is none") from None
            yield row
    if sha256_expected is not None and seen.digest() != sha256_expected:
        raise FileRefused(path.name, "is not the file whose digest is in the result")


def verify_rows(path: Path, statement: ReconciliationStatement) -> None:
    """Check that the rows are the signed ones, and what the result tells of them. Raises FileRefused, OSError."""
    tally = ClassTally()
    for row in read_rows(path, statement.rows_sha256):
        tally.count(row)
    if (tally.rows, tally.totals(), tally.shown) != (statement.rows, statement.classes, statement.shown):
        raise FileRefused(path.name, "its rows are counted otherwise in the result")
