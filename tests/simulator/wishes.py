"""What hospitals ask for in matters of money beside bare accounts: notices, orders, payments, refunds, deposits, credit.

Drawn as `tests/money` draws them, from what the reference knows of final blocks; no bills are answered here, which others issue.
"""

from __future__ import annotations

import random
from typing import Any

from chain.operation import CreditTerms, HoldCredit, LineRef, OpenLine, Operation, PublishProduct, SignAgreement
from chain.records import HOSPITAL_BEARS, LENDER
from tests.money.errands import DAY_MS, Errands
from tests.money.facts import Named
from tests.money.whole import Whole

LINE_FEN = 60_000  # half of it is held: a few steps of a visit, and the next one is too much


class Wishes(Errands):
    """The hospitals lend too: the first at its own risk as a lender, the others at their risk as hospitals."""

    def __init__(self, seed: int, whole: Whole, hospitals: tuple[str, ...]) -> None:
        super().__init__(random.Random(seed), whole, hospitals, hospitals, hospitals, _nobody, _nobody)
        about_bills = (self._bill, self._answer, self._red)
        self._ways = [(weight, way) for weight, way in self._ways if way not in about_bills]
        self._weights = [weight for weight, _way in self._ways]

    def lending_of(self, hospital: str, time_ms: int) -> tuple[list[Operation], bytes]:
        """A line of its own, agreed with a patient there, and held for a visit: with this a life begins, for it is too short to
        come upon all four by itself. With the name of the hold."""
        bearer = LENDER if hospital == self.hospitals[0] else HOSPITAL_BEARS
        terms = CreditTerms(
            score_min=650,
            line_fen=LINE_FEN,
            visit_cap_fen=LINE_FEN // 2,
            emergency_fen=0,
            bearer=bearer,
            identity_level=2,
            statement_day=20,
            statement_minute=1_200,
            due_days=1,
            instalments_max=3,
            hold_ms_max=30 * DAY_MS,
        )
        until, holder = time_ms + 20 * DAY_MS, self.holder()
        line, hold = LineRef(hospital, self.named("line", hospital)), self.named("credit hold", hospital)
        operations: list[Operation] = [
            PublishProduct("visit", 1, terms),
            OpenLine(line.line, "visit", 1, until, self.digest(), [hospital]),
            SignAgreement(holder, 1, line, LINE_FEN, [], self.digest()),
            HoldCredit(hold, holder, line, LINE_FEN // 2, until, self.loans.visit(hospital), []),
        ]
        return operations, hold

    def _held(self, org: str) -> Named | None:
        """Nearly every step is charged where there is a hold."""
        return self.loans.held(org) if self.draw.random() < 0.9 else None

    def visit(self) -> list[tuple[str, Operation]]:
        """A step of a visit: notice, order and the money for it, one after the other."""
        hospital, steps = self.linked()
        return [(hospital, step) for step in steps]

    def wish(self) -> tuple[str, Operation]:
        """Who signs it, and what."""
        return self.operation()


def _nobody(*_: Any) -> Any:
    raise AssertionError("no bill is asked for")
