"""Issue and reversal: every code of `chain/rules/bills.py`, and which comes first."""

from __future__ import annotations

from typing import Any

import pytest

from chain import keyspace
from chain.operation import IssueBill, Operation, Payments, operation_digest
from chain.records import COVERED, NORMAL, RED, REVERSED, BillBody, BusinessBody
from tests.chain.making import CODE, TODAY, Chain, at, bill_id, issue_bill, key_of, mac, reverse_bill


@pytest.fixture
def chain() -> Chain:
    """Hospital A holds the numbers 1 … 1,000 at A01 and 1,001 … 2,000 at A02, hospital B 100,001 … at B01."""
    chain = Chain()
    chain.lease("hospital-a")
    chain.lease("hospital-a", place="A02")
    chain.lease("hospital-b")
    return chain


def refused(chain: Chain, organisation: str, operation: Operation, **how: Any) -> str:
    before = chain.ledger.state.root
    (code,) = chain.run(organisation, operation, **how)
    assert code != "recorded"
    assert chain.ledger.state.root == before
    return code


# ── issue ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hospital_issues_a_bill(chain: Chain) -> None:
    bill = issue_bill("B-1", serial=7)
    assert chain.run("hospital-a", bill) == ["recorded"]

    body = chain.bill(bill_id(7))
    assert (body.issuer, body.total_fen, body.place, body.business_date) == ("hospital-a", 12_345, "A01", TODAY)
    assert (body.validity, body.seal, body.related, body.height) == (NORMAL, COVERED, [], chain.height)
    assert body.details_root == bill.details_root
    business = chain.body(keyspace.business("hospital-a", bill.business_mac), BusinessBody)
    assert business == BusinessBody(bill_id(7), bill.content_mac)


def test_the_same_operation_again_is_already_recorded(chain: Chain) -> None:
    """DESIGN 5: a gateway may sign and send again after any silence, in the same block too."""
    bill = issue_bill()
    view = chain.block([chain.sign("hospital-a", bill), chain.sign("hospital-a", bill)])
    assert [outcome.code for outcome in view.outcomes] == ["recorded", "already_recorded"]
    assert refused(chain, "hospital-a", bill) == "already_recorded"
    assert refused(chain, "hospital-a", bill, entries=None, time_ms=at("2027-05-01")) == "already_recorded"
    assert refused(chain, "finance-city", bill, key=key_of("finance-city/seal")) == "already_recorded"


def test_another_bill_under_a_used_number_is_refused_whoever_crafts_it(chain: Chain) -> None:
    chain.run("hospital-a", issue_bill("B-1"))
    assert refused(chain, "hospital-a", issue_bill("B-2")) == "number_used"
    assert refused(chain, "hospital-a", issue_bill("B-1", total_fen=5)) == "number_used"
    assert refused(chain, "hospital-b", issue_bill("B-1", issuer="hospital-b")) == "number_used"
    assert refused(chain, "finance-city", issue_bill("B-2"), key=key_of("finance-city/seal")) == "number_used"


def test_a_bill_needs_the_unit_key_and_a_hospital(chain: Chain) -> None:
    assert refused(chain, "finance-city", issue_bill(), key=key_of("finance-city/seal")) == "wrong_key"
    assert refused(chain, "finance-city", issue_bill()) == "issuer_not_entitled"
    assert refused(chain, "health", issue_bill()) == "issuer_not_entitled"


NO_PAYMENT = Payments(0, 0, 0, 0)

# Faults in their order of precedence: each operation has its own fault and all that come after it.
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("place_unknown", {"place": "B01"}),
    ("kind_unknown", {"kind": 9}),
    ("amount_not_positive", {"total_fen": 0}),
    ("sum_mismatch", {"payments": NO_PAYMENT}),
    ("own_part_exceeds_total", {"self_paid_fen": 12_000, "self_funded_fen": 346}),
    ("date_unknown", {"business_date": 20260230}),
    ("date_out_of_window", {"business_date": 20270101}),
    ("number_code_mismatch", {"bill": bill_id(5, "33060226")}),
    ("lease_unknown", {"lease_first": 2}),
    ("number_outside_lease", {"bill": bill_id(1001)}),
]


@pytest.mark.parametrize("place", range(len(FAULTS)), ids=[code for code, _change in FAULTS])
def test_an_issue_is_refused_with_its_first_fault(chain: Chain, place: int) -> None:
    code, change = FAULTS[place]
    alone = issue_bill(**change)
    assert refused(chain, "hospital-a", alone) == code
    together: dict[str, Any] = {}
    for _code, later in reversed(FAULTS[place:]):
        together.update(later)
    assert refused(chain, "hospital-a", issue_bill(**together)) == code
    assert chain.run("hospital-a", issue_bill()) == ["recorded"]  # a good one after it still works


@pytest.mark.parametrize(
    "change",
    [
        {"total_fen": 0, "payments": NO_PAYMENT, "self_paid_fen": 0, "self_funded_fen": 0},
        {"total_fen": -5, "payments": Payments(0, 0, 0, -5)},
        {"total_fen": 5, "payments": Payments(10, 0, 0, -5)},
        {"self_paid_fen": -1},
        {"self_funded_fen": -1},
    ],
)
def test_no_amount_of_a_bill_is_negative_and_its_total_is_something(chain: Chain, change: dict[str, Any]) -> None:
    assert refused(chain, "hospital-a", issue_bill(**change)) == "amount_not_positive"


@pytest.mark.parametrize("difference", [-1, 1])
def test_payments_off_by_one_fen_are_refused(chain: Chain, difference: int) -> None:
    parts = Payments(6_172, 0, 0, 6_173 + difference)
    assert refused(chain, "hospital-a", issue_bill(payments=parts)) == "sum_mismatch"


def test_the_own_parts_may_be_the_whole_and_no_more(chain: Chain) -> None:
    assert refused(chain, "hospital-a", issue_bill(self_paid_fen=12_326)) == "own_part_exceeds_total"
    assert chain.run("hospital-a", issue_bill(self_paid_fen=12_325)) == ["recorded"]


# ── business dates ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("now", "date", "code"),
    [
        ("2026-06-01 12:00:10", 20260601, "recorded"),
        ("2026-06-01 12:00:10", 20260602, "date_out_of_window"),
        ("2026-06-01 23:54:59.999", 20260602, "date_out_of_window"),
        ("2026-06-01 23:55:00.000", 20260602, "recorded"),  # clocks may differ by five minutes
        ("2026-06-02 00:00:00.000", 20260601, "recorded"),
        ("2026-07-01 23:59:59.999", 20260601, "recorded"),  # 30 days behind
        ("2026-07-02 00:00:00.000", 20260601, "date_out_of_window"),  # 31, though it is still July 1st in UTC
        ("2026-07-02 12:00:00", 20260601, "date_out_of_window"),
        ("2026-06-01 12:00:10", 20000101, "date_out_of_window"),
        ("2026-06-01 12:00:10", 99991231, "date_out_of_window"),
        ("2026-06-01 12:00:10", 20260631, "date_unknown"),
        ("2026-06-01 12:00:10", 20260000, "date_unknown"),
        ("2026-06-01 12:00:10", 20261301, "date_unknown"),
    ],
)
def test_a_business_date_lies_in_the_window_around_block_time(chain: Chain, now: str, date: int, code: str) -> None:
    """DESIGN 6: dates are the ledger's own (UTC+8); genesis bounds how far they lie behind."""
    assert chain.run("hospital-a", issue_bill(business_date=date), time_ms=at(now)) == [code]


def test_a_bill_is_not_issued_in_the_future(chain: Chain) -> None:
    """Clocks differ by what genesis says, and no more; how long a bill waited in an outbox is no matter."""
    noon = at("2026-06-01 12:00:10")
    ahead_ms = chain.genesis.parameters.business_ahead_max_ms
    late = issue_bill("B-1", serial=1, issued_ms=noon + ahead_ms + 1)
    assert refused(chain, "hospital-a", late, time_ms=noon) == "date_out_of_window"
    just = issue_bill("B-2", serial=2, issued_ms=noon + ahead_ms)
    assert chain.run("hospital-a", just, time_ms=noon + 1) == ["recorded"]


def test_the_year_of_the_number_is_that_of_the_business_date(chain: Chain) -> None:
    """Shanghai's new year, eight hours before that of UTC; the old year's bills may come a little later."""
    chain.lease("hospital-a", code="33060127")
    evening, midnight = at("2026-12-31 23:30:00"), at("2027-01-01 00:00:00")
    old, new = 20261231, 20270101
    year_26 = issue_bill("B-1", serial=1, business_date=old)
    year_27 = issue_bill("B-2", serial=1, code="33060127", business_date=new)

    assert refused(chain, "hospital-a", year_27, time_ms=evening) == "date_out_of_window"
    assert chain.run("hospital-a", year_26, time_ms=evening + 1) == ["recorded"]
    assert refused(chain, "hospital-a", issue_bill("B-3", serial=2, business_date=new), time_ms=midnight) == (
        "number_code_mismatch"
    )
    assert chain.run("hospital-a", year_27, time_ms=midnight + 1) == ["recorded"]
    assert chain.run("hospital-a", issue_bill("B-4", serial=3, business_date=old), time_ms=midnight + 2) == ["recorded"]
    late = issue_bill("B-5", serial=2, code="33060127", business_date=old)
    assert refused(chain, "hospital-a", late, time_ms=midnight + 3) == "number_code_mismatch"


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("bill", "code"),
    [
        (bill_id(0), "number_outside_lease"),
        (bill_id(1001), "number_outside_lease"),  # of the other issuing point's lease
        (bill_id(9_999_999_999), "number_outside_lease"),
        (bill_id(1, "32060126"), "number_code_mismatch"),
        (bill_id(1, "33070126"), "number_code_mismatch"),
        (bill_id(1, "33060226"), "number_code_mismatch"),
        (bill_id(1, "33060127"), "number_code_mismatch"),
    ],
)
def test_a_crafted_number_is_refused(chain: Chain, bill: str, code: str) -> None:
    assert refused(chain, "hospital-a", issue_bill(bill=bill)) == code


def test_a_number_is_used_where_its_lease_was_taken(chain: Chain) -> None:
    assert refused(chain, "hospital-a", issue_bill(place="A02")) == "number_outside_lease"
    assert chain.run("hospital-a", issue_bill(serial=1001, lease_first=1001, place="A02")) == ["recorded"]


def test_another_hospital_s_number_is_refused(chain: Chain) -> None:
    theirs = issue_bill(serial=5, issuer="hospital-b")
    assert refused(chain, "hospital-b", theirs) == "lease_unknown"
    own_lease = issue_bill(serial=5, issuer="hospital-b", lease_first=100_001)
    assert refused(chain, "hospital-b", own_lease) == "number_outside_lease"


# ── once per business number ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_business_number_gives_one_bill_for_ever(chain: Chain) -> None:
    """DESIGN 6: same content, another number -> already_issued; other content -> business_no_conflict."""
    assert chain.run("hospital-a", issue_bill("B-1", serial=1)) == ["recorded"]
    assert refused(chain, "hospital-a", issue_bill("B-1", serial=2)) == "already_issued"
    assert refused(chain, "hospital-a", issue_bill("B-1", serial=2, total_fen=77)) == "business_no_conflict"
    assert chain.run("hospital-a", issue_bill("B-2", serial=2)) == ["recorded"]


def test_the_business_number_is_looked_at_last(chain: Chain) -> None:
    chain.run("hospital-a", issue_bill("B-1", serial=1))
    outside = issue_bill("B-1", serial=2000, total_fen=77)
    assert refused(chain, "hospital-a", outside) == "number_outside_lease"


def test_two_gateways_of_a_hospital_with_one_business_number_make_one_bill(chain: Chain) -> None:
    one = issue_bill("B-1", serial=1)
    other = issue_bill("B-1", serial=1001, lease_first=1001, place="A02")
    view = chain.block([chain.sign("hospital-a", one), chain.sign("hospital-a", other)])
    assert [outcome.code for outcome in view.outcomes] == ["recorded", "already_issued"]


def test_two_hospitals_may_use_the_same_business_number(chain: Chain) -> None:
    chain.run("hospital-a", issue_bill("B-1"))
    same_macs: dict[str, Any] = {"business_mac": issue_bill("B-1").business_mac, "content_mac": mac("other")}
    bill = issue_bill("B-1", serial=100_001, issuer="hospital-b", lease_first=100_001, **same_macs)
    assert chain.run("hospital-b", bill) == ["recorded"]


# ── reversal ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def original(chain: Chain) -> IssueBill:
    bill = issue_bill("B-1", serial=1)
    assert chain.run("hospital-a", bill) == ["recorded"]
    return bill


def test_a_red_bill_takes_the_original_back(chain: Chain, original: IssueBill) -> None:
    red = reverse_bill(original, serial=2)
    assert chain.run("hospital-a", red) == ["recorded"]

    taken_back, negative = chain.bill(original.bill), chain.bill(red.bill)
    assert (taken_back.validity, taken_back.related) == (REVERSED, [red.bill])
    assert (negative.validity, negative.related, negative.total_fen) == (RED, [original.bill], -12_345)
    assert negative.kind == taken_back.kind
    assert negative.payments == Payments(-6_172, 0, 0, -6_173)


def test_the_same_reversal_again_is_already_recorded_and_a_second_one_refused(
    chain: Chain, original: IssueBill
) -> None:
    red = reverse_bill(original, serial=2)
    chain.run("hospital-a", red)
    assert refused(chain, "hospital-a", red) == "already_recorded"
    assert refused(chain, "hospital-a", reverse_bill(original, serial=3)) == "already_reversed"
    assert refused(chain, "hospital-a", reverse_bill(original, serial=2, place="A02")) == "number_used"


def test_a_red_bill_cannot_be_reversed(chain: Chain, original: IssueBill) -> None:
    red = reverse_bill(original, serial=2)
    chain.run("hospital-a", red)
    again = reverse_bill(original, serial=3, original=red.bill)
    assert refused(chain, "hospital-a", again) == "bill_is_red"


def test_an_unknown_bill_or_oneself_cannot_be_reversed(chain: Chain, original: IssueBill) -> None:
    assert refused(chain, "hospital-a", reverse_bill(original, serial=2, original=bill_id(99))) == "bill_unknown"
    assert refused(chain, "hospital-a", reverse_bill(original, serial=2, original=bill_id(2))) == "bill_unknown"


def test_another_hospital_s_bill_cannot_be_reversed(chain: Chain, original: IssueBill) -> None:
    red = reverse_bill(original, serial=100_001, place="B01", lease_first=100_001)
    assert refused(chain, "hospital-b", red) == "not_issuer"


def test_a_reversal_needs_the_unit_key_and_a_hospital_with_that_place(chain: Chain, original: IssueBill) -> None:
    red = reverse_bill(original, serial=2)
    assert refused(chain, "finance-city", red, key=key_of("finance-city/seal")) == "wrong_key"
    assert refused(chain, "finance-city", red) == "issuer_not_entitled"
    assert refused(chain, "hospital-a", reverse_bill(original, serial=2, place="B01")) == "place_unknown"


@pytest.mark.parametrize(
    "change",
    [
        {"total_fen": -12_344},
        {"total_fen": 12_345},
        {"payments": Payments(-6_173, 0, 0, -6_172)},
        {"payments": Payments(6_172, 0, 0, 6_173)},
        {"self_paid_fen": 10},
        {"self_funded_fen": -21},
    ],
)
def test_a_reversal_is_the_exact_negative(chain: Chain, original: IssueBill, change: dict[str, Any]) -> None:
    assert refused(chain, "hospital-a", reverse_bill(original, serial=2, **change)) == "amount_mismatch"


REVERSAL_FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("place_unknown", {"place": "B01"}),
    ("bill_unknown", {"original": bill_id(77)}),
    ("amount_mismatch", {"total_fen": -1}),
    ("date_unknown", {"business_date": 20260231}),
    ("date_out_of_window", {"business_date": 20270101}),
    ("number_code_mismatch", {"bill": bill_id(5, "33060226")}),
    ("lease_unknown", {"lease_first": 2}),
    ("number_outside_lease", {"bill": bill_id(1001)}),
]


@pytest.mark.parametrize("place", range(len(REVERSAL_FAULTS)), ids=[code for code, _change in REVERSAL_FAULTS])
def test_a_reversal_is_refused_with_its_first_fault(chain: Chain, original: IssueBill, place: int) -> None:
    code, change = REVERSAL_FAULTS[place]
    assert refused(chain, "hospital-a", reverse_bill(original, serial=2, **change)) == code
    together: dict[str, Any] = {}
    for _code, later in reversed(REVERSAL_FAULTS[place:]):
        together.update(later)
    assert refused(chain, "hospital-a", reverse_bill(original, serial=2, **together)) == code


def test_a_reversal_next_year_takes_a_number_of_that_year(chain: Chain) -> None:
    chain.lease("hospital-a", code="33060127")
    bill = issue_bill("B-9", serial=9, business_date=20261231)
    assert chain.run("hospital-a", bill, time_ms=at("2026-12-31 12:00")) == ["recorded"]
    new_year: dict[str, Any] = {"business_date": 20270102, "lease_first": 1}
    old_code = reverse_bill(bill, serial=10, **new_year)
    assert refused(chain, "hospital-a", old_code, time_ms=at("2027-01-02 09:00")) == "number_code_mismatch"
    assert chain.run("hospital-a", reverse_bill(bill, serial=1, code="33060127", **new_year)) == ["recorded"]


# ── records and chains ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_takes_one_version_a_block_and_names_the_one_before(chain: Chain) -> None:
    """DESIGN 6: so that history proves itself."""
    bill = issue_bill("B-1", serial=1)
    red = reverse_bill(bill, serial=2)
    chain.run("hospital-a", bill)
    first = chain.ledger.state.record(keyspace.bill(bill.bill))
    chain.run("hospital-a", red)
    second = chain.ledger.state.record(keyspace.bill(bill.bill))

    assert first is not None
    assert second is not None
    assert (first.version, first.height, first.former) == (1, chain.height - 1, bytes(32))
    assert first.origin == first.operation == operation_digest(bill)
    assert (second.version, second.height, second.former) == (2, chain.height, first.digest())
    assert (second.origin, second.operation) == (operation_digest(bill), operation_digest(red))


def test_several_changes_in_one_block_are_one_version_by_the_last_operation(chain: Chain) -> None:
    bill = issue_bill("B-1", serial=1)
    red = reverse_bill(bill, serial=2)
    view = chain.block([chain.sign("hospital-a", bill, red, issue_bill("B-2", serial=3))])
    assert {outcome.code for outcome in view.outcomes} == {"recorded"}

    record = chain.ledger.state.record(keyspace.bill(bill.bill))
    book = chain.ledger.state.record(keyspace.day_book("hospital-a", "A01", TODAY))
    assert record is not None
    assert book is not None
    assert (record.version, record.origin, record.operation) == (1, operation_digest(bill), operation_digest(red))
    assert (book.version, book.operation) == (1, operation_digest(issue_bill("B-2", serial=3)))


def test_a_bill_s_record_keeps_when_it_was_recorded(chain: Chain, original: IssueBill) -> None:
    """Seals cover heights: a later version must not move the bill to another segment."""
    recorded = chain.height
    chain.run("hospital-a", reverse_bill(original, serial=2))
    assert chain.body(keyspace.bill(original.bill), BillBody).height == recorded


def test_the_code_of_a_number_is_made_of_region_classification_kind_and_year(chain: Chain) -> None:
    """DOMAIN 1.2."""
    for kind in (2, 3, 4):
        code = f"3306{kind:02d}26"
        chain.lease("hospital-a", code=code)
        assert chain.run("hospital-a", issue_bill(f"K-{kind}", code=code)) == ["recorded"]
    assert chain.run("hospital-a", issue_bill("K-1", code=CODE)) == ["recorded"]
