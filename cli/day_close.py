"""Close of a day: what the hospital's own system says was billed, against the gateway bill by bill and against the certified day books.

The day books are records of the ledger with their path to a state root that a quorum signed; they are checked here against the
genesis file, so that the ledger's side is no server's word. Source: FEATURES 19 and 62.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from chain.day_book_proof import DayBooks
from cli.failures import CommandFailed

FILE_BYTES_MAX = 256 << 20
ROWS_MAX = 1_000_000
BUSINESS_NO = ("business_no", "业务流水号")
TOTAL = ("total", "总金额")
PLACE = ("place_code", "开票点")
REPAIRS = {
    "not_issued": "issue it: medbill bill import, the same file again is harmless",
    "not_recorded": "it is on its way: close the day again later",
    "amount_differs": "correct it: medbill bill correct; then the file needs the new bill's business number beside the old one's",
    "other_day": "it belongs to another day's close",
    "other_place": "it was issued at another place",
    "void": "the hospital's system still has it: take it out there",
}


class Difference(msgspec.Struct, frozen=True):
    """One bill that the two sides do not agree on."""

    business_no: str
    code: str  # a key of REPAIRS
    his_fen: int
    ledger_fen: int | None
    bill_id: str | None
    repair: str


class Side(msgspec.Struct, frozen=True):
    """Bills of a day and what they add up to, red bills not among them."""

    count: int
    total_fen: int


class Closing(msgspec.Struct, frozen=True):
    date: str
    place: str | None
    his: Side
    ledger: Side  # of the certified day books
    red: Side
    void: Side  # within `ledger`: withdrawn before they were handed over
    as_of: dict[str, int]  # height, time_ms
    differences: list[Difference]
    surplus: Side  # what stands on the ledger and no line of the file accounts for

    @property
    def agrees(self) -> bool:
        return not self.differences and self.surplus == Side(0, 0)


@dataclass(frozen=True, slots=True)
class Line:
    business_no: str
    total_fen: int


def read_lines(path: Path) -> list[Line]:
    """The bills of a CSV file: columns business_no and total in yuan, or 业务流水号 and 总金额; others are left alone, and several
    rows of one bill are one. UTF-8, or GB18030. Raises CommandFailed `argument_refused` naming the row."""
    if path.stat().st_size > FILE_BYTES_MAX:
        raise CommandFailed("argument_refused", f"{path}: more than {FILE_BYTES_MAX >> 20} MiB")
    rows = csv.reader(io.StringIO(_decoded(path)))
    heading = [name.strip() for name in next(rows, [])]
    number_at, total_at = _column(heading, BUSINESS_NO, path), _column(heading, TOTAL, path)
    found: dict[str, int | None] = {}
    for row_number, row in enumerate(rows, 2):
        if not any(cell.strip() for cell in row):
            continue
        cells = [*row, *[""] * len(heading)]
        number, total = cells[number_at].strip(), cells[total_at].strip()
        if not number:
            raise CommandFailed("argument_refused", f"{path}, row {row_number}: no business number")
        fen = _fen(total, path, row_number) if total else None
        known = found.setdefault(number, fen)
        if known is None:
            found[number] = fen
        elif fen not in (None, known):
            raise CommandFailed("argument_refused", f"{path}, row {row_number}: another total for the same bill")
        if len(found) > ROWS_MAX:
            raise CommandFailed("argument_refused", f"{path}: more than {ROWS_MAX:,} bills")
    if missing := next((number for number, fen in found.items() if fen is None), None):
        raise CommandFailed("argument_refused", f"{path}: no total for {missing}")
    return [Line(number, fen) for number, fen in found.items() if fen is not None]


def close_day(
    date: str,
    place: str | None,
    lines: Iterable[Line],
    find: Callable[[str], dict[str, Any] | None],
    books: DayBooks,
    told: Callable[[int], None] = lambda done: None,
) -> Closing:
    """Compare. `find` gives a bill's view by its business number; `books` are the issuer's of that day."""
    day = int(date.replace("-", ""))
    differences: list[Difference] = []
    count = total = 0
    matched_count = matched_fen = 0
    for done, line in enumerate(lines, 1):
        count, total = count + 1, total + line.total_fen
        page = find(line.business_no)
        code, is_of_day = _compared(line, page, date, place, books.height)
        if is_of_day and page is not None:
            matched_count, matched_fen = matched_count + 1, matched_fen + int(page["total_fen"])
        if code:
            fen = None if page is None else int(page["total_fen"])
            bill = None if page is None else str(page["bill_id"])
            differences.append(Difference(line.business_no, code, line.total_fen, fen, bill, REPAIRS[code]))
        told(done)
    kinds = [
        totals
        for (point, book_day), body in books.books.items()
        if book_day == day and place in (None, point)
        for totals in body.kinds
    ]
    ledger = Side(sum(one.count for one in kinds), sum(one.sum_fen for one in kinds))
    void = Side(sum(one.void_count for one in kinds), sum(one.void_sum_fen for one in kinds))
    return Closing(
        date,
        place,
        Side(count, total),
        ledger,
        Side(sum(one.red_count for one in kinds), sum(one.red_sum_fen for one in kinds)),
        void,
        {"height": books.height, "time_ms": books.time_ms},
        differences,
        Side(ledger.count - void.count - matched_count, ledger.total_fen - void.total_fen - matched_fen),
    )


def _compared(line: Line, page: dict[str, Any] | None, date: str, place: str | None, height: int) -> tuple[str, bool]:
    """What is wrong with a line, or empty; and whether the day books, as of `height`, have its bill among those that stand."""
    if page is None or page.get("status") == "refused":
        return "not_issued", False
    if page.get("status") == "queued" or int(page.get("height") or 0) > height:
        return "not_recorded", False
    if page["business_date"] != date:
        return "other_day", False
    if place is not None and page["place_code"] != place:
        return "other_place", False
    if page["validity"] == "void":
        return "void", False
    return ("amount_differs", True) if page["total_fen"] != line.total_fen else ("", True)


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CommandFailed("argument_refused", f"{path}: neither UTF-8 nor GB18030")


def _column(heading: list[str], names: tuple[str, str], path: Path) -> int:
    for name in names:
        if name in heading:
            return heading.index(name)
    raise CommandFailed("argument_refused", f"{path}: no column {' or '.join(names)}")


def _fen(text: str, path: Path, row: int) -> int:
    try:
        fen = Decimal(text) * 100
        if fen != fen.to_integral_value() or not 0 <= fen <= 10**15:
            raise InvalidOperation
        return int(fen)
    except InvalidOperation:
        raise CommandFailed("argument_refused", f"{path}, row {row}: '{text}' is no amount in yuan") from None
