"""Accounting: a bill stands in one payer's books, and is reversed only once it is out of them (FEATURES 43, 11)."""

from __future__ import annotations

from typing import Any

import pytest

from chain import keyspace
from chain.operation import AcknowledgeReversal, BookBill, HoldBill, MakeUpPayment, Operation
from chain.records import ACKNOWLEDGED, BOOKED, ISSUER, PAYER, REVERSED, BookingBody
from tests.chain.making import Chain, bill_id, genesis_with, issue_bill, key_of, mac, reverse_bill

BILL = bill_id(1)


@pytest.fixture
def chain() -> Chain:
    chain = Chain(genesis_with(employer_a="employer", employer_b="employer"))
    chain.lease("hospital-a")
    assert chain.run("hospital-a", issue_bill("B-1"), issue_bill("B-2", serial=2)) == ["recorded"] * 2
    assert chain.run_seal(chain.seal(["hospital-a"])) == "recorded"
    return chain


def code(chain: Chain, operation: Operation, organisation: str, **how: Any) -> str:
    (found,) = chain.run(organisation, operation, **how)
    return found


def booked(side: int = PAYER, bill: str = BILL, amount_fen: int = 12_345, voucher: str = "V-1") -> BookBill:
    return BookBill(bill, side, amount_fen, mac(voucher))


def test_the_second_unit_is_told_that_the_bill_stands_in_other_books(chain: Chain) -> None:
    assert code(chain, booked(), "employer-a") == "recorded"
    assert code(chain, booked(), "employer-a") == "already_recorded"
    assert code(chain, booked(voucher="V-2"), "employer-b") == "already_accounted"
    assert code(chain, booked(voucher="V-2"), "employer-a") == "already_accounted"
    body = chain.body(keyspace.booking(BILL, PAYER), BookingBody)
    assert body == BookingBody(BOOKED, "employer-a", 12_345, mac("V-1"))


def test_the_issuer_books_its_own_side_and_stops_nobody(chain: Chain) -> None:
    assert code(chain, booked(ISSUER), "employer-a") == "not_issuer"
    assert code(chain, booked(PAYER), "hospital-a") == "issuer_is_not_payer"
    assert code(chain, booked(ISSUER), "hospital-a") == "recorded"
    assert code(chain, booked(PAYER), "employer-b") == "recorded"


def test_no_more_is_booked_than_the_bill_says(chain: Chain) -> None:
    for amount in (0, -1, 12_346):
        assert code(chain, booked(amount_fen=amount), "employer-a") == "amount_exceeds_total"
    assert code(chain, booked(bill=bill_id(9)), "employer-a") == "bill_unknown"
    assert code(chain, booked(), "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert code(chain, booked(amount_fen=1), "employer-a") == "recorded"


def test_only_a_unit_that_pays_books_a_sealed_bill(chain: Chain) -> None:
    """Else any hospital could keep another one's bill from its payer, and from being reversed."""
    assert code(chain, booked(), "hospital-b") == "not_a_paying_unit"
    assert code(chain, booked(), "health") == "not_a_paying_unit"
    assert code(chain, issue_bill("B-4", serial=4), "hospital-a") == "recorded"
    assert code(chain, booked(bill=bill_id(4)), "employer-a") == "bill_not_sealed"
    assert code(chain, booked(ISSUER, bill=bill_id(4)), "hospital-a") == "recorded"


def test_a_bill_in_arrears_is_booked_once_it_is_paid(chain: Chain) -> None:
    assert code(chain, HoldBill(BILL, "fees_owed"), "hospital-a") == "recorded"
    assert code(chain, booked(), "employer-a") == "bill_in_arrears"
    assert code(chain, booked(ISSUER), "hospital-a") == "recorded"
    assert code(chain, MakeUpPayment(BILL), "hospital-a") == "recorded"
    assert code(chain, booked(), "employer-a") == "recorded"


def test_a_booked_bill_is_reversed_once_the_unit_has_acknowledged_it(chain: Chain) -> None:
    red = reverse_bill(issue_bill("B-1"), serial=3)
    assert code(chain, AcknowledgeReversal(BILL), "employer-a") == "not_accounted"
    assert code(chain, booked(), "employer-a") == "recorded"
    assert code(chain, red, "hospital-a") == "accounting_not_acknowledged"
    assert code(chain, AcknowledgeReversal(BILL), "employer-b") == "not_your_booking"
    assert code(chain, AcknowledgeReversal(bill_id(9)), "employer-a") == "bill_unknown"
    assert code(chain, AcknowledgeReversal(BILL), "employer-a") == "recorded"
    assert code(chain, AcknowledgeReversal(BILL), "employer-a") == "already_recorded"
    assert chain.body(keyspace.booking(BILL, PAYER), BookingBody).state == ACKNOWLEDGED
    assert code(chain, booked(voucher="V-2"), "employer-b") == "already_accounted"  # it is about to be reversed
    assert code(chain, red, "hospital-a") == "recorded"
    assert chain.bill(BILL).validity == REVERSED
    assert code(chain, booked(bill=bill_id(3)), "employer-a") == "bill_not_normal"
