"""All models of money as one: accounts with their transfers and holds, the till, lending."""

from __future__ import annotations

from collections import Counter

from chain.operation import Operation
from tests.money.facts import Moves, Place
from tests.money.lending import HOSPITAL_BEARS, Lending
from tests.money.model import Model
from tests.money.steps import step_of
from tests.money.till import Till


class Whole:
    """Asked whether an organisation may do something, and told that it did."""

    def __init__(self, kinds: dict[str, str]) -> None:
        self.accounts = Model()
        self.moves = Moves()
        self.till = Till(self.moves)
        self.lending = Lending(self.moves, self.till, kinds)
        self._before: Model | None = None

    @property
    def now(self) -> int:
        return self.till.now

    @now.setter
    def now(self, time_ms: int) -> None:
        self.accounts.now = self.till.now = time_ms

    def may(self, organisation: str, operation: Operation) -> bool | None:
        """None: it is not about money."""
        step = step_of(organisation, operation)
        if step is not None:
            return self.accounts.may(step)
        if self.till.knows(operation):
            return self.till.may(organisation, operation)
        return self.lending.may(organisation, operation) if self.lending.knows(operation) else None

    def take(self, organisation: str, operation: Operation) -> None:
        step = step_of(organisation, operation)
        if step is not None:
            self.accounts.take(step)
        elif self.till.knows(operation):
            self.till.take(organisation, operation)
        elif self.lending.knows(operation):
            self.lending.take(organisation, operation)

    def begin(self, with_accounts: bool) -> None:
        """What is taken from here on may be dropped again; of accounts only if asked for, for they are copied."""
        self._before = self.accounts.copy() if with_accounts else None
        for part in (self.moves, self.till, self.lending):
            part.begin()

    def end(self, is_kept: bool) -> None:
        if not is_kept and self._before is not None:
            self.accounts = self._before
        for part in (self.moves, self.till, self.lending):
            part.end(is_kept)

    def balances(self) -> dict[Place, int]:
        """Of every place that ever had money. What was granted to a line lies on it from the beginning."""
        found = {place: self.moves.at(place) for place in self.moves.places()}
        for name in self.lending.lines:
            for place in self.lending.places(name):
                granted = self.lending.granted(place)
                found[place] = found.get(place, 0) + granted
                source = (name[0], "granted", b"")
                found[source] = found.get(source, 0) - granted
        return found

    def verify_sums(self) -> None:
        """What a hospital has in each place is what its orders, strays, lines and repayments come to. Raises AssertionError."""
        till, lending = self.till, self.lending
        wanted: Counter[Place] = Counter()
        for payment, paid in till.payments.items():
            place = till.where(payment)
            assert 0 <= till.left(payment) <= paid.amount, payment
            if place is not None and place[1] in ("suspense", "refunds", "collected"):
                wanted[place] += till.left(payment)
        for line in lending.lines:
            bearer = lending.bearer(line)
            if bearer is not None and lending.lines[line].terms.bearer == HOSPITAL_BEARS:
                wanted[bearer, "receivable", b""] += lending.owed(line)
            assert min(lending.room(place) for place in lending.places(line)) >= 0, line
            assert lending.owed(line) > 0 or not lending.is_overdue(line), line
        for (_kind, (org, _name)), repaid in lending.repaid.items():
            wanted[org, "own", b""] += repaid
        for org in {place[0] for place in self.moves.places()}:
            for what in ("suspense", "refunds", "collected", "receivable", "own"):
                assert self.moves.at((org, what, b"")) == wanted[org, what, b""], (org, what)
