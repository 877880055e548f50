"""Splits, take-backs, debts, advances and refunds of a hospital's orders, in a page that shares nothing with the rules.

Money lies in six kinds of pots: an order's lines that are not split, what came back to an order, each payee's, the hospital's own,
what was refunded, what was paid out. Each step moves some from one pot to another, or may not be taken.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

LINES = ("consultation", "delivery", "drug")
KEPT = (
    "courier",
    "doctor",
    "supplier",
)  # by the hospital; `guest` has an account elsewhere, `us` is the hospital itself


def shares_of(line: str, fen: int) -> list[tuple[str, int]]:
    """A doctor gets what 30 % leave, a courier all, a supplier what a third leaves."""
    match line:
        case "consultation":
            return [("doctor", fen - fen * 30 // 100), ("us", fen * 30 // 100)]
        case "delivery":
            return [("courier", fen)]
        case _:
            return [("supplier", fen - fen // 3), ("guest", fen // 3)]


@dataclass
class Order:
    lines: dict[str, int]  # not split yet
    left: int  # of their money
    total: int
    back: int = 0
    rest: int = 0
    owed: int = 0
    advanced: int = 0
    refunded: int = 0
    finished: bool = False


@dataclass
class Sharing:
    orders: list[Order] = field(default_factory=list)
    given: list[list[tuple[int, str, int]]] = field(default_factory=list)  # of each split: order, payee, fen
    taken: Counter[tuple[int, int]] = field(default_factory=Counter)  # of each share
    debts: dict[str, dict[int, int]] = field(default_factory=dict)  # payee -> order -> fen, the oldest first
    has: Counter[str] = field(default_factory=Counter)  # payees, and `us`
    out: int = 0
    till: int = 0  # brought in from outside

    def may_split(self, order: Order, stated: dict[str, int]) -> bool:
        missing = sum(order.lines.get(line, 0) - fen for line, fen in stated.items())
        fits = all(0 < fen <= order.lines.get(line, 0) for line, fen in stated.items())
        short = sum(order.lines.values()) - order.left
        return not order.finished and fits and missing <= short and sum(stated.values()) <= order.left

    def split(self, number: int, stated: dict[str, int]) -> None:
        order, given = self.orders[number], []
        for line, fen in stated.items():
            del order.lines[line]
            order.left -= fen
            given += [(number, payee, share) for payee, share in shares_of(line, fen)]
        for _, payee, fen in given:
            self.has[payee] += fen - self.pay_debts(payee, fen)
        self.given.append(given)

    def take_back(self, split: int, share: int, fen: int) -> bool:
        number, payee, gave = self.given[split][share]
        if not 0 < fen <= gave - self.taken[split, share] or (payee == "us" and fen > self.has["us"]):
            return False
        there = fen if payee == "us" else 0 if payee == "guest" else min(fen, self.has[payee])
        self.taken[split, share] += fen
        self.has[payee] -= there
        self.orders[number].back += there
        if fen > there:
            self.orders[number].owed += fen - there
            debts = self.debts.setdefault(payee, {})
            debts[number] = debts.get(number, 0) + fen - there
        return True

    def pay_debts(self, payee: str, fen: int) -> int:
        """How much of it was owed."""
        left, debts = fen, self.debts.get(payee, {})
        for number in list(debts):
            paid = min(left, debts[number])
            left, debts[number], order = left - paid, debts[number] - paid, self.orders[number]
            ours = min(paid, order.advanced)
            order.owed, order.advanced, order.back = order.owed - paid, order.advanced - ours, order.back + paid - ours
            self.has["us"] += ours
            if not debts[number]:
                del debts[number]
        return fen - left

    def owes(self, payee: str) -> int:
        return sum(self.debts.get(payee, {}).values())

    def return_to(self, order: Order, fen: int, is_own: bool) -> bool:
        if not 0 < fen <= order.rest + order.owed - order.advanced or (is_own and fen > self.has["us"]):
            return False
        rest = min(fen, order.rest)
        order.rest, order.advanced, order.back = order.rest - rest, order.advanced + fen - rest, order.back + fen
        if is_own:
            self.has["us"] -= fen
        else:
            self.till += fen
        return True

    def refund(self, order: Order, fen: int) -> bool:
        if not 0 < fen <= order.left + order.back:
            return False
        of_back = min(fen, order.back)
        order.back, order.left, order.refunded = order.back - of_back, order.left - fen + of_back, order.refunded + fen
        return True

    def everything(self) -> int:
        """What came in, wherever it is now."""
        held = sum(order.left + order.back + order.refunded for order in self.orders)
        return held + sum(self.has.values()) + self.out - self.till
