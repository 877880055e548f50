"""Proof that a member lied: two of its votes in one slot (rule 16).

Evidence is the two signed votes in canonical order, so that everybody finds the same, and nothing that a node adds of
its own: no time, no name of who noticed. A file of it (`Evidence`) has beside them only what leads from genesis to the
set that the member had its seat in, each step certified by the set before: so anybody can check it offline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from chain.codec import Count, Digest, Wire, decode, encode
from chain.errors import ChainError
from chain.genesis import Genesis
from chain.proof import SetChange
from chain.signature import is_signature
from chain.validators import COMMIT, ValidatorSet, Verify, verify_certificate
from consensus.errors import CertificateInvalid, MessageMalformed
from consensus.model import Vote, kind_of
from consensus.wire import encode_message, verify_vote

EVIDENCE_VERSION = 1
EVIDENCE_BYTES_MAX = 1 << 20  # of a file: 500 bytes, and some 1 kB per change of the set
SET_CHANGES_MAX = 4_096

Slot = tuple[str, bytes, int, int, str, int]  # organisation, key, epoch, height, kind, view: one digest, ever


class Evidence(Wire, frozen=True):
    """The canonical bytes of a file `*.evidence`."""

    version: Count
    chain_id: Digest
    set_changes: Annotated[
        list[SetChange], msgspec.Meta(max_length=SET_CHANGES_MAX)
    ]  # from genesis to the votes' epoch
    first: Vote  # its encoding is below that of `second`
    second: Vote


@dataclass(frozen=True, slots=True)
class Conviction:
    """What evidence proves: this key signed two digests where an honest one signs one."""

    organisation: str
    key: bytes  # 32
    epoch: int
    view: int
    height: int
    kind: str  # Prepare or Commit
    digests: tuple[bytes, bytes]  # of headers, in the order of the votes

    @property
    def slot(self) -> Slot:
        """Two pieces of evidence in one slot say the same of the same key."""
        return (self.organisation, self.key, self.epoch, self.height, self.kind, self.view)


def is_conflict(first: Vote, second: Vote) -> bool:
    """Whether one member voted for two digests in one (epoch, kind, view, height)."""
    return slot_of(first) == slot_of(second) and first.digest != second.digest


def slot_of(vote: Vote) -> tuple[int, int, int, int, int]:
    """In which an honest member signs one digest, ever: (epoch, height, kind, view, seat)."""
    return (vote.epoch, vote.height, kind_of(vote), vote.view, vote.seat)


def in_order(first: Vote, second: Vote) -> tuple[Vote, Vote]:
    """The pair as it is kept: the same whoever saw which vote first."""
    return (first, second) if encode_message(first) <= encode_message(second) else (second, first)


def verify_evidence(
    first: Vote, second: Vote, members: ValidatorSet, chain_id: bytes, verify: Verify = is_signature
) -> None:
    """Check that the pair convicts its signer. Raises MessageMalformed if it does not, ForeignEpoch, SeatUnknown,
    SignatureRefused if a vote is not what it says."""
    if not is_conflict(first, second) or in_order(first, second) != (first, second):
        raise MessageMalformed("these two votes convict nobody")
    verify_vote(first, members, chain_id, verify)
    verify_vote(second, members, chain_id, verify)


def conviction_of(first: Vote, second: Vote, members: ValidatorSet) -> Conviction:
    """What a pair says, of a set that has its seat; whether it is true is another question."""
    member = members.members[first.seat]
    kind = "Commit" if kind_of(first) == COMMIT else "Prepare"
    digests = (first.digest, second.digest)
    return Conviction(member.organisation, member.key, first.epoch, first.view, first.height, kind, digests)


def encode_evidence(chain_id: bytes, set_changes: list[SetChange], first: Vote, second: Vote) -> bytes:
    """A file's bytes. `set_changes` as `chain.proving.set_changes` gives them up to the votes' epoch."""
    return encode(Evidence(EVIDENCE_VERSION, chain_id, set_changes, *in_order(first, second)))


def check_evidence(data: bytes, genesis: Genesis, verify: Verify = is_signature) -> Conviction:
    """Check a file from its bytes and the genesis alone. Raises a ConsensusError, whatever the bytes.

    1 canonical bytes of this version · 2 of this ledger · 3 each change of the set certified by the set before, the last
    one making the votes' epoch · 4 two signed votes of one slot that contradict each other.
    """
    if len(data) > EVIDENCE_BYTES_MAX:
        raise MessageMalformed(f"{len(data)} bytes, evidence has at most {EVIDENCE_BYTES_MAX}")
    try:
        evidence: Evidence = decode(data, Evidence)  # 1
    except ChainError as error:
        raise MessageMalformed(str(error)) from None
    if evidence.version != EVIDENCE_VERSION:
        raise MessageMalformed(f"version {evidence.version}, this program knows {EVIDENCE_VERSION}")
    chain_id = genesis.digest()
    if evidence.chain_id != chain_id:  # 2
        raise MessageMalformed(f"of ledger {evidence.chain_id.hex()[:16]}, not {chain_id.hex()[:16]}")
    members = genesis.validator_set()
    for change in evidence.set_changes:  # 3
        verify_set_change(change, members, chain_id, verify)
        members = change.members
    verify_evidence(evidence.first, evidence.second, members, chain_id, verify)  # 4
    return conviction_of(evidence.first, evidence.second, members)


def verify_set_change(change: SetChange, members: ValidatorSet, chain_id: bytes, verify: Verify) -> None:
    """Check that `members` certified the block that names the next set. Raises CertificateInvalid, MessageMalformed."""
    header = change.header
    if header.chain_id != chain_id or header.validators != members.digest() or header.height < members.epoch:
        raise MessageMalformed("a header of another ledger or of another set")
    if change.members.epoch != header.height + 1 or header.next_validators != change.members.digest():
        raise MessageMalformed("the header names another set")
    try:
        verify_certificate(change.certificate, members, COMMIT, chain_id, header.height, header.digest(), verify)
    except ChainError as error:
        raise CertificateInvalid(str(error)) from None
