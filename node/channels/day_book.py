"""Money that comes in without another side: the counter's drawer, the hospital's own ledger account. What was taken stands in
a book, one file a day (Beijing's), one line an entry, flushed before it counts.

A line is `time_ms,kind,order_no,refund_no,trade_no,amount_fen,who` and a check of it: the first 16 hexadecimal digits of SHA-256.
A line that a crash tore was never confirmed to anybody and goes away with the next one. One process writes a book.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from chain.directory import flush_directory
from node.channels.amounts import parse_fen
from node.channels.errors import StatementNotReady, WrongForm
from node.channels.moments import beijing_day
from node.channels.statement_line import PAYMENT, REFUND, SUCCESS, StatementLine
from node.channels.statement_text import at_line, read_lines

DAYS_MAX = 31  # after an order was placed its entry is made, or never
WHO = re.compile(r"[0-9A-Za-z_.-]{1,64}")  # a cashier's desk, a transfer: no name of a person
_NUMBER = re.compile(r"[0-9A-Za-z_.-]{0,64}")
_COLUMNS = 7


class DayBook:
    """`directory` is made if it is not there. Raises OSError where the disk does."""

    def __init__(self, channel: str, directory: Path) -> None:
        self._channel, self._directory = channel, directory
        self._turn = asyncio.Lock()

    async def enter(self, line: StatementLine, who: str, since_ms: int) -> StatementLine:
        """The entry as it stands; the one that stood there already if its order and refund number do, from `since_ms` on."""
        if not WHO.fullmatch(who):
            raise ValueError("who took it: 1 to 64 of letters, digits, '_', '.' and '-'")
        async with self._turn:
            return await asyncio.to_thread(self._enter, line, who, since_ms)

    async def find(self, order_no: str, refund_no: str, since_ms: int, until_ms: int) -> StatementLine | None:
        async with self._turn:
            return await asyncio.to_thread(self._find, order_no, refund_no, since_ms, until_ms)

    async def copy(self, day: date, target: BinaryIO) -> None:
        """A day's file. Raises StatementNotReady if nothing was entered on it."""
        async with self._turn:
            await asyncio.to_thread(self._copy, day, target)

    def _enter(self, line: StatementLine, who: str, since_ms: int) -> StatementLine:
        found = self._find(line.order_no, line.refund_no, since_ms, line.time_ms)
        if found is not None:
            return found
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(beijing_day(line.time_ms))
        is_new = not path.exists()
        text = f"{line.time_ms},{line.kind},{line.order_no},{line.refund_no},{line.trade_no},{line.amount_fen},{who}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(handle, "r+b") as stream:
            stream.seek(_whole_bytes(stream))
            stream.truncate()
            stream.write(f"{text},{_check(text)}\n".encode("ascii"))
            stream.flush()
            os.fsync(stream.fileno())
        if is_new:
            flush_directory(self._directory)
        return line

    def _find(self, order_no: str, refund_no: str, since_ms: int, until_ms: int) -> StatementLine | None:
        day = beijing_day(since_ms)
        last = min(max(beijing_day(until_ms), day), day + timedelta(days=DAYS_MAX))
        while day <= last:
            path = self._path(day)
            if path.exists():
                with path.open("rb") as stream:
                    for line in read_day_book(self._channel, stream):
                        if (line.order_no, line.refund_no) == (order_no, refund_no):
                            return line
            day += timedelta(days=1)
        return None

    def _copy(self, day: date, target: BinaryIO) -> None:
        try:
            with self._path(day).open("rb") as stream:
                shutil.copyfileobj(stream, target)
        except FileNotFoundError:
            raise StatementNotReady(f"{self._channel} took nothing that day") from None

    def _path(self, day: date) -> Path:
        return self._directory / f"{self._channel}-{day.isoformat()}.csv"


def read_day_book(channel: str, source: BinaryIO) -> Iterator[StatementLine]:
    """Raises StatementMalformed. A last line without its end is torn, whatever is there of it, and left out: the next entry
    takes its place."""
    is_whole = _ends_whole(source)
    held: tuple[int, str] | None = None  # until it is known whether it is the last one
    for number, text in read_lines(source, "ascii"):
        if held is not None:
            yield _read_line(channel, *held)
        held = number, text
    if held is not None and is_whole:
        yield _read_line(channel, *held)


def _read_line(channel: str, number: int, text: str) -> StatementLine:
    with at_line(number):
        return _entry(channel, text)


def _entry(channel: str, text: str) -> StatementLine:
    body, _, check = text.rpartition(",")
    cells = body.split(",")
    if check != _check(body) or len(cells) != _COLUMNS or cells[1] not in (PAYMENT, REFUND):
        raise WrongForm("not a line of this book")
    time_ms, kind, order_no, refund_no, trade_no, amount, _who = cells
    if not (time_ms.isdigit() and len(time_ms) <= 15) or not all(
        map(_NUMBER.fullmatch, (order_no, refund_no, trade_no))
    ):
        raise WrongForm("not a line of this book")
    return StatementLine(channel, kind, order_no, trade_no, refund_no, parse_fen(amount), 0, SUCCESS, int(time_ms))


def _whole_bytes(stream: BinaryIO) -> int:
    """Where the last whole line ends."""
    size = stream.seek(0, os.SEEK_END)
    start = max(0, size - 4_096)  # lines have some 250 bytes
    stream.seek(start)
    return start + stream.read().rfind(b"\n") + 1


def _ends_whole(source: BinaryIO) -> bool:
    """Whether the last line has its end; the source is at its beginning afterwards."""
    size = source.seek(0, os.SEEK_END)
    source.seek(max(0, size - 1))
    is_whole = source.read(1) == b"\n"
    source.seek(0)
    return is_whole


def _check(text: str) -> str:
    return sha256(text.encode("ascii")).hexdigest()[:16]
