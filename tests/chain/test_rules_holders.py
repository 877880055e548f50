"""Whose a bill is that names no document: who showed its slip first, once and for ever (FEATURES 29)."""

from __future__ import annotations

from typing import Any

import pytest

from chain import keyspace
from chain.operation import BindHolder, Operation, VoidBill
from chain.records import REVERSED, BoundBody
from tests.chain.making import Chain, bill_id, genesis_with, issue_bill, key_of, mac, reverse_bill

BILL = bill_id(1)
OFFICE = "finance-city"


@pytest.fixture
def chain() -> Chain:
    chain = Chain(genesis_with(insurer_a="insurer"))
    chain.lease("hospital-a")
    assert chain.run("hospital-a", *(issue_bill(f"B-{n}", serial=n) for n in range(1, 4))) == ["recorded"] * 3
    return chain


def code(chain: Chain, operation: Operation, organisation: str = OFFICE, **how: Any) -> str:
    (found,) = chain.run(organisation, operation, **how)
    return found


def test_who_comes_second_is_told_that_the_bill_is_claimed(chain: Chain) -> None:
    """By the office or the issuer, in one block or in two: the first one's pseudonym stays."""
    first, second = BindHolder(BILL, mac("first")), BindHolder(BILL, mac("second"))
    assert chain.run(OFFICE, first, second) == ["recorded", "already_claimed"]
    assert code(chain, first) == "already_recorded"
    assert code(chain, first, "hospital-a") == "already_recorded"
    assert code(chain, second, "hospital-a") == "already_claimed"
    assert chain.body(keyspace.bound(BILL), BoundBody) == BoundBody(mac("first"))
    assert code(chain, BindHolder(bill_id(2), mac("second")), "hospital-a") == "recorded"


def test_nobody_but_its_issuer_and_office_says_whose_a_bill_is(chain: Chain) -> None:
    for stranger in ("hospital-b", "finance", "insurer-a", "health"):
        assert code(chain, BindHolder(BILL, mac("x")), stranger) == "not_supervised"
    assert code(chain, BindHolder(BILL, mac("x")), key=key_of("finance-city/seal")) == "wrong_key"
    assert code(chain, BindHolder(bill_id(9), mac("x"))) == "bill_unknown"
    assert code(chain, BindHolder(bill_id(9), mac("x")), "insurer-a") == "bill_unknown"
    assert chain.ledger.state.get(keyspace.bound(BILL), BoundBody) is None


def test_a_reversed_bill_is_still_somebodys_a_red_or_withdrawn_one_is_not(chain: Chain) -> None:
    assert code(chain, reverse_bill(issue_bill("B-1"), serial=7), "hospital-a") == "recorded"
    assert chain.bill(BILL).validity == REVERSED
    assert code(chain, BindHolder(BILL, mac("x"))) == "recorded"
    assert code(chain, BindHolder(bill_id(7), mac("x"))) == "bill_is_red"
    assert code(chain, VoidBill(bill_id(2), "mistyped"), "hospital-a") == "recorded"
    assert code(chain, BindHolder(bill_id(2), mac("x"))) == "bill_is_void"
    assert code(chain, BindHolder(bill_id(2), mac("x")), "hospital-b") == "not_supervised"


def test_a_claimed_bill_is_claimed_though_it_is_withdrawn_later(chain: Chain) -> None:
    """The same again is told before what has become of the bill."""
    bound = BindHolder(BILL, mac("x"))
    assert code(chain, bound) == "recorded"
    assert code(chain, VoidBill(BILL, "mistyped"), "hospital-a") == "recorded"
    assert code(chain, bound) == "already_recorded"
    assert code(chain, BindHolder(BILL, mac("y"))) == "already_claimed"
