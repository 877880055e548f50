"""WeChat Pay's statement of a day: CSV in UTF-8, every value of a row behind a back-quote, then a header and a row of sums.

Columns are found by their names. The amount of a payment is what was ordered (订单金额), of a refund what was asked back
(申请退款金额); fees have five decimals and are negative where they come back. Transactions counted in the last row must be as
many as there are rows, else the file is not whole. Values are cut at comma and back-quote: a comma alone may stand in a subject.
Source: WeChat Pay APIv3, "下载账单"; sample files in public code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from node.channels.amounts import parse_fee, parse_yuan
from node.channels.errors import StatementMalformed, WrongForm
from node.channels.moments import parse_beijing
from node.channels.statement_line import CLOSED, FAILED, PAYMENT, PENDING, REFUND, SUCCESS, StatementLine
from node.channels.statement_text import at_line, read_lines

TIME, TRADE_NO, ORDER_NO, STATE, FEE = "交易时间", "微信订单号", "商户订单号", "交易状态", "手续费"
AMOUNT, REFUND_NO, REFUNDED, REFUND_STATE = "订单金额", "商户退款单号", "申请退款金额", "退款状态"
COLUMNS = {TIME, TRADE_NO, ORDER_NO, STATE, FEE, AMOUNT, REFUND_NO, REFUNDED, REFUND_STATE}
COUNT = "总交易单数"
REFUND_STATES = {"SUCCESS": SUCCESS, "PROCESSING": PENDING, "FAIL": FAILED, "CHANGE": FAILED}
PAYMENT_STATES = {"SUCCESS": SUCCESS, "REVOKED": CLOSED}  # revoked: paid at the counter, and taken back there


def read_wechat_statement(source: BinaryIO) -> Iterator[StatementLine]:
    """Raises StatementMalformed."""
    header: list[str] = []
    counted = number = 0
    lines = read_lines(source, "utf-8")
    for number, line in lines:
        with at_line(number):
            if not header:
                header = line.removeprefix("\ufeff").split(",")
                if any(header.count(name) != 1 for name in COLUMNS):
                    raise WrongForm("a column is missing")
                continue
            if line.startswith(COUNT):
                break
            found = _read_line(header, _cells(line))
        counted += 1
        yield found
    number, line = next(lines, (number + 1, ""))
    with at_line(number):
        if not line or _cells(line)[0] != str(counted):
            raise WrongForm("the sums are missing, or count other lines than there are")
    for number, line in lines:
        if line:
            raise StatementMalformed(number, "a line after the sums")


def _cells(line: str) -> list[str]:
    if not line.startswith("`"):
        raise WrongForm("a row begins with a back-quote")
    return line[1:].split(",`")


def _read_line(header: list[str], cells: list[str]) -> StatementLine:
    if len(cells) != len(header):
        raise WrongForm("another number of columns than the header")
    row = dict(zip(header, cells, strict=True))
    is_refund = row[STATE] == "REFUND"
    state = REFUND_STATES.get(row[REFUND_STATE]) if is_refund else PAYMENT_STATES.get(row[STATE])
    if state is None:
        raise WrongForm("a state that we do not know")
    return StatementLine(
        "wechat",
        REFUND if is_refund else PAYMENT,
        row[ORDER_NO],
        row[TRADE_NO],
        row[REFUND_NO] if is_refund else "",
        parse_yuan(row[REFUNDED], REFUNDED) if is_refund else parse_yuan(row[AMOUNT], AMOUNT),
        parse_fee(row[FEE], FEE),
        state,
        parse_beijing(row[TIME], TIME),
    )
