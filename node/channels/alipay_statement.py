"""Alipay's statement of a day: a zip with two CSV files in GBK, details (业务明细) and their sums per shop (汇总).

The details are framed by lines that begin with `#`: who and when, a start line, then the header, then one row a payment or
refund, tabs behind what is not to be taken for a number; an end line and the counts. Columns are found by their names. Of a
refund all amounts are negative; the service fee is negative when Alipay keeps it. A file without its end line, or with other
counts than its last lines say, is not whole.
Source: Alipay open platform, account statements of type `trade`; sample files in public code. Columns and counts as seen there.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from node.channels.amounts import parse_fee, parse_yuan
from node.channels.errors import StatementMalformed, WrongForm
from node.channels.moments import parse_beijing
from node.channels.statement_line import PAYMENT, REFUND, SUCCESS, StatementLine
from node.channels.statement_text import at_line, read_lines, zip_member

KINDS = {"交易": PAYMENT, "退款": REFUND}
COLUMNS = {
    "支付宝交易号": "trade_no",
    "商户订单号": "order_no",
    "业务类型": "kind",
    "完成时间": "time",
    "订单金额（元）": "amount",
    "退款批次号/请求号": "refund_no",
    "服务费（元）": "fee",
}
ENCODING = "gb18030"  # GBK and what came to it since
_COUNT = re.compile(r"#+(交易|退款)合计：([0-9]{1,9})笔.*")


def read_alipay_statement(source: BinaryIO) -> Iterator[StatementLine]:
    """Raises StatementMalformed."""
    with zip_member(source, lambda name: name.endswith("业务明细.csv")) as (_name, member):
        yield from _read_details(read_lines(member, ENCODING))


def _read_details(lines: Iterator[tuple[int, str]]) -> Iterator[StatementLine]:
    columns: list[str] | None = None  # None before the header
    counted: Counter[str] = Counter()
    is_ended = False
    number = 0
    for number, line in lines:
        with at_line(number):
            if line.startswith("#"):
                is_ended = is_ended or "业务明细列表结束" in line
                count = _COUNT.fullmatch(line)
                if count is not None and int(count[2]) != counted[KINDS[count[1]]]:
                    raise WrongForm("another count than there are lines")
                continue
            cells = [cell.strip() for cell in next(csv.reader([line], strict=True), [])] if line else []
            if not cells:
                continue
            if is_ended:
                raise WrongForm("a line after the end")
            if columns is None:
                columns = [COLUMNS.get(cell, "") for cell in cells]
                if any(columns.count(column) != 1 for column in COLUMNS.values()):
                    raise WrongForm("a column is missing")
                continue
            found = _read_line(columns, cells)
        counted[found.kind] += 1
        yield found
    if not is_ended:
        raise StatementMalformed(number, "the file has no end line")


def _read_line(columns: list[str], cells: list[str]) -> StatementLine:
    if len(cells) != len(columns):
        raise WrongForm("another number of columns than the header")
    row = dict(zip(columns, cells, strict=True))
    kind = KINDS.get(row["kind"])
    if kind is None:
        raise WrongForm("业务类型: neither a payment nor a refund")
    return StatementLine(
        "alipay",
        kind,
        row["order_no"],
        row["trade_no"],
        row["refund_no"] if kind == REFUND else "",
        parse_yuan(row["amount"].removeprefix("-") if kind == REFUND else row["amount"], "订单金额"),
        -parse_fee(row["fee"], "服务费"),
        SUCCESS,
        parse_beijing(row["time"], "完成时间"),
    )
