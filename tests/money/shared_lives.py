"""Random lives of splits: one hospital, its payees and orders; the rules of the ledger against the model, step by step."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from chain import keyspace
from chain.operation import (
    AccountRef,
    FinishOrder,
    IssueNotice,
    LineRule,
    LineSum,
    OpenAccount,
    Operation,
    OrderPart,
    PlaceOrder,
    PublishSplitRules,
    Share,
    SplitOrder,
    operation_digest,
)
from chain.records import UNIT, UNLIMITED, AccountBody, OrderBody, OrganisationBody, PayeeBody
from chain.rules import RULES, Context, Refused, money_places
from chain.rules.accounts import Books, verify_conserved
from node.money_trail import MoneyTrail
from tests.chain.making import NOON_MS, mac, parameters
from tests.chain.paying import DAY_MS, HOSPITAL, give_back, take
from tests.chain.splitting import (
    NOTHING,
    bind,
    kept_of,
    own_of,
    part,
    pay_out,
    pay_owed,
    remainder,
    returned,
    take_back,
)
from tests.money.lives import Records
from tests.money.sharing import KEPT, LINES, Order, Sharing, shares_of

GUEST, TILL = AccountRef("hospital-b", mac("guest")), AccountRef(HOSPITAL, mac("till"))
ORDERS_MAX = 60  # less than a payee may owe to
RULES_OF_LINES = [
    LineRule("consultation", 100, [remainder("doctor"), part("hospital", 30, cap=30)]),
    LineRule("delivery", 100, [remainder("courier")]),
    LineRule("drug", 3, [remainder("supplier", cap=3), part("hospital", 1, cap=1)]),
]


class SharedLives:
    """One step is one operation, at the rules and at the model; `AssertionError` tells where the two part."""

    def __init__(self, seed: int) -> None:
        self.draw, self.model, self.records = random.Random(seed), Sharing(), Records()
        self.codes: Counter[str] = Counter()  # operation and what it was told
        self.number, self.time_ms = 0, NOON_MS
        for name in (HOSPITAL, "hospital-b"):
            body = OrganisationBody(name, "hospital", "330600", 4, "", [], 1, "", 0)
            self.records.bodies[keyspace.organisation(name)] = body
        self.must(OpenAccount(mac("guest"), "own", UNLIMITED, True), "hospital-b")
        self.must(OpenAccount(mac("till"), "own", UNLIMITED, False))
        for payee in KEPT:
            self.must(bind(payee))
        self.must(bind("guest", "hospital", GUEST))
        self.must(bind("us", "hospital", own_of(HOSPITAL)))
        self.must(PublishSplitRules("visit", 1, RULES_OF_LINES, 30_000, 180 * DAY_MS))

    def run(self, operation: Operation, by: str = HOSPITAL) -> str:
        digest = operation_digest(operation)
        context = Context(by, UNIT, 1, self.time_ms, digest, parameters(), lambda height: None)
        try:
            changes = RULES[type(operation)](self.records, operation, context)
            verify_conserved(self.records, changes)
        except Refused as refusal:
            return refusal.code
        for key, body in changes.items():
            self.records.bodies[key] = body
            self.records.origins.setdefault(key, digest)
        return "recorded"

    def must(self, operation: Operation, by: str = HOSPITAL) -> None:
        code = self.run(operation, by)
        assert code == "recorded", (code, operation)

    def told(self, operation: Operation, allowed: bool) -> None:
        code = self.run(operation)
        self.codes[f"{type(operation).__name__} {code}"] += 1
        assert (code == "recorded") == allowed, f"{code}, the model says {allowed}: {operation}"

    def step(self) -> None:
        self.number += 1
        self.time_ms += 1_000
        if not self.model.given or (len(self.model.orders) < ORDERS_MAX and self.draw.random() < 0.05):
            self._order()
            self._split(len(self.model.orders) - 1)
        else:
            what = self.draw.choices(
                (self._any_split, self._finish, self._take_back, self._return, self._owed, self._out, self._refund),
                (15, 1, 25, 12, 12, 8, 20),
            )[0]
            what()
        self.compare()

    def amount(self, upto: int) -> int:
        """Mostly one that fits, sometimes all, sometimes a fen more, sometimes nothing."""
        return self.draw.choice((upto, upto, upto + 1, 0, *[self.draw.randint(0, max(upto, 1))] * 6))

    def _order(self) -> None:
        number = len(self.model.orders)
        lines = {line: self.draw.randint(1, 30_000) for line in LINES}
        total, name = sum(lines.values()), f"o{number}"
        sums = [LineSum(line, fen) for line, fen in lines.items()]
        self.must(IssueNotice(mac(name), "medical", mac("holder"), sums, self.time_ms + DAY_MS, mac("details")))
        parts = [OrderPart("alipay", total)]
        self.must(PlaceOrder(mac(name), [mac(name)], parts, self.time_ms + DAY_MS))
        self.must(take(f"{name} paid", name, 0, total))
        self.model.orders.append(Order(lines, total, total))
        self.time_ms += 30_000

    def _any_split(self) -> None:
        self._split(self.draw.randrange(len(self.model.orders)))

    def _split(self, number: int) -> None:
        order = self.model.orders[number]
        kinds = [line for line in sorted(order.lines) if self.draw.random() < 0.6] or [self.draw.choice(LINES)]
        stated = {line: order.lines.get(line, 1) for line in kinds}
        short = sum(order.lines.values()) - order.left
        less = self.draw.choice((short, short, self.draw.randint(0, max(short, 0)), 1))
        stated[kinds[-1]] = max(1, stated[kinds[-1]] - max(0, less))
        shares = [
            Share(line, place, mac(payee), fen, "")
            for line, sum_fen in stated.items()
            for place, (payee, fen) in enumerate(shares_of(line, sum_fen))
        ]
        allowed = self.model.may_split(order, stated)
        self.told(SplitOrder(mac(f"s{len(self.model.given)}"), mac(f"o{number}"), "visit", 1, shares), allowed)
        if allowed:
            self.model.split(number, stated)

    def _finish(self) -> None:
        number = self.draw.randrange(len(self.model.orders))
        order = self.model.orders[number]
        self.told(FinishOrder(mac(f"o{number}")), not order.finished)
        if not order.finished:
            self.model.has["us"] += order.left
            order.finished, order.rest, order.left = True, order.left, 0

    def _take_back(self) -> None:
        split = self.draw.randrange(len(self.model.given))
        share = self.draw.randrange(len(self.model.given[split]))
        fen = self.amount(self.model.given[split][share][2] - self.model.taken[split, share])
        self.told(take_back(f"b{self.number}", f"s{split}", share, fen), self.model.take_back(split, share, fen))

    def _return(self) -> None:
        number, is_own = self.draw.randrange(len(self.model.orders)), self.draw.random() < 0.7
        order = self.model.orders[number]
        fen = self.amount(order.rest + order.owed - order.advanced)
        source = own_of(HOSPITAL) if is_own else TILL
        operation = returned(f"r{self.number}", f"o{number}", source, fen)
        self.told(operation, self.model.return_to(order, fen, is_own))

    def _owed(self) -> None:
        payee = self.draw.choice((*KEPT, "guest"))
        owes = self.model.owes(payee)
        fen = self.amount(owes)
        allowed = 0 < fen <= owes
        self.told(pay_owed(f"p{self.number}", payee, TILL, fen, HOSPITAL), allowed)
        if allowed:
            self.model.pay_debts(payee, fen)
            self.model.till += fen

    def _out(self) -> None:
        payee = self.draw.choice((*KEPT, "us", "guest"))
        fen = self.amount(self.model.has[payee])
        allowed = payee != "guest" and 0 < fen <= self.model.has[payee]
        self.told(pay_out(f"out{self.number}", payee, fen), allowed)
        if allowed:
            self.model.has[payee] -= fen
            self.model.out += fen

    def _refund(self) -> None:
        number = self.draw.randrange(len(self.model.orders))
        order = self.model.orders[number]
        fen = self.amount(order.left + order.back)
        operation = give_back(f"g{self.number}", f"o{number} paid", fen, f"o{number}")
        self.told(operation, self.model.refund(order, fen))

    def balance(self, ref: AccountRef) -> int:
        body = self.records.bodies.get(keyspace.account(ref))
        return body.credits_fen - body.debits_fen if isinstance(body, AccountBody) else 0

    def compare(self) -> None:
        """Every pot has what the model says, every order too, and all debits are all credits."""
        model, books = self.model, Books(NOTHING, None)  # type: ignore[arg-type]
        accounts = {name: kept_of(HOSPITAL, name) for name in KEPT} | {"guest": GUEST, "us": own_of(HOSPITAL)}
        for name, ref in accounts.items():
            assert self.balance(ref) == model.has[name] >= 0, name
            payee = self.records.bodies[keyspace.payee(HOSPITAL, mac(name))]
            assert isinstance(payee, PayeeBody)
            assert sum(debt.amount_fen for debt in payee.owed) == model.owes(name), name
            assert self.balance(money_places.owed(books, HOSPITAL, mac(name))) == -model.owes(name), name
        for number, order in enumerate(model.orders):
            body: Any = self.records.bodies[keyspace.order(HOSPITAL, mac(f"o{number}"))]
            assert isinstance(body, OrderBody)
            assert (body.free_fen, body.back_fen) == (order.left + order.back, order.back), number
            assert min(order.left, order.back, order.owed - order.advanced) >= 0, number
            assert order.refunded <= order.total, number
            if number == self.number % len(model.orders):
                trail = MoneyTrail(self.records, 480).order_steps(HOSPITAL, mac(f"o{number}"), body)
                assert all(step["balanced"] for step in trail), (number, trail)
        collected = self.balance(money_places.collected(books, HOSPITAL))
        assert collected == sum(order.left + order.back for order in model.orders)
        assert model.everything() == sum(order.total for order in model.orders)
        bodies = [body for body in self.records.bodies.values() if isinstance(body, AccountBody)]
        assert sum(body.debits_fen for body in bodies) == sum(body.credits_fen for body in bodies)
