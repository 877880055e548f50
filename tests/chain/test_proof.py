"""Proofs: what a holder keeps of a bill, checked against the genesis file alone (DESIGN 5)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import Header, transactions_root
from chain.codec import decode, encode
from chain.errors import BadSignature
from chain.genesis import genesis_to_json
from chain.merkle import EMPTY_ROOT
from chain.operation import IssueBill, SealBills, SealException, TakeLease, operation_digest
from chain.proof import Checkpoint, Proof, SetChange, Verdict, check_proof
from chain.proof_file import check_file
from chain.proving import recorded_at
from chain.recorded import verify_signed
from chain.records import FOR_EVER, SEAL, UNIT, VOTE
from chain.validators import Member, SeatSignature, ValidatorSet
from tests.chain.making import (
    Chain,
    bill_id,
    certify,
    changed,
    details,
    genesis,
    issue_bill,
    key_of,
    reverse_bill,
)

STEPS = ["form", "ledger", "validators", "block", "outcome", "transaction", "unit signature", "bill", "seal"]
STEPS += ["current record", "opened fields", "trust", "age"]


@dataclass
class Story:
    """Five bills in one transaction (one of them refused), others around them; the second one's proof."""

    chain: Chain
    bill: IssueBill
    seal: SealBills
    proof: Proof

    @property
    def data(self) -> bytes:
        return encode(self.proof)


def told() -> Story:
    chain = Chain()
    chain.lease("hospital-a")
    chain.run("hospital-a", issue_bill("B-0", serial=50))
    bills = [issue_bill(f"B-{serial}", serial=serial) for serial in (1, 2, 3, 4)]
    early = chain.sign("hospital-a", issue_bill("B-9", serial=9))
    chain.block([early, chain.sign("hospital-a", *bills[:2], issue_bill("B-8", serial=8000), *bills[2:])])
    chain.run("hospital-a", issue_bill("B-7", serial=7))
    seal = chain.seal(["hospital-a"])
    chain.run_seal(seal)
    for _ in range(3):
        chain.block([])
    opened = details(bills[1].bill, business_no="B-2")
    fields = ["payer_name", "charges", "remark"]
    proof = chain.proof(bills[1].bill, seal=operation_digest(seal), opened=opened, fields=fields)
    return Story(chain, bills[1], seal, proof)


@pytest.fixture(scope="module")
def story() -> Story:
    return told()


def check(story: Story, proof: Proof | bytes, **how: Any) -> Verdict:
    data = proof if isinstance(proof, bytes) else encode(proof)
    return check_proof(data, story.chain.genesis, **how)


def failed_step(story: Story, proof: Proof | bytes, **how: Any) -> str:
    """The check that did not hold: the last one made, and nothing is claimed of the bill."""
    verdict = check(story, proof, **how)
    assert not verdict.valid
    assert (verdict.bill, verdict.newest) == ({}, None)
    assert [entry.ok for entry in verdict.checks].count(False) == 1
    assert verdict.checks[-1].ok is False
    return verdict.checks[-1].name


def in_bill(proof: Proof, **changes: Any) -> Proof:
    result: Proof = changed(proof, bill=changed(proof.bill, **changes))
    return result


def in_seal(proof: Proof, **changes: Any) -> Proof:
    assert proof.seal is not None
    result: Proof = changed(proof, seal=changed(proof.seal, **changes))
    return result


def in_current(proof: Proof, **changes: Any) -> Proof:
    result: Proof = changed(proof, current=changed(proof.current, **changes))
    return result


# ── what holds ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_full_proof_holds_and_every_check_is_listed(story: Story) -> None:
    newest = story.chain.view(story.chain.height)
    point = Checkpoint(story.chain.chain_id.hex(), newest.header.height, newest.digest.hex())
    verdict = check(story, story.proof, trusted=[point], max_age_ms=86_400_000, now_ms=newest.header.time_ms + 5000)
    assert verdict.valid
    assert [entry.name for entry in verdict.checks] == STEPS
    assert all(entry.ok and entry.detail for entry in verdict.checks)
    assert verdict.newest == point
    facts = verdict.bill
    assert (facts["bill_id"], facts["total_fen"], facts["issuer"]) == (story.bill.bill, 12_345, "hospital-a")
    assert (facts["sealed"], facts["office"], facts["status"], facts["red"]) == (True, "finance-city", "normal", False)
    assert (facts["business_date"], facts["height"]) == ("2026-06-01", 3)
    assert facts["opened"]["payer_name"] == "Synthetic Person"
    assert facts["opened"]["remark"] is None
    assert [row[1] for row in facts["opened"]["charges"]] == ["western medicine", "diagnosis"]


def test_what_a_proof_does_not_hold_is_said_and_is_no_failure(story: Story) -> None:
    bare = changed(story.proof, seal=None, current=None, opened=[])
    verdict = check(story, bare)
    assert verdict.valid
    assert {entry.name for entry in verdict.checks if entry.ok is None} == {"seal", "current record"}
    assert verdict.bill["sealed"] is False
    assert "status" not in verdict.bill


def test_a_bill_in_the_block_that_the_seal_names_needs_no_history(story: Story) -> None:
    chain = Chain()
    chain.lease("hospital-a")
    chain.run("hospital-a", issue_bill())
    seal = chain.seal(["hospital-a"])
    chain.run_seal(seal)
    proof = chain.proof(bill_id(1), seal=operation_digest(seal))
    assert proof.seal is not None
    assert proof.seal.sealed is None
    assert check(Story(chain, issue_bill(), seal, proof), proof).bill["sealed"] is True


def test_a_bill_in_the_first_block_is_proven_by_genesis_itself() -> None:
    """Its keys stood in the state of height 0, which no header covers. Seals of block 1 do not exist: none is final."""
    chain = Chain()
    first = chain.block(
        [
            chain.sign("hospital-a", _first_lease(chain)),
            chain.sign("hospital-a", issue_bill()),
        ]
    )
    assert first.outcomes[1].code == "recorded"
    proof = chain.proof(bill_id(1))
    assert proof.bill.parent is None
    assert check_proof(encode(proof), chain.genesis).valid
    with_parent = in_bill(proof, parent=proof.bill.header)
    assert not check_proof(encode(with_parent), chain.genesis).valid


def _first_lease(chain: Chain) -> Any:
    return TakeLease(chain.range_of("hospital-a"), 1, 10, "hospital-a", "A01")


def test_a_reversed_bill_shows_so_in_its_current_record_alone(story: Story) -> None:
    """The old proof goes on to hold as of its time: that is what `--max-age` is for."""
    story = told()
    red = reverse_bill(story.bill, serial=60)
    assert story.chain.run("hospital-a", red) == ["recorded"]
    old = check(story, story.proof)
    assert (old.valid, old.bill["status"]) == (True, "normal")
    new = check(story, story.chain.proof(story.bill.bill, seal=operation_digest(story.seal)))
    assert (new.valid, new.bill["status"], new.bill["related"]) == (True, "reversed", red.bill)
    of_red = check(story, story.chain.proof(red.bill))
    assert (of_red.bill["red"], of_red.bill["original"], of_red.bill["total_fen"]) == (True, story.bill.bill, -12_345)
    assert of_red.bill["status"] == "red"


# ── seals ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def withheld() -> Story:
    """Bill 1 was withheld, bill 2 was not."""
    chain = Chain()
    chain.lease("hospital-a")
    bills = [issue_bill(f"B-{serial}", serial=serial) for serial in (1, 2)]
    chain.run("hospital-a", *bills)
    seal = chain.seal(["hospital-a"], excepted=[bills[0].bill])
    chain.run_seal(seal)
    return Story(chain, bills[0], seal, chain.proof(bills[0].bill, seal=operation_digest(seal)))


def test_a_withheld_bill_is_not_sealed(withheld: Story) -> None:
    assert failed_step(withheld, withheld.proof) == "seal"
    assert "withheld" in check(withheld, withheld.proof).checks[-1].detail
    without = check(withheld, changed(withheld.proof, seal=None))
    assert (without.valid, without.bill["sealed"]) == (True, False)
    assert without.bill["seal_withheld"] == "details_missing"
    other = withheld.chain.proof(bill_id(2), seal=operation_digest(withheld.seal))
    assert check(withheld, other).bill["sealed"] is True


def test_a_released_bill_is_sealed_by_its_release(withheld: Story) -> None:
    chain = withheld.chain
    release = chain.seal(["hospital-a"], released=[withheld.bill.bill])
    assert chain.run_seal(release) == "recorded"
    proof = chain.proof(withheld.bill.bill, seal=operation_digest(release))
    verdict = check(withheld, proof)
    assert (verdict.valid, verdict.bill["sealed"]) == (True, True)
    assert "seal_withheld" not in verdict.bill
    assert failed_step(withheld, in_seal(proof, sealed=chain.view(3).header)) == "seal"
    other = chain.proof(bill_id(2))
    assert failed_step(withheld, changed(other, seal=proof.seal)) == "seal"


def test_a_later_segment_s_seal_does_not_cover_a_bill_withheld_before(withheld: Story) -> None:
    """Its header's history does cover the bill's block: the segment has to, too."""
    chain = withheld.chain
    chain.run("hospital-a", issue_bill("B-3", serial=3))
    later = chain.seal(["hospital-a"])
    assert chain.run_seal(later) == "recorded"
    for bill in (bill_id(1), bill_id(2)):
        borrowed = chain.proof(bill, seal=operation_digest(later))
        assert failed_step(withheld, borrowed) == "seal"
        assert "does not cover" in check(withheld, borrowed).checks[-1].detail
    assert check(withheld, chain.proof(bill_id(3), seal=operation_digest(later))).bill["sealed"] is True


def test_a_seal_is_no_seal_if_it_was_refused(story: Story) -> None:
    """The outcome's code counts, not the signature: this one seals again what is sealed."""
    chain = told().chain
    stale = changed(story.seal, exceptions=[SealException(bill_id(1), "lost")])
    assert chain.run_seal(stale) == "watermark_moved"
    view = chain.view(chain.height)
    (refused,) = recorded_at(view, chain.view(chain.height - 1).header, 0, [0])
    assert failed_step(story, in_seal(story.proof, recorded=refused)) == "seal"


def test_a_seal_has_to_be_a_seal_by_a_key_for_seals(story: Story) -> None:
    assert failed_step(story, in_seal(story.proof, recorded=story.proof.bill)) == "seal"


# ── what does not hold ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_proof_of_another_ledger_does_not_hold_here(story: Story) -> None:
    other = Chain(genesis(name="another province"))
    other.lease("hospital-a")
    other.run("hospital-a", issue_bill())
    foreign = other.proof(bill_id(1))
    assert check_proof(encode(foreign), other.genesis).valid
    assert failed_step(story, foreign) == "ledger"


def test_a_ledger_that_somebody_made_up_proves_nothing() -> None:
    """A forged genesis with the forger's own validators: everything fits, but the file of the real one."""
    real = genesis()
    keys = [Member(member.organisation, key_of(f"forger {member.organisation}").public) for member in real.validators]
    forged = Chain(changed(real, validators=keys))
    bill = issue_bill()
    lease = _first_lease(forged)
    execution = forged.execute([forged.sign("hospital-a", lease, bill)])
    message_of = certify(execution.header, real.validator_set())  # even with the real validators' votes on it
    forged.adopt(execution, message_of)
    assert not check_proof(encode(forged.proof(bill.bill)), real).valid


CHANGES: dict[str, tuple[str, Callable[[Proof], Proof]]] = {
    "version": ("form", lambda proof: changed(proof, version=2)),
    "certificate: too few": (
        "block",
        lambda proof: in_bill(
            proof, certificate=changed(proof.bill.certificate, signatures=proof.bill.certificate.signatures[:2])
        ),
    ),
    "certificate: one twice": (
        "block",
        lambda proof: in_bill(
            proof,
            certificate=changed(
                proof.bill.certificate,
                signatures=[*proof.bill.certificate.signatures[:2], proof.bill.certificate.signatures[1]],
            ),
        ),
    ),
    "certificate: a seat that is not": (
        "block",
        lambda proof: in_bill(
            proof,
            certificate=changed(
                proof.bill.certificate,
                signatures=[*proof.bill.certificate.signatures[:2], SeatSignature(4, bytes(64))],
            ),
        ),
    ),
    "certificate: of another view": (
        "block",
        lambda proof: in_bill(proof, certificate=changed(proof.bill.certificate, view=1)),
    ),
    "header: a wrong root": (
        "block",
        lambda proof: in_bill(proof, header=changed(proof.bill.header, outcomes_root=bytes(32))),
    ),
    "header: genesis": ("block", lambda proof: in_bill(proof, header=changed(proof.bill.header, height=0))),
    "outcome: of the next operation": (
        "outcome",
        lambda proof: in_bill(proof, outcome_place=proof.bill.outcome_place + 1),
    ),
    "outcome: a better code": (
        "outcome",
        lambda proof: in_bill(proof, outcome=changed(proof.bill.outcome, code="recorded2")),
    ),
    "operation: another amount": (
        "outcome",
        lambda proof: in_bill(
            proof,
            entry=changed(proof.bill.entry, operation=changed(proof.bill.entry.operation, total_fen=1)),
        ),
    ),
    "transaction: another place": ("transaction", lambda proof: in_bill(proof, index=proof.bill.index + 1)),
    "transaction: a shorter path": ("transaction", lambda proof: in_bill(proof, path=proof.bill.path[:-1])),
    "transaction: another head": (
        "transaction",
        lambda proof: in_bill(proof, head=changed(proof.bill.head, valid_until_height=99)),
    ),
    "unit: no signature": ("unit signature", lambda proof: in_bill(proof, signature=bytes(64))),
    "unit: another suite": ("unit signature", lambda proof: in_bill(proof, suite=2)),
    "unit: no parent": ("unit signature", lambda proof: in_bill(proof, parent=None)),
    "unit: another parent": ("unit signature", lambda proof: in_bill(proof, parent=proof.bill.header)),
    "unit: another key's record": (
        "unit signature",
        lambda proof: in_bill(proof, key=changed(proof.bill.key, key_id=bytes(32))),
    ),
    "unit: a record that is none": (
        "unit signature",
        lambda proof: in_bill(proof, key=changed(proof.bill.key, record=b"\x90")),
    ),
    "seal: over another block": ("seal", lambda proof: in_seal(proof, sealed=None, history_path=[])),
    "seal: no history": ("seal", lambda proof: in_seal(proof, history_path=[])),
    "seal: the bill's own header": ("seal", lambda proof: in_seal(proof, sealed=proof.bill.header)),
    "current: another place": (
        "current record",
        lambda proof: in_current(proof, place=proof.current.place + 1 if proof.current else 0),
    ),
    "current: a younger version": (
        "current record",
        lambda proof: in_current(proof, record=changed(proof.current.record, version=2) if proof.current else None),
    ),
    "current: without certificate": (
        "current record",
        lambda proof: in_current(proof, certificate=changed(proof.bill.certificate, signatures=[])),
    ),
    "current: under an older block": (
        "current record",
        lambda proof: in_current(proof, header=proof.bill.header, certificate=proof.bill.certificate),
    ),
    "opened: another value": (
        "opened fields",
        lambda proof: changed(proof, opened=[changed(proof.opened[0], value="Somebody Else"), *proof.opened[1:]]),
    ),
    "opened: another field": (
        "opened fields",
        lambda proof: changed(proof, opened=[changed(proof.opened[0], field=4), *proof.opened[1:]]),
    ),
    "opened: twice": ("opened fields", lambda proof: changed(proof, opened=[proof.opened[0], proof.opened[0]])),
    "opened: a line left out": (
        "opened fields",
        lambda proof: changed(
            proof,
            opened=[proof.opened[0], changed(proof.opened[1], value=proof.opened[1].value[:1]), proof.opened[2]],
        ),
    ),
    "opened: a list that is none": (
        "opened fields",
        lambda proof: changed(proof, opened=[proof.opened[0], changed(proof.opened[1], value="x"), proof.opened[2]]),
    ),
    "opened: a salt too many": (
        "opened fields",
        lambda proof: changed(proof, opened=[changed(proof.opened[0], salts=proof.opened[0].salts * 2)]),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found_by_the_check_that_is_there_for_it(story: Story, name: str) -> None:
    step, change = CHANGES[name]
    assert failed_step(story, change(story.proof)) == step
    assert check(story, story.proof).valid


def test_a_refused_operation_never_passes_for_a_bill(story: Story) -> None:
    """DESIGN 5: an outcome names transaction, index, operation and code."""
    chain = story.chain
    view, parent = chain.view(3), chain.view(2).header
    (refused,) = recorded_at(view, parent, 1, [2])
    assert refused.outcome.code == "number_outside_lease"
    assert failed_step(story, changed(story.proof, bill=refused)) == "outcome"
    (recorded,) = recorded_at(view, parent, 1, [1])
    lent = changed(refused, outcome=recorded.outcome, outcome_place=recorded.outcome_place)
    assert failed_step(story, changed(story.proof, bill=changed(lent, outcome_path=recorded.outcome_path))) == "outcome"


def test_parts_of_two_proofs_do_not_mix(story: Story) -> None:
    """Every part of one bill's proof put into another's: invalid, or the very same bytes."""
    other = story.chain.proof(
        bill_id(1),
        seal=operation_digest(story.seal),
        opened=details(bill_id(1), business_no="B-1"),
        fields=["payer_name", "charges", "remark"],
    )
    assert check(story, other).valid
    for name in Proof.__struct_fields__:
        mixed = changed(story.proof, **{name: getattr(other, name)})
        assert check(story, mixed).valid == (encode(mixed) in (story.data, encode(other)))
    for name in story.proof.bill.__struct_fields__:
        mixed = in_bill(story.proof, **{name: getattr(other.bill, name)})
        assert check(story, mixed).valid == (encode(mixed) == story.data)


def test_a_bill_of_another_day_does_not_borrow_a_seal(story: Story) -> None:
    chain = told().chain
    chain.run("hospital-a", issue_bill("B-70", serial=70))
    late = chain.proof(bill_id(70), current=False)
    assert failed_step(story, changed(late, seal=story.proof.seal)) == "seal"


@pytest.mark.parametrize(("purpose", "height"), [(SEAL, 3), (VOTE, 3), (UNIT, 0), (UNIT, FOR_EVER)])
def test_a_key_proves_nothing_beyond_its_purpose_and_its_heights(story: Story, purpose: int, height: int) -> None:
    """The rules see to both; whoever checks a proof looks again."""
    bill = story.proof.bill
    assert bill.parent is not None
    under = (bill.parent.state_root, bill.parent.state_count)
    verify_signed(bill.head, bill.suite, bill.signature, bill.key, (UNIT,), 3, *under)
    with pytest.raises(BadSignature, match="not in force"):
        verify_signed(bill.head, bill.suite, bill.signature, bill.key, (purpose,), height, *under)


# ── bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_no_flipped_byte_goes_unnoticed(story: Story, mask: int) -> None:
    """Issue 2, 'Shown by': every single byte in turn, through the function that gives the exit code."""
    data, file = story.data, genesis_to_json(story.chain.genesis).encode()
    assert check_file(data, file).valid
    for place in range(len(data)):
        flipped = data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
        verdict = check_proof(flipped, story.chain.genesis)
        assert not verdict.valid, place
        assert verdict.checks[-1].ok is False


def test_no_shorter_or_longer_file_passes(story: Story) -> None:
    data = story.data
    for length in range(len(data)):
        assert failed_step(story, data[:length]) == "form"
    for extra in (b"\0", b"\xc0", data):
        assert failed_step(story, data + extra) == "form"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_mutation_passes_or_raises(data: st.DataObject) -> None:
    bytes_of_proof = bytearray(STORY.data)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(bytes_of_proof)))
        length = data.draw(st.integers(0, 40))
        bytes_of_proof[place : place + length] = data.draw(st.binary(max_size=40))
    verdict = check_proof(bytes(bytes_of_proof), STORY.chain.genesis)
    assert verdict.valid == (bytes_of_proof == STORY.data)


STORY = told()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_change_of_a_decoded_part_passes_or_raises(data: st.DataObject) -> None:
    """Mutations that survive the decoding: every integer, text and digest anywhere in the tree of arrays."""
    tree = msgpack.unpackb(STORY.data)
    places: list[tuple[list[Any], int]] = []

    def walk(node: list[Any]) -> None:
        for index, entry in enumerate(node):
            places.append((node, index))
            if isinstance(entry, list):
                walk(entry)

    walk(tree)
    node, index = data.draw(st.sampled_from(places))
    old = node[index]
    if isinstance(old, bool):
        node[index] = not old
    elif isinstance(old, int):
        node[index] = data.draw(st.sampled_from([old + 1, old - 1, 0, 2**53, -1]))
    elif isinstance(old, bytes) and old:
        node[index] = data.draw(st.sampled_from([bytes(len(old)), old[::-1], old[:-1] + bytes([old[-1] ^ 1])]))
    elif isinstance(old, str):
        node[index] = old + "1"
    elif isinstance(old, list):
        node[index] = data.draw(st.sampled_from([[], old[:-1], old + old[-1:], None, list(reversed(old))]))
    mutated = msgpack.packb(tree)
    if check_proof(mutated, STORY.chain.genesis).valid:  # then it says less, and nothing else
        less = decode(mutated, Proof)
        assert less.bill == STORY.proof.bill
        assert less.seal in (None, STORY.proof.seal)
        assert less.current in (None, STORY.proof.current)
        assert all(opened in STORY.proof.opened for opened in less.opened)


@pytest.mark.parametrize("data", [b"", b"\x96", b"\xdd\xff\xff\xff\xff", b"\x91" * 100_000, b"{}", b"\x00" * 5000])
def test_garbage_is_invalid_and_raises_nothing(story: Story, data: bytes) -> None:
    assert failed_step(story, data) == "form"


# ── changes of the validator set ─────────────────────────────────────────────────────────────────────────────────────


def new_set(epoch: int, *names: str) -> ValidatorSet:
    return ValidatorSet(epoch, [Member(name, key_of(f"{name}/vote").public) for name in sorted(names)])


@dataclass
class Handover:
    """Blocks 1 and 2 by the first set; from block 3 on five others vote. Rules for this come later: headers alone."""

    chain: Chain
    change: SetChange
    after: SetChange
    proof: Proof


@pytest.fixture
def handover() -> Handover:
    """A proof whose bill lies before the change and whose current record lies after it."""
    chain = Chain()
    chain.lease("hospital-a")
    first = chain.ledger.members
    second = new_set(3, "a", "b", "c", "d", "e")
    third = new_set(5, "f", "g", "h", "i")
    execution = chain.execute([chain.sign("hospital-a", issue_bill())])
    header = changed(execution.header, next_validators=second.digest())
    last = SetChange(header, certify(header, first), second)
    chain.adopt(changed_execution(execution, header), last.certificate)
    chain.ledger.head = changed(chain.ledger.head, next_validators=second.digest())
    chain.ledger.members = second
    proof_of_bill = chain.proof(bill_id(1), current=False)
    record = chain.current(bill_id(1))
    newer = Header(
        version=1,
        chain_id=chain.chain_id,
        height=4,
        parent=bytes(32),
        time_ms=chain.time_ms + 1,
        proposer="a",
        transactions_root=transactions_root([]),
        outcomes_root=EMPTY_ROOT,
        outcomes_count=0,
        state_root=header.state_root,
        state_count=header.state_count,
        history_root=bytes(32),
        validators=second.digest(),
        next_validators=third.digest(),
    )
    seats = (0, 1, 2, 3)
    after = SetChange(newer, certify(newer, second, seats=seats), third)
    current = changed(record, header=newer, certificate=after.certificate)
    return Handover(chain, last, after, changed(proof_of_bill, set_changes=[last], current=current))


def changed_execution(execution: Any, header: Header) -> Any:
    return replace(execution, header=header, digest=header.digest())


def verdict_of(handover: Handover, **changes: Any) -> Verdict:
    return check_proof(encode(changed(handover.proof, **changes)), handover.chain.genesis)


def test_a_set_is_believed_when_the_one_before_certified_it(handover: Handover) -> None:
    """DESIGN 5: per change one header, certificate and set; n comes from the proven set, never from the file."""
    verdict = verdict_of(handover)
    assert verdict.valid, verdict.checks
    assert "5 members, a quorum is 4, 1 changes" in verdict.checks[2].detail
    further = verdict_of(handover, set_changes=[handover.change, handover.after])
    assert further.valid
    assert "4 members, a quorum is 3, 2 changes" in further.checks[2].detail


def test_a_new_set_s_block_needs_the_change_before_it(handover: Handover) -> None:
    assert verdict_of(handover, set_changes=[]).checks[-1].name == "current record"


@pytest.mark.parametrize(
    "change",
    [
        lambda story: [changed(story.change, members=new_set(3, "x", "y", "z", "w"))],  # not the one that is named
        lambda story: [changed(story.change, members=new_set(4, "a", "b", "c", "d", "e"))],
        lambda story: [changed(story.change, members=new_set(2, "a", "b", "c", "d", "e"))],
        lambda story: [story.change, story.change],
        lambda story: [story.after, story.change],
        lambda story: [story.after],
        lambda story: [changed(story.change, certificate=story.after.certificate)],
        lambda story: [changed(story.change, certificate=changed(story.change.certificate, signatures=[]))],
        lambda story: [changed(story.change, header=changed(story.change.header, next_validators=bytes(32)))],
        lambda story: [
            story.change,
            changed(story.after, certificate=certify(story.after.header, story.change.members, seats=(0, 1, 2))),
        ],  # three of five
    ],
)
def test_a_set_that_nobody_certified_is_not_believed(handover: Handover, change: Any) -> None:
    verdict = verdict_of(handover, set_changes=change(handover))
    assert not verdict.valid
    assert verdict.checks[-1].name == "validators"


def test_a_former_set_does_not_vote_any_more(handover: Handover) -> None:
    """Its members may sign what they like after the change."""
    assert handover.proof.current is not None
    header = changed(handover.proof.current.header, validators=handover.chain.genesis.validator_set().digest())
    old = certify(header, handover.chain.genesis.validator_set())
    verdict = verdict_of(handover, current=changed(handover.proof.current, header=header, certificate=old))
    assert verdict.checks[-1].name == "current record"
    assert verdict.checks[-1].ok is False


def test_a_header_names_the_set_that_signed_it(handover: Handover) -> None:
    """Even a quorum's word is not taken for a header that says another set votes on it."""
    assert handover.proof.current is not None
    header = changed(handover.proof.current.header, validators=bytes(32))
    own = certify(header, handover.change.members, seats=(0, 1, 2, 3))
    verdict = verdict_of(handover, current=changed(handover.proof.current, header=header, certificate=own))
    assert (verdict.checks[-1].name, verdict.checks[-1].ok) == ("current record", False)
    assert "another validator set" in verdict.checks[-1].detail


# ── trust and age ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_different_blocks_of_one_height_are_found(story: Story) -> None:
    """What quorums that broke their word would look like: the holder kept a checkpoint of the other block."""
    chain_id = story.chain.chain_id.hex()
    for height in (2, 3, 4, 5, story.chain.height):  # parent, bill, sealed, seal, newest
        good = Checkpoint(chain_id, height, story.chain.view(height).digest.hex())
        assert check(story, story.proof, trusted=[good]).valid
        bad = changed(good, digest="00" * 32)
        assert failed_step(story, story.proof, trusted=[bad]) == "trust"
        assert check(story, story.proof, trusted=[changed(bad, chain_id="00" * 32)]).valid  # another ledger's


def test_an_old_proof_is_stale_when_a_young_one_is_asked_for(story: Story) -> None:
    assert story.proof.current is not None
    when = story.proof.current.header.time_ms
    assert check(story, story.proof, max_age_ms=1000, now_ms=when + 1000).valid
    assert failed_step(story, story.proof, max_age_ms=1000, now_ms=when + 1001) == "age"
    assert failed_step(story, changed(story.proof, current=None), max_age_ms=1000, now_ms=when) == "age"


def test_an_age_without_a_clock_is_the_caller_s_fault(story: Story) -> None:
    for how in ({"max_age_ms": 1000}, {"now_ms": 1000}):
        with pytest.raises(ValueError, match="go together"):
            check(story, story.proof, **how)


def test_a_check_takes_milliseconds(story: Story) -> None:
    """It runs on a phone, on a till, and for every upload to `proofs:check`. Generous: the machine may be busy."""
    data = story.data
    assert len(data) < 8_000
    started = time.perf_counter()
    for _ in range(20):
        assert check(story, data).valid
    assert (time.perf_counter() - started) / 20 < 0.1


def test_a_proof_decodes_to_itself(story: Story) -> None:
    assert decode(story.data, Proof) == story.proof
