"""A catalogue in a file: JSON as `medbill catalogue show --json` prints it, or CSV of charges or items."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import msgspec

from cli.failures import CommandFailed

FILE_BYTES_MAX = 16 << 20
TOLD_BESIDE = ("organisation", "published_at", "version", "from_date")  # what `show` tells beside the content
CSV_CATALOGUES: dict[tuple[str, ...], str] = {("code", "name"): "charges", ("code", "charge"): "items"}


def read_catalogue(path: Path) -> dict[str, Any]:
    """{catalogue, and its content} as `POST /v1/catalogues` takes it, without version and day; rows of a CSV file are put in
    order. Raises CommandFailed `file_unreadable`, `catalogue_malformed`."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise CommandFailed("file_unreadable", f"{path}: more than {FILE_BYTES_MAX} bytes")
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise CommandFailed("file_unreadable", f"{path}: {type(error).__name__}") from None
    return _of_csv(path, text) if path.suffix.lower() == ".csv" else _of_json(path, text)


def _of_json(path: Path, text: str) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(text.encode(), type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise CommandFailed("catalogue_malformed", f"{path}: not a JSON object") from None
    if not isinstance(document.get("catalogue"), str):
        raise CommandFailed("catalogue_malformed", f"{path}: says not which 'catalogue' it is")
    return {name: value for name, value in document.items() if name not in TOLD_BESIDE}


def _of_csv(path: Path, text: str) -> dict[str, Any]:
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), strict=True) if row]
    except csv.Error as error:
        raise CommandFailed("catalogue_malformed", f"{path}: {error}") from None
    columns = tuple(rows[0]) if rows else ()
    catalogue = CSV_CATALOGUES.get(columns)
    if catalogue is None:
        raise CommandFailed("catalogue_malformed", f"{path}: the first line is code,name or code,charge")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(columns):
            raise CommandFailed("catalogue_malformed", f"{path}: row {number} has not {len(columns)} cells")
    return {"catalogue": catalogue, catalogue: [dict(zip(columns, row, strict=True)) for row in sorted(rows[1:])]}
