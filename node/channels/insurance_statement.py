"""A bureau's file of a day's settlements: UTF-8, tabs between columns, names in the first line, `#count` in the last.

The columns are those of the interface's detailed reconciliation (3202), whose file goes the other way, with the moment, our order
number and our refund number added; the file is ours, since none is public. What was taken back stands with `refd_setl_flag` 1, amounts
below 0 and the number of the settlement. Who the patients are (`psn_no`, `mdtrt_id`) is not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from node.channels.amounts import parse_yuan
from node.channels.errors import StatementMalformed, WrongForm
from node.channels.moments import parse_beijing
from node.channels.statement_line import PAYMENT, REFUND, SUCCESS, StatementLine
from node.channels.statement_text import at_line, read_lines

COLUMNS = (
    "psn_no", "mdtrt_id", "setl_id", "msgid", "stmt_rslt", "refd_setl_flag", "memo",
    "medfee_sumamt", "fund_pay_sumamt", "acct_pay", "setl_time", "exp_content", "refund_no",
)  # fmt: skip
COUNT = "#count"


def read_insurance_statement(channel: str, paid: str, source: BinaryIO) -> Iterator[StatementLine]:
    """`paid` is the column of this channel's amounts. Raises StatementMalformed."""
    counted = number = 0
    is_ended = False
    for number, line in read_lines(source, "utf-8"):
        cells = line.split("\t")
        with at_line(number):
            if is_ended:
                raise WrongForm("a line after the count")
            if number == 1:
                if tuple(cells) != COLUMNS:
                    raise WrongForm("other columns than agreed upon")
                continue
            if cells[0] == COUNT:
                if cells[1:] != [str(counted)]:
                    raise WrongForm("another count than there are lines")
                is_ended = True
                continue
            if len(cells) != len(COLUMNS):
                raise WrongForm("another number of columns than the header")
            found = _read_line(channel, paid, dict(zip(COLUMNS, cells, strict=True)))
        counted += 1
        yield found
    if not is_ended:
        raise StatementMalformed(number, "the file has no count")


def _read_line(channel: str, paid: str, row: dict[str, str]) -> StatementLine:
    kind = {"0": PAYMENT, "1": REFUND}.get(row["refd_setl_flag"])
    if kind is None or (kind == REFUND) != row[paid].startswith("-"):
        raise WrongForm("refd_setl_flag: does not fit the amount")
    return StatementLine(
        channel,
        kind,
        row["exp_content"],
        row["setl_id"],
        row["refund_no"],
        parse_yuan(row[paid].removeprefix("-"), paid),
        0,
        SUCCESS,
        parse_beijing(row["setl_time"], "setl_time"),
    )
