"""What everybody who asks something at random needs: names, amounts, and what was asked about lately."""

from __future__ import annotations

import random
from collections import deque
from hashlib import sha256
from typing import TypeVar

from chain.operation import Operation
from tests.money.facts import Named
from tests.money.whole import Whole

RECENT = 24  # of a kind, that is asked about again
Asked = tuple[str, Operation]  # who signs it, and what
Names = tuple[str, ...]  # of organisations
T = TypeVar("T")


class Asking:
    """Reads the model, as a client reads the ledger, and asks for what is right most of the time."""

    def __init__(self, draw: random.Random, whole: Whole, hospitals: Names, lenders: Names, everybody: Names) -> None:
        self.draw, self.whole = draw, whole
        self.hospitals, self.lenders, self.everybody = hospitals, lenders, everybody
        self.till, self.lending = whole.till, whole.lending
        self._recent: dict[str, deque[Named]] = {}
        self._named = 0

    def named(self, kind: str, org: str = "") -> bytes:
        """A new name, or once in a while one of before; asked about again where somebody signs it."""
        self._named += 1
        number = self._named if self.draw.random() < 0.98 else self.draw.randrange(self._named)
        name = sha256(f"{kind} {number}".encode()).digest()
        if org:
            self._recent.setdefault(kind, deque(maxlen=RECENT)).append((org, name))
        return name

    def recent(self, kind: str, org: str = "") -> list[Named]:
        """The latest last."""
        return [named for named in self._recent.get(kind, ()) if not org or named[0] == org]

    def some(self, choices: list[T], wrong: list[T] | None = None) -> T | None:
        """One of them, or now and then one of the wrong ones."""
        if wrong and self.draw.random() < (0.08 if choices else 0.2):
            return self.draw.choice(wrong)
        return self.draw.choice(choices) if choices else None

    def hospital(self) -> str:
        return self.draw.choice(self.hospitals)

    def digest(self) -> bytes:
        return self.draw.randbytes(32)

    def holder(self) -> bytes:
        return sha256(b"holder %d" % self.draw.randrange(4)).digest()

    def amount(self) -> int:
        return round(10 ** self.draw.uniform(0, 5))

    def of(self, right: int) -> int:
        """The right amount, or half of it, or a wrong one."""
        return self.draw.choices([right, right // 2, right + 1, self.draw.choice((-1, 0, 10**12 + 1))], [80, 12, 7, 1])[
            0
        ]

    def later(self, *choices: int) -> int:
        return self.whole.now + self.draw.choice(choices)
