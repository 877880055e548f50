"""A file that proves who was bound to a bill whose payer was unknown when it was issued, and shows chosen fields of him.

The check, in its order:
 1 form, ledger, validators   as of a bill's proof (`proof.py`)
 2 block, outcome             a quorum signed the block, which says `recorded` of this very binding
 3 transaction, signature     it is entry `index` of a transaction that its hospital signed
 4 opened fields              each leads to the binding's `payer_root`, and is one that a payer has
 5 trust, age                 if they are asked for
"""

from __future__ import annotations

from chain.certified import Checking, SetChange, headers_of
from chain.codec import Count, Wire
from chain.details import FIELDS, PAYER_FIELDS, OpenedField, verify_opened
from chain.errors import ProofMismatch
from chain.operation import BindPayer
from chain.recorded import Recorded
from chain.records import UNIT
from chain.verdict import Checkpoint, Wanted

PAYER_PROOF = 7  # kinds of files that prove something: `proof_kinds.py` has the others


class PayerProof(Wire, frozen=True):
    kind: Count
    set_changes: list[SetChange]
    recorded: Recorded
    opened: list[OpenedField]


class PayerChecking(Checking):
    def run(self, wanted: Wanted) -> Checkpoint:
        proof = self.form(PayerProof, PAYER_PROOF, "a payer's proof")
        recorded = proof.recorded
        self.ledger(recorded.header)
        self.step("validators", lambda: self.walk(proof.set_changes))
        self.step("block", lambda: self.block(recorded.header, recorded.certificate))
        self.step("outcome", lambda: self.outcome(recorded))
        self.step("transaction", lambda: self.transaction(recorded))
        self.step("signature", lambda: self.signature(recorded, UNIT))
        self.step("opened fields", lambda: self._opened(proof))
        headers = [*headers_of(recorded), *(change.header for change in proof.set_changes)]
        return self.finish(headers, recorded.header, None, wanted)

    def _opened(self, proof: PayerProof) -> str:
        recorded, operation = proof.recorded, proof.recorded.entry.operation
        if not isinstance(operation, BindPayer):
            raise ProofMismatch("the operation binds no payer")
        numbers = [opened.field for opened in proof.opened]
        if numbers != sorted(set(numbers)):
            raise ProofMismatch("fields twice or out of order")
        shown = {}
        for opened in proof.opened:
            name = FIELDS.get(opened.field, "")
            if name not in PAYER_FIELDS:
                raise ProofMismatch("a field that no payer has")
            verify_opened(opened, operation.bill, operation.payer_root)
            shown[name] = opened.value
        names = {entry.id: entry.name for entry in self.genesis.organisations}
        self.facts.update(
            bill_id=operation.bill,
            organisation=recorded.head.organisation,
            organisation_name=names.get(recorded.head.organisation, ""),
            height=recorded.header.height,
            recorded_ms=recorded.header.time_ms,
            opened=shown,
        )
        return ", ".join(shown) or "none"
