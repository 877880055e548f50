"""Words for stories about splitting: payees, rules, splits; on the stories of money."""

from __future__ import annotations

from typing import Any

from chain import keyspace
from chain.operation import (
    AccountRef,
    BindPayee,
    FinishOrder,
    LineRule,
    PayOut,
    PayOwed,
    PublishSplitRules,
    ReturnToOrder,
    Share,
    ShareRule,
    SplitOrder,
    TakeBackShare,
)
from chain.records import FIXED, REMAINDER, SHARE, OrderSplitBody, PayeeBody, SplitBody
from chain.rules import money_places
from chain.rules.accounts import Books
from tests.chain.making import mac
from tests.chain.paying import DAY_MS, Story

PLATFORM, BANK = "platform-a", "bank-a"
LATER_MS = 60_000  # after the order was paid: within the window
CONSULTATION, DRUG, DELIVERY = 6_000, 26_430, 1_200  # 336.30 in all


def part(kind: str, parts: int, cap: int = 100) -> ShareRule:
    return ShareRule(kind, SHARE, parts, 0, cap)


def fixed(kind: str, amount_fen: int, cap: int = 100) -> ShareRule:
    return ShareRule(kind, FIXED, 0, amount_fen, cap)


def remainder(kind: str, cap: int = 100) -> ShareRule:
    return ShareRule(kind, REMAINDER, 0, 0, cap)


def platform_rules(version: int = 1, **changes: Any) -> PublishSplitRules:
    """A doctor's consultation of which the platform has 30 %, a pharmacy's drugs, a courier."""
    fields: dict[str, Any] = {
        "rules": "visit",
        "version": version,
        "lines": [
            LineRule("consultation", 100, [remainder("doctor"), part("platform", 30, cap=30)]),
            LineRule("delivery", 100, [remainder("courier")]),
            LineRule("drug", 100, [remainder("supplier")]),
        ],
        "earliest_ms": 30_000,
        "latest_ms": 180 * DAY_MS,
    }
    return PublishSplitRules(**{**fields, **changes})


def share(line: str, rule: int, payee: str, amount_fen: int, paper: str = "") -> Share:
    return Share(line, rule, mac(payee), amount_fen, paper)


SHARES = (
    share("consultation", 0, "doctor", 4_200),
    share("consultation", 1, "platform", 1_800, "26112000000012345678"),
    share("delivery", 0, "courier", 1_200, "26112000000012345679"),
    share("drug", 0, "supplier", 26_430, "26112000000012345680"),
)


def split(name: str, order: str, *shares: Share, version: int = 1) -> SplitOrder:
    return SplitOrder(mac(name), mac(order), "visit", version, list(shares or SHARES))


def bind(name: str, kind: str = "", account: AccountRef | None = None) -> BindPayee:
    return BindPayee(mac(name), kind or name, [account] if account else [], mac(f"{name} consents"))


def finish(order: str) -> FinishOrder:
    return FinishOrder(mac(order))


def take_back(name: str, of: str, place: int, amount_fen: int) -> TakeBackShare:
    return TakeBackShare(mac(name), mac(of), place, amount_fen)


def returned(name: str, order: str, source: AccountRef, amount_fen: int) -> ReturnToOrder:
    return ReturnToOrder(mac(name), mac(order), source, amount_fen)


def pay_out(name: str, payee: str, amount_fen: int) -> PayOut:
    return PayOut(mac(name), mac(payee), amount_fen, mac(f"{name} by bank"))


def pay_owed(name: str, payee: str, source: AccountRef, amount_fen: int, organisation: str = PLATFORM) -> PayOwed:
    return PayOwed(mac(name), organisation, mac(payee), source, amount_fen)


def own_of(owner: str) -> AccountRef:
    """An organisation's own money."""
    return money_places.own(Books(NOTHING, None), owner)  # type: ignore[arg-type]


def kept_of(owner: str, payee: str) -> AccountRef:
    """The account that an organisation keeps a payee in."""
    return money_places.payee(Books(NOTHING, None), owner, mac(payee))  # type: ignore[arg-type]


class _Nothing:
    """A state without records."""

    def get(self, key: bytes, kind: Any) -> None:
        return None


NOTHING: Any = _Nothing()


class Splitting(Story):
    """A platform with four payees, rules, and an order of 336.30 that was paid a minute ago."""

    def __init__(self, by: str = PLATFORM) -> None:
        super().__init__()
        self.by = by
        self.done(
            bind("doctor"),
            bind("supplier"),
            bind("courier"),
            bind("platform", account=own_of(by)) if by == PLATFORM else bind("hospital", account=own_of(by)),
            platform_rules(),
            by=by,
        )

    def paid_order(self, name: str = "o", **lines: int) -> None:
        asked = lines or {"consultation": CONSULTATION, "drug": DRUG, "delivery": DELIVERY}
        self.paid(name, by=self.by, **asked)
        self.wait(LATER_MS)

    def wait(self, ms: int) -> None:
        self.chain.time_ms += ms

    def refuse(self, operation: Any, by: str = "", **how: Any) -> str:
        """The code of what is signed by the one whose story it is."""
        return self.code(operation, by or self.by, **how)

    def do(self, *operations: Any) -> None:
        self.done(*operations, by=self.by)

    def has(self, payee: str) -> int:
        return self.balance(self.payee_body(payee).account)

    def payee_body(self, name: str) -> PayeeBody:
        found: PayeeBody = self.chain.body(keyspace.payee(self.by, mac(name)), PayeeBody)
        return found

    def owes(self, name: str) -> int:
        """The debts by order, and what its account of debts has, which is the same."""
        listed = sum(debt.amount_fen for debt in self.payee_body(name).owed)
        state: Any = self.chain.ledger.state
        account = money_places.owed(Books(state, None), self.by, mac(name))  # type: ignore[arg-type]
        assert self.balance(account) == -listed
        return listed

    def split_body(self, name: str) -> SplitBody:
        found: SplitBody = self.chain.body(keyspace.split(self.by, mac(name)), SplitBody)
        return found

    def became(self, order: str) -> OrderSplitBody:
        found: OrderSplitBody = self.chain.body(keyspace.order_split(self.by, mac(order)), OrderSplitBody)
        return found

    def free(self, order: str) -> tuple[int, int]:
        """What an order's money has left, and what of it came back."""
        body = self.order_body(order, self.by)
        return body.free_fen, body.back_fen
