"""The bundle: one bill as an invoice, a claim or a benefit, with whom it is about and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exports.fhir.claims import COUNTED, DECIDED, build_benefit, build_claim, build_coverage, coverage_of, insurer_of
from exports.fhir.elements import Resource, address, organisation, payer, unknown_patient
from exports.fhir.invoice import build_invoice
from exports.fhir.provenance import build_document, build_provenance
from exports.proven_bill import ProvenBill

KINDS = ("Invoice", "Claim", "ExplanationOfBenefit")
OPENED = (  # details that an export shows; check code, token and diagnosis are nobody's business here
    "business_no",
    "payer_type",
    "payer_name",
    "payer_id_type",
    "payer_id_number",
    "charges",
    "items",
    "cashier",
    "checker",
    "remark",
    "reason",
)


def build_bundle(
    bill: ProvenBill, kind: str, claims: list[dict[str, Any]], titles: Mapping[str, str]
) -> Resource | None:
    """A collection bundle. `claims` are those of the bill as a node shows them; `titles`: organisation -> name.

    None where `kind` needs a claim and there is none that counts, or none that is decided.
    """
    what, buyer = payer(bill)
    entries: dict[str, Resource] = {}  # what it is within the bundle -> resource, the telling one first
    patient = what
    people: dict[str, Resource] = {what: buyer}
    if buyer["resourceType"] != "Patient":
        patient = "patient"
        people[patient] = unknown_patient()
    if kind == "Invoice":
        entries["invoice"] = build_invoice(bill)
    else:
        states = COUNTED if kind == "Claim" else DECIDED
        counted = [claim for claim in claims if claim["state"] in states]
        build = build_claim if kind == "Claim" else build_benefit
        for claim in counted:
            entries[f"{kind}/{claim['insurer']}/{claim['claim']}"] = build(bill, claim, patient)
        for claim in counted:
            people[coverage_of(claim)] = build_coverage(bill, claim, patient)
            people[insurer_of(claim)] = organisation(claim["insurer"], titles.get(claim["insurer"], ""))
        if not counted:
            return None
    targets = list(entries)
    entries |= people
    entries["issuer"] = organisation(bill.issuer, bill.issuer_title)
    entries["proof"] = build_document(bill)
    entries["provenance"] = build_provenance(bill, targets, dict(titles))
    return {
        "resourceType": "Bundle",
        "id": f"{kind.lower()}-{bill.bill_id}",
        "type": "collection",
        "timestamp": bill.recorded_at,
        "entry": [{"fullUrl": address(bill, name), "resource": resource} for name, resource in entries.items()],
    }
