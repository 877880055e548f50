"""An operation with all that shows that a final block recorded it, and the checks of that.

Whoever follows its own part of the ledger checks the same things as whoever holds a proof: the outcome under the header,
the entry under the transaction, and the signature by a key that was in force under the state before.
"""

from __future__ import annotations

from chain import keyspace
from chain.block import RECORDED, Header, Outcome
from chain.codec import Count, Digest, Signature, Wire, decode, encode
from chain.errors import BadSignature, ProofMismatch
from chain.execute import KeyWitness
from chain.merkle import verify_inclusion
from chain.operation import operation_digest
from chain.records import KeyBody, Record, state_leaf
from chain.signature import ED25519, verify_signature
from chain.transaction import Entry, TransactionHead
from chain.validators import Certificate


class Recorded(Wire, frozen=True):
    """An operation with all that shows that a final block recorded it."""

    entry: Entry
    index: Count  # in its transaction
    path: list[Digest]  # to the transaction's operations_root
    head: TransactionHead
    suite: Count
    signature: Signature
    key: KeyWitness
    parent: Header | None  # whose state the key stood in; none at height 1: that is genesis
    outcome: Outcome
    outcome_place: Count
    outcome_path: list[Digest]  # to the header's outcomes_root
    header: Header
    certificate: Certificate


def verify_outcome(recorded: Recorded) -> None:
    """Check that the header's block says `recorded` of this very operation. Raises ProofMalformed or ProofMismatch."""
    outcome, header = recorded.outcome, recorded.header
    verify_inclusion(
        encode(outcome), recorded.outcome_place, header.outcomes_count, recorded.outcome_path, header.outcomes_root
    )
    if outcome.code != RECORDED:
        raise ProofMismatch(f"the ledger refused it: {outcome.code}")
    if outcome.operation != operation_digest(recorded.entry.operation):
        raise ProofMismatch("the outcome is of another operation")


def verify_entry(recorded: Recorded) -> None:
    """Check that the operation is entry `index` of the transaction that the outcome names.

    Raises ProofMalformed or ProofMismatch.
    """
    head = recorded.head
    verify_inclusion(encode(recorded.entry), recorded.index, head.operations_count, recorded.path, head.operations_root)
    if recorded.outcome.transaction != head.digest() or recorded.outcome.index != recorded.index:
        raise ProofMismatch("the outcome is of another transaction")


def verify_signed(
    head: TransactionHead,
    suite: int,
    signature: bytes,
    witness: KeyWitness,
    purposes: tuple[int, ...],
    height: int,
    parent_root: bytes,
    parent_count: int,
) -> None:
    """Check that a key of the transaction's organisation, for one of `purposes` and in force at `height`, signed it.

    The key record must lie under the state of the block before: `parent_root` over `parent_count` leaves. Raises
    ProofMalformed, ProofMismatch, Malformed or BadSignature.
    """
    if (witness.organisation, witness.key_id) != (head.organisation, head.key_id):
        raise ProofMismatch("the key record is of another key")
    public = verified_key(witness, purposes, height, parent_root, parent_count)
    if suite != ED25519:
        raise BadSignature("an unknown signature suite")
    verify_signature(public, head.digest(), signature)


def verified_key(
    witness: KeyWitness, purposes: tuple[int, ...], height: int, parent_root: bytes, parent_count: int
) -> bytes:
    """The public key of a witness, for one of `purposes` and in force at `height`; its record lies under the state of the
    block before. Raises ProofMalformed, ProofMismatch, Malformed or BadSignature."""
    if witness.count != parent_count:
        raise ProofMismatch("the key record is of another state")
    key = keyspace.key(witness.organisation, witness.key_id)
    verify_inclusion(state_leaf(key, witness.record), witness.place, parent_count, witness.path, parent_root)
    body = decode(decode(witness.record, Record).body, KeyBody)
    if body.purpose not in purposes or not body.from_height <= height < body.until_height:
        raise BadSignature("the key was not in force for this")
    if body.suite != ED25519:
        raise BadSignature("an unknown signature suite")
    return body.public
