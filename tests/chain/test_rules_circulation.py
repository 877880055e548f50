"""Delivery, arrears, and what never left the house (FEATURES 13, 17, 18)."""

from __future__ import annotations

from typing import Any

import pytest

from chain import keyspace
from chain.operation import DeliverBill, HoldBill, MakeUpPayment, Operation, Payments, VoidBill
from chain.records import DELIVERED, IN_ARREARS, IN_HOUSE, VOID, CirculationBody, KindTotals
from chain.transaction import Entry
from tests.chain.making import NOON_MS, Chain, bill_id, issue_bill, key_of, linked, reverse_bill

BILL = bill_id(1)


@pytest.fixture
def chain() -> Chain:
    chain = Chain()
    chain.lease("hospital-a")
    chain.lease("hospital-b")
    assert chain.run("hospital-a", issue_bill("B-1"), issue_bill("B-2", serial=2, total_fen=100)) == ["recorded"] * 2
    return chain


def code(chain: Chain, operation: Operation, organisation: str = "hospital-a", **how: Any) -> str:
    (found,) = chain.run(organisation, operation, **how)
    return found


def state(chain: Chain, bill: str = BILL) -> int:
    found: int = chain.body(keyspace.circulation(bill), CirculationBody).state
    return found


def test_a_void_bill_stays_to_be_seen_and_leaves_the_day_books_sums(chain: Chain) -> None:
    void = VoidBill(BILL, "mistyped")
    assert code(chain, void) == "recorded"
    assert chain.bill(BILL).validity == VOID
    (totals,) = chain.day_book().kinds
    assert totals == KindTotals(1, 2, 12_445, 0, 0, 1, 12_345, Payments(50, 0, 0, 50))
    assert code(chain, void) == "already_recorded"
    assert code(chain, VoidBill(BILL, "other")) == "already_void"
    assert code(chain, reverse_bill(issue_bill("B-1"), serial=3)) == "bill_is_void"
    assert code(chain, issue_bill("B-1", serial=4)) == "already_issued"  # its business number is spent
    assert code(chain, DeliverBill(BILL, "sms", NOON_MS)) == "bill_is_void"


def test_what_was_delivered_is_reversed_and_not_withdrawn(chain: Chain) -> None:
    sms = DeliverBill(BILL, "sms", NOON_MS)
    assert code(chain, sms) == "recorded"
    assert state(chain) == DELIVERED
    assert code(chain, sms) == "already_recorded"
    assert code(chain, DeliverBill(BILL, "sms", NOON_MS + 1)) == "already_delivered"
    assert code(chain, DeliverBill(BILL, "mail", NOON_MS)) == "recorded"
    assert code(chain, VoidBill(BILL, "mistyped")) == "delivered_use_reversal"
    assert code(chain, reverse_bill(issue_bill("B-1"), serial=3)) == "recorded"
    assert code(chain, VoidBill(BILL, "mistyped")) == "already_reversed"
    assert code(chain, VoidBill(bill_id(3), "mistyped")) == "bill_is_red"


def test_a_bill_in_arrears_is_issued_and_held_in_one_step(chain: Chain) -> None:
    bill = issue_bill("B-3", serial=3)
    both: list[Entry] = linked(bill, HoldBill(bill.bill, "fees_owed"))
    assert chain.run("hospital-a", entries=both) == ["recorded", "recorded"]
    assert state(chain, bill.bill) == IN_ARREARS
    assert code(chain, DeliverBill(bill.bill, "sms", NOON_MS)) == "bill_in_arrears"
    assert code(chain, HoldBill(bill.bill, "again")) == "held_before"
    paid = MakeUpPayment(bill.bill)
    assert code(chain, paid) == "recorded"
    assert code(chain, paid) == "already_recorded"
    assert state(chain, bill.bill) == IN_HOUSE
    assert code(chain, DeliverBill(bill.bill, "sms", NOON_MS)) == "recorded"


def test_only_what_is_in_the_house_is_held_and_only_what_is_held_is_paid_up(chain: Chain) -> None:
    assert code(chain, MakeUpPayment(BILL)) == "not_in_arrears"
    assert code(chain, DeliverBill(BILL, "sms", NOON_MS)) == "recorded"
    assert code(chain, HoldBill(BILL, "fees_owed")) == "already_delivered"
    assert code(chain, MakeUpPayment(BILL)) == "not_in_arrears"
    assert code(chain, VoidBill(bill_id(2), "mistyped")) == "recorded"
    assert code(chain, HoldBill(bill_id(2), "fees_owed")) == "bill_not_normal"


@pytest.mark.parametrize(
    "operation",
    [
        VoidBill(BILL, "mistyped"),
        DeliverBill(BILL, "sms", NOON_MS),
        HoldBill(BILL, "fees_owed"),
        MakeUpPayment(BILL),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_only_its_issuer_moves_a_bill(chain: Chain, operation: Any) -> None:
    assert code(chain, operation, "hospital-b") == "not_issuer"
    assert code(chain, operation, "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    unknown = type(operation)(
        **{**{name: getattr(operation, name) for name in operation.__struct_fields__}, "bill": bill_id(9)}
    )
    assert code(chain, unknown) == "bill_unknown"
