"""Day books: per issuer, place and business date the count and sum of each kind, so that nothing can be left out."""

from __future__ import annotations

import pytest

from chain import keyspace
from chain.genesis import GenesisRange
from chain.operation import Payments, RangeRef
from chain.records import KindTotals, RangeBody
from tests.chain.making import CODE, TODAY, Chain, at, genesis, issue_bill, reverse_bill


@pytest.fixture
def chain() -> Chain:
    chain = Chain()
    chain.lease("hospital-a")
    chain.lease("hospital-a", place="A02")
    chain.lease("hospital-a", code="33060226")
    chain.lease("hospital-b")
    return chain


def test_a_day_book_counts_and_sums_by_kind(chain: Chain) -> None:
    """DESIGN 6: per kind of bill count, sum, red count, red sum and a sum per payment part."""
    inpatient = issue_bill("B-3", code="33060226", total_fen=1000, payments=Payments(1, 2, 3, 994))
    chain.run("hospital-a", issue_bill("B-1", serial=1, total_fen=101), issue_bill("B-2", serial=2, total_fen=51))
    chain.run("hospital-a", inpatient)

    assert chain.day_book().kinds == [
        KindTotals(1, 2, 152, 0, 0, 0, 0, Payments(50 + 25, 0, 0, 51 + 26)),
        KindTotals(2, 1, 1000, 0, 0, 0, 0, Payments(1, 2, 3, 994)),
    ]


def test_red_bills_count_apart_and_their_payments_go_back(chain: Chain) -> None:
    bill = issue_bill("B-1", serial=1, total_fen=101)
    chain.run("hospital-a", bill, issue_bill("B-2", serial=2, total_fen=51), reverse_bill(bill, serial=3))
    assert chain.day_book().kinds == [KindTotals(1, 2, 152, 1, -101, 0, 0, Payments(25, 0, 0, 26))]


def test_a_bill_stands_in_the_book_of_its_issuer_place_and_date(chain: Chain) -> None:
    chain.run("hospital-a", issue_bill("B-1", serial=1))
    chain.run("hospital-a", issue_bill("B-2", serial=1001, lease_first=1001, place="A02"))
    chain.run("hospital-a", issue_bill("B-3", serial=2, business_date=20260531))
    chain.run("hospital-b", issue_bill("B-1", serial=100_001, lease_first=100_001, issuer="hospital-b"))

    for book in (
        chain.day_book(),
        chain.day_book(place="A02"),
        chain.day_book(date=20260531),
        chain.day_book("hospital-b", "B01"),
    ):
        assert [(entry.kind, entry.count, entry.sum_fen) for entry in book.kinds] == [(1, 1, 12_345)]


def test_a_reversal_stands_in_the_book_of_its_own_day(chain: Chain) -> None:
    bill = issue_bill("B-1", serial=1)
    chain.run("hospital-a", bill)
    red = reverse_bill(bill, serial=2, business_date=20260603)
    assert chain.run("hospital-a", red, time_ms=at("2026-06-03 08:00")) == ["recorded"]

    assert chain.day_book().kinds[0].red_count == 0
    assert chain.day_book(date=20260603).kinds == [
        KindTotals(1, 0, 0, 1, -12_345, 0, 0, Payments(-6_172, 0, 0, -6_173))
    ]


def test_a_refused_bill_leaves_no_trace_in_the_book(chain: Chain) -> None:
    chain.run("hospital-a", issue_bill("B-1", serial=1))
    before = chain.day_book()
    chain.run("hospital-a", issue_bill("B-1", serial=2), issue_bill("B-2", serial=5000))
    assert chain.day_book() == before


def test_a_sum_that_no_record_holds_is_refused_and_stops_nobody(chain: Chain) -> None:
    """One hospital must not be able to write a record that no node can read again."""
    most, red = 2**53, "day_book_full"
    first = issue_bill("B-1", serial=1, total_fen=most)
    assert chain.run("hospital-a", first) == ["recorded"]
    assert chain.run("hospital-a", issue_bill("B-2", serial=2, total_fen=100)) == [red]
    assert chain.run("hospital-a", reverse_bill(first, serial=3)) == ["recorded"]
    other_day = issue_bill("B-4", serial=4, total_fen=most, business_date=20260531)
    assert chain.run("hospital-a", other_day) == ["recorded"]
    assert chain.run("hospital-a", reverse_bill(other_day, serial=5, business_date=TODAY)) == [red]
    assert chain.day_book().kinds[0].red_sum_fen == -most


def test_a_range_that_is_given_out_to_its_last_serial_reads_again() -> None:
    """The next free number is then one above what ten digits hold."""
    last = 9_999_999_999
    start = genesis(
        ranges=[
            GenesisRange("finance", CODE, last - 1, 2, []),
            GenesisRange("finance-city", CODE, last - 1, 2, [RangeRef("finance", CODE, last - 1)]),
        ]
    )
    assert Chain(start).body(keyspace.number_range(RangeRef("finance", CODE, last - 1)), RangeBody).next == last + 1
