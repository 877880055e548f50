"""Random lives of money keep to the model, and the comparison can fail."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from chain import keyspace
from chain.operation import Transfer
from chain.records import AccountBody
from chain.rules import RULES
from tests.money.lives import Lives

STEPS = 30_000
EXPECTED = {  # of all that a life can meet
    "recorded",
    "linked",
    "linked_failed",
    "exceeds_credits",
    "exceeds_debits",
    "exceeds_transfer",
    "already_captured",
    "already_released",
    "hold_expired",
    "amount_exceeds_hold",
    "account_not_even",
    "account_closed",
    "not_the_owner",
    "same_account",
    "not_taken_from_others",
    "amount_too_large",
    "correction_differs",
    "amount_not_positive",
}


def lived(seed: int) -> Lives:
    lives = Lives(seed)
    for _ in range(STEPS):
        lives.step()
    lives.compare()
    return lives


def test_lives_keep_to_the_model_and_debits_are_credits() -> None:
    met: Counter[str] = Counter()
    for seed in (1, 2):
        lives = lived(seed)
        assert lives.codes["recorded"] > STEPS / 5
        met += lives.codes
    assert met.keys() >= EXPECTED


def test_a_rule_that_makes_money_is_noticed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether execution refuses it too is told in `tests/chain/test_rules_accounts.py`."""
    right = RULES[Transfer]

    def wrong(view: Any, operation: Any, context: Any) -> Any:
        changes = right(view, operation, context)
        key = keyspace.account(operation.credit)
        account = changes[key]
        assert isinstance(account, AccountBody)
        return changes | {key: replace(account, credits_fen=account.credits_fen + 1)}

    monkeypatch.setitem(RULES, Transfer, wrong)
    monkeypatch.setattr("tests.money.lives.verify_conserved", lambda view, changes: None)
    with pytest.raises(AssertionError, match=r"^\('[a-z-]+', b"):
        lived(3)
