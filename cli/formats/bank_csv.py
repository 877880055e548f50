"""What a bank credited for channels' days, as CSV: small enough to be held. UTF-8, or GB18030 as Excel on a Chinese Windows writes it."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import BinaryIO

from chain.codec import FEN_MAX
from cli.formats.csv_file import Row, parse_csv
from cli.formats.reconciliation_columns import BANK_BYTES_MAX, BANK_COLUMNS, fen_of_yuan
from node.reconciliation.bank import BankLine
from node.reconciliation.business_day import number_of
from node.reconciliation.errors import FileRefused, LineRefused
from node.reconciliation.item import NUMBER

SOURCE = "bank"
CHANNEL = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}", re.ASCII)
DAY = re.compile(r"[2-9][0-9]{3}-[01][0-9]-[0-3][0-9]", re.ASCII)


def read_bank_csv(stream: BinaryIO) -> list[BankLine]:
    """Raises LineRefused, FileRefused, and FormatRefused for the file or its header; nothing of a line is repeated."""
    content = stream.read(BANK_BYTES_MAX + 1)
    if len(content) > BANK_BYTES_MAX:
        raise FileRefused(SOURCE, f"larger than {BANK_BYTES_MAX} bytes")
    if content and not content.endswith(b"\n"):
        raise FileRefused(SOURCE, "breaks off: its last line has no end")
    file = parse_csv(Path(SOURCE), content, BANK_COLUMNS)
    if file.refusal is not None:
        raise file.refusal
    return [_line(row, len(file.heading)) for row in file.rows]


def _line(row: Row, width: int) -> BankLine:
    if len(row.cells) != width:
        raise LineRefused(SOURCE, row.line, f"{len(row.cells)} cells, the header has {width}")
    values = row.values
    try:
        if not DAY.fullmatch(values["business_day"]):
            raise ValueError
        day = date.fromisoformat(values["business_day"])
    except ValueError:
        raise LineRefused(SOURCE, row.line, "business_day: not a day such as 2026-04-20") from None
    if not CHANNEL.fullmatch(values["channel"]) or not NUMBER.fullmatch(values["bank_no"]):
        raise LineRefused(SOURCE, row.line, "its channel or bank_no is none that we keep")
    try:
        amount_fen = fen_of_yuan(values["amount"])
    except ValueError as error:
        raise LineRefused(SOURCE, row.line, f"amount: {error}") from None
    if not 0 < abs(amount_fen) <= FEN_MAX:
        raise LineRefused(SOURCE, row.line, "amount: out of range")
    return BankLine(number_of(day), values["channel"], amount_fen, values["bank_no"])
