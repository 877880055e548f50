"""Proofs over changes of the set and of keys (DESIGN 5): made before and after, all verified with genesis alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from chain.codec import decode, encode
from chain.operation import AddKey, EndKey, Renew, operation_digest
from chain.proof import Proof, SetChange, Verdict, check_proof
from chain.records import SEAL, UNIT
from chain.transaction import key_id
from chain.validators import ValidatorSet
from tests.chain.making import (
    Chain,
    bill_id,
    certify,
    changed,
    details,
    issue_bill,
    key_of,
    no_seat,
    reverse_bill,
    seat,
)


@dataclass
class Story:
    """A bill before, between and after the changes; the seal lies after them."""

    chain: Chain
    early: list[bytes]  # proofs of bill 1, made at each height as the chain went on
    bills: list[str]
    seal: bytes  # digest of the sealing operation


def told() -> Story:
    chain = Chain()
    chain.lease()
    story = Story(chain, [], [], b"")

    def bill(serial: int) -> None:
        story.bills.append(bill_id(serial))
        assert chain.run("hospital-a", issue_bill(f"B-{serial}", serial=serial)) == ["recorded"]
        story.early.append(encode(chain.proof(bill_id(1))))

    bill(1)
    chain.change_set(seat("finance-city"))  # one joins, in block 3
    bill(2)
    for changes in ([seat("health", 2)], [no_seat("insurance")], [seat("hospital-b"), no_seat("bigdata")]):
        assert set(chain.change_set(*changes)) == {"recorded"}  # blocks 5, 6, 7: a key, a leaver, one for another
        story.early.append(encode(chain.proof(bill_id(1))))
    bill(3)
    assert chain.run("finance", Renew(b"1" * 32)) == ["recorded"]
    bill(4)
    bill(5)
    seal = chain.seal()
    assert chain.run_seal(seal) == "recorded"
    story.seal = operation_digest(seal)
    bill(6)
    return story


@pytest.fixture(scope="module")
def story() -> Story:
    return told()


def verdict_of(story: Story, proof: Proof | bytes) -> Verdict:
    return check_proof(proof if isinstance(proof, bytes) else encode(proof), story.chain.genesis)


def test_a_proof_made_at_any_height_holds_for_ever(story: Story) -> None:
    """Before, between and after changes in consecutive blocks, its file says all that is needed."""
    counts = []
    for data in story.early:
        verdict = verdict_of(story, data)
        assert verdict.valid, verdict.checks
        counts.append(len(decode(data, Proof).set_changes))
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 5)


def test_every_bill_is_proven_with_seal_and_current_record(story: Story) -> None:
    for number in story.bills:
        is_sealed = number != bill_id(6)
        proof = story.chain.proof(
            number,
            seal=story.seal if is_sealed else None,
            opened=details(number, business_no=f"B-{int(number[8:])}"),
            fields=["payer_name"],
        )
        verdict = verdict_of(story, proof)
        assert verdict.valid, verdict.checks
        assert verdict.bill["sealed"] is is_sealed


def test_the_check_prints_which_sets_it_walked(story: Story) -> None:
    (validators,) = [
        check for check in verdict_of(story, story.chain.proof(bill_id(1))).checks if check.name == "validators"
    ]
    assert validators.detail == (
        "4 members, a quorum is 3, 5 changes since genesis: from block 5 with finance-city; from block 7 a new key of"
        " health; from block 8 without insurance; from block 9 with hospital-b and without bigdata; from block 11 the"
        " same members"
    )


def test_a_block_is_signed_by_those_whom_its_own_set_names(story: Story) -> None:
    blocks = {
        number: next(c.detail for c in verdict_of(story, story.chain.proof(number)).checks if c.name == "block")
        for number in story.bills
    }
    assert blocks[bill_id(1)] == "block 2, signed by bigdata, finance, health"
    assert blocks[bill_id(2)] == "block 4, signed by bigdata, finance, health"
    assert blocks[bill_id(4)].endswith("signed by finance, finance-city, health")


@pytest.mark.parametrize("left_out", range(5))
def test_no_change_can_be_left_out(story: Story, left_out: int) -> None:
    proof = story.chain.proof(bill_id(6))
    changes = [change for place, change in enumerate(proof.set_changes) if place != left_out]
    verdict = verdict_of(story, changed(proof, set_changes=changes))
    assert not verdict.valid
    assert verdict.checks[-1].name in ("validators", "block")


@pytest.mark.parametrize(
    "tamper",
    [
        lambda change: changed(change, members=changed(change.members, epoch=change.members.epoch + 1)),
        lambda change: changed(change, members=changed(change.members, members=change.members.members[:-1])),
        lambda change: changed(change, certificate=certify(change.header, change.members)),  # signed by the new ones
        lambda change: changed(change, header=changed(change.header, next_validators=change.header.validators)),
    ],
)
@pytest.mark.parametrize("place", range(5))
def test_no_change_can_be_altered(story: Story, tamper: Any, place: int) -> None:
    proof = story.chain.proof(bill_id(6))
    changes = list(proof.set_changes)
    changes[place] = tamper(changes[place])
    verdict = verdict_of(story, changed(proof, set_changes=changes))
    assert not verdict.valid
    assert verdict.checks[-1].name == "validators"


def test_a_former_set_is_believed_only_by_a_file_that_leaves_the_changes_out(story: Story) -> None:
    """chain/README, what a proof does not show: that no younger set exists than the ones in the file."""
    chain = story.chain
    first = chain.genesis.validator_set()
    proof = chain.proof(bill_id(6))
    forged = changed(proof.bill.header, validators=first.digest(), next_validators=first.digest())
    for epoch in [1, *(change.members.epoch for change in proof.set_changes)]:
        certificate = certify(forged, ValidatorSet(epoch, first.members))
        bill = changed(proof.bill, header=forged, certificate=certificate)
        assert not verdict_of(story, changed(proof, bill=bill, current=None)).valid
        alone = verdict_of(story, changed(proof, bill=bill, current=None, set_changes=[]))
        assert alone.valid is (epoch == 1)


def test_a_record_before_the_change_needs_none(story: Story) -> None:
    proof = story.chain.proof(bill_id(1), current=False)
    assert verdict_of(story, changed(proof, set_changes=[])).valid
    assert verdict_of(story, proof).valid  # more than it needs does no harm


def test_a_unit_key_rotated_after_the_bill_leaves_its_proof_whole() -> None:
    """DESIGN 5: a key is a record with heights, shown as it stood before the block."""
    chain = Chain()
    chain.lease()
    bill = issue_bill()
    chain.run("hospital-a", bill)
    before = encode(chain.proof(bill.bill))
    second = key_of("hospital-a/unit-2")
    chain.run("hospital-a", AddKey(second.public, UNIT, 1, chain.height + 2))
    chain.run("hospital-a", EndKey(key_id(key_of("hospital-a/unit").public), chain.height + 2))
    red = reverse_bill(bill, serial=2)
    assert chain.run("hospital-a", red, key=second) == ["recorded"]
    for data in (before, encode(chain.proof(bill.bill)), encode(chain.proof(red.bill))):
        verdict = check_proof(data, chain.genesis)
        assert verdict.valid, verdict.checks
    assert check_proof(encode(chain.proof(bill.bill)), chain.genesis).bill["status"] == "reversed"


def test_a_seal_key_rotated_between_seals_leaves_both_proven() -> None:
    chain = Chain()
    chain.lease()
    chain.run("hospital-a", issue_bill())
    early = chain.seal()
    chain.run_seal(early)
    second = key_of("finance-city/seal-2")
    chain.run("finance-city", AddKey(second.public, SEAL, 1, chain.height + 2))
    chain.run("finance-city", EndKey(key_id(key_of("finance-city/seal").public), chain.height + 2))
    chain.run("hospital-a", issue_bill("B-2", serial=2))
    late = chain.seal()
    assert chain.run("finance-city", late, key=second) == ["recorded"]
    chain.change_set(no_seat("health"), seat("hospital-b"))
    chain.block()
    chain.block()
    for serial, seal in ((1, early), (2, late)):
        verdict = check_proof(encode(chain.proof(bill_id(serial), seal=operation_digest(seal))), chain.genesis)
        assert verdict.valid, verdict.checks
        assert verdict.bill["office"] == "finance-city"


def test_a_change_costs_about_a_kilobyte(story: Story) -> None:
    """The bound on a proof file allows some two thousand of them."""
    sizes = [len(encode(change)) for change in story.chain.proof(bill_id(6)).set_changes]
    assert max(sizes) < 1_200
    assert all(isinstance(change, SetChange) for change in story.chain.proof(bill_id(6)).set_changes)
