"""A file that proves one operation: who signed it, with a key in force, and which block recorded it.

Every stamp in a bill's history leads to one. The check, in its order:
 1 form, ledger, validators   as of a bill's proof (`proof.py`)
 2 block, outcome             a quorum signed the block, which says `recorded` of this very operation
 3 transaction, signature     it is entry `index` of a transaction that its organisation signed
 4 trust, age                 if they are asked for
"""

from __future__ import annotations

from chain.certified import Checking, SetChange, headers_of
from chain.codec import Count, Wire, plain
from chain.errors import ProofMismatch
from chain.recorded import Recorded
from chain.records import SEAL, UNIT
from chain.verdict import Checkpoint, Wanted

OPERATION_PROOF = 2  # the kind of file; a bill's own proof is 1


class OperationProof(Wire, frozen=True):
    kind: Count
    set_changes: list[SetChange]
    recorded: Recorded


class OperationChecking(Checking):
    def run(self, wanted: Wanted) -> Checkpoint:
        proof = self.form(OperationProof, OPERATION_PROOF, "an operation's proof")
        recorded = proof.recorded
        self.ledger(recorded.header)
        self.step("validators", lambda: self.walk(proof.set_changes))
        self.step("block", lambda: self.block(recorded.header, recorded.certificate))
        self.step("outcome", lambda: self.outcome(recorded))
        self.step("transaction", lambda: self.transaction(recorded))
        self.step("signature", lambda: self.signature(recorded, UNIT, SEAL))
        self.step("operation", lambda: self._operation(recorded))
        if wanted.at_height is not None or wanted.at_ms is not None:
            self.step("in force", lambda: _recorded_by_then(recorded, wanted))
        headers = [*headers_of(recorded), *(change.header for change in proof.set_changes)]
        return self.finish(headers, recorded.header, None, wanted)

    def _operation(self, recorded: Recorded) -> str:
        operation, header = recorded.entry.operation, recorded.header
        names = {entry.id: entry.name for entry in self.genesis.organisations}
        self.facts.update(
            operation=recorded.outcome.operation.hex(),
            type=type(operation).__name__,
            organisation=recorded.head.organisation,
            organisation_name=names.get(recorded.head.organisation, ""),
            height=header.height,
            recorded_ms=header.time_ms,
            content=plain(operation),
        )
        return f"{type(operation).__name__}, {recorded.outcome.operation.hex()[:16]}"


def _recorded_by_then(recorded: Recorded, wanted: Wanted) -> str:
    header = recorded.header
    if wanted.at_height is not None and header.height > wanted.at_height:
        raise ProofMismatch(f"recorded in block {header.height}, after block {wanted.at_height}")
    if wanted.at_ms is not None and header.time_ms > wanted.at_ms:
        raise ProofMismatch(f"recorded in block {header.height}, after that moment")
    return f"recorded by then, in block {header.height}"
