"""Claims: locked, decided, paid; two insurers race and one wins; never more than the own part (FEATURES 50, 51, 53)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from chain import keyspace
from chain.operation import DecideClaim, HoldBill, LockClaim, Operation, PayClaim, ReleaseClaim
from chain.records import LOCKED, PAID, REJECTED, RELEASED, ClaimBody, ClaimRef, ClaimsBody
from chain.rules.claims import CLAIMS_MAX, LOCK_MS_MAX
from tests.chain.making import Chain, bill_id, genesis_with, issue_bill, key_of, mac, reverse_bill

BILL = bill_id(1)
A, B = "insurer-a", "insurer-b"
OWN = 100  # the own part of each bill here


def bill(serial: int) -> Any:
    return issue_bill(f"B-{serial}", serial=serial, self_paid_fen=OWN - 40, self_funded_fen=40)


@pytest.fixture
def chain() -> Chain:
    chain = Chain(genesis_with(insurer_a="insurer", insurer_b="insurer", employer_a="employer"))
    chain.lease("hospital-a")
    assert chain.run("hospital-a", *(bill(serial) for serial in range(1, 6))) == ["recorded"] * 5
    assert chain.run_seal(chain.seal(["hospital-a"])) == "recorded"
    return chain


def code(chain: Chain, operation: Operation, organisation: str = A, **how: Any) -> str:
    (found,) = chain.run(organisation, operation, **how)
    return found


def lock(chain: Chain, name: str, amount_fen: int = OWN, number: str = BILL, for_ms: int = 3_600_000) -> LockClaim:
    return LockClaim(mac(name), number, amount_fen, chain.time_ms + for_ms)


def claim(chain: Chain, name: str, insurer: str = A) -> ClaimBody:
    found: ClaimBody = chain.body(keyspace.claim(insurer, mac(name)), ClaimBody)
    return found


def test_a_claim_is_locked_granted_in_part_and_paid(chain: Chain) -> None:
    first = lock(chain, "c1")
    assert code(chain, first) == "recorded"
    assert code(chain, first) == "already_recorded"
    assert claim(chain, "c1") == ClaimBody(BILL, LOCKED, OWN, 0, first.until_ms, chain.height - 1)
    assert code(chain, lock(chain, "c1", number=bill_id(2))) == "claim_exists"
    assert code(chain, PayClaim(mac("c1"), mac("p"))) == "claim_undecided"
    assert code(chain, DecideClaim(mac("c1"), OWN + 1)) == "amount_exceeds_lock"
    assert code(chain, DecideClaim(mac("c1"), -1)) == "amount_exceeds_lock"
    granted = DecideClaim(mac("c1"), 60)
    assert code(chain, granted) == "recorded"
    assert code(chain, granted) == "already_recorded"
    assert code(chain, DecideClaim(mac("c1"), 61)) == "already_decided"
    paid = PayClaim(mac("c1"), mac("p"))
    assert code(chain, paid) == "recorded"
    assert code(chain, paid) == "already_recorded"
    assert code(chain, PayClaim(mac("c1"), mac("q"))) == "already_paid"
    assert (claim(chain, "c1").state, claim(chain, "c1").approved_fen) == (PAID, 60)


def test_the_second_insurer_waits_and_takes_what_is_left(chain: Chain) -> None:
    """FEATURES 51: 60 and 40 of 100, then not one fen."""
    assert code(chain, lock(chain, "c1", 60)) == "recorded"
    assert code(chain, lock(chain, "d1", 40), B) == "claim_locked"
    assert code(chain, DecideClaim(mac("c1"), 60)) == "recorded"
    assert code(chain, lock(chain, "d1", 41), B) == "exceeds_reimbursable"
    assert code(chain, lock(chain, "d1", 40), B) == "recorded"
    assert code(chain, DecideClaim(mac("d1"), 40), B) == "recorded"
    assert code(chain, lock(chain, "e1", 1)) == "already_reimbursed"
    assert chain.body(keyspace.claims(BILL), ClaimsBody).claims == [ClaimRef(A, mac("c1")), ClaimRef(B, mac("d1"))]


def test_what_was_not_granted_is_free_again(chain: Chain) -> None:
    assert code(chain, lock(chain, "c1")) == "recorded"
    assert code(chain, DecideClaim(mac("c1"), 0)) == "recorded"
    assert claim(chain, "c1").state == REJECTED
    assert code(chain, PayClaim(mac("c1"), mac("p"))) == "claim_rejected"
    assert code(chain, ReleaseClaim(mac("c1"), "mistake")) == "claim_rejected"
    assert code(chain, lock(chain, "d1"), B) == "recorded"
    assert code(chain, ReleaseClaim(mac("d1"), "withdrawn"), B) == "recorded"
    assert code(chain, ReleaseClaim(mac("d1"), "withdrawn"), B) == "already_recorded"
    assert code(chain, ReleaseClaim(mac("d1"), "other"), B) == "already_released"
    assert code(chain, DecideClaim(mac("d1"), 1), B) == "claim_released"
    assert code(chain, PayClaim(mac("d1"), mac("p")), B) == "claim_released"
    assert claim(chain, "d1", B).state == RELEASED
    assert code(chain, lock(chain, "c2")) == "recorded"


def test_a_lock_ends_by_block_time(chain: Chain) -> None:
    first = lock(chain, "c1", for_ms=60_000)
    assert code(chain, first) == "recorded"
    assert code(chain, lock(chain, "d1"), B, time_ms=first.until_ms - 1) == "claim_locked"
    assert code(chain, lock(chain, "d1"), B, time_ms=first.until_ms) == "recorded"
    assert code(chain, DecideClaim(mac("c1"), 1)) == "claim_expired"
    assert chain.body(keyspace.claims(BILL), ClaimsBody).claims == [ClaimRef(B, mac("d1"))]


def test_a_lock_has_an_end_and_an_amount(chain: Chain) -> None:
    for ahead_ms in (0, LOCK_MS_MAX + 1):
        until_ms = chain.time_ms + ahead_ms
        assert code(chain, LockClaim(mac("c"), BILL, 1, until_ms), time_ms=chain.time_ms) == "lock_too_long"
    assert code(chain, lock(chain, "c1", 0)) == "amount_not_positive"
    assert code(chain, lock(chain, "c1", -5)) == "amount_not_positive"
    assert code(chain, lock(chain, "c1", OWN + 1)) == "exceeds_reimbursable"
    assert code(chain, lock(chain, "c1", for_ms=LOCK_MS_MAX)) == "recorded"


def test_only_an_insurer_claims_a_sealed_bill_that_may_circulate(chain: Chain) -> None:
    assert code(chain, lock(chain, "c1"), "employer-a") == "not_an_insurer"
    assert code(chain, lock(chain, "c1"), "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert code(chain, lock(chain, "c1", number=bill_id(9))) == "bill_unknown"
    assert code(chain, bill(6), "hospital-a") == "recorded"
    assert code(chain, lock(chain, "c1", number=bill_id(6))) == "bill_not_sealed"
    assert chain.run_seal(chain.seal(["hospital-a"], excepted=[bill_id(6)])) == "recorded"
    assert code(chain, lock(chain, "c1", number=bill_id(6))) == "bill_not_sealed"
    assert chain.run_seal(chain.seal([], released=[bill_id(6)])) == "recorded"
    assert code(chain, HoldBill(bill_id(6), "fees_owed"), "hospital-a") == "recorded"
    assert code(chain, lock(chain, "c1", number=bill_id(6))) == "bill_in_arrears"
    assert code(chain, lock(chain, "c1"), "insurance") == "recorded"
    for step in (DecideClaim(mac("c1"), 1), PayClaim(mac("c1"), mac("p")), ReleaseClaim(mac("c1"), "withdrawn")):
        assert code(chain, step) == "claim_unknown"  # another insurer's
        assert code(chain, step, "finance-city", key=key_of("finance-city/seal")) == "wrong_key"


def test_a_bill_in_hand_is_not_reversed_behind_the_insurers_back(chain: Chain) -> None:
    """FEATURES 53: claim_open while it is decided, claim_paid until it is released."""
    red = reverse_bill(bill(1), serial=7)
    first = lock(chain, "c1", for_ms=60_000)
    assert code(chain, first) == "recorded"
    assert code(chain, red, "hospital-a") == "claim_open"
    assert code(chain, DecideClaim(mac("c1"), 50)) == "recorded"
    assert code(chain, red, "hospital-a") == "claim_open"
    assert code(chain, PayClaim(mac("c1"), mac("p"))) == "recorded"
    assert code(chain, red, "hospital-a") == "claim_paid"
    assert code(chain, ReleaseClaim(mac("c1"), "paid_back")) == "recorded"
    assert code(chain, red, "hospital-a") == "recorded"
    assert code(chain, lock(chain, "c2")) == "bill_not_normal"
    assert code(chain, lock(chain, "c2", number=bill_id(7))) == "bill_not_normal"


def test_a_lock_that_ran_out_stops_no_reversal(chain: Chain) -> None:
    first = lock(chain, "c1", for_ms=60_000)
    assert code(chain, first) == "recorded"
    assert code(chain, reverse_bill(bill(1), serial=7), "hospital-a", time_ms=first.until_ms) == "recorded"


def test_so_many_claims_count_at_once(chain: Chain) -> None:
    for number in range(CLAIMS_MAX):
        assert code(chain, lock(chain, f"c{number}", 1)) == "recorded"
        assert code(chain, DecideClaim(mac(f"c{number}"), 1)) == "recorded"
    assert code(chain, lock(chain, "more", 1)) == "too_many_claims"
    assert code(chain, ReleaseClaim(mac("c3"), "withdrawn")) == "recorded"
    assert code(chain, lock(chain, "more", 1)) == "recorded"


def test_of_two_insurers_who_race_one_wins_a_thousand_times() -> None:
    """FEATURES 50: in either order, in one block or in two."""
    chain = Chain(genesis_with(insurer_a="insurer", insurer_b="insurer"))
    chain.lease("hospital-a", 1_000)
    for start in range(1, 1_001, 500):
        codes = chain.run("hospital-a", *(bill(serial) for serial in range(start, start + 500)))
        assert codes == ["recorded"] * 500
    assert chain.run_seal(chain.seal(["hospital-a"])) == "recorded"
    draw = random.Random(50)
    for start in range(1, 1_001, 100):
        serials = list(range(start, start + 100))
        asked = {
            name: [lock(chain, f"{name}/{serial}", number=bill_id(serial)) for serial in draw.sample(serials, 100)]
            for name in (A, B)
        }
        first, second = draw.sample((A, B), 2)
        cut = draw.randrange(101)
        transactions = [
            chain.sign(first, *asked[first][:cut]) if cut else None,
            chain.sign(second, *asked[second]),
            chain.sign(first, *asked[first][cut:]) if cut < 100 else None,
        ]
        for some in (
            ([one for one in transactions if one], [])
            if draw.random() < 0.5
            else ([one] for one in transactions if one)
        ):
            codes = {outcome.code for outcome in chain.block(some).outcomes} if some else set()
            assert codes <= {"recorded", "claim_locked"}
        for serial in serials:
            (winner,) = chain.body(keyspace.claims(bill_id(serial)), ClaimsBody).claims
            loser = B if winner.insurer == A else A
            assert claim(chain, f"{winner.insurer}/{serial}", winner.insurer).state == LOCKED
            assert chain.ledger.state.get(keyspace.claim(loser, mac(f"{loser}/{serial}")), ClaimBody) is None
