"""UnionPay's statement of a settlement day: a zip in which `INN…88ZM_…` has a line of fixed columns for each transaction, in GBK.

42 columns, one byte between them; widths as in the file interface's section on merchants' files (ZM), which UnionPay's own
samples repeat. Times lack the year: the file's name has the settlement day as YYMMDD, and the nearest year is meant. Amounts
are fen without sign, fees begin with D (kept from the merchant) or C (given back). `S22` is a payment, `S30` a refund; other
transactions do not come from what we send. A refund's own order number stands where a payment's does; the payment's comes back in
the merchant's own column. Lines are not counted anywhere in the file; the zip's check finds torn ones.
Sources: UnionPay open platform, "全渠道商户对账文件", column names and widths as in public code; the meaning of D and C is our reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import BinaryIO

from node.channels.amounts import parse_fen
from node.channels.channel import ORDER_NO
from node.channels.errors import WrongForm
from node.channels.moments import parse_without_year
from node.channels.statement_line import PAYMENT, REFUND, SUCCESS, StatementLine
from node.channels.statement_text import at_line, read_lines, zip_member

WIDTHS = (
    3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2,
    6, 2, 4, 32, 1, 21, 15, 1, 15, 32, 13, 13, 8, 32, 13, 13, 12, 2, 1, 32, 98,
)  # fmt: skip
CODE, TIME, AMOUNT, QUERY_ID, ORDER, FEE, ORIGINAL, OWN = 0, 4, 6, 9, 11, 15, 26, 34  # columns that we read
STARTS = tuple(sum(WIDTHS[:column]) + column for column in range(len(WIDTHS)))
KINDS = {"S22": PAYMENT, "S30": REFUND}
_NAME = re.compile(r"(?:.*/)?INN([0-9]{2})([0-9]{2})([0-9]{2})[0-9]{2}ZM_[0-9A-Za-z]{1,20}")
_FEE = re.compile(r"([CD])([0-9]{12})")


def read_unionpay_statement(channel: str, source: BinaryIO) -> Iterator[StatementLine]:
    """Raises StatementMalformed."""
    with zip_member(source, lambda name: _NAME.fullmatch(name) is not None) as (name, member):
        with at_line(0):
            day = _settlement_day(name)
        # bytes, as widths count them; every column that we read is ASCII
        for number, line in read_lines(member, "latin-1"):
            if not line:
                continue
            with at_line(number):
                found = _read_line(channel, line, day)
            yield found


def _settlement_day(name: str) -> date:
    found = _NAME.fullmatch(name)
    try:
        return date(2000 + int(found[1]), int(found[2]), int(found[3])) if found else date.min
    except ValueError:
        raise WrongForm("the file's name has no day") from None


def _read_line(channel: str, line: str, day: date) -> StatementLine:
    if len(line) < STARTS[OWN] + WIDTHS[OWN]:
        raise WrongForm("shorter than the columns")
    kind = KINDS.get(_column(line, CODE))
    if kind is None:
        raise WrongForm("neither a payment nor a refund")
    own, fee = _column(line, OWN), _FEE.fullmatch(_column(line, FEE))
    if fee is None:
        raise WrongForm("the fee has no D or C")
    if kind == REFUND and not ORDER_NO.fullmatch(own):
        own = ""  # not placed by us; the payment's number still tells
    return StatementLine(
        channel,
        kind,
        own if kind == REFUND else _column(line, ORDER),
        _column(line, ORIGINAL if kind == REFUND else QUERY_ID),
        _column(line, ORDER) if kind == REFUND else "",
        parse_fen(_column(line, AMOUNT)),
        int(fee[2]) if fee[1] == "D" else -int(fee[2]),
        SUCCESS,
        parse_without_year(_column(line, TIME), "time", day),
    )


def _column(line: str, column: int) -> str:
    return line[STARTS[column] : STARTS[column] + WIDTHS[column]].strip(" ")
