"""A proven bill as FHIR R4 resources in a bundle, with the proof and where it comes from.

Source: HL7 FHIR R4 (4.0.1): Invoice, Claim, ExplanationOfBenefit, Provenance, DocumentReference. R4 because that is what
`medbill bill import --format fhir` reads and what is in use; the resources here are the same in R4B.
"""

from exports.fhir.bundle import KINDS, OPENED, build_bundle

INVOICE, CLAIM, BENEFIT = KINDS

__all__ = ["BENEFIT", "CLAIM", "INVOICE", "KINDS", "OPENED", "build_bundle"]
