"""Random lives of splits keep to the model fen by fen: nothing is made, nothing is lost, nothing that came back goes to the signer; and
after each step the trail of an order has out what went in."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from chain.records import OrderBody
from chain.rules import RULES
from tests.chain.splitting import take_back
from tests.money.shared_lives import SharedLives

STEPS = 6_000

EXPECTED = {
    "SplitOrder recorded", "SplitOrder split_differs", "SplitOrder exceeds_order", "SplitOrder line_split", "SplitOrder order_finished",
    "FinishOrder recorded", "TakeBackShare recorded", "TakeBackShare exceeds_share", "TakeBackShare exceeds_credits",
    "TakeBackShare amount_not_positive", "ReturnToOrder recorded", "ReturnToOrder exceeds_order", "ReturnToOrder exceeds_credits",
    "PayOwed recorded", "PayOwed exceeds_debt", "PayOut recorded", "PayOut exceeds_credits", "PayOut not_the_owner",
    "RefundPayment recorded", "RefundPayment exceeds_order",
}  # fmt: skip


def lived(seed: int, steps: int = STEPS) -> SharedLives:
    lives = SharedLives(seed)
    for _ in range(steps):
        lives.step()
    return lives


def test_lives_of_splits_keep_to_the_model() -> None:
    met: Counter[str] = Counter()
    for seed in range(3):
        met += lived(seed).codes
    assert met.keys() >= EXPECTED, sorted(EXPECTED - met.keys())


def test_a_share_that_gives_a_fen_to_who_should_not_have_it_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking back more from an order than came: the comparison tells."""
    right = RULES[type(take_back("b", "s", 0, 1))]

    def wrong(view: Any, operation: Any, context: Any) -> Any:
        changes = right(view, operation, context)
        return {
            key: replace(body, free_fen=body.free_fen + 1) if isinstance(body, OrderBody) else body
            for key, body in changes.items()
        }

    monkeypatch.setitem(RULES, type(take_back("b", "s", 0, 1)), wrong)
    with pytest.raises(AssertionError):
        lived(0, 500)
