"""Seals and their watermark: every code of `chain/rules/seals.py`, and which comes first."""

from __future__ import annotations

from typing import Any

import pytest

from chain import keyspace
from chain.operation import SealBills, SealException, SealSegment
from chain.records import COVERED, WITHHELD, SealBody, WatermarkBody
from chain.rules.moves import moved
from tests.chain.making import Chain, bill_id, changed, genesis, issue_bill, key_of, reverse_bill

BILLS = [bill_id(serial) for serial in (1, 2, 3)]


@pytest.fixture
def chain() -> Chain:
    """Hospital A's bills 1 to 3 lie in block 3, hospital B's bill 100,001 in block 4."""
    chain = Chain()
    chain.lease("hospital-a")
    chain.lease("hospital-b")
    chain.run("hospital-a", *(issue_bill(f"B-{serial}", serial=serial) for serial in (1, 2, 3)))
    chain.run("hospital-b", issue_bill("B-1", serial=100_001, issuer="hospital-b", lease_first=100_001))
    return chain


def refused(chain: Chain, seal: SealBills, office: str = "finance-city", key: str = "seal") -> str:
    before = chain.ledger.state.root
    (code,) = chain.run(office, seal, key=key_of(f"{office}/{key}"))
    assert code != "recorded"
    assert chain.ledger.state.root == before
    return code


def watermark(chain: Chain, issuer: str) -> int:
    return int(chain.body(keyspace.watermark("finance-city", issuer), WatermarkBody).upto)


def test_a_seal_moves_the_watermarks_of_its_issuers(chain: Chain) -> None:
    """DESIGN 6: `from` equals the watermark that the state keeps per (office, issuer)."""
    seal = chain.seal(["hospital-a", "hospital-b"])
    assert chain.run_seal(seal) == "recorded"
    assert (watermark(chain, "hospital-a"), watermark(chain, "hospital-b")) == (4, 4)
    kept = chain.body(keyspace.seal("finance-city", "hospital-a", 0), SealBody)
    assert kept == SealBody(4, chain.view(4).digest)

    assert chain.run_seal(chain.seal(["hospital-a"], upto=5)) == "recorded"
    assert (watermark(chain, "hospital-a"), watermark(chain, "hospital-b")) == (5, 4)


def test_the_same_seal_again_is_already_recorded_and_another_has_moved(chain: Chain) -> None:
    seal = chain.seal(["hospital-a"])
    chain.run_seal(seal)
    assert refused(chain, seal) == "already_recorded"
    assert refused(chain, seal, key="unit") == "already_recorded"
    other = changed(seal, exceptions=[SealException(BILLS[0], "lost")])
    assert refused(chain, other) == "watermark_moved"
    assert refused(chain, other, key="unit") == "watermark_moved"


def test_a_seal_starts_at_the_watermark(chain: Chain) -> None:
    chain.run_seal(chain.seal(["hospital-a"], upto=3))
    gap = changed(chain.seal(["hospital-a"]), segments=[SealSegment("hospital-a", 4, 5)])
    overlap = changed(chain.seal(["hospital-a"]), segments=[SealSegment("hospital-a", 1, 5)])
    assert refused(chain, gap) == "watermark_moved"
    assert refused(chain, overlap) == "watermark_moved"


def test_a_seal_needs_the_key_for_seals(chain: Chain) -> None:
    assert refused(chain, chain.seal(["hospital-a"]), key="unit") == "wrong_key"
    assert refused(chain, changed(chain.seal(["hospital-a"]), released=["3" * 18] * 2), key="unit") == "wrong_key"


@pytest.mark.parametrize(
    "change",
    [
        {"segments": [SealSegment("hospital-b", 0, 4), SealSegment("hospital-a", 0, 4)]},
        {"segments": [SealSegment("hospital-a", 0, 4), SealSegment("hospital-a", 0, 4)]},
        {"exceptions": [SealException(BILLS[1], "lost"), SealException(BILLS[0], "lost")]},
        {"exceptions": [SealException(BILLS[0], "lost"), SealException(BILLS[0], "late")]},
        {"released": [BILLS[1], BILLS[0]]},
        {"released": [BILLS[0], BILLS[0]]},
        {"exceptions": [SealException(BILLS[0], "lost")], "released": [BILLS[0]]},
        {"exceptions": [SealException(bill_id(serial), "lost") for serial in range(1, 7)]},  # five are allowed here
        {"released": [bill_id(serial) for serial in range(1, 7)]},
        {"segments": []},
        {"segments": [], "exceptions": [SealException(BILLS[0], "lost")]},
        {"segments": [], "exceptions": [SealException(BILLS[0], "lost")], "released": [BILLS[1]]},
    ],
)
def test_a_seal_s_lists_are_sorted_distinct_and_bounded(chain: Chain, change: dict[str, Any]) -> None:
    assert refused(chain, changed(chain.seal(["hospital-a"]), **change)) == "seal_malformed"


def test_an_office_seals_for_those_it_supervises(chain: Chain) -> None:
    assert refused(chain, chain.seal(["hospital-a"], office="finance"), office="finance") == "not_supervised"
    nobody = changed(chain.seal(["hospital-a"]), segments=[SealSegment("nobody", 0, 4)])
    assert refused(chain, nobody) == "organisation_unknown"
    own = changed(chain.seal(["hospital-a"]), segments=[SealSegment("finance-city", 0, 4)])
    assert refused(chain, own) == "not_supervised"


@pytest.mark.parametrize("upto", [0, 5, 6, 2**53])
def test_only_final_heights_are_sealed(chain: Chain, upto: int) -> None:
    """The seal stands in block 5; at most the block before it is final when it is signed."""
    segment = SealSegment("hospital-a", 0, upto)
    assert refused(chain, changed(chain.seal(["hospital-a"]), segments=[segment])) == "segment_not_final"


def test_a_seal_names_the_block_that_it_is_over(chain: Chain) -> None:
    seal = chain.seal(["hospital-a"])
    assert refused(chain, changed(seal, header=chain.view(3).digest)) == "header_unknown"
    assert refused(chain, changed(seal, header=bytes(32))) == "header_unknown"
    both = changed(seal, segments=[SealSegment("hospital-a", 0, 3), SealSegment("hospital-b", 0, 4)])
    assert refused(chain, changed(both, header=chain.view(3).digest)) == "header_unknown"  # the highest counts
    assert chain.run_seal(both) == "recorded"


def test_a_block_older_than_the_replay_window_is_not_known_any_more() -> None:
    """Execution reads nothing older (DESIGN 8): an office that slept seals up to a younger block."""
    chain = Chain(genesis(replay_window=5))
    for _ in range(8):
        chain.block([])
    assert refused(chain, chain.seal(["hospital-a"], upto=2)) == "header_unknown"
    assert chain.run_seal(chain.seal(["hospital-a"], upto=4)) == "recorded"


# ── exceptions and releases ──────────────────────────────────────────────────────────────────────────────────────────


def test_an_exception_is_written_to_the_bill_and_so_is_its_release(chain: Chain) -> None:
    assert chain.run_seal(chain.seal(["hospital-a"], excepted=[BILLS[1]])) == "recorded"
    assert [chain.bill(bill).seal for bill in BILLS] == [COVERED, WITHHELD, COVERED]
    assert chain.bill(BILLS[1]).withheld == "details_missing"

    assert chain.run_seal(chain.seal(["hospital-a"], released=[BILLS[1]])) == "recorded"
    assert (chain.bill(BILLS[1]).seal, chain.bill(BILLS[1]).withheld) == (COVERED, "")


def test_a_seal_may_only_release(chain: Chain) -> None:
    chain.run_seal(chain.seal(["hospital-a"], excepted=BILLS[:2]))
    release = chain.seal([], released=[BILLS[0]])
    assert chain.run_seal(release) == "recorded"
    assert watermark(chain, "hospital-a") == 4
    assert refused(chain, release) == "already_recorded"  # the same again, though no segment names it
    assert refused(chain, changed(release, header=b"1" * 32)) == "not_withheld"
    assert chain.run_seal(chain.seal([], released=[BILLS[1]])) == "recorded"


def test_an_exception_lies_in_its_own_segment(chain: Chain) -> None:
    assert refused(chain, chain.seal(["hospital-a"], excepted=[bill_id(99)])) == "bill_unknown"
    assert refused(chain, chain.seal(["hospital-a"], excepted=[bill_id(100_001)])) == "not_in_segment"
    assert refused(chain, chain.seal(["hospital-b"], excepted=[BILLS[0]])) == "not_in_segment"
    assert refused(chain, chain.seal(["hospital-a"], upto=2, excepted=[BILLS[0]])) == "not_in_segment"  # above it
    chain.run_seal(chain.seal(["hospital-a"]))
    assert refused(chain, chain.seal(["hospital-a"], excepted=[BILLS[0]])) == "not_in_segment"  # below it


def test_the_block_at_the_watermark_belongs_to_the_seal_before(chain: Chain) -> None:
    chain.run_seal(chain.seal(["hospital-a"], upto=chain.bill(BILLS[0]).height))
    assert refused(chain, chain.seal(["hospital-a"], excepted=[BILLS[0]])) == "not_in_segment"


def test_only_what_is_withheld_is_released_and_by_its_office(chain: Chain) -> None:
    assert refused(chain, chain.seal(["hospital-a"], released=[bill_id(99)])) == "bill_unknown"
    assert refused(chain, chain.seal(["hospital-a"], released=[BILLS[0]])) == "not_withheld"
    chain.run_seal(chain.seal(["hospital-a"], excepted=[BILLS[0]]))
    other_office = chain.seal([], office="finance", released=[BILLS[0]])
    assert refused(chain, other_office, office="finance") == "not_supervised"


def test_nothing_of_a_seal_stays_when_its_last_entry_is_wrong(chain: Chain) -> None:
    seal = chain.seal(["hospital-a", "hospital-b"], excepted=[BILLS[0]], released=[BILLS[1]])
    assert refused(chain, seal) == "not_withheld"
    assert chain.ledger.state.entry(keyspace.watermark("finance-city", "hospital-a")) is None


def test_a_bill_keeps_its_place_under_the_watermark_when_it_is_reversed_later(chain: Chain) -> None:
    """Its body keeps the height it was recorded at: else a reversal would lift it above the seal."""
    chain.run_seal(chain.seal(["hospital-a"]))
    chain.run("hospital-a", reverse_bill(issue_bill("B-1"), serial=4))
    seal = chain.seal(["hospital-a"], excepted=[BILLS[0]])
    assert refused(chain, seal) == "not_in_segment"
    assert chain.run_seal(chain.seal(["hospital-a"], excepted=[bill_id(4)])) == "recorded"


def test_a_seal_moves_along_the_table() -> None:
    assert moved("seal", "withhold", COVERED) == WITHHELD
    assert moved("seal", "release", WITHHELD) == COVERED
