"""The rows of a reconciliation as CSV for a spreadsheet: UTF-8 with a byte order mark, amounts in yuan.

A text that a spreadsheet might take for a formula has an apostrophe before it (OWASP, "CSV Injection"). The numbers of orders, trades and
bills cannot be one, but a file that nobody has verified may hold anything.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from cli.formats.reconciliation_columns import yuan_of
from node.reconciliation.row import Row

HEADING = (
    "class", "kind", "order_no", "refund_no", "number", "ours", "theirs", "ours_state", "theirs_state", "carried_from",
    "bill_id", "gap", "entry", "entry_amount",
)  # fmt: skip
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write_differences_csv(path: Path, rows: Iterable[Row]) -> int:
    """How many. Raises FileExistsError for a file that is there, and whatever `rows` raises: then no file is left."""
    count = 0
    with path.open("x", encoding="utf-8-sig", newline="") as stream:
        try:
            writer = csv.writer(stream)
            writer.writerow(HEADING)
            for row in rows:
                writer.writerow(_cells(row))
                count += 1
        except BaseException:
            path.unlink()
            raise
    return count


def _cells(row: Row) -> list[str]:
    texts = [row.name, row.kind, row.order_no, row.refund_no, row.number]
    states = [row.ours_state, row.theirs_state, str(row.since or ""), row.bill_id]
    amounts = ["" if fen is None else yuan_of(fen) for fen in (row.ours_fen, row.theirs_fen)]
    return [
        *map(guarded, texts),
        *amounts,
        *map(guarded, states),
        yuan_of(row.gap_fen),
        guarded(row.entry),
        yuan_of(row.entry_fen),
    ]


def guarded(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet might reckon with it."""
    return f"'{text}" if text.startswith(FORMULAS) else text
