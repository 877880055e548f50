"""A hospital's day with one channel, told line by line, as structs and as files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from cli.formats.our_lines import write_our_lines
from cli.formats.reconciliation_columns import STATEMENT_COLUMNS
from cli.output import yuan
from node.channels.statement_line import StatementLine
from node.reconciliation.bank import BankLine
from node.reconciliation.business_day import BusinessDay
from node.reconciliation.our_line import OurLine
from node.reconciliation.reconcile import Carried, Figures, reconcile
from node.reconciliation.row import Row

CHANNEL, BEIJING = "alipay", timezone(timedelta(hours=8))
MONDAY, TUESDAY = BusinessDay(20260420, 480), BusinessDay(20260421, 480)
FEE_SHARE = 250  # one part of so many is the channel's fee

replace = msgspec.structs.replace


def at(day: BusinessDay, clock: str) -> int:
    """`23:59:58` of a day, in ms since the epoch."""
    return int(datetime.fromisoformat(f"{day.date} {clock}").replace(tzinfo=BEIJING).timestamp() * 1000)


def name_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


class Day:
    """What both sides say. `pay` and `give_back` are what a good day is made of; a story changes the lists afterwards."""

    def __init__(self, day: BusinessDay = MONDAY) -> None:
        self.day = day
        self.ours: list[OurLine] = []
        self.theirs: list[StatementLine] = []
        self.bank: list[BankLine] | None = None

    def pay(self, number: int, amount_fen: int, clock: str = "10:00:00", sides: str = "both", **changes: Any) -> None:
        order, trade, time_ms = f"P-{number}", f"2026T{number:06d}", at(self.day, clock)
        ours = OurLine(
            CHANNEL, "payment", order, amount_fen, "success", time_ms, trade, "", name_of(order), name_of(f"F-{number}"),
            True, amount_fen, f"3306012600{number:08d}", amount_fen,
        )  # fmt: skip
        theirs = StatementLine(
            CHANNEL, "payment", order, trade, "", amount_fen, amount_fen // FEE_SHARE, "success", time_ms
        )
        self._add(ours, theirs, sides, changes)

    def give_back(
        self, number: int, amount_fen: int, clock: str = "15:00:00", sides: str = "both", **changes: Any
    ) -> None:
        order, trade, refund, time_ms = f"P-{number}", f"2026T{number:06d}", f"R-{number}", at(self.day, clock)
        ours = OurLine(CHANNEL, "refund", order, amount_fen, "success", time_ms, trade, refund, name_of(order))
        theirs = StatementLine(
            CHANNEL, "refund", order, trade, refund, amount_fen, -(amount_fen // FEE_SHARE), "success", time_ms
        )
        self._add(ours, theirs, sides, changes)

    def _add(self, ours: OurLine, theirs: StatementLine, sides: str, changes: dict[str, Any]) -> None:
        if sides in ("both", "ours"):
            self.ours.append(replace(ours, **changes))
        if sides in ("both", "theirs"):
            self.theirs.append(replace(theirs, **changes))

    def change_ours(self, number: int, **changes: Any) -> None:
        self.ours = [replace(line, **changes) if line.order_no == f"P-{number}" else line for line in self.ours]

    def change_theirs(self, number: int, **changes: Any) -> None:
        self.theirs = [replace(line, **changes) if line.order_no == f"P-{number}" else line for line in self.theirs]

    def credited_fen(self) -> int:
        """What the bank credits for this statement, if its lines are right."""
        net = {"payment": 1, "refund": -1}
        succeeded = [line for line in self.theirs if line.state == "success"]
        return sum(net[line.kind] * line.amount_fen - line.fee_fen for line in succeeded)

    def credit(self, less_fen: int = 0) -> None:
        self.bank = [BankLine(self.day.number, CHANNEL, self.credited_fen() - less_fen, "B-1")]

    def run(self, carried: Carried = (), chunk_bytes: int = 1 << 20, **more: Any) -> tuple[list[Row], Figures]:
        rows: list[Row] = []
        figures = reconcile(
            CHANNEL, self.day, self.ours, self.theirs, self.bank, carried, rows.append, chunk_bytes=chunk_bytes, **more
        )
        return rows, figures

    def write(self, folder: Path) -> list[str]:
        """Files of the day, and the arguments that name them."""
        ours, statement, bank = folder / "ours.jsonl", folder / "statement.csv", folder / "bank.csv"
        folder.mkdir(exist_ok=True)
        with ours.open("wb") as stream:
            write_our_lines(stream, self.ours)
        statement.write_bytes(statement_csv(self.theirs))
        arguments = [
            "--day",
            str(self.day.date),
            "--channel",
            CHANNEL,
            "--ours",
            str(ours),
            "--statement",
            str(statement),
        ]
        if self.bank is not None:
            rows = [(_dashed(line.day), line.channel, yuan(line.amount_fen), line.bank_no) for line in self.bank]
            bank.write_bytes(csv_bytes([("业务日期", "渠道", "入账金额", "银行流水号"), *rows]))
            arguments += ["--bank", str(bank)]
        return arguments


def statement_csv(lines: Iterable[StatementLine]) -> bytes:
    held = list(lines)
    sums = [sum(line.amount_fen for line in held if line.kind == kind) for kind in ("payment", "refund")]
    sums.append(sum(line.fee_fen for line in held))
    return csv_bytes(
        [
            [column.name for column in STATEMENT_COLUMNS],
            *([*map(_cell, msgspec.structs.astuple(line)[:-1]), clock_of(line.time_ms)] for line in held),
            ["end", len(held), *map(yuan, sums)],
        ]
    )


def clock_of(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms // 1000, BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def _cell(value: str | int) -> str:
    return yuan(value) if isinstance(value, int) else value


def csv_bytes(rows: Iterable[Iterable[Any]], encoding: str = "utf-8") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(encoding)


def _dashed(day: int) -> str:
    return f"{day // 10_000}-{day // 100 % 100:02d}-{day % 100:02d}"


def names(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """(class, order) of each row."""
    return [(row.name, row.order_no) for row in rows]


def carried_from(rows: Iterable[Row]) -> Iterator[tuple[str, Any]]:
    """What the next day's run is given."""
    return ((row.side, row.item) for row in rows if row.item is not None)
