"""What a simulator knows: sales, who paid, what was given back, and what its statement is to say, faults included.

A test or a demonstration may plant faults into the statement of a day: a line left out, another amount, a line of nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

WAITING, PAID, CLOSED = "waiting", "paid", "closed"
SALES_MAX = 1_000_000
FEE_PER_MILLE = 6


@dataclass
class GivenBack:
    refund_no: str
    number: str  # the simulator's
    amount_fen: int
    time_ms: int


@dataclass
class Sale:
    order_no: str
    amount_fen: int
    placed_ms: int
    expires_ms: int
    notify_url: str
    subject: str = ""
    state: str = WAITING
    trade_no: str = ""
    paid_ms: int = 0
    is_scanned: bool = False
    placed_text: str = ""  # as the merchant wrote the moment, where that names the order
    refunds: dict[str, GivenBack] = field(default_factory=dict)  # refund number -> what was given back


@dataclass(frozen=True)
class Row:
    """One line of a statement, before it is written in the channel's way."""

    order_no: str
    trade_no: str
    refund_no: str  # empty of a payment
    amount_fen: int
    time_ms: int
    subject: str = ""

    @property
    def fee_fen(self) -> int:
        fee_fen = (self.amount_fen * FEE_PER_MILLE + 500) // 1_000
        return -fee_fen if self.refund_no else fee_fen


class TillRefused(Exception):
    """`args[0]` is one of: differs, unknown, expired, not_open, not_paid, too_much."""


class Till:
    """The sales of one merchant. `digits` of a trade number beside the day."""

    def __init__(self, clock_ms: Callable[[], int], digits: int = 20) -> None:
        self.clock_ms, self._digits = clock_ms, digits
        self.sales: dict[str, Sale] = {}  # order number -> sale, at most SALES_MAX
        self.left_out: set[str] = set()  # order numbers that the statement forgets
        self.shifted_fen: dict[str, int] = {}  # order number -> what the statement adds to its payment
        self.invented: list[Row] = []  # lines of nothing

    def place(self, sale: Sale) -> Sale:
        """The sale; the one of before if it is asked for again. Raises TillRefused `differs`."""
        known = self.sales.get(sale.order_no)
        if known is None:
            if len(self.sales) >= SALES_MAX:
                raise TillRefused("too_much")
            return self.sales.setdefault(sale.order_no, sale)
        if known.amount_fen != sale.amount_fen:
            raise TillRefused("differs")
        if known.state == CLOSED:
            raise TillRefused("not_open")
        return known

    def known(self, order_no: str) -> Sale:
        sale = self.sales.get(order_no)
        if sale is None:
            raise TillRefused("unknown")
        if sale.state == WAITING and self.clock_ms() > sale.expires_ms:
            sale.state = CLOSED
        return sale

    def pay(self, order_no: str) -> Sale:
        """The payer pays. Raises TillRefused."""
        sale = self.known(order_no)
        if sale.state != WAITING:
            raise TillRefused("not_open")
        sale.state, sale.is_scanned, sale.paid_ms = PAID, True, self.clock_ms()
        sale.trade_no = self.number(sale.paid_ms)
        return sale

    def close(self, order_no: str) -> Sale:
        sale = self.known(order_no)
        if sale.state == PAID:
            raise TillRefused("not_open")
        sale.state = CLOSED
        return sale

    def refund(self, order_no: str, refund_no: str, amount_fen: int) -> tuple[GivenBack, bool]:
        """What was given back, and whether just now. Raises TillRefused."""
        sale = self.known(order_no)
        if sale.state != PAID:
            raise TillRefused("not_paid")
        known = sale.refunds.get(refund_no)
        if known is not None:
            if known.amount_fen != amount_fen:
                raise TillRefused("differs")
            return known, False
        if amount_fen + sum(refund.amount_fen for refund in sale.refunds.values()) > sale.amount_fen:
            raise TillRefused("too_much")
        now_ms = self.clock_ms()
        sale.refunds[refund_no] = GivenBack(refund_no, self.number(now_ms), amount_fen, now_ms)
        return sale.refunds[refund_no], True

    def rows(self, day: date) -> Iterator[Row]:
        """A day's lines, faults included."""
        for sale in list(self.sales.values()):
            if sale.state != PAID or sale.order_no in self.left_out:
                continue
            if day_of(sale.paid_ms) == day:
                amount_fen = sale.amount_fen + self.shifted_fen.get(sale.order_no, 0)
                yield Row(sale.order_no, sale.trade_no, "", amount_fen, sale.paid_ms, sale.subject)
            for refund in sale.refunds.values():
                if day_of(refund.time_ms) == day:
                    number, amount_fen = refund.refund_no, refund.amount_fen
                    yield Row(sale.order_no, sale.trade_no, number, amount_fen, refund.time_ms, sale.subject)
        yield from (row for row in self.invented if day_of(row.time_ms) == day)

    def number(self, time_ms: int) -> str:
        return f"{local(time_ms):%Y%m%d}{secrets.randbelow(10 ** (self._digits - 8)):0{self._digits - 8}d}"


def local(time_ms: int) -> datetime:
    """In China."""
    return datetime.fromtimestamp(time_ms // 1_000, UTC) + timedelta(hours=8)


def local_ms(text: str, form: str) -> int:
    """ValueError for what is no such time."""
    return int(datetime.strptime(text + "+0800", form + "%z").timestamp()) * 1_000


def day_of(time_ms: int) -> date:
    return local(time_ms).date()


def yuan(amount_fen: int) -> str:
    sign = "-" if amount_fen < 0 else ""
    return f"{sign}{abs(amount_fen) // 100}.{abs(amount_fen) % 100:02d}"


def fen(text: str) -> int:
    """ValueError for what is no amount in yuan with two decimals."""
    whole, point, part = text.partition(".")
    if not (text.isascii() and whole.isdigit() and point and part.isdigit() and len(part) == 2):
        raise ValueError("not an amount")
    return int(whole) * 100 + int(part)
