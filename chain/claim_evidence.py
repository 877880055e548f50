"""What an insurer keeps of a decision: that the bill was normal, and claimed by nobody beyond its own part, when it decided.

The check, in its order:
 1 form, ledger, validators   as of a bill's proof (`proof.py`)
 2 lock, decision             both signed by the insurer and recorded: the ledger took the lock, so the bill was sealed and
                              no other claim held it; it took the decision, so the lock still held
 3 bill                       the record that was in force at the decision's block (`record_version.py`): normal
 4 claims                     the list that was in force then: this claim, and which others counted
 5 in force                   at the height that is asked for: the decision's block unless another is named
 6 trust, age                 if they are asked for
"""

from __future__ import annotations

from chain import keyspace
from chain.certified import Checking, SetChange, headers_of
from chain.codec import Count, Wire, decode
from chain.errors import ProofMismatch
from chain.operation import DecideClaim, LockClaim
from chain.record_version import RecordVersion, bill_facts, verify_span, verify_versions
from chain.recorded import Recorded
from chain.records import NORMAL, UNIT, BillBody, ClaimRef, ClaimsBody
from chain.verdict import Checkpoint, Wanted

CLAIM_EVIDENCE = 4  # the kind of file


class ClaimEvidence(Wire, frozen=True):
    kind: Count
    set_changes: list[SetChange]
    lock: Recorded
    decision: Recorded
    bill: RecordVersion  # of bill/…
    claims: RecordVersion  # of claims/…


class EvidenceChecking(Checking):
    def run(self, wanted: Wanted) -> Checkpoint:
        evidence = self.form(ClaimEvidence, CLAIM_EVIDENCE, "a claim's evidence")
        decision = evidence.decision.header
        at = decision.height if wanted.at_height is None else wanted.at_height
        self.ledger(decision)
        self.step("validators", lambda: self.walk(evidence.set_changes))
        self.step("lock", lambda: self._lock(evidence.lock))
        self.step("decision", lambda: self._decision(evidence))
        self.step("bill", lambda: self._bill(evidence.bill))
        self.step("claims", lambda: self._claims(evidence))
        self.step("in force", lambda: _in_force(evidence, at, wanted))
        current = evidence.bill.current.header
        headers = [*headers_of(evidence.lock), *headers_of(evidence.decision)]
        headers += [*(change.header for change in evidence.set_changes), current, evidence.claims.current.header]
        return self.finish(headers, current, current, wanted)

    def _lock(self, recorded: Recorded) -> str:
        operation = recorded.entry.operation
        if not isinstance(operation, LockClaim):
            raise ProofMismatch("the operation is not a claim's lock")
        said = self.operation(recorded, UNIT)
        self.facts.update(
            bill_id=operation.bill,
            claim=operation.claim.hex(),
            insurer=recorded.head.organisation,
            locked_fen=operation.amount_fen,
            locked_height=recorded.header.height,
        )
        return said

    def _decision(self, evidence: ClaimEvidence) -> str:
        recorded = evidence.decision
        operation = recorded.entry.operation
        if not isinstance(operation, DecideClaim):
            raise ProofMismatch("the operation is not a decision")
        said = self.operation(recorded, UNIT)
        named = (recorded.head.organisation, operation.claim.hex())
        if named != (self.facts["insurer"], self.facts["claim"]):
            raise ProofMismatch("the decision is of another claim")
        if recorded.header.height < evidence.lock.header.height:
            raise ProofMismatch("decided before it was locked")
        self.facts.update(
            approved_fen=operation.approved_fen,
            decided_height=recorded.header.height,
            decided_ms=recorded.header.time_ms,
        )
        return said

    def _bill(self, version: RecordVersion) -> str:
        bill = self._number
        self.record(keyspace.bill(bill), version.current)
        said = verify_versions(version)
        body = decode(version.in_force().body, BillBody)
        if body.validity != NORMAL:
            raise ProofMismatch("the bill was not normal")
        self.facts.update(bill_facts(bill, body))
        return f"{bill}, normal; {said}"

    def _claims(self, evidence: ClaimEvidence) -> str:
        version = evidence.claims
        self.record(keyspace.claims(self._number), version.current)
        said = verify_versions(version)
        own = ClaimRef(self.facts["insurer"], bytes.fromhex(self.facts["claim"]))
        listed = decode(version.in_force().body, ClaimsBody).claims
        if (own in listed) != bool(self.facts["approved_fen"]):
            raise ProofMismatch("the list of claims does not fit the decision")
        others = [ref for ref in listed if ref != own]
        self.facts["other_claims"] = [{"insurer": ref.insurer, "claim": ref.claim.hex()} for ref in others]
        return f"{len(others) or 'no'} other listed; {said}"

    @property
    def _number(self) -> str:
        return self.facts["bill_id"]  # type: ignore[no-any-return]


def _in_force(evidence: ClaimEvidence, at: int, wanted: Wanted) -> str:
    if wanted.at_ms is not None:
        raise ProofMismatch("evidence of a claim names blocks: ask for a height")
    for version in (evidence.claims, evidence.bill):
        said = verify_span(at, version.in_force().height, version.until(), version.current.header.height)
    return said
