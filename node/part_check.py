"""What a gateway checks of everything that a validator tells it: nothing is believed without its proof.

Per block: 1. it follows the block before; 2. a quorum of the set that votes on it signed it, and where it names another
set for the next block, that very set comes with it; 3. each transaction of the
organisation is whole and was signed by a key in force under the state before; 4. their outcomes stand under the
header; 5. each seal of the office likewise. A validator can still leave a transaction out of its answer; that is found
out by asking for the record (`gateway_recovery.py`). Source: PROTOCOL rule 17; DESIGN section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from chain.block import PROTOCOL_VERSION, RECORDED, Header
from chain.codec import encode
from chain.errors import BadSignature, CertificateRefused, ProofMismatch
from chain.genesis import Genesis
from chain.merkle import CoveredTree, verify_inclusion
from chain.operation import SealBills
from chain.proof import CurrentRecord
from chain.recorded import Recorded, verified_key, verify_entry, verify_outcome, verify_signed
from chain.records import SEAL, UNIT, state_leaf
from chain.signature import ED25519, verify_signature
from chain.state import genesis_change
from chain.validators import COMMIT, Certificate, ValidatorSet, verify_certificate
from node.messages import OwnTransaction, Part
from node.own_outcomes import leaves_of, outcomes_of


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is known of the ledger beforehand: from genesis, and who asks."""

    chain_id: bytes
    first_set: ValidatorSet  # votes from block 1 on
    organisation: str
    office: str  # that supervises it and seals its bills
    genesis_root: bytes
    genesis_count: int
    genesis_ms: int

    @classmethod
    def of(cls, genesis: Genesis, organisation: str, office: str = "") -> Ledger:
        """`office` supervises it, where it was admitted after genesis: a validator's word, were it wrong, would be that of no
        seal that names it. Raises ProofMismatch if genesis does not know the organisation and no office is named."""
        entry = next((entry for entry in genesis.organisations if entry.id == organisation), None)
        if entry is None and not office:
            raise ProofMismatch(f"{organisation} is not among the organisations of genesis")
        change = genesis_change(genesis)
        members = genesis.validator_set()
        return cls(
            genesis.digest(),
            members,
            organisation,
            entry.supervisor if entry is not None else office,
            change.root,
            change.count,
            genesis.created_ms,
        )


@dataclass(frozen=True, slots=True)
class Before:
    """The block before the next one, and who votes on that. `header` is None at genesis."""

    height: int
    digest: bytes
    time_ms: int
    state_root: bytes
    state_count: int
    header: Header | None
    voters: ValidatorSet  # on the next block

    @classmethod
    def genesis(cls, ledger: Ledger) -> Before:
        root, count = ledger.genesis_root, ledger.genesis_count
        return cls(0, ledger.chain_id, ledger.genesis_ms, root, count, None, ledger.first_set)

    @classmethod
    def block(cls, header: Header, voters: ValidatorSet) -> Before:
        digest = header.digest()
        return cls(header.height, digest, header.time_ms, header.state_root, header.state_count, header, voters)


@dataclass(frozen=True, slots=True)
class CheckedTransaction:
    own: OwnTransaction
    digest: bytes
    operations: list[bytes]  # digests
    codes: list[str]  # of their outcomes


@dataclass(frozen=True, slots=True)
class CheckedPart:
    part: Part  # nothing in it that was not checked
    digest: bytes  # of the header
    transactions: list[CheckedTransaction]
    voters: ValidatorSet  # on the next block

    @property
    def height(self) -> int:
        return self.part.header.height

    @property
    def seals(self) -> list[tuple[int, SealBills]]:
        """Recorded ones of the office: place in the part, operation."""
        found = enumerate(recorded.entry.operation for recorded in self.part.seals)
        return [(index, operation) for index, operation in found if isinstance(operation, SealBills)]


def check_parts(ledger: Ledger, before: Before, parts: Sequence[Part]) -> list[CheckedPart]:
    """Check consecutive parts. Raises a ChainError at the first one that does not hold."""
    checked = []
    for part in parts:
        checked.append(check_part(ledger, before, part))
        before = Before.block(part.header, checked[-1].voters)
    return checked


def check_part(ledger: Ledger, before: Before, part: Part) -> CheckedPart:
    """Check one part. Raises a ChainError."""
    header = part.header
    digest = header.digest()
    if (header.height, header.parent) != (before.height + 1, before.digest) or header.time_ms <= before.time_ms:
        raise ProofMismatch(f"block {header.height} does not follow block {before.height}")  # 1
    verify_final_header(ledger, header, part.certificate, digest, before.voters)  # 2
    voters = _voters_after(before.voters, part)
    transactions = _check_transactions(ledger, before, part)
    seals = []
    for recorded in part.seals:
        if recorded.outcome.code != RECORDED or recorded.head.organisation != ledger.office:
            continue  # refused, or not our office's: nothing follows from it, and it is not kept
        if not isinstance(recorded.entry.operation, SealBills):
            raise ProofMismatch("not a seal")
        _check_seal(ledger, before, digest, recorded)
        seals.append(recorded)
    if len(seals) != len(part.seals):
        part = msgspec.structs.replace(part, seals=seals)
    return CheckedPart(part, digest, transactions, voters)


def _voters_after(voters: ValidatorSet, part: Part) -> ValidatorSet:
    """Who votes on the next block: the certified header names the set by its digest."""
    header, named = part.header, part.next_set
    if header.next_validators == header.validators:
        if named is not None:
            raise ProofMismatch(f"block {header.height} names no other set of validators")
        return voters
    if named is None or named.digest() != header.next_validators or named.epoch != header.height + 1:
        raise ProofMismatch(f"the set of validators after block {header.height} is missing or another")
    return named


def verify_final_header(
    ledger: Ledger, header: Header, certificate: Certificate, digest: bytes, members: ValidatorSet
) -> None:
    """Check that a quorum of `members`, which vote at its height, signed a header of this ledger.

    Raises CertificateRefused or ProofMismatch.
    """
    if header.version != PROTOCOL_VERSION or header.chain_id != ledger.chain_id or header.height < 1:
        raise ProofMismatch("a header of another ledger")
    if header.validators != members.digest():
        raise CertificateRefused(f"block {header.height} names another validator set")
    verify_certificate(certificate, members, COMMIT, ledger.chain_id, header.height, digest)


def verify_current(ledger: Ledger, key: bytes, current: CurrentRecord, members: ValidatorSet) -> None:
    """Check that a final header, which `members` vote on, has this record in its state. Raises a ChainError."""
    header = current.header
    verify_final_header(ledger, header, current.certificate, header.digest(), members)
    leaf = state_leaf(key, encode(current.record))
    verify_inclusion(leaf, current.place, header.state_count, current.path, header.state_root)


def _check_transactions(ledger: Ledger, before: Before, part: Part) -> list[CheckedTransaction]:
    header = part.header
    if {witness.key_id for witness in part.keys} != {own.transaction.key_id for own in part.transactions}:
        raise ProofMismatch("other keys than signed the transactions")
    if not part.transactions:
        if part.keys or part.cover:
            raise ProofMismatch("keys or a cover of no transaction")
        return []
    keys: dict[bytes, bytes] = {}
    for witness in part.keys:
        if witness.organisation != ledger.organisation or witness.key_id in keys:
            raise ProofMismatch("a key of somebody else, or twice")
        keys[witness.key_id] = verified_key(witness, (UNIT, SEAL), header.height, before.state_root, before.state_count)
    checked: list[CheckedTransaction] = []
    leaves: dict[int, bytes] = {}
    next_place = 0
    for own in part.transactions:
        if own.first_place < next_place:
            raise ProofMismatch("transactions out of order")
        transaction = own.transaction
        if transaction.organisation != ledger.organisation:
            raise ProofMismatch("a transaction of somebody else")
        received, outcomes = outcomes_of(own, ledger.chain_id)
        if transaction.suite != ED25519:
            raise BadSignature("an unknown signature suite")
        verify_signature(keys[transaction.key_id], received.digest, transaction.signature)  # 3
        leaves.update(leaves_of(own, outcomes))
        next_place = own.first_place + len(outcomes)
        codes = [outcome.code for outcome in outcomes]
        checked.append(CheckedTransaction(own, received.digest, received.operation_digests, codes))
    if CoveredTree(leaves, header.outcomes_count, part.cover).root != header.outcomes_root:  # 4
        raise ProofMismatch("outcomes that lead to another root")
    return checked


def _check_seal(ledger: Ledger, before: Before, digest: bytes, recorded: Recorded) -> None:  # 5
    if recorded.header.digest() != digest or recorded.parent != before.header:
        raise ProofMismatch("a seal of another block")
    if recorded.head.chain_id != ledger.chain_id:
        raise ProofMismatch("a seal for another ledger")
    verify_entry(recorded)
    verify_outcome(recorded)
    verify_signed(
        recorded.head,
        recorded.suite,
        recorded.signature,
        recorded.key,
        (SEAL,),
        recorded.header.height,
        before.state_root,
        before.state_count,
    )
