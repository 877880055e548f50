"""One line of a channel's statement, whichever way the channel writes its files."""

from __future__ import annotations

import msgspec

PAYMENT, REFUND = "payment", "refund"  # kinds
SUCCESS, PENDING, FAILED, CLOSED = "success", "pending", "failed", "closed"  # states


class StatementLine(msgspec.Struct, frozen=True):
    """What a channel says that it took for us, or gave back."""

    channel: str  # alipay, wechat …
    kind: str  # PAYMENT or REFUND
    order_no: str  # ours: the part of the payment order, as it was given to the channel
    trade_no: str  # the channel's own
    refund_no: str  # ours, of a refund; empty of a payment
    amount_fen: int  # more than 0, of a refund too
    fee_fen: int  # what the channel keeps of it; less than 0 where it gives a fee back
    state: str
    time_ms: int  # since the epoch, UTC: when the channel counted it
