"""Bytes, signed bytes, and what is refused before it becomes an event."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.signature import SigningKey
from chain.validators import COMMIT, PREPARE, Certificate, Member, ValidatorSet, max_faulty, quorum_size
from consensus.effects import Accuse
from consensus.errors import (
    CertificateInvalid,
    ConsensusError,
    ForeignEpoch,
    MessageMalformed,
    NewViewInvalid,
    SeatUnknown,
    SignatureRefused,
    ViewChangeInvalid,
)
from consensus.events import Timer
from consensus.evidence import in_order, verify_evidence
from consensus.model import (
    Commit,
    Fetch,
    NewView,
    PeerMessage,
    Prepare,
    PrePrepare,
    Status,
    ViewChange,
)
from consensus.wire import (
    decode_message,
    decode_record,
    encode_message,
    encode_record,
    message_bytes_max,
    new_view_message,
    obliged_proposal,
    verify_message,
    view_change_message,
    vote_digest,
)
from tests.consensus.cluster import Cluster
from tests.simulator.application import CHAIN_ID

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "consensus.json").read_text())
KINDS = ("PrePrepare", "Prepare", "Commit", "ViewChange", "NewView", "Status", "Fetch")
replaced = msgspec.structs.replace


def vector(kind: str) -> Any:
    return decode_message(bytes.fromhex(VECTORS["messages"][kind]))


def vector_set(epoch: int = 1) -> ValidatorSet:
    keys = [SigningKey.from_seed(bytes.fromhex(secret)) for secret in VECTORS["secrets"]]
    return ValidatorSet(epoch, [Member(f"member-{seat}", key.public) for seat, key in enumerate(keys)])


def check(message: PeerMessage, members: ValidatorSet | None = None) -> None:
    verify_message(message, members or vector_set(), bytes.fromhex(VECTORS["chain_id"]))


# -- vectors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_are_those_of_another_library(kind: str) -> None:
    """tests/vectors/make_consensus.py wrote them with msgpack and hashlib alone."""
    data = bytes.fromhex(VECTORS["messages"][kind])
    message = decode_message(data)
    assert type(message).__name__ == kind
    assert encode_message(message) == data
    check(message)  # signatures were made by another library too


def test_signed_bytes_are_those_of_another_library() -> None:
    chain_id = bytes.fromhex(VECTORS["chain_id"])
    found = {
        "Prepare": vote_digest(vector("Prepare"), chain_id),
        "Commit": vote_digest(vector("Commit"), chain_id),
        "ViewChange": view_change_message(vector("ViewChange"), chain_id),
        "NewView": new_view_message(vector("NewView"), chain_id),
    }
    assert {name: value.hex() for name, value in found.items()} == VECTORS["signed"]
    assert vector("PrePrepare").header.digest().hex() == VECTORS["header_digest"]


def test_the_obliged_proposal_follows_from_the_new_view() -> None:
    proposal = obliged_proposal(vector("NewView"))
    assert proposal is not None
    assert (proposal.view, proposal.height) == (5, 7)
    assert proposal.header == vector("PrePrepare").header


# -- bytes -------------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_hostile_bytes_raise_our_error_only(data: bytes) -> None:
    with pytest.raises(MessageMalformed):
        decode_message(b"\x9f" + data)


@pytest.mark.parametrize("kind", ["Prepare", "ViewChange", "Status"])
def test_torn_bent_and_lengthened_bytes_are_refused(kind: str) -> None:
    """Each byte in turn: it does not decode, or does not verify, or (Status) says something else unsigned."""
    data = bytes.fromhex(VECTORS["messages"][kind])
    for bad in (data[:-1], data + b"\x00", data[: len(data) // 2], b""):
        with pytest.raises(MessageMalformed):
            decode_message(bad)
    step = 1 if kind == "Prepare" else 7
    for index in range(0, len(data), step):
        bent = data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]
        try:
            check(decode_message(bent))
        except ConsensusError:
            continue
        assert kind == "Status"


def test_another_spelling_of_a_message_is_refused() -> None:
    """`height` 7 as two bytes instead of one."""
    data = bytes.fromhex(VECTORS["messages"]["Fetch"])
    with pytest.raises(MessageMalformed):
        decode_message(data.replace(b"\x07\x07", b"\x07\xcc\x07", 1))


def test_the_frame_cap_fits_the_largest_new_view() -> None:
    """Rule 12: q ViewChanges, each with a full list."""
    new_view = vector("NewView")
    change = vector("ViewChange")
    full = replaced(change, prepared=replaced(change.prepared, transactions=[bytes(32)] * 1_000))
    largest = replaced(new_view, view_changes=[full] * 3)
    assert len(encode_message(largest)) <= message_bytes_max(4, 1_000)


def test_journal_records_come_back_as_they_were() -> None:
    cluster = Cluster()
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare)
    cluster.expire(Timer.VIEW)
    for seat in cluster.seats:
        assert len(seat.journal) == 3
        for record in seat.journal:
            assert decode_record(encode_record(record)) == record


# -- checks ------------------------------------------------------------------------------------------------------------

REFUSALS: dict[str, tuple[str, Callable[[Any], Any], type[ConsensusError]]] = {
    "a vote of another epoch": ("Prepare", lambda m: replaced(m, epoch=2), ForeignEpoch),
    "a vote of a seat that nobody has": ("Prepare", lambda m: replaced(m, seat=4), SeatUnknown),
    "a vote under a foreign key": ("Prepare", lambda m: replaced(m, seat=1), SignatureRefused),
    "a vote moved to another view": ("Commit", lambda m: replaced(m, view=3), SignatureRefused),
    "a Prepare called a Commit": (
        "Prepare",
        lambda m: Commit(m.epoch, m.view, m.height, m.digest, m.seat, m.signature),
        SignatureRefused,
    ),
    "a list that the header does not name": (
        "PrePrepare",
        lambda m: replaced(m, transactions=m.transactions[:1]),
        MessageMalformed,
    ),
    "a header for another height": ("PrePrepare", lambda m: replaced(m, height=8), MessageMalformed),
    "a proposal not by the primary": ("PrePrepare", lambda m: replaced(m, view=3), SignatureRefused),
    "a changed header": (
        "PrePrepare",
        lambda m: replaced(m, header=replaced(m.header, state_root=bytes(32))),
        SignatureRefused,
    ),
    "a ViewChange without signature": ("ViewChange", lambda m: replaced(m, signature=bytes(64)), SignatureRefused),
    "a ViewChange that hides": ("ViewChange", lambda m: replaced(m, prepared=None), SignatureRefused),
    "a ViewChange to view 0": ("ViewChange", lambda m: replaced(m, view=0), ViewChangeInvalid),
    "a NewView of too few": ("NewView", lambda m: replaced(m, view_changes=m.view_changes[:2]), NewViewInvalid),
    "a NewView of one member thrice": (
        "NewView",
        lambda m: replaced(m, view_changes=[m.view_changes[0]] * 3),
        NewViewInvalid,
    ),
    "a NewView for another view": ("NewView", lambda m: replaced(m, view=9), NewViewInvalid),
    "a NewView without signature": ("NewView", lambda m: replaced(m, signature=bytes(64)), SignatureRefused),
    "a Status with a forged vote": (
        "Status",
        lambda m: replaced(m, votes=[replaced(m.votes[0], height=8)]),
        SignatureRefused,
    ),
    "a Status that knows the views of too few": ("Status", lambda m: replaced(m, views=[0, 0, 0]), MessageMalformed),
    "a Status with more votes than there are": ("Status", lambda m: replaced(m, votes=m.votes * 5), MessageMalformed),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused(name: str) -> None:
    kind, bend, error = REFUSALS[name]
    with pytest.raises(error):
        check(bend(vector(kind)))
    check(vector(kind))  # the good one is still good


def test_a_status_of_another_epoch_is_a_hint_and_no_more() -> None:
    """Rule 15: who is behind by a change of set cannot check its votes, and must hear that there is more to fetch."""
    status = vector("Status")
    check(replaced(status, epoch=9, votes=[replaced(status.votes[0], height=8)]))


def signed_view_change(**changes: Any) -> ViewChange:
    """Seat 3's ViewChange of the vectors, changed and signed again by seat 3: a lie, not a forgery."""
    change = replaced(vector("ViewChange"), **changes)
    key = SigningKey.from_seed(bytes.fromhex(VECTORS["secrets"][3]))
    return replaced(change, signature=key.sign(view_change_message(change, bytes.fromhex(VECTORS["chain_id"]))))


def certificate_of_two() -> Certificate:
    certificate = vector("ViewChange").certificate
    return Certificate(
        certificate.view, [certificate.signatures[0], certificate.signatures[0], certificate.signatures[1]]
    )


LIES: dict[str, tuple[dict[str, Any], type[ConsensusError]]] = {
    "no certificate above genesis": ({"certificate": None}, ViewChangeInvalid),
    "a certificate at genesis": ({"height": 0}, ViewChangeInvalid),
    "another genesis": ({"height": 0, "certificate": None, "prepared": None}, ViewChangeInvalid),
    "a height that the certificate is not for": ({"height": 9, "prepared": None}, CertificateInvalid),
    "prepared for another height than H + 1": ({"height": 5}, CertificateInvalid),
    "prepared in the very view": ({"view": 2}, ViewChangeInvalid),
    "one signer counted twice": ({"certificate": certificate_of_two()}, CertificateInvalid),
    "a list that the prepared header does not name": (
        {"prepared": replaced(vector("ViewChange").prepared, transactions=[])},
        MessageMalformed,
    ),
    "Commits in place of Prepares": (
        {"prepared": replaced(vector("ViewChange").prepared, certificate=vector("ViewChange").certificate)},
        CertificateInvalid,
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_view_change_is_dropped_as_a_whole(name: str) -> None:
    """Rule 7: its sender signed it, and it contradicts itself."""
    changes, error = LIES[name]
    with pytest.raises(error):
        check(signed_view_change(**changes))
    check(signed_view_change())


def test_height_before_the_epoch_is_proven_by_the_former_set() -> None:
    """Rule 7: H = epoch - 1."""
    first_block_is_7 = vector_set(7)
    change = replaced(vector("ViewChange"), epoch=7, prepared=None)
    chain_id = bytes.fromhex(VECTORS["chain_id"])
    key = SigningKey.from_seed(bytes.fromhex(VECTORS["secrets"][3]))
    change = replaced(change, signature=key.sign(view_change_message(change, chain_id)))
    verify_message(change, first_block_is_7, chain_id, former=vector_set(1))
    with pytest.raises(ViewChangeInvalid):
        verify_message(change, first_block_is_7, chain_id)
    with pytest.raises(CertificateInvalid):
        verify_message(change, first_block_is_7, chain_id, former=first_block_is_7)


# -- evidence, quorums -------------------------------------------------------------------------------------------------


def test_evidence_convicts_its_signer_and_nobody_else() -> None:
    """Rule 16."""
    cluster = Cluster()
    cluster.give(0, 1, cluster.proposal("B-7"))
    cluster.give(0, 1, cluster.proposal("B-8"))
    accusation = cluster[1].did(Accuse)[0]
    assert isinstance(accusation, Accuse)
    verify_evidence(accusation.first, accusation.second, cluster.members, CHAIN_ID)
    assert in_order(accusation.second, accusation.first) == (accusation.first, accusation.second)
    for pair in (
        (accusation.second, accusation.first),
        (accusation.first, accusation.first),
        (accusation.first, replaced(accusation.second, view=1)),
    ):
        with pytest.raises(MessageMalformed):
            verify_evidence(*pair, cluster.members, CHAIN_ID)
    framed = in_order(replaced(accusation.first, seat=2), replaced(accusation.second, seat=2))
    with pytest.raises(SignatureRefused):
        verify_evidence(*framed, cluster.members, CHAIN_ID)


def test_any_two_quorums_share_a_correct_member() -> None:
    """n - f of n, for n = 1 ... 40: overlap at least f + 1; a quorum answers while f are silent. 2f + 1 does not do."""
    unsafe = []
    for n in range(1, 41):
        f = max_faulty(n)
        assert 2 * quorum_size(n) - n >= f + 1
        assert quorum_size(n) <= n - f
        if 2 * (2 * f + 1) - n < f + 1:
            unsafe.append(n)
    assert 5 in unsafe
    assert 6 in unsafe
    assert 4 not in unsafe


def test_kinds_are_apart() -> None:
    assert PREPARE != COMMIT
    assert {type(vector(kind)) for kind in KINDS} == {PrePrepare, Prepare, Commit, ViewChange, NewView, Status, Fetch}
