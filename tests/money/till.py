"""What notices, orders, payments, refunds and deposits have to do, in two pages that share nothing with the rules.

Whether a notice is settled, an order paid, or where a payment's money is now is no state, but follows from what was said.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import pairwise
from typing import Any

from chain.operation import (
    AnswerNotices,
    BankChannel,
    CloseOrder,
    IssueBill,
    IssueNotice,
    OpenDeposit,
    PayDeposit,
    PayFromDeposit,
    PlaceOrder,
    RefundDeposit,
    RefundPayment,
    ReverseBill,
    SettleDeposit,
    TakePayment,
    TakeStray,
    WithdrawNotice,
)
from tests.money.facts import Moves, Named, Place
from tests.money.slips import Billed, Paid, Slips

MOST = 10**12  # of one move
LONGEST_MS = 180 * 86_400_000  # that an order may wait
BANK_LINES_MOST = 64  # of a channel and day
INSIDE = ("deposit", "credit")


class Till(Slips):
    """Asked whether somebody may do something, and told that it was done."""

    def __init__(self, moves: Moves) -> None:
        super().__init__(moves)
        self._may: dict[type, Callable[[str, Any], bool]] = {
            IssueNotice: self._may_issue,
            WithdrawNotice: lambda org, said: self.is_owed((org, said.notice)),
            AnswerNotices: self._may_answer,
            PlaceOrder: self._may_place,
            TakePayment: self._may_take,
            TakeStray: self._may_take_stray,
            CloseOrder: lambda org, said: (org, said.order) in self.orders and not self.is_over((org, said.order)),
            RefundPayment: self._may_refund,
            BankChannel: self._may_bank,
            OpenDeposit: lambda org, said: (org, said.deposit) not in self.deposits,
            PayDeposit: self._may_pay_deposit,
            PayFromDeposit: self._may_pay_from,
            SettleDeposit: lambda org, said: self.is_deposit_open((org, said.deposit)),
            RefundDeposit: self._may_refund_deposit,
            IssueBill: lambda org, said: True,  # of bills it believes what it is told
            ReverseBill: lambda org, said: said.original not in self.reversed,
        }

    def knows(self, said: object) -> bool:
        return type(said) in self._may

    def may(self, org: str, said: Any) -> bool:
        return self._may[type(said)](org, said)

    # ── what may be done ─────────────────────────────────────────────────────────────────────────────────────────────

    def _may_issue(self, org: str, said: IssueNotice) -> bool:
        kinds = [line.kind for line in said.lines]
        is_clear = all(first < second for first, second in pairwise(kinds))
        amounts = [line.amount_fen for line in said.lines]
        return (org, said.notice) not in self.notices and is_clear and min(amounts) > 0 and sum(amounts) <= MOST

    def _may_answer(self, org: str, said: AnswerNotices) -> bool:
        bill, notices = self.bills.get(said.bill), [(org, name) for name in said.notices]
        if bill is None or bill.reverses is not None or said.bill in self.reversed or bill.issuer != org:
            return False
        if said.bill in self.answers or not _is_ascending(said.notices):
            return False
        if not all(self.is_settled(notice) and not self._is_answered(notice) for notice in notices):
            return False
        return bill.total == sum(self.kept(notice) for notice in notices)

    def _may_place(self, org: str, said: PlaceOrder) -> bool:
        notices = [(org, name) for name in said.notices]
        if (org, said.order) in self.orders or not _is_ascending(said.notices):
            return False
        if not all(self.is_owed(notice) for notice in notices) or min(part.amount_fen for part in said.parts) <= 0:
            return False
        total = sum(self.total(notice) for notice in notices)
        is_whole = sum(part.amount_fen for part in said.parts) == total <= MOST
        return is_whole and self.now < said.until_ms <= self.now + LONGEST_MS

    def _may_take(self, org: str, said: TakePayment) -> bool:
        part = self.waiting((org, said.order), said.part)
        if part is None or part.channel in INSIDE or (org, said.payment) in self.payments:
            return False
        return part.amount_fen == said.amount_fen

    def _may_take_stray(self, org: str, said: TakeStray) -> bool:
        is_meant = (org, said.order) in self.orders or (org, said.order) in self.deposits
        return (
            is_meant
            and (org, said.payment) not in self.payments
            and said.channel not in INSIDE
            and 0 < said.amount_fen <= MOST
        )

    def _may_refund(self, org: str, said: RefundPayment) -> bool:
        payment = (org, said.payment)
        if payment not in self.payments or (org, said.refund) in self.refunds:
            return False
        paid, place = self.payments[payment], self.where(payment)
        if paid.order is None or not 0 < said.amount_fen <= self.left(payment):
            return False
        if place is None or place[1] in ("suspense", "refunds") or not self.is_paid(paid.order):
            return place is not None and place[1] == "refunds" and not said.notice and not said.red
        notice = (org, said.notice[0]) if said.notice else None
        if notice is None or said.notice[0] not in self.orders[paid.order].notices:
            return False
        if said.amount_fen > self.kept(notice):
            return False
        if notice not in self.bill_of:
            return not said.red
        red = self.bills.get(said.red[0]) if said.red else None
        return red is not None and red.reverses == self.bill_of[notice]

    def _may_bank(self, org: str, said: BankChannel) -> bool:
        both = said.amount_fen, said.fee_fen
        is_new = (org, said.settled) not in self.bank_lines and said.channel not in INSIDE
        if self.bank_days.get((org, said.channel, said.day), 0) >= BANK_LINES_MOST:
            return False
        return is_new and min(both) >= 0 and 0 < sum(both) <= MOST and _is_day(said.day)

    def _may_pay_deposit(self, org: str, said: PayDeposit) -> bool:
        is_new = (org, said.payment) not in self.payments and said.channel not in INSIDE
        return is_new and self.is_deposit_open((org, said.deposit)) and 0 < said.amount_fen <= MOST

    def _may_pay_from(self, org: str, said: PayFromDeposit) -> bool:
        part = self.waiting((org, said.order), said.part)
        if part is None or part.channel != "deposit" or (org, said.payment) in self.payments:
            return False
        deposit, lies = (org, said.deposit), self.moves.at((org, "deposit", said.deposit))
        is_own = self.is_deposit_open(deposit) and self.is_all_of((org, said.order), self.deposits[deposit].holder)
        return is_own and part.amount_fen <= lies

    def is_all_of(self, order: Named, holder: bytes) -> bool:
        """Whether an order is of this holder's notices alone."""
        return all(self.notices[order[0], name].holder == holder for name in self.orders[order].notices)

    def _may_refund_deposit(self, org: str, said: RefundDeposit) -> bool:
        deposit, payment, place = (org, said.deposit), (org, said.payment), (org, "deposit", said.deposit)
        if deposit not in self.deposits or payment not in self.payments or (org, said.refund) in self.refunds:
            return False
        if self.deposits[deposit].kind == "inpatient" and deposit not in self.settled_deposits:
            return False
        is_its = self.payments[payment].into == place
        return is_its and 0 < said.amount_fen <= min(self.left(payment), self.moves.at(place))

    # ── what is done ─────────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, org: str, said: Any) -> None:
        match said:
            case IssueNotice():
                self.notices[org, said.notice] = said
            case WithdrawNotice():
                self.withdrawn[org, said.notice] = True
            case AnswerNotices():
                self.answers[said.bill] = True
                self.bill_of.update({(org, name): said.bill for name in said.notices})
            case PlaceOrder():
                self.orders[org, said.order] = said
                self.order_of.update({(org, name): (org, said.order) for name in said.notices})
            case TakePayment():
                part = self.orders[org, said.order].parts[said.part]
                self.pay((org, said.order), said.part, (org, said.payment), (org, "channel", part.channel.encode()))
            case TakeStray():
                source = (org, "channel", said.channel.encode())
                self.payments[org, said.payment] = Paid((org, said.order), said.amount_fen, source, None, True)
                self.moves.move(source, (org, "refunds", b""), said.amount_fen)
            case CloseOrder():
                self._close((org, said.order))
            case RefundPayment():
                payment = (org, said.payment)
                place = self.where(payment)
                assert place is not None
                self._give_back(payment, place, said.amount_fen)
                self.refunds[org, said.refund] = True
                for name in said.notice:
                    self.notice_back[org, name] = self.notice_back.get((org, name), 0) + said.amount_fen
            case BankChannel():
                self.bank_lines[org, said.settled] = True
                day = org, said.channel, said.day
                self.bank_days[day] = self.bank_days.get(day, 0) + 1
                source = (org, "channel", said.channel.encode())
                self.moves.move((org, "bank", b""), source, said.amount_fen)
                self.moves.move((org, "fees", b""), source, said.fee_fen)
            case OpenDeposit():
                self.deposits[org, said.deposit] = said
            case PayDeposit():
                source, into = (org, "channel", said.channel.encode()), (org, "deposit", said.deposit)
                self.payments[org, said.payment] = Paid(None, said.amount_fen, source, into)
                self.moves.move(source, into, said.amount_fen)
            case PayFromDeposit():
                self.pay((org, said.order), said.part, (org, said.payment), (org, "deposit", said.deposit))
            case SettleDeposit():
                self.settled_deposits[org, said.deposit] = True
            case RefundDeposit():
                self._give_back((org, said.payment), (org, "deposit", said.deposit), said.amount_fen)
                self.refunds[org, said.refund] = True
            case IssueBill():
                self.bills[said.bill] = Billed(org, said.total_fen, None)
            case ReverseBill():
                self.bills[said.bill] = Billed(org, said.total_fen, said.original)
                self.reversed[said.original] = said.bill

    def pay(self, order: Named, place: int, payment: Named, source: Place, promised: bool = False) -> None:
        """A part has its money, or a promise of it; with the last one all that waited is collected."""
        org, amount = order[0], self.orders[order].parts[place].amount_fen
        into = (org, "receivable", b"") if promised else None
        self.payments[payment] = Paid(order, amount, source, into, at_ms=self.now)
        self.part_paid[order, place] = payment
        self.moves.move(source, into or (org, "suspense", b""), amount)
        if self.is_paid(order):
            for number in range(len(self.orders[order].parts)):
                paid = self.payments[self.part_paid[order, number]]
                if paid.into is None:
                    self.moves.move((org, "suspense", b""), (org, "collected", b""), paid.amount)

    def _close(self, order: Named) -> None:
        paid = [
            self.part_paid[order, place]
            for place in range(len(self.orders[order].parts))
            if (order, place) in self.part_paid
        ]
        before = {payment: self.where(payment) for payment in paid}
        self.closed[order] = True
        for payment, place in before.items():
            assert place is not None
            goes_to = self.where(payment)
            if goes_to is None:
                self._give_back(payment, place, self.left(payment))
            else:
                self.moves.move(place, goes_to, self.left(payment))

    def _give_back(self, payment: Named, place: Place, amount: int) -> None:
        self.back[payment] = self.back.get(payment, 0) + amount
        paid = self.payments[payment]
        if paid.source[1] in ("line", "emergency"):
            line = paid.source[0], paid.source[2]
            self.lines_back[line] = (*self.lines_back.get(line, ()), (paid.at_ms, amount))
        self.moves.move(place, paid.source, amount)


def _is_ascending(names: list[bytes]) -> bool:
    return all(first < second for first, second in pairwise(names))


def _is_day(day: int) -> bool:
    try:
        date(day // 10_000, day // 100 % 100, day % 100)
    except ValueError:
        return False
    return True
