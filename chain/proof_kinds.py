"""Which kind of file it is: its first value says so. One command and one path check all of them."""

from __future__ import annotations

from chain.certified import Checking
from chain.claim_evidence import CLAIM_EVIDENCE, EvidenceChecking
from chain.genesis import Genesis
from chain.key_proof import KEY_PROOF, KeyChecking
from chain.operation_proof import OPERATION_PROOF, OperationChecking
from chain.payer_proof import PAYER_PROOF, PayerChecking
from chain.proof import PROOF_VERSION, BillChecking
from chain.reconciliation_result import RECONCILIATION_RESULT, ReconciliationChecking
from chain.record_version import VERSION_PROOF, VersionChecking
from chain.verdict import Verdict, Wanted
from chain.verification_manifest import VERIFICATION_MANIFEST, ManifestChecking

KINDS: dict[int, type[Checking]] = {
    PROOF_VERSION: BillChecking,
    OPERATION_PROOF: OperationChecking,
    VERSION_PROOF: VersionChecking,
    CLAIM_EVIDENCE: EvidenceChecking,
    VERIFICATION_MANIFEST: ManifestChecking,
    PAYER_PROOF: PayerChecking,
    RECONCILIATION_RESULT: ReconciliationChecking,
    KEY_PROOF: KeyChecking,
}


def kind_of(data: bytes) -> int:
    """The first value of a short MessagePack array, if it is a small number; what is anything else passes for a bill's proof,
    whose check then says what is wrong."""
    is_short_array = len(data) >= 2 and data[0] & 0xF0 == 0x90
    return data[1] if is_short_array and data[1] in KINDS else PROOF_VERSION


def check_any(data: bytes, genesis: Genesis, wanted: Wanted | None = None) -> Verdict:
    """Check a file of any kind. Never raises for any bytes."""
    return KINDS[kind_of(data)](data, genesis).verdict(wanted or Wanted())
