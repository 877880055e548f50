"""What was said at a till, as it was said, and what follows from it whenever it is asked: what is owed, paid, settled, where."""

from __future__ import annotations

from dataclasses import dataclass

from chain.operation import IssueNotice, OpenDeposit, OrderPart, PlaceOrder
from tests.money.facts import Facts, Moves, Named, Place


@dataclass(frozen=True)
class Paid:
    order: Named | None  # None: into a deposit
    amount: int
    source: Place
    into: Place | None  # of a deposit's; what a line at the hospital's risk promised; None: follows from its order
    is_stray: bool = False
    at_ms: int = 0  # of a part of an order


@dataclass(frozen=True)
class Billed:
    issuer: str
    total: int
    reverses: str | None


class Slips(Facts):
    def __init__(self, moves: Moves) -> None:
        self.moves, self.now = moves, 0
        self.notices: dict[Named, IssueNotice] = {}
        self.withdrawn: dict[Named, bool] = {}
        self.order_of: dict[Named, Named] = {}  # notice -> the last order that took it
        self.orders: dict[Named, PlaceOrder] = {}
        self.closed: dict[Named, bool] = {}
        self.part_paid: dict[tuple[Named, int], Named] = {}  # -> its payment
        self.payments: dict[Named, Paid] = {}
        self.back: dict[Named, int] = {}  # payment -> so much of it went back
        self.notice_back: dict[Named, int] = {}
        self.lines_back: dict[
            Named, tuple[tuple[int, int], ...]
        ] = {}  # line -> (when it was charged, what of it went back)
        self.refunds: dict[Named, bool] = {}
        self.bank_lines: dict[Named, bool] = {}
        self.bank_days: dict[tuple[str, str, int], int] = {}  # organisation, channel, day -> lines
        self.deposits: dict[Named, OpenDeposit] = {}
        self.settled_deposits: dict[Named, bool] = {}
        self.bills: dict[str, Billed] = {}  # normal and red ones; those it is told of
        self.reversed: dict[str, str] = {}  # -> the red one
        self.answers: dict[str, bool] = {}  # bills that answered
        self.bill_of: dict[Named, str] = {}  # notice -> the last bill that answered it

    def total(self, notice: Named) -> int:
        return sum(line.amount_fen for line in self.notices[notice].lines)

    def is_paid(self, order: Named) -> bool:
        parts = self.orders[order].parts
        return order not in self.closed and all((order, place) in self.part_paid for place in range(len(parts)))

    def is_settled(self, notice: Named) -> bool:
        return notice in self.order_of and self.is_paid(self.order_of[notice])

    def where(self, payment: Named) -> Place | None:
        """Its money now, as far as it did not go back; None: it went back when its order was closed."""
        paid = self.payments[payment]
        if paid.is_stray:
            return payment[0], "refunds", b""
        if paid.order is None:
            return paid.into
        if paid.order in self.closed:
            return (payment[0], "refunds", b"") if paid.source[1] == "channel" else None
        return paid.into or (payment[0], "collected" if self.is_paid(paid.order) else "suspense", b"")

    def kept(self, notice: Named) -> int:
        """What was paid for it and not given back, once it is settled."""
        return self.total(notice) - self.notice_back.get(notice, 0)

    def left(self, payment: Named) -> int:
        return self.payments[payment].amount - self.back.get(payment, 0)

    def is_owed(self, notice: Named) -> bool:
        if notice not in self.notices or notice in self.withdrawn:
            return False
        return notice not in self.order_of or self.order_of[notice] in self.closed

    def is_over(self, order: Named) -> bool:
        return order in self.closed or self.is_paid(order)

    def is_deposit_open(self, deposit: Named) -> bool:
        return deposit in self.deposits and deposit not in self.settled_deposits

    def waiting(self, order: Named, place: int) -> OrderPart | None:
        """A part that may be paid now."""
        if order not in self.orders or self.is_over(order) or self.orders[order].until_ms <= self.now:
            return None
        parts = self.orders[order].parts
        return parts[place] if place < len(parts) and (order, place) not in self.part_paid else None

    def _is_answered(self, notice: Named) -> bool:
        return notice in self.bill_of and self.bill_of[notice] not in self.reversed
