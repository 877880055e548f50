"""Validator sets, quorums and certificates (PROTOCOL 1 to 5)."""

from __future__ import annotations

from itertools import combinations

import pytest

from chain.errors import CertificateRefused
from chain.validators import (
    COMMIT,
    PREPARE,
    Certificate,
    Member,
    SeatSignature,
    ValidatorSet,
    max_faulty,
    quorum_size,
    verify_certificate,
    vote_message,
)
from tests.chain.making import key_of

CHAIN, DIGEST = b"c" * 32, b"d" * 32


def members(n: int, epoch: int = 1) -> ValidatorSet:
    return ValidatorSet(epoch, [Member(f"v{seat:02d}", key_of(f"v{seat:02d}").public) for seat in range(n)])


def signed(
    of: ValidatorSet,
    seats: tuple[int, ...],
    kind: int = COMMIT,
    view: int = 3,
    height: int = 7,
    epoch: int | None = None,
) -> Certificate:
    message = vote_message(CHAIN, of.epoch if epoch is None else epoch, kind, view, height, DIGEST)
    return Certificate(view, [SeatSignature(seat, key_of(f"v{seat % of.n:02d}").sign(message)) for seat in seats])


def verify(certificate: Certificate, of: ValidatorSet, kind: int = COMMIT, height: int = 7) -> None:
    verify_certificate(certificate, of, kind, CHAIN, height, DIGEST)


@pytest.mark.parametrize("n", range(4, 14))
def test_any_two_quorums_share_a_correct_member(n: int) -> None:
    """And f silent members never stop the others. PBFT, section 3, for every n and not only 3f + 1."""
    f, quorum = max_faulty(n), quorum_size(n)
    assert n >= 3 * f + 1 > n - 3
    assert 2 * quorum - n >= f + 1
    assert quorum <= n - f


@pytest.mark.parametrize(("n", "f", "quorum"), [(4, 1, 3), (5, 1, 4), (6, 1, 5), (7, 2, 5), (10, 3, 7)])
def test_a_set_knows_its_own_numbers(n: int, f: int, quorum: int) -> None:
    of = members(n)
    assert (of.n, of.f, of.quorum) == (n, f, quorum)
    assert [of.primary(view) for view in range(n + 1)] == [*range(n), 0]
    assert (of.seat_of("v02"), of.seat_of("nobody")) == (2, None)


def test_every_quorum_makes_a_certificate_and_nothing_else_does() -> None:
    of = members(4)
    for seats in combinations(range(4), 3):
        verify(signed(of, seats), of)
    for seats in [(), (0,), (0, 1), (0, 1, 2, 3), (0, 0, 1), (2, 1, 0), (0, 1, 1), (1, 2, 4), (0, 1, 2**53)]:
        with pytest.raises(CertificateRefused):
            verify(signed(of, seats), of)


def test_every_signature_is_checked() -> None:
    of = members(7)
    good = signed(of, (0, 2, 3, 5, 6))
    verify(good, of)
    for place in range(5):
        bad = list(good.signatures)
        bad[place] = SeatSignature(bad[place].seat, bad[place - 1].signature)
        with pytest.raises(CertificateRefused, match=f"seat {bad[place].seat}"):
            verify(Certificate(good.view, bad), of)


def test_votes_count_for_their_kind_view_height_block_epoch_and_ledger_alone() -> None:
    """RELIABILITY 2.2, Y9: replay from another chain, epoch, view or height."""
    of = members(4)
    seats = (0, 1, 2)
    for certificate in (
        signed(of, seats, kind=PREPARE),
        signed(of, seats, height=8),
        signed(of, seats, epoch=2),
        Certificate(4, signed(of, seats).signatures),
    ):
        with pytest.raises(CertificateRefused):
            verify(certificate, of)
    for chain_id, digest in ((b"x" * 32, DIGEST), (CHAIN, b"x" * 32)):
        with pytest.raises(CertificateRefused):
            verify_certificate(signed(of, seats), of, COMMIT, chain_id, 7, digest)
