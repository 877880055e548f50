"""Who votes, how many votes decide, and what proves a decision afterwards.

Source: Castro and Liskov, "Practical Byzantine Fault Tolerance", OSDI 1999, sections 3 and 4; PROTOCOL rules 1-5.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated

import msgspec

from chain.codec import Count, Digest, Height, Name, PublicKey, Signature, Wire
from chain.digest import VALIDATOR_SET, VOTE, digest
from chain.errors import CertificateRefused
from chain.signature import is_signature

VALIDATORS_MIN = 4  # fewer tolerate no fault
MEMBERS_MAX = 100  # seats of a set, which messages and certificates can speak of

PREPARE = 1  # kinds of vote
COMMIT = 2

Verify = Callable[[bytes, bytes, bytes], bool]  # (public key, message, signature) -> whether it holds
View = Annotated[int, msgspec.Meta(ge=0, le=2**32)]


def max_faulty(n: int) -> int:
    """How many of n members may be Byzantine: the largest f with n >= 3f + 1."""
    return (n - 1) // 3


def quorum_size(n: int) -> int:
    """As many as answer for certain when f are silent; any two such sets share a correct member.

    Two sets of n - f out of n overlap in at least n - 2f >= f + 1 members, because n >= 3f + 1. This is the familiar
    2f + 1 only when n == 3f + 1: of 5 or 6 members, two sets of 3 may meet in the faulty one alone, or not at all.
    """
    return n - max_faulty(n)


class Member(Wire, frozen=True):
    """An organisation's seat among the validators."""

    organisation: Name
    key: PublicKey  # that its validator votes with


class ValidatorSet(Wire, frozen=True):
    """Who votes from the block `epoch` on; members are sorted by organisation."""

    epoch: Height
    members: list[Member]

    @property
    def n(self) -> int:
        return len(self.members)

    @property
    def f(self) -> int:
        return max_faulty(self.n)

    @property
    def quorum(self) -> int:
        return quorum_size(self.n)

    def primary(self, view: int) -> int:
        """The seat whose turn it is."""
        return view % self.n

    def digest(self) -> bytes:
        return digest(VALIDATOR_SET, self)

    def seat_of(self, organisation: str) -> int | None:
        """The seat of an organisation, or None."""
        for seat, member in enumerate(self.members):
            if member.organisation == organisation:
                return seat
        return None


class SeatSignature(Wire, frozen=True):
    """One member's signature."""

    seat: Count
    signature: Signature


class Certificate(Wire, frozen=True):
    """A view and exactly n - f votes of one kind for one block. Differs between nodes: never hashed or compared."""

    view: View
    signatures: list[SeatSignature]  # by seat, strictly ascending


def vote_message(chain_id: bytes, epoch: int, kind: int, view: int, height: int, block_digest: bytes) -> bytes:
    """The 32 bytes that a Prepare or Commit signs."""
    return digest(VOTE, [chain_id, epoch, kind, view, height, block_digest])


def verify_certificate(
    certificate: Certificate,
    members: ValidatorSet,
    kind: int,
    chain_id: bytes,
    height: int,
    block_digest: Digest,
    verify: Verify = is_signature,
) -> None:
    """Check that exactly a quorum of distinct members signed (kind, view, height, digest); every signature is checked.

    Raises CertificateRefused.
    """
    seats = [entry.seat for entry in certificate.signatures]
    if len(seats) != members.quorum:
        raise CertificateRefused(f"{len(seats)} signatures, a quorum is {members.quorum}")
    if any(later <= earlier for earlier, later in pairwise(seats)):
        raise CertificateRefused("seats not distinct and ascending")
    if seats[-1] >= members.n:
        raise CertificateRefused("a seat that the set does not have")
    message = vote_message(chain_id, members.epoch, kind, certificate.view, height, block_digest)
    for entry in certificate.signatures:
        if not verify(members.members[entry.seat].key, message, entry.signature):
            raise CertificateRefused(f"the signature of seat {entry.seat} does not hold")
