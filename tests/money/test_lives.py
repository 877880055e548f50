"""Random lives of money keep to the model, and the comparison can fail."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from chain import keyspace
from chain.operation import HoldCredit, RefundPayment, Transfer, accounts, credit, deposits, payments
from chain.records import AccountBody
from chain.rules import RULES
from tests.money.lives import Lives

STEPS = 30_000
SEEDS = (1, 2, 3, 5, 7)
OFTEN, SELDOM = 100, 20  # recorded, at least, in the lives of SEEDS together
RARE = {
    "AgreeInstalments": SELDOM,
    "CaptureHold": SELDOM,
    "CloseAccount": 1,
    "EndLine": SELDOM,
    "NameHospitals": SELDOM,
    "OpenAccount": SELDOM,
    "ReleaseHold": SELDOM,
    "WithdrawNotice": SELDOM,
}
MONEY = {
    kind.__name__
    for part in (accounts, payments, deposits, credit)
    for kind in vars(part).values()
    if isinstance(kind, type) and kind in RULES
}
EXPECTED = {  # of all that a life can meet
    "linked",
    "linked_failed",
    # accounts, transfers, holds
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
    # notices, orders, payments, deposits
    "already_answered",
    "already_recorded",
    "already_settled",
    "amount_differs",
    "bill_differs",
    "channel_differs",
    "deposit_exceeded",
    "deposit_settled",
    "deposit_unsettled",
    "exceeds_notice",
    "exceeds_payment",
    "lines_malformed",
    "notice_in_order",
    "notice_not_in_order",
    "notice_unsettled",
    "notice_withdrawn",
    "order_closed",
    "order_expired",
    "order_open",
    "order_too_long",
    "order_unknown",
    "part_paid",
    "part_unknown",
    "payment_exists",
    "payment_unknown",
    "red_bill_missing",
    "refund_exists",
    "sum_mismatch",
    # credit
    "account_overdue",
    "agreement_ended",
    "agreement_in_force",
    "agreement_unknown",
    "already_reviewed",
    "balance_first",
    "credit_line_exceeded",
    "deposit_of_other",
    "due_too_soon",
    "exceeds_debt",
    "exceeds_surplus",
    "hold_too_long",
    "instalments_malformed",
    "line_differs",
    "line_ended",
    "line_expired",
    "line_taken",
    "not_an_emergency",
    "not_the_bearer",
    "nothing_owed",
    "owed_differs",
    "same_person",
    "standing_moved",
    "visit_cap_exceeded",
}


def lived(seed: int) -> Lives:
    lives = Lives(seed)
    for _ in range(STEPS):
        lives.step()
    lives.compare()
    return lives


def lived_all(seeds: tuple[int, ...]) -> None:
    for seed in seeds:
        lived(seed)


def test_lives_keep_to_the_models_and_debits_are_credits() -> None:
    """And of every operation on money so many were recorded, so that none of it is empty."""
    codes: Counter[str] = Counter()
    kinds: Counter[tuple[str, str]] = Counter()
    for seed in SEEDS:
        lives = lived(seed)
        codes += lives.codes
        kinds += lives.kinds
    assert EXPECTED - codes.keys() == set()
    recorded = {name: kinds[name, "recorded"] for name in MONEY}
    assert {name: count for name, count in recorded.items() if count < RARE.get(name, OFTEN)} == {}


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
        lived(2)


def test_a_refund_that_is_not_counted_is_noticed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one of the same payment is recorded, and the model says no."""
    right = RULES[RefundPayment]

    def wrong(view: Any, operation: Any, context: Any) -> Any:
        changes = right(view, operation, context)
        key = keyspace.payment(context.organisation, operation.payment)
        return changes | {key: replace(changes[key], refunded_fen=0)}

    monkeypatch.setitem(RULES, RefundPayment, wrong)
    with pytest.raises(AssertionError, match=r"recorded, the model says False: hospital-[ab] Refund"):
        lived_all((1, 6, 8, 10))  # not every life has two refunds of one payment that are too much together


def test_a_cap_that_each_hold_of_a_visit_has_for_itself_is_noticed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was once: the second hold of the same visit is recorded, and the model says no."""
    right = RULES[HoldCredit]

    def wrong(view: Any, operation: Any, context: Any) -> Any:
        return right(view, replace(operation, visit=[]), context)

    monkeypatch.setitem(RULES, HoldCredit, wrong)
    with pytest.raises(AssertionError, match=r"recorded, the model says False: hospital-[ab] HoldCredit"):
        lived_all((1, 2, 3))
