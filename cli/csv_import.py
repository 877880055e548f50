"""`medbill bill import` of CSV files: an outcome file beside each; of a folder, every file that is whole.

A file is whole when it ends with a line break and has not grown within `SETTLE_S`: who writes it may be midway. Files are neither
moved nor marked: the same again issues nothing, and says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from api.intake.document import Read
from api.intake.errors import FormatRefused
from cli.failures import CommandFailed
from cli.formats.csv_file import ENDING, OUTCOME_ENDING, CsvFile, load_csv, write_outcomes
from cli.formats.csv_rows import bills_of
from cli.importing import BillDesk, Importer, Report
from cli.importing_outcome import Outcome

SETTLE_S = 1.0


class FileOutcome(msgspec.Struct):
    file: str
    rows: int
    encoding: str
    outcome_file: str


class CsvReport(msgspec.Struct):
    report: Report = msgspec.field(default_factory=Report)
    files: list[FileOutcome] = []
    left: list[dict[str, str]] = []  # {file, reason}: for the next run

    def document(self) -> dict[str, Any]:
        return {**self.report.document(), "files": msgspec.to_builtins(self.files), "left": self.left}


def whole_files(folder: Path, sleep: Callable[[float], None] = time.sleep) -> tuple[list[Path], list[dict[str, str]]]:
    """The CSV files of a folder that may be read, and those that are left, with the reason. Raises CommandFailed."""
    if not folder.is_dir():
        raise CommandFailed("argument_refused", f"--folder: {folder} is no folder")
    found = sorted(
        path
        for path in folder.iterdir()
        if path.name.endswith(ENDING) and not path.name.endswith(OUTCOME_ENDING) and not path.name.startswith(".")
    )
    before = {path: _standing(path) for path in found}
    if found:
        sleep(SETTLE_S)
    whole, left = [], []
    for path in found:
        reason = _unfinished(path, before[path])
        if reason:
            left.append({"file": str(path), "reason": reason})
        else:
            whole.append(path)
    return whole, left


def _standing(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _unfinished(path: Path, before: tuple[int, int]) -> str:
    if _standing(path) != before:
        return "growing"
    with path.open("rb") as stream:
        stream.seek(max(before[0] - 1, 0))
        return "" if stream.read(1) == b"\n" else "no_final_line_break"


def import_csv(
    files: list[Path], desk: BillDesk, place_code: str, deadline_s: float, told: Callable[[int, str], None]
) -> CsvReport:
    """Import file by file. Each has its outcome file, also if the gateway stays away midway: then CommandFailed is raised
    after it was written. `deadline_s`: as in `Importer.finish`."""
    whole, counted = CsvReport(), set[str]()
    for path in files:
        try:
            file = load_csv(path)
        except FormatRefused as refusal:
            whole.report.refused.append({"file": str(path), "business_no": "", "code": refusal.code})
            told(1, "")
            continue
        _import_one(file, desk, place_code, deadline_s, told, whole, counted)
    return whole


def _import_one(
    file: CsvFile,
    desk: BillDesk,
    place_code: str,
    deadline_s: float,
    told: Callable[[int, str], None],
    whole: CsvReport,
    counted: set[str],
) -> None:
    outcomes: dict[str, Outcome] = {}  # business number -> what came of it; as many as the file has

    def heard(_file: str, business_no: str, outcome: Outcome) -> None:
        outcomes[business_no] = outcome

    def read(_path: Path, *, as_cny: bool, now: str, place_code: str) -> Read:
        return bills_of(file, now, place_code)

    importer = Importer(desk, told, heard=heard, counted=counted)
    try:
        importer.import_file(file.path, read, as_cny=False, place_code=place_code)
        report = importer.finish(deadline_s)
    finally:
        written = write_outcomes(file, outcomes)
        whole.files.append(FileOutcome(str(file.path), len(file.rows), file.encoding, str(written)))
    sums = whole.report
    sums.issued += report.issued
    sums.already_issued += report.already_issued
    sums.refused += report.refused
    sums.total_fen += report.total_fen
    sums.unsealed += report.unsealed
