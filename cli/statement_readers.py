"""Which forms of a channel's statement can be read, by the name that `--format` takes.

A reader takes the file and the minutes that its day is ahead of UTC, and gives lines one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

from cli.formats.statement_csv import read_statement_csv
from node.channels.account import Account
from node.channels.alipay_statement import read_alipay_statement
from node.channels.fund import Fund
from node.channels.insurance_statement import read_insurance_statement
from node.channels.statement_line import StatementLine
from node.channels.unionpay_statement import read_unionpay_statement
from node.channels.wechat_statement import read_wechat_statement

Reader = Callable[[BinaryIO, int], Iterator[StatementLine]]


def _read_unionpay(channel: str, source: BinaryIO, _minutes: int) -> Iterator[StatementLine]:
    return read_unionpay_statement(channel, source)


def _read_insurance(channel: str, paid: str, source: BinaryIO, _minutes: int) -> Iterator[StatementLine]:
    return read_insurance_statement(channel, paid, source)


OWN_FORM = "medbill"
READERS: dict[str, Reader] = {
    OWN_FORM: read_statement_csv,
    "alipay": lambda source, _minutes: read_alipay_statement(source),
    "wechat": lambda source, _minutes: read_wechat_statement(source),
    **{name: partial(_read_unionpay, name) for name in ("quickpass", "card")},
    **{kind.name: partial(_read_insurance, kind.name, kind.paid) for kind in (Fund, Account)},
}
