"""What is sorted and compared: a line of either side in one form, checked.

Its bytes are its place: kind, order number, refund number, then the side, then everything else. So one sort brings together whatever
belongs together, and equal lines stand side by side whatever order the files had.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from chain.codec import FEN_MAX
from node.channels.statement_line import CLOSED, FAILED, PAYMENT, PENDING, REFUND, SUCCESS, StatementLine
from node.reconciliation.business_day import BusinessDay
from node.reconciliation.errors import LineRefused
from node.reconciliation.our_line import OurLine

OURS, THEIRS = "a", "b"  # sides; ours sorts first
KINDS = frozenset({PAYMENT, REFUND})
STATES = frozenset({SUCCESS, PENDING, FAILED, CLOSED})
NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:|*@/-]{0,63}", re.ASCII)  # no formula, no control character, no space
CHANNEL_MAX = 32

_is_number = NUMBER.fullmatch


class Item(msgspec.Struct, array_like=True, frozen=True, gc=False):
    since: int  # yyyymmdd of the day that it was carried from; 0: it is of this day
    kind: str
    order_no: str
    trade_no: str
    refund_no: str
    amount_fen: int
    fee_fen: int  # theirs
    state: str
    time_ms: int
    order: str = ""  # the rest is of ours
    notice: str = ""
    is_bill_due: bool = False
    order_total_fen: int = 0
    bill_id: str = ""
    bill_total_fen: int = 0

    @property
    def effect_fen(self) -> int:
        """What it moved towards us."""
        if self.state != SUCCESS:
            return 0
        return self.amount_fen if self.kind == PAYMENT else -self.amount_fen


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Item).decode


def record_of(side: str, item: Item) -> bytes:
    """A line for the sorter: key, side, item, line end. No part holds a tab or a line end."""
    key = f"{item.kind}\t{item.order_no}\t{item.refund_no}\t{side}\t"
    return key.encode("ascii") + _encode(item) + b"\n"


def read_record(record: bytes) -> tuple[bytes, str, Item]:
    """(key, side, item)."""
    key, side, content = record.rsplit(b"\t", 2)  # JSON holds no tab: it would be escaped
    return key, side.decode("ascii"), _decode(content)


def our_items(lines: Iterable[OurLine], channel: str, day: BusinessDay) -> Iterator[Item | None]:
    """An item per line, None for one of another channel. Raises LineRefused."""
    first_ms, last_ms = day.start_ms, day.end_ms
    for number, line in enumerate(lines, 1):
        if line.channel != channel:
            yield None
            continue
        if (line.kind == REFUND) != bool(line.refund_no):
            raise LineRefused("our lines", number, "a refund has a refund number, and a payment has none")
        if not first_ms <= line.time_ms < last_ms:
            raise LineRefused("our lines", number, f"its time is not of {day.date}")
        if bool(line.bill_id) != bool(line.bill_total_fen):
            raise LineRefused("our lines", number, "a bill has a number and a total, or neither")
        if line.is_bill_due and not line.order_total_fen:
            raise LineRefused("our lines", number, "an order whose bill is due has a total")
        yield Item(
            0, line.kind, line.order_no, line.trade_no, line.refund_no, line.amount_fen, 0, line.state, line.time_ms,
            line.order, line.notice, line.is_bill_due, line.order_total_fen, line.bill_id, line.bill_total_fen,
        )  # fmt: skip


def their_items(lines: Iterable[StatementLine], channel: str, day: BusinessDay) -> Iterator[Item]:
    """Raises LineRefused; whatever a reader makes of a channel's file is checked here again."""
    first_ms, last_ms = day.start_ms - day.near_midnight_ms, day.end_ms + day.near_midnight_ms
    for number, line in enumerate(lines, 1):
        if line.channel != channel:
            raise LineRefused("statement", number, "of another channel")
        if line.kind not in KINDS or line.state not in STATES:
            raise LineRefused("statement", number, "its kind or state is unknown")
        if not _is_number(line.order_no) or not _is_number(line.trade_no):
            raise LineRefused("statement", number, "its order or trade number is none that we give or keep")
        if (line.kind == REFUND) != bool(line.refund_no) or (line.refund_no and not _is_number(line.refund_no)):
            raise LineRefused("statement", number, "a refund has a refund number, and a payment has none")
        if not 0 < line.amount_fen <= FEN_MAX or not -FEN_MAX <= line.fee_fen <= FEN_MAX:
            raise LineRefused("statement", number, "its amount or fee is out of range")
        if not first_ms <= line.time_ms < last_ms:
            raise LineRefused("statement", number, f"its time is not of {day.date}")
        yield Item(
            0, line.kind, line.order_no, line.trade_no, line.refund_no, line.amount_fen, line.fee_fen, line.state,
            line.time_ms,
        )  # fmt: skip
