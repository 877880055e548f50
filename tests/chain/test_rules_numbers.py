"""Number ranges, leases and unused numbers: every code of `chain/rules/numbers.py`, and which comes first."""

from __future__ import annotations

import pytest

from chain import keyspace
from chain.operation import AllotRange, Operation, RangeRef, ReportUnused, TakeLease
from chain.records import LeaseBody, LeasesBody, RangeBody, RangesBody, UnusedBody
from chain.rules import numbers
from tests.chain.making import CODE, Chain, bill_id, issue_bill, key_of

PROVINCE = RangeRef("finance", CODE, 1)
OFFICE = RangeRef("finance-city", CODE, 1)
HOSPITAL = RangeRef("hospital-a", CODE, 1)


@pytest.fixture
def chain() -> Chain:
    return Chain()


def refused(chain: Chain, organisation: str, operation: Operation, key: str = "unit") -> str:
    """The code of an operation that must change nothing."""
    before = chain.ledger.state.root
    (code,) = chain.run(organisation, operation, key=key_of(f"{organisation}/{key}"))
    assert code != "recorded"
    assert chain.ledger.state.root == before
    return code


# ── allotting ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_office_cuts_the_next_piece_for_a_hospital(chain: Chain) -> None:
    """DESIGN 6: ranges nest, children are cut from the front, the parent keeps `next`."""
    assert chain.run("finance-city", AllotRange(OFFICE, 200_001, 50_000, "hospital-a", [])) == ["recorded"]

    own = RangeRef("hospital-a", CODE, 200_001)
    assert chain.body(keyspace.number_range(own), RangeBody) == RangeBody(200_001, 50_000, 200_001, [OFFICE])
    assert chain.body(keyspace.number_range(OFFICE), RangeBody) == RangeBody(1, 400_000, 250_001, [PROVINCE])
    assert chain.body(keyspace.number_ranges("hospital-a", CODE), RangesBody).firsts == [1, 200_001]


def test_the_same_allotment_again_is_already_recorded(chain: Chain) -> None:
    allotment = AllotRange(OFFICE, 200_001, 50_000, "hospital-a", [])
    assert chain.run("finance-city", allotment) == ["recorded"]
    assert refused(chain, "finance-city", allotment) == "already_recorded"
    assert refused(chain, "finance-city", allotment, "seal") == "already_recorded"  # before wrong_key


def test_a_piece_that_was_cut_already_overlaps(chain: Chain) -> None:
    """The demo's scene: an overlap refused."""
    assert refused(chain, "finance-city", AllotRange(OFFICE, 100_001, 10, "hospital-a", [])) == "range_overlaps"
    assert (
        refused(chain, "finance-city", AllotRange(OFFICE, 1, 10, "hospital-a", [])) == "range_overlaps"
    )  # its own, again
    assert refused(chain, "finance-city", AllotRange(OFFICE, 1, 10, "hospital-a", []), "seal") == "range_overlaps"


def test_a_piece_further_back_has_to_wait_for_its_turn(chain: Chain) -> None:
    assert refused(chain, "finance-city", AllotRange(OFFICE, 200_002, 10, "hospital-a", [])) == "range_moved"


def test_an_allotment_needs_the_unit_key(chain: Chain) -> None:
    allotment = AllotRange(OFFICE, 200_001, 10, "nobody", [])
    assert refused(chain, "finance-city", allotment, "seal") == "wrong_key"
    assert refused(chain, "finance-city", allotment) == "organisation_unknown"


def test_an_organisation_allots_to_those_it_supervises_alone(chain: Chain) -> None:
    assert refused(chain, "finance", AllotRange(PROVINCE, 400_001, 10, "hospital-a", [])) == "not_supervised"
    assert refused(chain, "hospital-b", AllotRange(OFFICE, 200_001, 10, "hospital-a", [])) == "not_supervised"
    assert refused(chain, "finance-city", AllotRange(OFFICE, 200_001, 10, "finance-city", [])) == "not_supervised"


def test_an_allotment_from_no_range_or_another_s_is_refused(chain: Chain) -> None:
    nowhere = RangeRef("finance-city", CODE, 2)
    assert refused(chain, "finance-city", AllotRange(nowhere, 200_001, 0, "hospital-a", [])) == "range_unknown"
    assert refused(chain, "finance-city", AllotRange(PROVINCE, 400_001, 0, "hospital-a", [])) == "range_not_yours"


def test_an_allotment_of_nothing_or_too_much_is_refused(chain: Chain) -> None:
    assert refused(chain, "finance-city", AllotRange(OFFICE, 200_002, 0, "hospital-a", [])) == "count_not_positive"
    assert refused(chain, "finance-city", AllotRange(OFFICE, 200_002, 200_001, "hospital-a", [])) == "range_moved"
    assert refused(chain, "finance-city", AllotRange(OFFICE, 200_001, 200_001, "hospital-a", [])) == "range_exhausted"
    assert chain.run("finance-city", AllotRange(OFFICE, 200_001, 200_000, "hospital-a", [])) == ["recorded"]
    assert refused(chain, "finance-city", AllotRange(OFFICE, 400_001, 1, "hospital-b", [])) == "range_exhausted"


# ── leases ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_gateway_takes_lease_after_lease(chain: Chain) -> None:
    assert chain.lease(count=10) == 1
    assert chain.lease(count=20, gateway="hospital-a-2", place="A02") == 11
    assert chain.lease(count=5) == 31

    assert chain.body(keyspace.lease("hospital-a", CODE, 11), LeaseBody) == LeaseBody(
        11, 20, "hospital-a-2", "A02", False
    )
    assert chain.body(keyspace.leases("hospital-a", "hospital-a", CODE), LeasesBody).firsts == [1, 31]
    assert chain.body(keyspace.number_range(HOSPITAL), RangeBody).next == 36


def test_the_same_lease_again_is_already_recorded_and_another_one_has_moved(chain: Chain) -> None:
    """DESIGN 6: first is not next -> range_moved, and one tries again."""
    lease = TakeLease(HOSPITAL, 1, 10, "hospital-a", "A01")
    assert chain.run("hospital-a", lease) == ["recorded"]
    assert refused(chain, "hospital-a", lease) == "already_recorded"
    assert refused(chain, "hospital-a", TakeLease(HOSPITAL, 1, 10, "hospital-a-2", "A01")) == "range_moved"
    assert refused(chain, "hospital-a", TakeLease(HOSPITAL, 5, 10, "hospital-a-2", "A01")) == "range_moved"
    assert refused(chain, "hospital-a", TakeLease(HOSPITAL, 12, 10, "hospital-a-2", "A01")) == "range_moved"
    assert chain.run("hospital-a", TakeLease(HOSPITAL, 11, 10, "hospital-a-2", "A01")) == ["recorded"]


def test_two_gateways_that_ask_in_one_block_get_one_lease_each(chain: Chain) -> None:
    first = TakeLease(HOSPITAL, 1, 10, "hospital-a", "A01")
    second = TakeLease(HOSPITAL, 1, 10, "hospital-a-2", "A01")
    view = chain.block([chain.sign("hospital-a", first), chain.sign("hospital-a", second)])
    assert [outcome.code for outcome in view.outcomes] == ["recorded", "range_moved"]


@pytest.mark.parametrize(
    ("organisation", "lease", "code"),
    [
        ("health", TakeLease(HOSPITAL, 1, 10, "hospital-a", "A01"), "issuer_not_entitled"),
        ("finance-city", TakeLease(OFFICE, 200_001, 10, "x", "A01"), "issuer_not_entitled"),
        ("hospital-a", TakeLease(RangeRef("hospital-a", CODE, 9), 1, 10, "x", "B01"), "place_unknown"),
        ("hospital-a", TakeLease(RangeRef("hospital-a", CODE, 9), 1, 0, "x", "A01"), "range_unknown"),
        ("hospital-a", TakeLease(RangeRef("hospital-b", CODE, 100_001), 100_001, 0, "x", "A01"), "range_not_yours"),
        ("hospital-a", TakeLease(HOSPITAL, 7, 0, "x", "A01"), "count_not_positive"),
        ("hospital-a", TakeLease(HOSPITAL, 7, 2**53, "x", "A01"), "range_moved"),
        ("hospital-a", TakeLease(HOSPITAL, 1, 100_001, "x", "A01"), "range_exhausted"),
        ("hospital-a", TakeLease(HOSPITAL, 1, 2**53, "x", "A01"), "range_exhausted"),
    ],
)
def test_a_lease_is_refused_with_the_first_fault(chain: Chain, organisation: str, lease: TakeLease, code: str) -> None:
    assert refused(chain, organisation, lease) == code


def test_a_lease_needs_the_unit_key(chain: Chain) -> None:
    lease = TakeLease(OFFICE, 200_001, 10, "x", "A01")
    assert refused(chain, "finance-city", lease, "seal") == "wrong_key"


def test_two_hospitals_never_get_one_number(chain: Chain) -> None:
    """The second names the first's range, its lease, its very operation; none of it helps."""
    chain.lease("hospital-a", 10)
    stolen = TakeLease(HOSPITAL, 11, 10, "hospital-b", "B01")
    assert refused(chain, "hospital-b", stolen) == "range_not_yours"
    bill = issue_bill(serial=3, issuer="hospital-b", place="B01")
    assert refused(chain, "hospital-b", bill) == "lease_unknown"


# ── unused ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_number_reported_unused_can_never_be_used(chain: Chain) -> None:
    chain.lease(count=10)
    report = ReportUnused(bill_id(3), 1, "superseded")
    assert chain.run("hospital-a", report) == ["recorded"]
    assert chain.body(keyspace.unused(bill_id(3)), UnusedBody).reason == "superseded"
    assert refused(chain, "hospital-a", issue_bill(serial=3)) == "number_used"
    assert refused(chain, "hospital-a", report) == "already_recorded"
    assert refused(chain, "hospital-a", ReportUnused(bill_id(3), 1, "printer")) == "number_used"
    assert chain.run("hospital-a", issue_bill(serial=4)) == ["recorded"]


def test_a_used_number_cannot_be_reported_unused(chain: Chain) -> None:
    chain.lease(count=10)
    chain.run("hospital-a", issue_bill(serial=3))
    assert refused(chain, "hospital-a", ReportUnused(bill_id(3), 1, "superseded")) == "number_used"


def test_an_unused_number_lies_in_one_s_own_lease(chain: Chain) -> None:
    chain.lease(count=10)
    chain.lease("hospital-b", 10)
    assert refused(chain, "finance-city", ReportUnused(bill_id(3), 1, "lost"), "seal") == "wrong_key"
    assert refused(chain, "hospital-b", ReportUnused(bill_id(3), 1, "lost")) == "lease_unknown"
    assert refused(chain, "hospital-a", ReportUnused(bill_id(3), 2, "lost")) == "lease_unknown"
    assert refused(chain, "hospital-a", ReportUnused(bill_id(11), 1, "lost")) == "number_outside_lease"
    assert refused(chain, "hospital-a", ReportUnused(bill_id(0), 1, "lost")) == "number_outside_lease"
    assert chain.run("hospital-a", ReportUnused(bill_id(10), 1, "lost")) == ["recorded"]


def test_a_list_of_leases_has_an_end(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lease copies the list of its gateway: without a bound one hospital could make blocks that nobody executes in
    time."""
    monkeypatch.setattr(numbers, "DIRECTORY_MAX", 2)
    first = chain.body(keyspace.number_range(chain.range_of("hospital-b")), RangeBody).next
    ref = chain.range_of("hospital-b")
    leases = [TakeLease(ref, first + offset, 1, "hospital-b-9", "B01") for offset in range(3)]
    assert chain.run("hospital-b", *leases) == ["recorded", "recorded", "directory_full"]
    other = TakeLease(ref, first + 2, 1, "hospital-b-8", "B01")
    assert chain.run("hospital-b", other) == ["recorded"]
