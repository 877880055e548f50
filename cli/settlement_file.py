"""Files of an insurance bureau, row by row onto the ledger, and an outcome file beside each.

Every row is an operation that stands for itself: what one row is refused for holds up no other. The same file again is harmless, since the
ledger knows each operation again; so whatever broke off is finished by running it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from api.intake.errors import FormatRefused
from cli.formats.csv_columns import Column
from cli.formats.csv_file import CsvFile, Row, load_csv, write_beside
from cli.formats.settlement_columns import OUTCOME

if TYPE_CHECKING:
    from chain.operation import JoinSettlement, PayFund

ROWS_AT_ONCE = 200  # in one transaction: some 40 kB

# sends operations; gives what became of each, and the height of the ledger before
Send = Callable[[Sequence[Any]], tuple[list[dict[str, Any]], int]]


class RowOutcome(msgspec.Struct, frozen=True):
    status: str
    code: str = ""
    detail: str = ""


NOT_SENT = RowOutcome("not_sent")


class SettlementReport(msgspec.Struct):
    file: str
    rows: int
    outcome_file: str = ""
    recorded: int = 0
    same: int = 0
    queued: int = 0
    refused: list[dict[str, Any]] = []  # {line, code, detail}


def send_file(
    path: Path,
    columns: Sequence[Column],
    make: Callable[[Row], JoinSettlement | PayFund],
    send: Send,
    told: Callable[[int, str], None],
) -> SettlementReport:
    """Send a file's rows and write what came of them beside it, also if the node stays away midway: then that is raised after.

    Raises FormatRefused for a file that cannot be read, or whose header is at fault: nothing of it is sent.
    """
    file = load_csv(path, columns)
    if file.refusal is not None:
        raise file.refusal
    outcomes: list[RowOutcome] = [NOT_SENT] * len(file.rows)
    operations: dict[int, Any] = {}  # place of a row -> what it asks for
    for place, row in enumerate(file.rows):
        try:
            operations[place] = _operation(file, row, make)
        except FormatRefused as refusal:
            outcomes[place] = RowOutcome("refused", refusal.code, refusal.pointer)
            told(1, "")
    report = SettlementReport(str(path), len(file.rows))
    try:
        _send(operations, outcomes, send, told)
    finally:
        by_line = {row.line: outcome for row, outcome in zip(file.rows, outcomes, strict=True)}

        def cells(row: Row) -> list[str]:
            outcome = by_line[row.line]
            return [outcome.status, outcome.code, outcome.detail]

        report.outcome_file = str(write_beside(file, [name for name, _means in OUTCOME], cells))
    _count(report, file, outcomes)
    return report


def _operation(file: CsvFile, row: Row, make: Callable[[Row], JoinSettlement | PayFund]) -> JoinSettlement | PayFund:
    """Raises FormatRefused."""
    if any(cell.strip() for cell in row.cells[len(file.heading) :]):
        raise FormatRefused("row_malformed", f"/{row.line}", "more cells than the header has")
    return make(row)


def _send(operations: dict[int, Any], outcomes: list[RowOutcome], send: Send, told: Callable[[int, str], None]) -> None:
    """Each operation once, however many rows ask for it; the first of them has what came of it."""
    first: dict[Any, int] = {}  # operation -> place of its first row; as many as the file has
    for place, operation in operations.items():
        first.setdefault(operation, place)
    places = list(first.values())
    for start in range(0, len(places), ROWS_AT_ONCE):
        batch = places[start : start + ROWS_AT_ONCE]
        answers, before = send([operations[place] for place in batch])
        for place, answer in zip(batch, answers, strict=True):
            outcomes[place] = _outcome(answer, before)
        told(len(batch), "")
    for place, operation in operations.items():
        found = outcomes[first[operation]]
        if first[operation] != place:
            outcomes[place] = RowOutcome("same") if found.status == "recorded" else found


def _outcome(answer: dict[str, Any], before: int) -> RowOutcome:
    height = answer.get("height")
    block = "" if height is None else f"block {height}"
    if answer.get("repeated"):
        return RowOutcome("same", detail=block)
    if answer["status"] in ("recorded", "sealed"):
        return RowOutcome("same" if height is not None and height <= before else "recorded", detail=block)
    if answer["status"] == "refused":
        return RowOutcome("refused", str(answer.get("code") or ""), block)
    return RowOutcome("queued")


def _count(report: SettlementReport, file: CsvFile, outcomes: list[RowOutcome]) -> None:
    for row, outcome in zip(file.rows, outcomes, strict=True):
        match outcome.status:
            case "recorded":
                report.recorded += 1
            case "same":
                report.same += 1
            case "queued":
                report.queued += 1
            case _:
                report.refused.append({"line": row.line, "code": outcome.code, "detail": outcome.detail})
