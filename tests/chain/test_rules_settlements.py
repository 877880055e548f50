"""Medical-insurance settlements: what the bureau says of a bill, once, in whatever order; and what it cannot say (FEATURES 48)."""

from __future__ import annotations

from typing import Any

import pytest

from chain import keyspace
from chain.operation import JoinSettlement, Operation, PayFund, Payments, VoidBill, WithdrawSettlement
from chain.records import (
    FUND_PAID,
    JOINED,
    REVERSED,
    WITHDRAWN,
    FundPaymentBody,
    JoinedBody,
    ReasonBody,
    SettledBody,
    SettlementBody,
)
from chain.rules.settlements import BILLS_MAX
from tests.chain.making import Chain, bill_id, genesis_with, issue_bill, key_of, mac, reverse_bill

BILL, OTHER = bill_id(1), bill_id(2)
ELSEWHERE = bill_id(100_001)  # hospital B's
PARTS = Payments(6_172, 0, 0, 6_173)  # as `issue_bill` has them


@pytest.fixture
def chain() -> Chain:
    chain = Chain(genesis_with(bureau_b="insurance", insurer_a="insurer"))
    chain.lease("hospital-a")
    chain.lease("hospital-b")
    some = [issue_bill(f"B-{serial}", serial=serial) for serial in range(1, BILLS_MAX + 3)]
    assert set(chain.run("hospital-a", *some)) == {"recorded"}
    foreign = issue_bill("B-1", serial=100_001, issuer="hospital-b", lease_first=100_001)
    assert chain.run("hospital-b", foreign) == ["recorded"]
    return chain


def code(chain: Chain, operation: Operation, organisation: str = "insurance", **how: Any) -> str:
    (found,) = chain.run(organisation, operation, **how)
    return found


def join(bill: str = BILL, settlement: str = "S-1", parts: Payments = PARTS) -> JoinSettlement:
    return JoinSettlement(mac(settlement), bill, parts)


def pay(settlement: str = "S-1", amount_fen: int = 6_172, hospital: str = "hospital-a", **changes: Any) -> PayFund:
    fields: dict[str, Any] = {"paid_date": 20260620, "payment_mac": mac("P-1"), **changes}
    return PayFund(mac(settlement), hospital, amount_fen, **fields)


def withdraw(settlement: str = "S-1", reason: str = "mistyped") -> WithdrawSettlement:
    return WithdrawSettlement(mac(settlement), reason)


def settlement(chain: Chain, name: str = "S-1") -> SettlementBody:
    found: SettlementBody = chain.body(keyspace.settlement("insurance", mac(name)), SettlementBody)
    return found


def test_a_settlement_is_joined_paid_and_withdrawn_each_once(chain: Chain) -> None:
    """The same again is known as such at any later time; another under its name is not the same."""
    steps: list[tuple[Operation, Operation, str]] = [
        (join(), join(parts=Payments(1, 0, 0, 0)), "already_joined"),
        (pay(), pay(amount_fen=1), "fund_already_paid"),
        (withdraw(), withdraw(reason="bill_reversed"), "already_withdrawn"),
    ]
    for place, (first, another, refusal) in enumerate(steps):
        assert code(chain, first) == "recorded"
        assert code(chain, another) == refusal
        assert [code(chain, step) for step, _another, _refusal in steps[: place + 1]] == ["already_recorded"] * (
            place + 1
        )
        assert settlement(chain) == SettlementBody("hospital-a", (JOINED, FUND_PAID, WITHDRAWN)[place], [BILL])
    assert chain.body(keyspace.settled(BILL), SettledBody) == SettledBody("insurance", mac("S-1"))
    assert chain.body(keyspace.joined("insurance", mac("S-1"), BILL), JoinedBody) == JoinedBody(PARTS)
    paid = chain.body(keyspace.fund_payment("insurance", mac("S-1")), FundPaymentBody)
    assert paid == FundPaymentBody(6_172, 20260620, mac("P-1"))
    assert chain.body(keyspace.settlement_withdrawal("insurance", mac("S-1")), ReasonBody) == ReasonBody("mistyped")


def test_a_bill_belongs_to_one_settlement_of_one_bureau(chain: Chain) -> None:
    assert code(chain, join()) == "recorded"
    assert code(chain, join(settlement="S-2")) == "already_joined"
    assert code(chain, join(settlement="S-1"), "bureau-b") == "already_joined"
    assert code(chain, withdraw(), "bureau-b") == "settlement_unknown"  # a name is its own bureau's
    assert code(chain, pay(), "bureau-b") == "recorded"
    assert settlement(chain).state == JOINED
    assert code(chain, withdraw()) == "recorded"
    assert code(chain, join(settlement="S-3"), "bureau-b") == "recorded"
    assert chain.body(keyspace.settled(BILL), SettledBody) == SettledBody("bureau-b", mac("S-3"))
    assert code(chain, join(settlement="S-2")) == "already_joined"


def test_a_payment_may_come_before_its_bill(chain: Chain) -> None:
    assert code(chain, pay()) == "recorded"
    assert settlement(chain) == SettlementBody("hospital-a", FUND_PAID, [])
    assert code(chain, join()) == "recorded"
    assert settlement(chain) == SettlementBody("hospital-a", FUND_PAID, [BILL])


def test_a_settlement_has_several_bills_of_one_hospital(chain: Chain) -> None:
    numbers = [bill_id(serial) for serial in range(1, BILLS_MAX + 1)]
    assert {code(chain, join(number)) for number in numbers} == {"recorded"}
    assert settlement(chain).bills == numbers
    assert code(chain, join(bill_id(BILLS_MAX + 1))) == "settlement_full"
    assert code(chain, join(ELSEWHERE)) == "settlement_of_other_hospital"
    assert code(chain, pay(hospital="hospital-b")) == "settlement_of_other_hospital"
    assert code(chain, pay("S-2", hospital="hospital-b")) == "recorded"
    assert code(chain, join(bill_id(BILLS_MAX + 1), "S-2")) == "settlement_of_other_hospital"
    assert code(chain, join(ELSEWHERE, "S-2")) == "recorded"


def test_after_a_withdrawal_its_number_is_spent_and_its_bills_are_free(chain: Chain) -> None:
    assert chain.run("insurance", join(), join(OTHER)) == ["recorded"] * 2
    assert code(chain, withdraw()) == "recorded"
    assert code(chain, join(bill_id(3))) == "settlement_withdrawn"
    assert code(chain, pay()) == "settlement_withdrawn"
    assert chain.run("insurance", join(settlement="S-2"), join(OTHER, "S-3")) == ["recorded"] * 2
    assert settlement(chain).bills == [BILL, OTHER]  # what it was of


def test_a_bill_that_is_not_normal_is_not_joined(chain: Chain) -> None:
    red = reverse_bill(issue_bill("B-1"), serial=900)
    assert chain.run("hospital-a", red, VoidBill(OTHER, "mistyped")) == ["recorded"] * 2
    for number in (BILL, red.bill, OTHER):
        assert code(chain, join(number)) == "bill_not_normal"
    assert code(chain, join(bill_id(999))) == "bill_unknown"
    assert code(chain, join(bill_id(3))) == "recorded"


def test_a_settlement_stops_no_reversal(chain: Chain) -> None:
    """What the fund paid for it is the match's finding; the hospital goes on."""
    assert chain.run("insurance", join(), pay()) == ["recorded"] * 2
    assert code(chain, reverse_bill(issue_bill("B-1"), serial=900), "hospital-a") == "recorded"
    assert chain.bill(BILL).validity == REVERSED
    assert code(chain, withdraw(reason="bill_reversed")) == "recorded"


def test_only_the_bureau_settles_and_only_with_its_unit_key(chain: Chain) -> None:
    for operation in (join(), pay()):
        for stranger in ("insurer-a", "hospital-a", "finance", "health"):
            assert code(chain, operation, stranger) == "not_an_insurance_bureau"
        assert code(chain, operation, "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert code(chain, withdraw(), "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    for stranger in ("insurance", "hospital-a"):
        assert code(chain, withdraw(), stranger) == "settlement_unknown"
    assert chain.run("insurance", join(), pay(), withdraw()) == ["recorded"] * 3


def test_what_cannot_be_said_is_refused(chain: Chain) -> None:
    for parts in (Payments(0, 0, 0, 0), Payments(5, -1, 0, 0), Payments(-6_172, 0, 0, -6_173)):
        assert code(chain, join(parts=parts)) == "amount_not_positive"
    for amount in (0, -1):
        assert code(chain, pay(amount_fen=amount)) == "amount_not_positive"
    assert code(chain, pay(paid_date=20260231)) == "date_unknown"
    assert code(chain, pay(hospital="hospital-z")) == "organisation_unknown"
    assert code(chain, pay(hospital="insurer-a")) == "not_a_hospital"
    assert code(chain, join(parts=Payments(1, 2, 3, 4))) == "recorded"  # it need not be what the bill says


def test_the_first_fault_in_the_order_of_the_page_is_the_code(chain: Chain) -> None:
    """chain/README.md: each operation here has all later faults as well."""
    assert chain.run("insurance", join(), pay(), pay("S-9", hospital="hospital-b"), withdraw("S-9")) == ["recorded"] * 4
    assert chain.run("hospital-a", VoidBill(OTHER, "mistyped")) == ["recorded"]
    nothing = Payments(0, 0, 0, 0)
    seal = {"organisation": "finance-city", "key": key_of("finance-city/seal")}
    joins: list[tuple[JoinSettlement, dict[str, Any], str]] = [
        (join(parts=nothing), {"organisation": "insurance"}, "already_joined"),
        (join(bill_id(999), "S-9", nothing), seal, "wrong_key"),
        (join(bill_id(999), "S-9", nothing), {"organisation": "insurer-a"}, "not_an_insurance_bureau"),
        (join(bill_id(999), "S-9", nothing), {}, "bill_unknown"),
        (join(OTHER, "S-9", nothing), {}, "bill_not_normal"),
        (join(bill_id(3), "S-9", nothing), {}, "amount_not_positive"),
        (join(bill_id(3), "S-9"), {}, "settlement_withdrawn"),
    ]
    pays: list[tuple[PayFund, dict[str, Any], str]] = [
        (pay(hospital="nobody", amount_fen=0, paid_date=20260231), {}, "fund_already_paid"),
        (pay("S-8", 0, "nobody", paid_date=20260231), seal, "wrong_key"),
        (pay("S-8", 0, "nobody", paid_date=20260231), {"organisation": "insurer-a"}, "not_an_insurance_bureau"),
        (pay("S-8", 0, "nobody", paid_date=20260231), {}, "organisation_unknown"),
        (pay("S-8", 0, "insurer-a", paid_date=20260231), {}, "not_a_hospital"),
        (pay("S-8", 0, paid_date=20260231), {}, "amount_not_positive"),
        (pay("S-8", 1, paid_date=20260231), {}, "date_unknown"),
    ]
    for operation, how, refusal in [*joins, *pays]:
        assert code(chain, operation, **how) == refusal
    # other hospital before another settlement's bill, and that before a full one
    assert code(chain, pay("S-7", hospital="hospital-b")) == "recorded"
    assert code(chain, join(BILL, "S-7")) == "settlement_of_other_hospital"
    full = [join(bill_id(serial), "S-6") for serial in range(3, BILLS_MAX + 3)]
    assert set(chain.run("insurance", *full)) == {"recorded"}
    assert code(chain, join(BILL, "S-6")) == "already_joined"


def test_a_refused_step_changes_nothing(chain: Chain) -> None:
    assert code(chain, join()) == "recorded"
    before = settlement(chain)
    assert code(chain, join(ELSEWHERE)) == "settlement_of_other_hospital"
    assert code(chain, pay(amount_fen=0)) == "amount_not_positive"
    assert settlement(chain) == before
    assert chain.ledger.state.record(keyspace.settled(ELSEWHERE)) is None
    assert chain.ledger.state.record(keyspace.fund_payment("insurance", mac("S-1"))) is None
