"""Linked operations hold or fall together, with the culprit's own code (DESIGN 5)."""

from __future__ import annotations

import pytest

from chain.transaction import Entry
from tests.chain.making import Chain, issue_bill, linked, reverse_bill


@pytest.fixture
def chain() -> Chain:
    chain = Chain()
    chain.lease("hospital-a")
    return chain


GOOD = [issue_bill(f"B-{serial}", serial=serial) for serial in range(1, 9)]
BAD = issue_bill("B-90", serial=5000)


def test_a_chain_whose_operations_all_hold_is_recorded(chain: Chain) -> None:
    """An operation sees what the ones before it did: a correction is a reversal and a new bill in one step."""
    chain.run("hospital-a", GOOD[0])
    correction = linked(reverse_bill(GOOD[0], serial=50), issue_bill("B-1/2", serial=51))
    assert chain.run("hospital-a", entries=correction) == ["recorded", "recorded"]


@pytest.mark.parametrize("culprit", [0, 1, 2])
def test_a_chain_falls_with_its_culprit_s_code(chain: Chain, culprit: int) -> None:
    operations = [*GOOD[:culprit], BAD, *GOOD[culprit:2]]
    before = chain.ledger.state.root
    codes = chain.run("hospital-a", entries=linked(*operations))
    assert codes == ["number_outside_lease" if place == culprit else "linked_failed" for place in range(3)]
    assert chain.ledger.state.root == before


def test_chains_of_a_transaction_stand_for_themselves(chain: Chain) -> None:
    entries = [
        *linked(GOOD[0], GOOD[1]),
        *linked(GOOD[2], BAD, GOOD[3]),
        Entry(False, GOOD[4]),
        Entry(False, BAD),
        *linked(GOOD[5], GOOD[6]),
    ]
    failed = ["linked_failed", "number_outside_lease", "linked_failed"]
    recorded = ["recorded", "recorded"]
    assert chain.run("hospital-a", entries=entries) == [
        *recorded,
        *failed,
        "recorded",
        "number_outside_lease",
        *recorded,
    ]
    assert chain.day_book().kinds[0].count == 5


def test_the_first_culprit_is_named(chain: Chain) -> None:
    worse = issue_bill("B-91", serial=6000, place="A09")
    codes = chain.run("hospital-a", entries=linked(GOOD[0], BAD, worse))
    assert codes == ["linked_failed", "number_outside_lease", "linked_failed"]


def test_what_a_fallen_chain_changed_before_is_as_it_was(chain: Chain) -> None:
    """The day book was changed by an operation before the chain, and by the chain: only the chain's part goes."""
    entries = [Entry(False, GOOD[0]), *linked(GOOD[1], GOOD[2], BAD), Entry(False, GOOD[3])]
    assert chain.run("hospital-a", entries=entries).count("recorded") == 2
    assert (chain.day_book().kinds[0].count, chain.day_book().kinds[0].sum_fen) == (2, 2 * 12_345)

    other = Chain()
    other.lease("hospital-a")
    other.run("hospital-a", GOOD[0], GOOD[3])
    book, expected = chain.day_book(), other.day_book()
    assert book == expected


def test_a_number_of_a_fallen_chain_is_free_again(chain: Chain) -> None:
    chain.run("hospital-a", entries=linked(GOOD[0], BAD))
    assert chain.run("hospital-a", issue_bill("B-1", serial=1)) == ["recorded"]


def test_a_chain_sent_again_says_which_of_it_was_recorded(chain: Chain) -> None:
    chain.run("hospital-a", entries=linked(GOOD[0], GOOD[1]))
    assert chain.run("hospital-a", entries=linked(GOOD[0], GOOD[1])) == ["already_recorded", "linked_failed"]
