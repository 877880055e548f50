"""The columns of files that a reconciliation reads, in our own forms; docs/reconciliation.md shows them. Amounts are yuan."""

from __future__ import annotations

import re

from cli.formats.csv_columns import LINE, Column

STATEMENT_COLUMNS: tuple[Column, ...] = (
    Column("channel", "渠道", LINE, True, "alipay, wechat …: the same in every line"),
    Column("kind", "类型", LINE, True, "payment, refund"),
    Column("order_no", "商户订单号", LINE, True, "ours, as it was given to the channel"),
    Column("trade_no", "渠道交易号", LINE, True, "the channel's own"),
    Column("refund_no", "商户退款号", LINE, True, "ours; filled for refunds and only for them"),
    Column("amount", "金额", LINE, True, "yuan, more than 0, of a refund too"),
    Column("fee", "手续费", LINE, True, "yuan; less than 0 where the channel gives a fee back"),
    Column("state", "状态", LINE, True, "success, pending, failed, closed"),
    Column("time", "时间", LINE, True, "2026-04-20 23:59:58, in the ledger's time zone: when the channel counted it"),
)
BANK_COLUMNS: tuple[Column, ...] = (
    Column(
        "business_day", "业务日期", LINE, True, "2026-04-20: the day of the channel's statement that the money is of"
    ),
    Column("channel", "渠道", LINE, True, "alipay, wechat …"),
    Column("amount", "入账金额", LINE, True, "yuan, after fees; less than 0 where the channel took money back"),
    Column("bank_no", "银行流水号", LINE, True, "the bank's own"),
)
END = "end"  # the first cell of a statement's last line
LINE_BYTES_MAX = 16 << 10
BANK_BYTES_MAX = 16 << 20  # a bank's file is held in memory: some 200,000 credits

_YUAN = re.compile(r"(-?)(0|[1-9][0-9]{0,12})(?:\.([0-9]{1,2}))?", re.ASCII)


def fen_of_yuan(text: str) -> int:
    """Fen of `12.30`, `12.3`, `12`, `-0.05`; nothing is rounded. Raises ValueError for all else, `12.345` and `1,234` too."""
    found = _YUAN.fullmatch(text)
    if found is None:
        raise ValueError("not yuan with whole fen, such as 12.30")
    fen = int(found[2]) * 100 + int((found[3] or "").ljust(2, "0"))
    return -fen if found[1] else fen


def yuan_of(fen: int) -> str:
    """12.30, -0.05."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"
