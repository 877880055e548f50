"""Paper copies: one alive at a time, on forms that are used once; and what a live one stops (FEATURES 15, 11)."""

from __future__ import annotations

from typing import Any

import pytest

from chain import keyspace
from chain.operation import PAPERS_MAX, HoldBill, Operation, PrintPaper, TakeBackPaper, VoidBill, VoidBlanks
from chain.records import NO_PAPER, PAPER_OUT, REVERSED, FormBody, PaperBody
from tests.chain.making import Chain, bill_id, issue_bill, key_of, reverse_bill

BILL = bill_id(1)


@pytest.fixture
def chain() -> Chain:
    """Hospital A has issued bills 1 and 2, hospital B one."""
    chain = Chain()
    chain.lease("hospital-a")
    chain.lease("hospital-b")
    assert chain.run("hospital-a", issue_bill("B-1"), issue_bill("B-2", serial=2)) == ["recorded"] * 2
    assert chain.run("hospital-b", issue_bill("B-1", serial=100_001, issuer="hospital-b", lease_first=100_001)) == [
        "recorded"
    ]
    return chain


def code(chain: Chain, operation: Operation, organisation: str = "hospital-a", **how: Any) -> str:
    (found,) = chain.run(organisation, operation, **how)
    return found


def test_a_copy_is_printed_taken_back_and_printed_again(chain: Chain) -> None:
    first, again = PrintPaper(BILL, "33060001"), PrintPaper(BILL, "33060002")
    assert code(chain, first) == "recorded"
    assert chain.body(keyspace.paper(BILL), PaperBody) == PaperBody(PAPER_OUT, "33060001", 1)
    assert code(chain, first) == "already_recorded"
    assert code(chain, again) == "paper_copy_exists"
    back = TakeBackPaper(BILL, "33060001", "damaged")
    assert code(chain, TakeBackPaper(BILL, "33060002", "damaged")) == "form_unknown"
    assert code(chain, back) == "recorded"
    assert code(chain, back) == "already_recorded"
    assert code(chain, TakeBackPaper(BILL, "33060001", "lost")) == "form_ended"
    assert chain.body(keyspace.paper(BILL), PaperBody) == PaperBody(NO_PAPER, "33060001", 1)
    assert code(chain, TakeBackPaper(BILL, "33060003", "lost")) == "no_paper_copy"
    assert code(chain, PrintPaper(BILL, "33060001")) == "already_recorded"  # the form is spent
    assert code(chain, again) == "recorded"
    assert chain.body(keyspace.paper(BILL), PaperBody) == PaperBody(PAPER_OUT, "33060002", 2)


def test_a_form_carries_one_bill(chain: Chain) -> None:
    assert code(chain, PrintPaper(BILL, "33060001")) == "recorded"
    assert code(chain, PrintPaper(bill_id(2), "33060001")) == "form_used"
    other = PrintPaper(bill_id(100_001), "33060001")  # each hospital has its own stock
    assert code(chain, other, "hospital-b") == "recorded"


def test_blanks_are_voided_together_and_never_printed_on(chain: Chain) -> None:
    blanks = VoidBlanks(["33060010", "33060011"], "torn")
    assert code(chain, blanks) == "recorded"
    assert chain.body(keyspace.form("hospital-a", "33060011"), FormBody) == FormBody("", "torn")
    assert code(chain, blanks) == "already_recorded"
    assert code(chain, PrintPaper(BILL, "33060010")) == "form_used"
    assert code(chain, VoidBlanks(["33060009", "33060010"], "lost")) == "form_used"
    assert chain.ledger.state.get(keyspace.form("hospital-a", "33060009"), FormBody) is None


def test_forms_come_in_order_and_not_too_many(chain: Chain) -> None:
    assert code(chain, VoidBlanks([], "lost")) == "forms_malformed"
    assert code(chain, VoidBlanks(["33060002", "33060001"], "lost")) == "forms_malformed"
    assert code(chain, VoidBlanks(["33060001", "33060001"], "lost")) == "forms_malformed"
    many = [f"{number:08d}" for number in range(PAPERS_MAX + 1)]
    assert code(chain, VoidBlanks(many, "lost")) == "forms_malformed"
    assert code(chain, VoidBlanks(many[:-1], "lost")) == "recorded"
    assert code(chain, VoidBlanks(["33060001"], "lost"), "health") == "issuer_not_entitled"
    assert code(chain, VoidBlanks(["33060001"], "lost"), "finance-city", key=key_of("finance-city/seal")) == "wrong_key"


def test_only_its_issuer_prints_a_bill_that_stands(chain: Chain) -> None:
    assert code(chain, PrintPaper(BILL, "33060001"), "hospital-b") == "not_issuer"
    assert code(chain, PrintPaper(bill_id(9), "33060001")) == "bill_unknown"
    assert code(chain, PrintPaper(BILL, "33060001"), "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert code(chain, HoldBill(bill_id(2), "fees_owed")) == "recorded"
    assert code(chain, PrintPaper(bill_id(2), "33060001")) == "bill_in_arrears"
    assert code(chain, reverse_bill(issue_bill("B-1"), serial=3)) == "recorded"
    assert code(chain, PrintPaper(BILL, "33060001")) == "bill_not_normal"
    assert code(chain, PrintPaper(bill_id(3), "33060001")) == "bill_not_normal"


def test_a_live_copy_stops_reversal_and_withdrawal(chain: Chain) -> None:
    """FEATURES 11: paper back first."""
    assert code(chain, PrintPaper(BILL, "33060001")) == "recorded"
    red = reverse_bill(issue_bill("B-1"), serial=3)
    assert code(chain, red) == "paper_copy_outstanding"
    assert code(chain, VoidBill(BILL, "mistyped")) == "paper_copy_outstanding"
    assert code(chain, TakeBackPaper(BILL, "33060001", "lost")) == "recorded"
    assert code(chain, red) == "recorded"
    assert chain.bill(BILL).validity == REVERSED
