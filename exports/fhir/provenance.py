"""Where an exported bill comes from: the ledger, the block, the operation, and the proof that shows all three."""

from __future__ import annotations

import base64

from exports.fhir.elements import HL7, Resource, coded, identifier, reference, system
from exports.proven_bill import ProvenBill

PROOF_MEDIA_TYPE = "application/octet-stream"


def build_document(bill: ProvenBill) -> Resource:
    """The proof file itself: `medbill proof verify` takes its bytes."""
    return {
        "resourceType": "DocumentReference",
        "id": f"proof-{bill.bill_id}",
        "identifier": [identifier(bill, "bill", bill.bill_id)],
        "status": "current",
        "type": {"text": "medbill proof"},
        "date": bill.recorded_at,
        "content": [
            {
                "attachment": {
                    "contentType": PROOF_MEDIA_TYPE,
                    "data": base64.b64encode(bill.proof).decode(),
                    "size": len(bill.proof),
                    "title": f"{bill.bill_id}.proof",
                }
            }
        ],
    }


def build_provenance(bill: ProvenBill, targets: list[str], offices: dict[str, str]) -> Resource:
    """`targets` are entries that were derived; `offices`: organisation -> title, for whoever sealed it."""
    agents = [{"type": coded(f"{HL7}/provenance-participant-type", "author"), "who": reference(bill, "issuer")}]
    if bill.office:
        who = {
            "identifier": {"system": "urn:medbill:organisation", "value": bill.office},
            "display": offices.get(bill.office) or bill.office,
        }
        agents.append({"type": coded(f"{HL7}/provenance-participant-type", "attester"), "who": who})
    named = (
        ("ledger", identifier(bill, "ledger", bill.chain_id)),
        ("block", identifier(bill, "block", str(bill.height))),
        ("operation", identifier(bill, "operation", bill.operation)),
    )
    sources = [{"role": "source", "what": {"identifier": value, "display": name}} for name, value in named]
    proof = {"role": "source", "what": reference(bill, "proof", f"{bill.bill_id}.proof")}
    return {
        "resourceType": "Provenance",
        "id": f"provenance-{bill.bill_id}",
        "extension": [{"url": system(bill, "as-of-height"), "valueString": str(bill.as_of_height)}],
        "target": [reference(bill, target) for target in targets],
        "occurredDateTime": bill.issued_at,
        "recorded": bill.recorded_at,
        "policy": [f"urn:medbill:{bill.chain_id}"],
        "agent": agents,
        "entity": [*sources, proof],
    }
