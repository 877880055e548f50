"""A file of evidence proves itself from the genesis alone: rules 15 and 16, and each thing that it must not be."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from chain.block import PROTOCOL_VERSION, Header
from chain.codec import encode
from chain.digest import EMPTY_DIGEST
from chain.proof import SetChange
from chain.validators import COMMIT, PREPARE, Certificate, Member, SeatSignature, ValidatorSet, vote_message
from consensus import evidence as evidence_file
from consensus.errors import CertificateInvalid, ConsensusError, ForeignEpoch, MessageMalformed, SeatUnknown
from consensus.evidence import Conviction, Evidence, check_evidence, encode_evidence, in_order
from consensus.model import Commit, Prepare, Vote, kind_of
from tests.chain.making import VALIDATORS, genesis, key_of

replaced = msgspec.structs.replace

GENESIS = genesis()
CHAIN_ID = GENESIS.digest()
FIRST = GENESIS.validator_set()


def following(epoch: int, *names: str) -> ValidatorSet:
    return ValidatorSet(epoch, [Member(name, key_of(f"{name}/vote").public) for name in sorted(names)])


SECOND = following(2, *VALIDATORS, "hospital-a")  # begins with block 2: the shortest that there is
THIRD = following(9, "bigdata", "finance", "health", "hospital-a")


def signed(vote: Vote, members: ValidatorSet, chain_id: bytes = CHAIN_ID) -> Vote:
    name = members.members[vote.seat].organisation if vote.seat < members.n else "nobody"
    message = vote_message(chain_id, vote.epoch, kind_of(vote), vote.view, vote.height, vote.digest)
    return replaced(vote, signature=key_of(f"{name}/vote").sign(message))


def pair(members: ValidatorSet, kind: type[Vote] = Prepare, seat: int = 3, **fields: int) -> tuple[Vote, Vote]:
    """Two votes of a seat in one slot, in their order."""
    named = {"epoch": members.epoch, "view": 7, "height": members.epoch + 1} | fields
    votes = [
        signed(kind(named["epoch"], named["view"], named["height"], digest, seat, bytes(64)), members)
        for digest in (bytes(32), sha256(b"another").digest())
    ]
    return in_order(votes[0], votes[1])


def change(
    before: ValidatorSet, after: ValidatorSet, kind: int = COMMIT, signers: int = 0, epoch: int = 0, **bent: Any
) -> SetChange:
    """What `before` certified as its last header; each field may be bent, and is signed as it then is."""
    fields = {
        "chain_id": CHAIN_ID, "height": after.epoch - 1, "validators": before.digest(),
        "next_validators": after.digest(),
    } | bent  # fmt: skip
    header = Header(
        PROTOCOL_VERSION, fields["chain_id"], fields["height"], bytes(32), 5, "finance", EMPTY_DIGEST, EMPTY_DIGEST, 0,
        EMPTY_DIGEST, 0, EMPTY_DIGEST, fields["validators"], fields["next_validators"],
    )  # fmt: skip
    message = vote_message(CHAIN_ID, epoch or before.epoch, kind, 1, header.height, header.digest())
    seats = range(signers or before.quorum)
    signatures = [
        SeatSignature(seat, key_of(f"{before.members[seat].organisation}/vote").sign(message)) for seat in seats
    ]
    return SetChange(header, Certificate(1, signatures), after)


TWO = [change(FIRST, SECOND), change(SECOND, THIRD)]


@pytest.mark.parametrize("kind", [Prepare, Commit])
@pytest.mark.parametrize("changes", [0, 1, 2])
def test_a_pair_convicts_the_key_that_the_seat_had_in_its_epoch(changes: int, kind: type[Vote]) -> None:
    """Rule 16, over changes of the set: seat 3 is another organisation in each of them."""
    members = (FIRST, SECOND, THIRD)[changes]
    first, second = pair(members, kind)
    assert encode_evidence(CHAIN_ID, TWO[:changes], second, first) == encode_evidence(
        CHAIN_ID, TWO[:changes], first, second
    )
    found = check_evidence(encode_evidence(CHAIN_ID, TWO[:changes], first, second), GENESIS)
    name = ("insurance", "hospital-a", "hospital-a")[changes]
    key = key_of(f"{name}/vote").public
    epoch = members.epoch
    assert found == Conviction(name, key, epoch, 7, epoch + 1, kind.__name__, (first.digest, second.digest))
    assert found.slot == (name, key, epoch, epoch + 1, kind.__name__, 7)


OTHER_SET = following(2, *VALIDATORS)

BENT_CHANGES: dict[str, tuple[Callable[[], SetChange], type[ConsensusError]]] = {
    "a header of another ledger": (lambda: change(FIRST, SECOND, chain_id=bytes(32)), MessageMalformed),
    "a header of another set": (lambda: change(FIRST, SECOND, validators=SECOND.digest()), MessageMalformed),
    "a header from before the set": (lambda: change(FIRST, replaced(SECOND, epoch=1), height=0), MessageMalformed),
    "a header too low for its epoch": (
        lambda: change(FIRST, replaced(SECOND, epoch=3), height=1), MessageMalformed
    ),
    "a header too high for its epoch": (
        lambda: change(FIRST, SECOND, height=2), MessageMalformed
    ),
    "a header that names another set": (
        lambda: change(FIRST, SECOND, next_validators=OTHER_SET.digest()), MessageMalformed
    ),
    "too few signatures": (lambda: change(FIRST, SECOND, signers=2), CertificateInvalid),
    "too many signatures": (lambda: change(FIRST, SECOND, signers=4), CertificateInvalid),
    "Prepares": (lambda: change(FIRST, SECOND, kind=PREPARE), CertificateInvalid),
    "votes of another epoch": (lambda: change(FIRST, SECOND, epoch=2), CertificateInvalid),
    "signed by the new set": (
        lambda: replaced(change(SECOND, SECOND, validators=FIRST.digest()), members=SECOND), CertificateInvalid
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BENT_CHANGES)
def test_a_change_that_the_set_before_did_not_certify_convicts_nobody(name: str) -> None:
    """Rule 15: else a liar makes itself a set in which honest organisations have its keys."""
    refused(*BENT_CHANGES[name])


@pytest.mark.parametrize("field", ["chain_id", "validators", "next_validators"])
@pytest.mark.parametrize("digest", [bytes(32), bytes([255]) * 32])
def test_a_change_of_another_ledger_or_set_convicts_nobody(field: str, digest: bytes) -> None:
    refused(lambda: change(FIRST, SECOND, **{field: digest}), MessageMalformed)


def refused(make: Callable[[], SetChange], error: type[ConsensusError]) -> None:
    """Because of this change, though all else is in order; and the right one is taken."""
    bent = make()
    data = encode_evidence(CHAIN_ID, [bent], *pair(bent.members))
    with pytest.raises(error):
        check_evidence(data, GENESIS)
    check_evidence(encode_evidence(CHAIN_ID, TWO[:1], *pair(SECOND)), GENESIS)


def test_a_change_is_certified_by_the_set_before_and_not_by_an_earlier_one() -> None:
    """Rule 15: also where an old set's header names it, at a height that had its own set by then."""
    for wrong in (
        [TWO[1]],
        [TWO[1], TWO[0]],
        [TWO[0], TWO[0]],
        [TWO[0], change(FIRST, THIRD)],
        [TWO[0], change(SECOND, replaced(THIRD, epoch=2), height=1)],
    ):
        with pytest.raises(ConsensusError):
            check_evidence(encode_evidence(CHAIN_ID, wrong, *pair(wrong[-1].members)), GENESIS)
    for members in (FIRST, SECOND):
        with pytest.raises(ForeignEpoch):
            check_evidence(encode_evidence(CHAIN_ID, TWO, *pair(members)), GENESIS)
    shortest = change(SECOND, replaced(THIRD, epoch=3), height=2)  # an epoch of one block
    check_evidence(encode_evidence(CHAIN_ID, [TWO[0], shortest], *pair(shortest.members)), GENESIS)


def test_a_seat_that_the_set_does_not_have_is_nobodys() -> None:
    for seat in (4, 5, 99):
        with pytest.raises(SeatUnknown):
            check_evidence(encode_evidence(CHAIN_ID, [], *pair(FIRST, seat=seat)), GENESIS)


def test_a_file_has_one_spelling_one_version_and_one_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its bytes are, our error comes of them; of evidence, no more bytes than there may be."""
    first, second = pair(FIRST)
    right = Evidence(1, CHAIN_ID, [], first, second)
    data = encode(right)
    assert data == encode_evidence(CHAIN_ID, [], first, second)
    for wrong in (
        replaced(right, version=0),
        replaced(right, version=2),
        replaced(right, chain_id=bytes(32)),
        replaced(right, chain_id=bytes([255]) * 32),
        replaced(right, first=second, second=first),
        replaced(right, second=first),
        replaced(right, second=replaced(second, signature=bytes(64))),
        replaced(right, first=replaced(first, signature=bytes(64))),
    ):
        with pytest.raises(ConsensusError):
            check_evidence(encode(wrong), GENESIS)
    with pytest.raises(MessageMalformed, match=f"^of ledger {'00' * 8}, not {CHAIN_ID.hex()[:16]}$"):
        check_evidence(encode(replaced(right, chain_id=bytes(32))), GENESIS)
    with pytest.raises(AttributeError):
        right.first = second  # type: ignore[misc]
    for junk in (b"", data[:-1], data + b"\0", b"\xc1" * 100):
        with pytest.raises(MessageMalformed):
            check_evidence(junk, GENESIS)
    monkeypatch.setattr(evidence_file, "EVIDENCE_BYTES_MAX", len(data))
    check_evidence(data, GENESIS)
    monkeypatch.setattr(evidence_file, "EVIDENCE_BYTES_MAX", len(data) - 1)
    with pytest.raises(MessageMalformed, match="evidence has at most"):
        check_evidence(data, GENESIS)


def test_a_file_has_at_most_a_mebibyte() -> None:
    """Nodes give each other such files: what one keeps, every other one must take."""
    for size, is_read in ((1_048_576, True), (1_048_577, False)):
        with pytest.raises(MessageMalformed) as caught:
            check_evidence(bytes(size), GENESIS)
        assert ("evidence has at most 1048576" in str(caught.value)) == (not is_read)
