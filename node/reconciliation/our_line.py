"""One line of ours: a payment or refund that the ledger has, with the bill of its order."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from chain.codec import FEN_MAX, Name
from chain.reconciliation_result import BillNumber, Number

Kind = Literal["payment", "refund"]
State = Literal["success", "pending", "failed", "closed"]
OrderNumber = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.:|*@/-]{0,63}\Z")]
Fen = Annotated[int, msgspec.Meta(ge=0, le=FEN_MAX)]
Hex = Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{64})?\Z")]


class OurLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the ledger says of one part of a payment order, or of one refund of it.

    A part that is refunded is two lines. The export of a day has each line whose `time_ms` lies in it, and no other.
    """

    channel: Name
    kind: Kind
    order_no: OrderNumber  # ours, as it was given to the channel
    amount_fen: Annotated[int, msgspec.Meta(gt=0, le=FEN_MAX)]
    state: State
    time_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53)]  # when it came to that state, by the ledger
    trade_no: Number = ""  # the channel's; empty until its notice told it
    refund_no: Number = ""  # ours, of a refund
    order: Hex = ""  # the payment order's name on the ledger
    notice: Hex = ""  # the fee notice's
    is_bill_due: bool = False  # all parts of the order are paid, so that it must have a bill
    order_total_fen: Fen = 0
    bill_id: BillNumber = ""
    bill_total_fen: Fen = 0  # of the bill as it was issued
