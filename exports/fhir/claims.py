"""A claim that the ledger knows as Claim, and what its insurer decided as ExplanationOfBenefit.

The ledger knows of a claim who locked how much of the bill's own part, what was approved and whether it was paid; it knows
no diagnosis and no contract, so none is told. The bill's lines stand in the ExplanationOfBenefit with what they came to:
`submitted` is the bill's total, `eligible` its own part, `benefit` what was approved.
"""

from __future__ import annotations

from typing import Any

from exports.fhir.elements import HL7, Resource, coded, identifier, money, reference, service
from exports.proven_bill import ProvenBill

DECIDED = ("approved", "rejected", "paid")
COUNTED = ("locked", *DECIDED)
ADJUDICATION = f"{HL7}/adjudication"
CLAIM_TYPE = f"{HL7}/claim-type"

Claim = dict[str, Any]  # insurer, claim, state, locked_fen, approved_fen, locked_until, height


def insurer_of(claim: Claim) -> str:
    """What the insurer's entry is called within the bundle."""
    return f"insurer/{claim['insurer']}"


def coverage_of(claim: Claim) -> str:
    return f"coverage/{claim['insurer']}/{claim['claim']}"


def build_coverage(bill: ProvenBill, claim: Claim, patient: str) -> Resource:
    """Nothing is known of the contract but between whom it is."""
    return {
        "resourceType": "Coverage",
        "id": f"coverage-{claim['claim'][:32]}",
        "status": "active",
        "beneficiary": reference(bill, patient),
        "payor": [reference(bill, insurer_of(claim))],
    }


def build_claim(bill: ProvenBill, claim: Claim, patient: str) -> Resource:
    own_part = {"text": f"个人自付、个人自费 {bill.bill_id}"}
    return {
        "resourceType": "Claim",
        "id": _id(bill, claim),
        "identifier": [identifier(bill, f"claim:{claim['insurer']}", claim["claim"])],
        "status": "active",
        "type": _type(bill),
        "use": "claim",
        "patient": reference(bill, patient),
        "created": bill.business_date,
        "insurer": reference(bill, insurer_of(claim)),
        "provider": reference(bill, "issuer", bill.issuer_title),
        "priority": coded(f"{HL7}/processpriority", "normal"),
        "supportingInfo": [{"sequence": 1, "category": {"text": "bill"}, "valueReference": _bill(bill)}],
        "insurance": [{"sequence": 1, "focal": True, "coverage": reference(bill, coverage_of(claim))}],
        "item": [
            {"sequence": 1, "informationSequence": [1], "productOrService": own_part, "net": money(claim["locked_fen"])}
        ],
        "total": money(claim["locked_fen"]),
    }


def build_benefit(bill: ProvenBill, claim: Claim, patient: str) -> Resource:
    state = claim["state"]
    benefit: Resource = {
        "resourceType": "ExplanationOfBenefit",
        "id": _id(bill, claim),
        "identifier": [identifier(bill, f"claim:{claim['insurer']}", claim["claim"])],
        "status": "active",
        "type": _type(bill),
        "use": "claim",
        "patient": reference(bill, patient),
        "billablePeriod": {"start": bill.business_date, "end": bill.business_date},
        "created": bill.business_date,
        "insurer": reference(bill, insurer_of(claim)),
        "provider": reference(bill, "issuer", bill.issuer_title),
        "claim": {"type": "Claim", "identifier": identifier(bill, f"claim:{claim['insurer']}", claim["claim"])},
        "outcome": "complete",
        "disposition": state,
        "supportingInfo": [{"sequence": 1, "category": {"text": "bill"}, "valueReference": _bill(bill)}],
        "insurance": [{"focal": True, "coverage": reference(bill, coverage_of(claim))}],
        "item": [
            {
                "sequence": number,
                "productOrService": service(bill, line),
                "net": money(line.amount_fen),
                "adjudication": [_amount("submitted", line.amount_fen)],
            }
            for number, line in enumerate(bill.lines, 1)
        ],
        "total": [
            _amount("submitted", bill.total_fen),
            _amount("eligible", bill.self_paid_fen + bill.self_funded_fen),
            _amount("benefit", claim["approved_fen"] if state != "rejected" else 0),
        ],
    }
    if state == "paid":
        benefit["payment"] = {"amount": money(claim["approved_fen"])}
    return benefit


def _id(bill: ProvenBill, claim: Claim) -> str:
    """Of 35 characters: an importer may take it for a business number, which has 50 at most."""
    return f"{bill.bill_id}-{claim['claim'][:16]}"


def _type(bill: ProvenBill) -> Resource:
    return coded(CLAIM_TYPE, "institutional") | {"text": bill.kind}


def _bill(bill: ProvenBill) -> Resource:
    return {"type": "Invoice", "identifier": identifier(bill, "bill", bill.bill_id)}


def _amount(category: str, fen: int) -> Resource:
    return {"category": coded(ADJUDICATION, category), "amount": money(fen)}
