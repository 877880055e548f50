"""Which large answers a peer owes us: what nobody asked for is not even decoded."""

from __future__ import annotations

from collections import Counter

OWED_MAX = 8  # of one kind by one organisation: questions that it cannot answer stay unanswered
PUSHED_EVERY_S = 0.8  # catch_up.BLOCKS_PUSH_MS of the sender, and some haste of the network


class AnswersDue:
    """Kinds are how messages begin, organisations those that have or had a seat: both few."""

    def __init__(self) -> None:
        self._owed: Counter[tuple[bytes, str]] = Counter()
        self._pushed_at_s: dict[str, float] = {}  # organisation ->

    def ask(self, kind: bytes, organisation: str) -> None:
        self._owed[kind, organisation] = min(self._owed[kind, organisation] + 1, OWED_MAX)

    def take(self, kind: bytes, organisation: str) -> bool:
        """Whether that organisation owes an answer of this kind; it owes one less then."""
        if self._owed[kind, organisation] < 1:
            return False
        self._owed[kind, organisation] -= 1
        return True

    def may_push(self, organisation: str, now_s: float) -> bool:
        """Whether that organisation may send something large unasked now."""
        last_s = self._pushed_at_s.get(organisation)
        if last_s is not None and now_s - last_s < PUSHED_EVERY_S:
            return False
        self._pushed_at_s[organisation] = now_s
        return True
