"""Files about a bill beside its own proof: of one operation, of an earlier version of its record, of a claim's decision.

Each is checked by the same command as a bill's proof, against the genesis file alone (`chain/proof_kinds.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from chain import keyspace
from chain.block import RECORDED
from chain.claim_evidence import CLAIM_EVIDENCE, ClaimEvidence
from chain.codec import encode
from chain.details import Details, open_fields
from chain.errors import StorageDamaged
from chain.ledger import Ledger
from chain.operation_proof import OPERATION_PROOF, OperationProof
from chain.payer_proof import PAYER_PROOF, PayerProof
from chain.record_version import VERSION_PROOF, FinalHeader, RecordVersion, VersionProof
from chain.records import LOCKED, NORMAL, BillBody, ClaimBody, Record
from chain.state import body_of, record_of
from node.bill_versions import bill_versions, claims_versions
from node.life_index import LifeIndex
from node.proof_desk import ProofDesk
from node.recorded_operations import find_operation
from node.seal_index import SealIndex
from node.service import ServiceRefused


class LifeProofs:
    """On the ledger's loop; nothing here waits, so all of a file is of one height."""

    def __init__(self, ledger: Ledger, seals: SealIndex, lives: LifeIndex, proofs: ProofDesk) -> None:
        self._ledger, self._seals, self._lives, self._proofs = ledger, seals, lives, proofs

    def operation(self, digest: bytes) -> bytes | None:
        """None for an operation that no block recorded. Raises StorageDamaged."""
        found = find_operation(self._ledger, digest)
        if found is None or found.code != RECORDED:
            return None
        changes = [change for change in self._proofs.changes_of_sets() if change.members.epoch <= found.height]
        return encode(OperationProof(OPERATION_PROOF, changes, self._proofs.recorded(digest)))

    def payer(self, operation: bytes, details: Details, names: Sequence[str]) -> bytes:
        """Of the payer that an operation bound, with `names` of his fields opened. Raises StorageDamaged."""
        recorded = self._proofs.recorded(operation)
        height = recorded.header.height
        changes = [change for change in self._proofs.changes_of_sets() if change.members.epoch <= height]
        return encode(PayerProof(PAYER_PROOF, changes, recorded, open_fields(details, names)))

    def version(self, bill: str, at_ms: int) -> bytes | None:
        """The version of a bill's record that was in force at a moment; None if there was none yet. Raises StorageDamaged."""
        versions = bill_versions(self._ledger, self._seals, bill)
        before = [place for place, version in enumerate(versions) if self._time_of(version) <= at_ms]
        if not before:
            return None
        record = self._version(keyspace.bill(bill), versions, before[-1])
        until = record.until()
        followed = [] if until is None else [FinalHeader(*self._proofs.certified(until))]
        made_by = self._proofs.recorded(record.in_force().operation)
        changes = self._proofs.changes_of_sets()
        return encode(VersionProof(VERSION_PROOF, changes, bill, record, made_by, followed))

    def evidence(self, insurer: str, claim: bytes) -> bytes | None:
        """Of a claim's decision; None if the insurer has no such claim. Raises ServiceRefused, StorageDamaged.

        `claim_undecided` before the decision, and for a claim that was released before there was one; `bill_not_normal` where the
        claim was rejected and the bill reversed within one block.
        """
        record = self._ledger.state.record(keyspace.claim(insurer, claim))
        if record is None:
            return None
        body = body_of(record, ClaimBody)
        decided = self._ledger.state.record(keyspace.claim_step(insurer, claim, "decided"))
        if body.state == LOCKED or decided is None:
            raise ServiceRefused("claim_undecided", "there is no decision to give evidence of")
        bills = bill_versions(self._ledger, self._seals, body.bill)
        claims = claims_versions(self._ledger, self._lives, body.bill)
        bill = self._version(keyspace.bill(body.bill), bills, _at(bills, decided.height))
        listed = self._version(keyspace.claims(body.bill), claims, _at(claims, decided.height))
        if body_of(bill.in_force(), BillBody).validity != NORMAL:
            raise ServiceRefused("bill_not_normal", "it was reversed in the block of the decision")
        lock, decision = self._proofs.recorded(record.origin), self._proofs.recorded(decided.origin)
        changes = self._proofs.changes_of_sets()
        return encode(ClaimEvidence(CLAIM_EVIDENCE, changes, lock, decision, bill, listed))

    def _version(self, key: bytes, versions: list[Record], place: int) -> RecordVersion:
        entry = self._ledger.state.entry(key)
        if entry is None:
            raise StorageDamaged("state", "a record with versions is missing")
        return RecordVersion(versions[place:-1], self._proofs.current(entry[0], record_of(entry[1])))

    def _time_of(self, version: Record) -> int:
        return self._proofs.certified(version.height)[0].time_ms


def _at(versions: list[Record], height: int) -> int:
    """Place of the version that was in force after the block of a height."""
    return max(place for place, version in enumerate(versions) if version.height <= height)
