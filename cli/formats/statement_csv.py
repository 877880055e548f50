"""A channel's statement in our own form: a CSV file of any length, read line by line.

UTF-8, with or without a byte order mark; a header, a row per line, and a last row `end,LINES,PAYMENTS,REFUNDS,FEES` with its counts and
sums in yuan, so that no row can be lost unseen. Channels' own files have readers of their own (`node/channels`).
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import msgspec

from cli.formats.bounded_lines import bounded_lines
from cli.formats.csv_file import parse_csv
from cli.formats.reconciliation_columns import END, STATEMENT_COLUMNS, fen_of_yuan, yuan_of
from node.channels.statement_line import PAYMENT, StatementLine
from node.reconciliation.errors import FileRefused, LineRefused

SOURCE = "statement"
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)
EPOCH = datetime(1970, 1, 1)


class Totals(msgspec.Struct):
    lines: int = 0
    payments_fen: int = 0
    refunds_fen: int = 0
    fees_fen: int = 0

    def count(self, line: StatementLine) -> None:
        self.lines += 1
        self.fees_fen += line.fee_fen
        if line.kind == PAYMENT:
            self.payments_fen += line.amount_fen
        else:
            self.refunds_fen += line.amount_fen


def read_statement_csv(stream: BinaryIO, utc_offset_minutes: int) -> Iterator[StatementLine]:
    """Raises LineRefused, FileRefused, and FormatRefused for a header; nothing of a line is repeated."""
    lines = bounded_lines(stream, SOURCE)
    heading = next(lines).removeprefix(codecs.BOM_UTF8)
    take = _columns(heading)
    totals, end = Totals(), None
    rows = csv.reader(_texts(lines), strict=True)
    while True:
        try:
            cells = next(rows, None)
        except csv.Error:
            raise LineRefused(SOURCE, rows.line_num + 1, "not CSV") from None
        if cells is None:
            break
        number = rows.line_num + 1  # the header is line 1
        if end is not None:
            raise LineRefused(SOURCE, number, "there are lines after the end")
        try:
            if cells and cells[0] == END:
                end = _end(cells)
                continue
            line = _line(take(cells), utc_offset_minutes)
        except (ValueError, OverflowError) as error:
            raise LineRefused(SOURCE, number, str(error)) from None
        totals.count(line)
        yield line
    if end is None:
        raise FileRefused(SOURCE, f"breaks off after {totals.lines} lines: the last row, with the sums, is missing")
    if end != totals:
        raise FileRefused(SOURCE, "its last row tells of other lines than it has")


def write_statement_csv(stream: BinaryIO, lines: Iterable[StatementLine], utc_offset_minutes: int) -> None:
    """The same file from lines; times to the second."""
    totals = Totals()
    stream.write(",".join(column.name for column in STATEMENT_COLUMNS).encode() + b"\r\n")
    for line in lines:
        totals.count(line)
        moment = EPOCH + timedelta(seconds=line.time_ms // 1000, minutes=utc_offset_minutes)
        cells = [
            line.channel, line.kind, line.order_no, line.trade_no, line.refund_no, yuan_of(line.amount_fen),
            yuan_of(line.fee_fen), line.state, moment.isoformat(sep=" "),
        ]  # fmt: skip
        stream.write(",".join(cells).encode() + b"\r\n")
    sums = map(yuan_of, (totals.payments_fen, totals.refunds_fen, totals.fees_fen))
    stream.write(",".join([END, str(totals.lines), *sums]).encode() + b"\r\n")


def _columns(heading: bytes) -> Callable[[list[str]], list[str]]:
    """A function from a row's cells to those of STATEMENT_COLUMNS in their order. Raises FormatRefused, LineRefused."""
    try:
        heading.decode("utf-8")
    except UnicodeDecodeError:
        raise LineRefused(SOURCE, 1, "not UTF-8") from None
    file = parse_csv(Path(SOURCE), heading, STATEMENT_COLUMNS)
    if file.refusal is not None:
        raise file.refusal
    places = [
        next(place for place, text in enumerate(file.heading) if text in (column.name, column.title))
        for column in STATEMENT_COLUMNS
    ]
    width = len(file.heading)

    def take(cells: list[str]) -> list[str]:
        if len(cells) != width:
            raise ValueError(f"{len(cells)} cells, the header has {width}")
        return [cells[place] for place in places]

    return take


def _texts(lines: Iterator[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, 2):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            raise LineRefused(SOURCE, number, "not UTF-8") from None


def _line(cells: list[str], utc_offset_minutes: int) -> StatementLine:
    """Raises ValueError; what the texts may hold, the comparison itself checks."""
    channel, kind, order_no, trade_no, refund_no, amount, fee, state, time = cells
    moment = _time_ms(time) - utc_offset_minutes * 60_000
    return StatementLine(
        channel, kind, order_no, trade_no, refund_no, _fen("amount", amount), _fen("fee", fee), state, moment
    )


def _fen(name: str, text: str) -> int:
    try:
        return fen_of_yuan(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _time_ms(text: str) -> int:
    """Of a time of day as if it were UTC."""
    if TIME.fullmatch(text):
        try:
            return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)
        except ValueError:
            pass
    raise ValueError("time: not a time such as 2026-04-20 23:59:58")


def _end(cells: list[str]) -> Totals:
    if len(cells) < 5 or any(cells[5:]) or not (cells[1].isascii() and cells[1].isdigit() and len(cells[1]) < 19):
        raise ValueError("the last row is end,LINES,PAYMENTS,REFUNDS,FEES")
    return Totals(int(cells[1]), _fen("payments", cells[2]), _fen("refunds", cells[3]), _fen("fees", cells[4]))
