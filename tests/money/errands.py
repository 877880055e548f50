"""Random errands at the till: notices, orders, payments, refunds, deposits, bills; right ones, and late, twice, too much, of others."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from chain.operation import (
    AnswerNotices,
    BankChannel,
    CloseOrder,
    IssueBill,
    IssueNotice,
    LineSum,
    OpenDeposit,
    OrderPart,
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
from tests.money.asking import Asked, Asking, Names
from tests.money.facts import Named
from tests.money.loans import Loans
from tests.money.whole import Whole

CHANNELS = ("alipay", "wechat", "quickpass", "card", "fund", "account", "cash")
DAY_MS = 86_400_000
BILLS_KEPT = 16
TRIES = 4  # to find something that can be done

BillOf = Callable[[str, int], IssueBill]  # who issues it, its sum
RedOf = Callable[[str, IssueBill], ReverseBill]


class Errands(Asking):
    """Bills are made by others, who know numbers."""

    def __init__(
        self,
        draw: random.Random,
        whole: Whole,
        hospitals: Names,
        lenders: Names,
        everybody: Names,
        bill_of: BillOf,
        red_of: RedOf,
    ) -> None:
        super().__init__(draw, whole, hospitals, lenders, everybody)
        self._bill_of, self._red_of = bill_of, red_of
        self._bills: list[tuple[str, IssueBill, list[bytes]]] = []  # what it is to answer
        self._answered: list[tuple[str, IssueBill, list[bytes]]] = []  # what it was asked to
        self._last: list[Asked] = []
        self.loans = Loans(self)
        self._ways: list[tuple[int, Callable[[], Asked | None]]] = [
            (14, self.notice),
            (14, self.place),
            (18, self.pay),
            (3, self._take_stray),
            (1, self._withdraw),
            (3, self._close),
            (7, self._refund),
            (4, self._bill),
            (7, self._answer),
            (2, self._red),
            (2, self._bank),
            (2, self._open_deposit),
            (4, self._pay_deposit),
            (1, self._settle_deposit),
            (3, self._refund_deposit),
            (5, self._again),
            *self.loans.ways,
        ]
        self._weights = [weight for weight, _way in self._ways]

    def operation(self) -> Asked:
        """Who signs it, and what."""
        asked = None
        for _, way in self.draw.choices(self._ways, self._weights, k=TRIES):
            asked = asked or way()
        asked = asked or self.notice()
        if not isinstance(asked[1], IssueBill | ReverseBill):  # of bills others tell
            self._last = [*self._last[-11:], asked]
        return asked

    def linked(self) -> tuple[str, list[Any]]:
        """A step of a visit, all or nothing: notice, order, and the money for it."""
        org, notice = self.notice()
        assert isinstance(notice, IssueNotice)
        total = sum(line.amount_fen for line in notice.lines)
        held = self._held(org)
        if held is not None and self.draw.random() < 0.95:
            notice = replace(notice, holder=self.loans.holder_of(held))
        parts = [OrderPart("credit" if held else "alipay", total)]
        order = PlaceOrder(self.named("order", org), [notice.notice], parts, self.later(600_000))
        payment = self.named("payment", org)
        if held is None:
            return org, [notice, order, TakePayment(payment, order.order, 0, total, self.digest())]
        return org, [notice, order, self.loans.capture_of(held, order.order, 0, payment)]

    def _held(self, org: str) -> Named | None:
        """What a step of a visit is charged to; None: it is paid over a channel."""
        return self.loans.held(org)

    # ── what is owed, and orders ─────────────────────────────────────────────────────────────────────────────────────

    def notice(self) -> Asked:
        org = self.hospital()
        kinds = sorted(self.draw.sample(["bed", "consultation", "drug", "test"], self.draw.choice([1, 1, 2, 3])))
        lines = [LineSum(kind, self.amount()) for kind in kinds]
        if self.draw.random() < 0.02:
            lines = self.draw.choice(
                [lines[::-1], [*lines, lines[-1]], [LineSum("drug", 0)], [LineSum("drug", 10**12 + 1)]]
            )
        name = self.named("notice", org)
        return org, IssueNotice(name, "medical", self.holder(), lines, self.later(DAY_MS), self.digest())

    def _withdraw(self) -> Asked | None:
        notice = self.some(self.recent("notice"))
        return notice and (self.org(notice), WithdrawNotice(notice[1], "mistake"))

    def place(self) -> Asked | None:
        org = self.hospital()
        known = [notice for notice in self.recent("notice", org) if notice in self.till.notices]
        owed = [notice for notice in known if self.till.is_owed(notice)]
        first = self.some(owed, known)
        if first is None:
            return None
        holder = self.till.notices[first].holder
        second = self.some([notice for notice in owed if self.till.notices[notice].holder == holder], known) or first
        both = [first, second] if self.draw.random() < 0.3 else [first]
        names = sorted({notice[1] for notice in both})
        total = sum(self.till.total((org, name)) for name in names)
        until = self.later(0, 3_000, 30_000, 600_000, 600_000, 600_000, 90 * DAY_MS, 181 * DAY_MS)
        if self.draw.random() < 0.02:
            names = self.draw.choice([names[::-1], names * 2])
        parts = self._parts(total)
        if self.draw.random() < 0.3 and self._rich(org, holder, total):
            parts = [OrderPart("deposit", total)]
        return org, PlaceOrder(self.named("order", org), names, parts, until)

    def _parts(self, total: int) -> list[OrderPart]:
        count = min(self.draw.choice([1, 1, 2, 3]), total)
        cuts = sorted(self.draw.sample(range(1, total), count - 1)) if total < 10**6 else []
        amounts = [above - below for below, above in zip([0, *cuts], [*cuts, total], strict=True)]
        if self.draw.random() < 0.03:
            amounts = self.draw.choice([[*amounts, 1], [total + 1, -1], [amounts[0] + 1, *amounts[1:]]])
        ways = (*CHANNELS, "deposit", "credit", "credit", "credit")
        return [OrderPart(self.draw.choice(ways), amount) for amount in amounts]

    def _close(self) -> Asked | None:
        known = [order for order in self.recent("order") if order in self.till.orders]
        order = self.some([order for order in known if not self.till.is_over(order)], known)
        return order and (self.org(order), CloseOrder(order[1], "gone"))

    # ── money in ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def pay(self) -> Asked | None:
        """One part of an order: by a channel, out of a deposit, out of a hold."""
        known = [order for order in self.recent("order") if order in self.till.orders]
        waiting = [order for order in known if self._unpaid(order)]
        order = self.some(waiting, known)
        if order is None:
            return None
        parts = self.till.orders[order].parts
        place = self.some(self._unpaid(order), list(range(len(parts) + 1)))
        if place is None or place == len(parts):
            return self.org(order), TakePayment(self.named("payment"), order[1], len(parts), 1, self.digest())
        part, payment = parts[place], self.named("payment", order[0])
        channel = part.channel if self.draw.random() < 0.96 else self.draw.choice(["deposit", "credit", "cash"])
        if channel == "credit" and self.draw.random() < 0.95:
            held = self.loans.held(order[0], order)
            return held and (order[0], self.loans.capture_of(held, order[1], place, payment))
        if channel == "deposit":
            holder = self.till.notices[order[0], self.till.orders[order].notices[0]].holder
            deposits = [name for name in self.recent("deposit", order[0]) if name in self.till.deposits]
            deposit = self.some(self._rich(order[0], holder, part.amount_fen), deposits)
            return deposit and (order[0], PayFromDeposit(deposit[1], payment, order[1], place))
        amount = part.amount_fen if self.draw.random() < 0.95 else self.of(part.amount_fen)
        return self.org(order), TakePayment(payment, order[1], place, amount, self.digest())

    def _rich(self, org: str, holder: bytes, amount: int) -> list[Named]:
        """A holder's deposits that pay so much."""
        found = [name for name in self.recent("deposit", org) if name in self.till.deposits]
        own = [name for name in found if self.till.deposits[name].holder == holder]
        return [name for name in own if self.whole.moves.at((name[0], "deposit", name[1])) >= amount]

    def _unpaid(self, order: Named) -> list[int]:
        return [place for place in range(len(self.till.orders[order].parts)) if self.till.waiting(order, place)]

    def _take_stray(self) -> Asked | None:
        order = self.some(self.recent("order" if self.draw.random() < 0.9 else "deposit"))
        if order is None:
            return None
        channel = self.draw.choice([*CHANNELS, *CHANNELS, "deposit"])
        return order[0], TakeStray(
            self.named("payment", order[0]), order[1], channel, self.of(self.amount()), self.digest()
        )

    def _bank(self) -> Asked:
        org, day = self.hospital(), self.draw.choice([self.draw.randrange(20260601, 20260631), 20260601, 20260230])
        amount = self.draw.choice([0, self.of(self.amount())])
        fee = self.draw.choice([0, amount // 100, 7])
        return org, BankChannel(self.named("bank"), self.draw.choice([*CHANNELS * 3, "deposit"]), day, amount, fee)

    # ── money back ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _refund(self) -> Asked | None:
        known = [payment for payment in self.recent("payment") if payment in self.till.payments]
        payment = self.some([payment for payment in known if self.till.left(payment) > 0], known)
        if payment is None:
            return None
        paid, place = self.till.payments[payment], self.till.where(payment)
        amount, notice, red = self.of(self.till.left(payment)), [], []
        if paid.order is not None and place is not None and place[1] != "refunds":
            names = self.till.orders[paid.order].notices
            notice = [self.draw.choice(names)]
            amount = min(amount, self.of(self.till.kept((payment[0], notice[0]))))
            bill = self.till.bill_of.get((payment[0], notice[0]))
            red = [name for name in (self.till.reversed.get(bill) if bill else None,) if name]
        if self.draw.random() < 0.06:
            notice = self.draw.choice([[], [self.digest()], [name for _org, name in self.recent("notice")[:1]]])
            red = self.draw.choice([red, [bill.bill for _org, bill, _notices in self._bills[:1]]])
        return self.org(payment), RefundPayment(self.named("refund"), payment[1], amount, notice, red, self.digest())

    # ── bills ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _bill(self) -> Asked | None:
        """For one settled notice or two that no bill answers."""
        org = self.hospital()
        open_ = [
            notice for notice in self.recent("notice", org) if self.till.is_settled(notice) and self._needs_bill(notice)
        ]
        names = sorted(name for _org, name in open_[: self.draw.choice([1, 1, 2])])
        total = sum(self.till.kept((org, name)) for name in names)
        if total <= 0:
            return None
        bill = self._bill_of(org, total if self.draw.random() < 0.95 else total + 1)
        self._bills = [*self._bills[1 - BILLS_KEPT :], (org, bill, names)]
        return org, bill

    def _needs_bill(self, notice: Named) -> bool:
        bill = self.till.bill_of.get(notice)
        return bill is None or bill in self.till.reversed

    def _answer(self) -> Asked | None:
        made = [entry for entry in self._bills if entry[1].bill in self.till.bills]
        found = self.some(made, self._answered)
        if found is None:
            return None
        self._bills = [entry for entry in self._bills if entry is not found]
        self._answered = [*self._answered[1 - BILLS_KEPT :], found]
        org, bill, names = found
        if self.draw.random() < 0.05:
            names = self.draw.choice(
                [names[::-1] * 2, [self.digest()], [name for _org, name in self.recent("notice")[-1:]]]
            )
        return self.org((org, b"")), AnswerNotices(bill.bill, names or [self.digest()])

    def _red(self) -> Asked | None:
        made = [(org, bill) for org, bill, _names in self._answered if bill.bill in self.till.answers]
        found = self.some([(org, bill) for org, bill in made if bill.bill not in self.till.reversed])
        return found and (found[0], self._red_of(*found))

    # ── deposits ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open_deposit(self) -> Asked:
        org = self.hospital()
        kind = self.draw.choice(["inpatient", "balance"])
        return org, OpenDeposit(self.named("deposit", org), kind, self.holder())

    def _pay_deposit(self) -> Asked | None:
        deposit = self.some(self.recent("deposit"))
        if deposit is None:
            return None
        payment, channel = self.named("payment", deposit[0]), self.draw.choice([*CHANNELS, *CHANNELS, "credit"])
        return self.org(deposit), PayDeposit(deposit[1], payment, channel, self.of(self.amount()), self.digest())

    def _settle_deposit(self) -> Asked | None:
        deposit = self.some(self.recent("deposit"))
        return deposit and (self.org(deposit), SettleDeposit(deposit[1]))

    def _refund_deposit(self) -> Asked | None:
        known = [payment for payment in self.recent("payment") if payment in self.till.payments]
        ours = [payment for payment in known if self.till.payments[payment].into is not None]
        payment = self.some([payment for payment in ours if self.till.left(payment) > 0], known)
        if payment is None:
            return None
        into = self.till.payments[payment].into
        deposit = (into[2] if into is not None else b"") or self.digest()  # what a line promised lies in no deposit
        most = min(self.till.left(payment), self.whole.moves.at(into)) if into else 1
        return payment[0], RefundDeposit(self.named("refund"), deposit, payment[1], self.of(most), self.digest())

    # ── what is wrong ────────────────────────────────────────────────────────────────────────────────────────────────

    def _again(self) -> Asked | None:
        """The very same, the same with another sum, the same signed by another."""
        if not self._last:
            return None
        org, said = self.draw.choice(self._last)
        what = self.draw.random()
        if what < 0.4:
            return self.draw.choice(self.everybody), said
        if what < 0.7 and "amount_fen" in said.__struct_fields__:
            return org, replace(said, amount_fen=said.amount_fen + 1)  # type: ignore[call-arg]
        return org, said

    def org(self, named: Named) -> str:
        """Whose it is, or now and then somebody else."""
        return named[0] if self.draw.random() < 0.97 else self.draw.choice(self.everybody)
