"""Disputes: one open at a time, no lock meanwhile, settled by the office (FEATURES 32)."""

from __future__ import annotations

from typing import Any

import pytest

from chain import keyspace
from chain.operation import (
    DecideClaim,
    DisputeBill,
    HoldBill,
    LockClaim,
    Operation,
    PayClaim,
    ReleaseClaim,
    SettleDispute,
    VoidBill,
)
from chain.records import DISPUTE_SETTLED, DISPUTED, DisputeBody
from tests.chain.making import Chain, bill_id, genesis_with, issue_bill, key_of, mac, reverse_bill

BILL = bill_id(1)
OFFICE, ISSUER = "finance-city", "hospital-a"
ME = mac("me")


@pytest.fixture
def chain() -> Chain:
    chain = Chain(genesis_with(insurer_a="insurer"))
    chain.lease(ISSUER)
    bills = [issue_bill(f"B-{n}", serial=n, self_paid_fen=100, self_funded_fen=0) for n in range(1, 5)]
    assert chain.run(ISSUER, *bills) == ["recorded"] * 4
    assert chain.run_seal(chain.seal([ISSUER])) == "recorded"
    return chain


def code(chain: Chain, operation: Operation, organisation: str = OFFICE, **how: Any) -> str:
    (found,) = chain.run(organisation, operation, **how)
    return found


def disputed(number: int = 1, bill: str = BILL, reason: str = "not_me") -> DisputeBill:
    return DisputeBill(bill, ME, reason, number)


def body(chain: Chain, bill: str = BILL) -> DisputeBody:
    found: DisputeBody = chain.body(keyspace.dispute(bill), DisputeBody)
    return found


def lock(chain: Chain, name: str, bill: str = BILL, **changes: Any) -> LockClaim:
    return LockClaim(mac(name), bill, changes.get("amount_fen", 100), chain.time_ms + changes.get("for_ms", 3_600_000))


def test_while_a_dispute_is_open_no_claim_is_locked(chain: Chain) -> None:
    assert code(chain, disputed()) == "recorded"
    begun_ms = chain.ledger.head.time_ms
    assert body(chain) == DisputeBody(DISPUTED, 1, ME, "not_me", "", begun_ms)
    assert code(chain, lock(chain, "c1"), "insurer-a") == "disputed"
    assert code(chain, lock(chain, "c2", bill_id(2)), "insurer-a") == "recorded"
    assert code(chain, SettleDispute(BILL, "dismissed", 1)) == "recorded"
    assert body(chain) == DisputeBody(DISPUTE_SETTLED, 1, ME, "not_me", "dismissed", begun_ms)
    assert code(chain, lock(chain, "c1"), "insurer-a") == "recorded"


def test_disputed_stands_behind_arrears_and_before_the_amount(chain: Chain) -> None:
    """chain/rules/claims.py: the order of its codes."""
    assert code(chain, disputed()) == "recorded"
    assert code(chain, lock(chain, "c1", amount_fen=0, for_ms=0), "insurer-a") == "disputed"
    assert code(chain, lock(chain, "c1"), ISSUER) == "not_an_insurer"
    assert code(chain, disputed(bill=bill_id(2))) == "recorded"
    assert code(chain, HoldBill(bill_id(2), "fees_owed"), ISSUER) == "recorded"
    assert code(chain, lock(chain, "c1", bill_id(2)), "insurer-a") == "bill_in_arrears"


def test_a_claim_that_was_locked_before_goes_on(chain: Chain) -> None:
    """What an insurer has in hand is its own to decide, pay and give back; nothing new is locked."""
    assert code(chain, lock(chain, "c1", amount_fen=50), "insurer-a") == "recorded"
    assert code(chain, disputed()) == "recorded"
    assert code(chain, DecideClaim(mac("c1"), 50), "insurer-a") == "recorded"
    assert code(chain, PayClaim(mac("c1"), mac("p")), "insurer-a") == "recorded"
    assert code(chain, lock(chain, "c2", amount_fen=50), "insurer-a") == "disputed"
    assert code(chain, ReleaseClaim(mac("c1"), "paid_back"), "insurer-a") == "recorded"


def test_one_is_open_at_a_time_and_each_has_its_number(chain: Chain) -> None:
    assert code(chain, disputed(2)) == "standing_moved"
    assert code(chain, disputed(1), ISSUER) == "recorded"
    assert code(chain, disputed(1)) == "already_recorded"
    assert code(chain, disputed(1, reason="never_there")) == "already_disputed"
    assert code(chain, disputed(2)) == "already_disputed"
    assert code(chain, SettleDispute(BILL, "upheld", 2)) == "standing_moved"
    settled = SettleDispute(BILL, "upheld", 1)
    assert code(chain, settled) == "recorded"
    assert code(chain, settled) == "already_recorded"
    assert code(chain, SettleDispute(BILL, "dismissed", 1)) == "already_settled"
    assert code(chain, SettleDispute(BILL, "dismissed", 2)) == "already_settled"
    # what was said of the first does not count for the second
    assert code(chain, disputed(1)) == "already_recorded"
    assert code(chain, disputed(3)) == "standing_moved"
    assert code(chain, disputed(2)) == "recorded"
    assert body(chain) == DisputeBody(DISPUTED, 2, ME, "not_me", "", chain.ledger.head.time_ms)
    assert code(chain, settled) == "already_recorded"
    assert code(chain, lock(chain, "c1"), "insurer-a") == "disputed"
    assert code(chain, SettleDispute(BILL, "upheld", 2)) == "recorded"


def test_nobody_but_issuer_and_office_speaks_for_a_holder_and_the_office_alone_settles(chain: Chain) -> None:
    for stranger in ("hospital-b", "finance", "insurer-a"):
        assert code(chain, disputed(), stranger) == "not_supervised"
    assert code(chain, disputed(), key=key_of("finance-city/seal")) == "wrong_key"
    assert code(chain, disputed(bill=bill_id(9))) == "bill_unknown"
    assert code(chain, SettleDispute(BILL, "upheld", 1)) == "not_disputed"
    assert code(chain, disputed()) == "recorded"
    for stranger in (ISSUER, "hospital-b", "finance", "insurer-a"):
        assert code(chain, SettleDispute(BILL, "upheld", 1), stranger) == "not_supervised"
    assert code(chain, SettleDispute(BILL, "upheld", 1), key=key_of("finance-city/seal")) == "wrong_key"
    assert code(chain, SettleDispute(bill_id(9), "upheld", 1)) == "bill_unknown"


def test_a_disputed_bill_is_reversed_and_a_reversed_one_disputed(chain: Chain) -> None:
    assert code(chain, disputed()) == "recorded"
    red = reverse_bill(issue_bill("B-1", self_paid_fen=100, self_funded_fen=0), serial=7)
    assert code(chain, red, ISSUER) == "recorded"
    assert code(chain, SettleDispute(BILL, "upheld", 1)) == "recorded"
    assert code(chain, disputed(2)) == "recorded"
    assert code(chain, disputed(bill=bill_id(7))) == "bill_is_red"
    assert code(chain, VoidBill(bill_id(3), "mistyped"), ISSUER) == "recorded"
    assert code(chain, disputed(bill=bill_id(3))) == "bill_is_void"
