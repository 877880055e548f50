"""Former versions, worked out again (node/bill_versions.py): they lead to the stored record, whatever happened to a bill."""

from __future__ import annotations

import pytest

from chain import keyspace
from chain.codec import decode, encode
from chain.errors import StorageDamaged
from chain.operation import DecideClaim, LockClaim, PayClaim, ReleaseClaim, VoidBill
from chain.proof_kinds import check_any
from chain.record_version import VersionProof
from chain.records import COVERED, NORMAL, REVERSED, VOID, WITHHELD, BillBody, ClaimsBody
from chain.verdict import Wanted
from node.bill_versions import bill_versions, claims_versions
from node.life_index import LifeIndex
from node.life_proofs import LifeProofs
from node.proof_desk import ProofDesk
from node.seal_index import SealIndex
from node.service import ServiceRefused
from tests.chain.making import Chain, MemoryStore, bill_id, genesis_with, issue_bill, key_of, reverse_bill

INSURERS = {"insurer_a": "insurer", "insurer_b": "insurer"}


class Story:
    """A chain with a lease, and the indexes of a mirror over it."""

    def __init__(self) -> None:
        self.chain = Chain(genesis_with(**INSURERS))
        self.chain.lease()
        self.store = MemoryStore()

    def seals(self) -> SealIndex:
        return SealIndex(self.store, self.chain.ledger)

    def lives(self) -> LifeIndex:
        return LifeIndex(self.store, self.chain.ledger)

    def proofs(self) -> LifeProofs:
        seals, lives = self.seals(), self.lives()
        return LifeProofs(self.chain.ledger, seals, lives, ProofDesk(self.chain.ledger, seals))

    def bodies(self, bill: str) -> list[tuple[int, int, str]]:
        versions = bill_versions(self.chain.ledger, self.seals(), bill)
        assert [version.version for version in versions] == list(range(1, len(versions) + 1))
        bodies = [decode(version.body, BillBody) for version in versions]
        return [(body.validity, body.seal, body.withheld) for body in bodies]

    def seal(self, **how: object) -> None:
        assert self.chain.run_seal(self.chain.seal(["hospital-a"], **how)) == "recorded"  # type: ignore[arg-type]


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_bill_that_was_withheld_released_and_reversed(story: Story) -> None:
    """Four versions, each the former of the next."""
    bill = issue_bill()
    story.chain.run("hospital-a", bill)
    story.seal(excepted=[bill.bill])
    release = story.chain.seal([], released=[bill.bill])
    assert story.chain.run_seal(release) == "recorded"
    story.chain.run("hospital-a", reverse_bill(bill, serial=2))

    assert story.bodies(bill.bill) == [
        (NORMAL, COVERED, ""),
        (NORMAL, WITHHELD, "details_missing"),
        (NORMAL, COVERED, ""),
        (REVERSED, COVERED, ""),
    ]
    assert len(story.bodies(bill_id(2))) == 1  # the red bill's own record


def test_what_several_operations_of_one_block_did_is_one_version(story: Story) -> None:
    """At most one version a block, made by the last of them (DESIGN 6)."""
    bill = issue_bill()
    signed = [story.chain.sign("hospital-a", bill), story.chain.sign("hospital-a", reverse_bill(bill, serial=2))]
    story.chain.block(signed)
    assert story.bodies(bill.bill) == [(REVERSED, COVERED, "")]

    other = issue_bill("B-3", serial=3)
    story.chain.run("hospital-a", other)
    release_and_more = story.chain.seal(["hospital-a"], excepted=[other.bill])
    assert story.chain.run_seal(release_and_more) == "recorded"
    released = story.chain.seal([], released=[other.bill])
    story.chain.block(
        [
            story.chain.sign("finance-city", released, key=key_of("finance-city/seal")),
            story.chain.sign("hospital-a", VoidBill(other.bill, "mistyped")),
        ]
    )
    assert [body[:2] for body in story.bodies(other.bill)] == [(NORMAL, COVERED), (NORMAL, WITHHELD), (VOID, COVERED)]


def test_a_moment_before_between_and_after(story: Story) -> None:
    """The file says the same as the ledger did; a height is asked of it, or a moment."""
    bill = issue_bill()
    story.chain.run("hospital-a", bill)
    made = story.chain.ledger.head
    story.chain.block([])
    story.chain.run("hospital-a", reverse_bill(bill, serial=2))
    reversed_at = story.chain.ledger.head
    proofs = story.proofs()

    assert proofs.version(bill.bill, made.time_ms - 1) is None
    for at_ms, status in (
        (made.time_ms, "normal"),
        (reversed_at.time_ms - 1, "normal"),
        (reversed_at.time_ms, "reversed"),
    ):
        data = proofs.version(bill.bill, at_ms)
        assert data is not None
        verdict = check_any(data, story.chain.genesis, Wanted(at_ms=at_ms))
        assert verdict.valid, verdict.checks
        assert verdict.bill["status"] == status
    early = proofs.version(bill.bill, made.time_ms)
    assert early is not None
    for height, holds in (
        (made.height - 1, False),
        (made.height, True),
        (reversed_at.height - 1, True),
        (reversed_at.height, False),
    ):
        assert check_any(early, story.chain.genesis, Wanted(at_height=height)).valid is holds


def test_a_version_that_was_altered_or_left_out_is_found_out(story: Story) -> None:
    """Each step of the check has a file that fails at it."""
    bill = issue_bill()
    story.chain.run("hospital-a", bill)
    story.seal(excepted=[bill.bill])
    assert story.chain.run_seal(story.chain.seal([], released=[bill.bill])) == "recorded"
    story.chain.run("hospital-a", reverse_bill(bill, serial=2))
    data = story.proofs().version(bill.bill, story.chain.view(2).header.time_ms)
    assert data is not None
    proof = decode(data, VersionProof)
    assert len(proof.record.versions) == 3

    def failed(**changes: object) -> str:
        values = {name: getattr(proof, name) for name in proof.__struct_fields__}
        verdict = check_any(encode(VersionProof(**{**values, **changes})), story.chain.genesis)  # type: ignore[arg-type]
        assert not verdict.valid
        return verdict.checks[-1].name

    def versions(*kept: int) -> object:
        record = proof.record
        return type(record)([record.versions[place] for place in kept], record.current)

    assert failed(record=versions(0, 2)) == "versions"
    assert failed(record=versions(0, 1)) == "versions"
    assert failed(record=versions(1, 2)) == "made by"
    assert failed(record=versions()) == "made by"
    assert failed(followed_by=[]) == "followed by"
    assert failed(bill=bill_id(2)) == "current record"
    assert failed(made_by=story.chain.proof(bill_id(2)).bill) == "made by"


def test_the_list_of_claims_is_worked_out_again(story: Story) -> None:
    """Locks, a grant, a rejection, a release; a lock that ran out falls off with the next one."""
    chain, bill = story.chain, issue_bill(self_paid_fen=60, self_funded_fen=40)
    chain.run("hospital-a", bill)
    story.seal()
    first, second, third = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32
    soon = chain.time_ms + 1_500
    assert chain.run("insurer-a", LockClaim(first, bill.bill, 100, soon)) == ["recorded"]
    chain.block([])
    chain.block([])  # the lock ran out
    assert chain.run("insurer-b", LockClaim(second, bill.bill, 50, chain.time_ms + 60_000)) == ["recorded"]
    assert chain.run("insurer-b", DecideClaim(second, 40), PayClaim(second, bytes(32))) == ["recorded"] * 2
    assert chain.run("insurer-a", LockClaim(third, bill.bill, 60, chain.time_ms + 60_000)) == ["recorded"]
    assert chain.run("insurer-a", DecideClaim(third, 0)) == ["recorded"]
    assert chain.run("insurer-b", ReleaseClaim(second, "paid_back")) == ["recorded"]
    lives = story.lives()

    versions = claims_versions(chain.ledger, lives, bill.bill)
    listed = [[ref.claim[0] for ref in decode(version.body, ClaimsBody).claims] for version in versions]
    assert listed == [[1], [2], [2, 3], [2], []]
    assert versions[-1] == chain.ledger.state.record(keyspace.claims(bill.bill))

    proofs = story.proofs()
    granted = proofs.evidence("insurer-b", second)
    assert granted is not None
    verdict = check_any(granted, chain.genesis)
    assert verdict.valid, verdict.checks
    assert (verdict.bill["approved_fen"], verdict.bill["other_claims"]) == (40, [])
    with pytest.raises(ServiceRefused, match="claim_undecided"):
        proofs.evidence("insurer-a", first)
    assert proofs.evidence("insurer-a", second) is None


def test_what_does_not_lead_to_the_stored_record_is_damage(story: Story) -> None:
    """The index of seals lost a row: no file is made of it."""
    bill = issue_bill()
    story.chain.run("hospital-a", bill)
    story.seal(excepted=[bill.bill])
    seals = story.seals()
    for key in [key for key in story.store.values if key.startswith(b"x/")]:
        del story.store.values[key]
    with pytest.raises(StorageDamaged, match="worked out again"):
        bill_versions(story.chain.ledger, seals, bill.bill)


def test_the_index_of_lives_goes_on_where_it_was(story: Story) -> None:
    """After a restart, and after a crash that lost its newest rows."""
    bill = issue_bill()
    story.chain.run("hospital-a", bill)
    lives = story.lives()
    story.chain.run("hospital-a", VoidBill(bill.bill, "mistyped"))
    again = story.lives()
    assert (again.indexed, lives.indexed) == (story.chain.height, story.chain.height - 1)
    assert len(again.operations_of(bill.bill)) == 1
    again.close()
    assert story.lives().operations_of(bill.bill) == again.operations_of(bill.bill)
    story.store.values.clear()
    assert story.lives().operations_of(bill.bill) == again.operations_of(bill.bill)
