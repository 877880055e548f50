"""A CSV file as it lies in a folder: read once, whole, and its outcome file beside it.

UTF-8 with or without a byte order mark; what is no UTF-8 is read as GB18030, as Excel on a Chinese Windows writes it. The
outcome file is written in the same encoding, with the rows as they were and what came of each.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from api.intake.document import FILE_BYTES_MAX
from api.intake.errors import FormatRefused
from cli.formats.csv_columns import COLUMNS, OUTCOME, Column
from cli.importing_outcome import NOT_SENT, Outcome

ENDING = ".csv"
OUTCOME_ENDING = ".outcome.csv"
ENCODINGS = ("utf-8", "gb18030")


class Row(msgspec.Struct, frozen=True):
    line: int  # in the file, where the row ends
    cells: list[str]
    values: dict[str, str]  # column -> text, spaces around it taken off


class CsvFile(msgspec.Struct, frozen=True):
    path: Path
    encoding: str
    has_mark: bool  # a byte order mark
    heading: list[str]
    rows: list[Row]
    refusal: FormatRefused | None  # of all rows: the header is at fault

    @property
    def outcome_path(self) -> Path:
        return self.path.with_name(self.path.name.removesuffix(ENDING) + OUTCOME_ENDING)


def load_csv(path: Path, columns: Sequence[Column] = COLUMNS) -> CsvFile:
    """Raises FormatRefused (file_unreadable, file_too_large, file_damaged, encoding_unknown)."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise FormatRefused("file_too_large", "", f"{path.name}: more than {FILE_BYTES_MAX} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise FormatRefused("file_unreadable", "", f"{path.name}: {error.strerror}") from None
    return parse_csv(path, content, columns)


def parse_csv(path: Path, content: bytes, columns: Sequence[Column] = COLUMNS) -> CsvFile:
    """`columns`: what a heading may name. Raises FormatRefused (file_damaged, encoding_unknown)."""
    has_mark = content.startswith(codecs.BOM_UTF8)
    encoding, text = _decoded(content[3:] if has_mark else content, path.name)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        read = [(lines.line_num, cells) for cells in lines if any(cell.strip() for cell in cells)]
    except csv.Error:
        raise FormatRefused("file_damaged", f"/{lines.line_num}", f"{path.name}: not CSV") from None
    if not read:
        raise FormatRefused("file_damaged", "", f"{path.name}: no header")
    heading = [cell.strip() for cell in read[0][1]]
    by_heading = {text: column.name for column in columns for text in (column.name, column.title)}
    names = [by_heading.get(text, "") for text in heading]
    rows = [
        Row(line, cells, {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name})
        for line, cells in read[1:]
    ]
    return CsvFile(path, encoding, has_mark, heading, rows, heading_at_fault(heading, names, columns))


def _decoded(content: bytes, name: str) -> tuple[str, str]:
    for encoding in ENCODINGS:
        try:
            return encoding, content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise FormatRefused("encoding_unknown", "", f"{name}: neither UTF-8 nor GB18030")


def heading_at_fault(heading: list[str], names: list[str], columns: Sequence[Column]) -> FormatRefused | None:
    for place, (text, name) in enumerate(zip(heading, names, strict=True), 1):
        if text and not name:
            return FormatRefused("column_unknown", f"/1/{place}", "no column has this heading")
    known = [name for name in names if name]
    if len(known) != len(set(known)):
        return FormatRefused("column_repeated", "/1", "a column stands twice")
    missing = [column.name for column in columns if column.required and column.name not in known]
    return FormatRefused("column_missing", "/1", ", ".join(missing)) if missing else None


def write_outcomes(file: CsvFile, outcomes: Mapping[str, Outcome]) -> Path:
    """Write the outcome file of bills. `outcomes` by business number."""

    def cells(row: Row) -> list[str]:
        outcome = outcomes.get(row.values.get("business_no", ""), NOT_SENT)
        if file.refusal is not None:
            outcome = Outcome("refused", code=file.refusal.code, detail=file.refusal.pointer)
        return [outcome.status, outcome.bill_id, outcome.code, outcome.detail]

    return write_beside(file, [name for name, _means in OUTCOME], cells)


def write_beside(file: CsvFile, headings: Sequence[str], cells_of: Callable[[Row], list[str]]) -> Path:
    """Write the outcome file anew, whole or not at all: a row for each row of the input, with cells more."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*file.heading, *headings])
    width = len(file.heading)
    for row in file.rows:
        writer.writerow([*row.cells[:width], *[""] * (width - len(row.cells)), *cells_of(row)])
    content = text.getvalue().encode(file.encoding, "replace")
    partial = file.outcome_path.with_name(f".{file.outcome_path.name}.{os.getpid()}")
    with partial.open("wb") as stream:
        stream.write(codecs.BOM_UTF8 * file.has_mark + content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file.outcome_path)
    return file.outcome_path
