"""What hospitals ask for in matters of money beside bare accounts: notices, orders, payments, refunds, deposits, credit.

Drawn as `tests/money` draws them, from what the reference knows of final blocks; no bills are answered here, which others issue.
"""

from __future__ import annotations

import random
from typing import Any

from chain.operation import Operation
from tests.money.errands import Errands
from tests.money.whole import Whole


class Wishes(Errands):
    def __init__(self, seed: int, whole: Whole, hospitals: tuple[str, ...]) -> None:
        super().__init__(random.Random(seed), whole, hospitals, hospitals, hospitals, _nobody, _nobody)
        about_bills = (self._bill, self._answer, self._red)
        self._ways = [(weight, way) for weight, way in self._ways if way not in about_bills]
        self._weights = [weight for weight, _way in self._ways]

    def visit(self) -> list[tuple[str, Operation]]:
        """A step of a visit: notice, order and the money for it, one after the other."""
        hospital, steps = self.linked()
        return [(hospital, step) for step in steps]

    def wish(self) -> tuple[str, Operation]:
        """Who signs it, and what."""
        return self.operation()


def _nobody(*_: Any) -> Any:
    raise AssertionError("no bill is asked for")
