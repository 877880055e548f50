"""What the resources of a bill have in common: money, names of things, references within the bundle."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from exports.proven_bill import Line, ProvenBill, decimal_text, yuan

Resource = dict[str, Any]

HL7 = "http://terminology.hl7.org/CodeSystem"
V2_IDENTIFIERS = f"{HL7}/v2-0203"
IDENTIFIER_TYPES = {  # kind of a payer's number -> code of HL7 v2 table 0203
    "resident_identity_card": "NI",
    "national_identity_number": "NI",
    "social_security_number": "SS",
    "passport": "PPN",
    "driver_licence": "DL",
    "medical_record_number": "MR",
    "unified_social_credit_code": "TAX",
}


def system(bill: ProvenBill, what: str) -> str:
    """The system that an identifier or code is of: a thing of this ledger."""
    return f"urn:medbill:{bill.chain_id}:{what}"


def address(bill: ProvenBill, what: str) -> str:
    """The full URL of an entry: the same again for the same bill."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{system(bill, 'bill')}:{bill.bill_id}:{what}").urn


def reference(bill: ProvenBill, what: str, display: str = "") -> Resource:
    return {"reference": address(bill, what), **({"display": display} if display else {})}


def identifier(bill: ProvenBill, what: str, value: str) -> Resource:
    return {"system": system(bill, what), "value": value}


def decimal(text: str) -> Any:
    """A number that keeps its digits as they are written; floats would not."""
    return msgspec.Raw(text.encode())


def money(fen: int) -> Resource:
    return {"value": decimal(yuan(fen)), "currency": "CNY"}


def unit_price(price_e4: int) -> Resource:
    return {"value": decimal(decimal_text(price_e4, 4)), "currency": "CNY"}


def quantity(line: Line) -> Any:
    return decimal(decimal_text(line.quantity_milli, 3))


def coded(code_system: str, code: str, display: str = "") -> Resource:
    return {"coding": [{"system": code_system, "code": code, **({"display": display} if display else {})}]}


def service(bill: ProvenBill, line: Line) -> Resource:
    """What was done or given: the charge category, and the hospital's own code under it."""
    codings = [{"system": system(bill, "charge"), "code": line.charge_code, "display": line.charge_name}]
    if line.unit_price_e4 is not None and line.code:
        codings.append({"system": f"{system(bill, 'item')}:{bill.issuer}", "code": line.code, "display": line.name})
    codings = [{name: value for name, value in coding.items() if value} for coding in codings]
    return {"coding": codings, "text": line.name}


def organisation(name: str, title: str) -> Resource:
    return {
        "resourceType": "Organization",
        "id": name.replace("_", "-"),
        "identifier": [{"system": "urn:medbill:organisation", "value": name}],
        "name": title or name,
    }


def payer(bill: ProvenBill) -> tuple[str, Resource]:
    """(what it is, the resource): a patient, or the unit that paid."""
    name, number, kind = bill.text("payer_name"), bill.text("payer_id_number"), bill.text("payer_id_type")
    numbers = []
    if number:
        code = IDENTIFIER_TYPES.get(kind)
        described = coded(V2_IDENTIFIERS, code) if code else {}
        numbers = [{"type": {**described, "text": kind or "other"}, "value": number}]
    common: Resource = {"id": "payer", **({"identifier": numbers} if numbers else {})}
    if bill.text("payer_type") == "unit":
        return "payer", {"resourceType": "Organization", **common, "name": name or "unknown"}
    return "payer", {"resourceType": "Patient", **common, **({"name": [{"text": name}]} if name else {})}


def unknown_patient() -> Resource:
    """Of a bill that a unit paid: who was treated, the bill does not say."""
    reason = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    return {"resourceType": "Patient", "id": "patient", "extension": [reason]}
