"""Why a reconciliation cannot be made. Drawn as a tree; every class carries a stable `code`.

ReconciliationError
├── LineRefused         a line of a file that cannot be taken as it stands; `line` is its number, nothing of it is repeated
├── FileRefused         a file as a whole: truncated, of another kind, empty
├── CarriedRefused      the day before, whose open items were to be carried on, does not fit or does not hold
├── ResultExists        a result lies there already: it is never written over
└── TemporaryFailed     sorting needs room on a disk, and the disk did not give it (`disk_full`, `temporary_failed`)
"""

from __future__ import annotations

import errno
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ReconciliationError(Exception):
    """Anything this package refuses. `code` is stable."""

    code = "reconciliation_failed"


class LineRefused(ReconciliationError):
    code = "line_refused"

    def __init__(self, source: str, line: int, detail: str) -> None:
        super().__init__(f"{source}, line {line}: {detail}")
        self.source, self.line, self.detail = source, line, detail


class FileRefused(ReconciliationError):
    code = "file_refused"

    def __init__(self, source: str, detail: str) -> None:
        super().__init__(f"{source}: {detail}")
        self.source, self.detail = source, detail


class CarriedRefused(ReconciliationError):
    code = "carried_refused"


class ResultExists(ReconciliationError):
    code = "result_exists"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: is there already; a result is never written over, name another file")
        self.path = path


class TemporaryFailed(ReconciliationError):
    """`code` is `disk_full` where there is no room, else `temporary_failed`."""

    def __init__(self, error: OSError, directory: Path) -> None:
        self.code = "disk_full" if error.errno in FULL else "temporary_failed"
        super().__init__(f"temporary files in {directory}: {error.strerror}; --temporary names another directory")
        self.directory = directory
