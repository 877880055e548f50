"""Reads a statement and tells how much memory that took; in a process of its own, since a process's peak never falls."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from node.channels import REFUND, StatementLine
from node.channels.alipay_statement import read_alipay_statement
from node.channels.insurance_statement import read_insurance_statement
from node.channels.unionpay_statement import read_unionpay_statement
from node.channels.wechat_statement import read_wechat_statement


def read(name: str, path: Path) -> tuple[int, int, int, int]:
    """Lines, sum of amounts, refunds, and by how many KiB the process's peak grew."""
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = amount_fen = refunds = 0
    with path.open("rb") as stream:
        for line in _lines(name, stream):
            count += 1
            amount_fen += line.amount_fen
            refunds += line.kind == REFUND
    return count, amount_fen, refunds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib


def _lines(name: str, stream: BinaryIO) -> Iterator[StatementLine]:
    match name:
        case "alipay":
            return read_alipay_statement(stream)
        case "wechat":
            return read_wechat_statement(stream)
        case "fund":
            return read_insurance_statement(name, "fund_pay_sumamt", stream)
        case _:
            return read_unionpay_statement(name, stream)
