"""A bill as FHIR R4, made of its proof: who may have the one with its fields opened may have the other."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.purpose import PURPOSE_HEADERS, PURPOSE_PROBLEMS
from api.rendering import render_bytes
from api.route import BOTH, Given, Parameter, Route
from api.routes.bills import BILL_ID
from api.routes.public import CHECK_CODE, CHECK_CODE_HEADER, VARY, for_reader_or_holder, proof_for
from api.schemas import examples
from exports import fhir
from exports.proven_bill import read_proven, with_payer
from node.service import ServiceRefused

MEDIA_TYPE = "application/fhir+json"


async def export_fhir(call: Call) -> Response:
    bill_id = call.bill_id()
    parameters = call.parameters("kind", "check_code")
    kind = parameters.get("kind", fhir.INVOICE)
    if kind not in fhir.KINDS:
        raise ApiRefused("parameter_invalid", f"kind: {', '.join(fhir.KINDS)}")
    proof = await proof_for(call, bill_id, list(fhir.OPENED), parameters.get("check_code", ""))
    network = call.desk.network()
    titles = {entry["name"]: entry.get("title", "") for entry in network["organisations"]}
    offset = network["parameters"]["utc_offset_minutes"]
    bill = read_proven(proof, titles, offset)
    if bill.text("payer_type") == "unknown":
        bill = with_payer(bill, await _payer_of(call, bill_id, parameters.get("check_code", "")))
    if not bill.validity:
        raise ApiRefused("unavailable", "nobody proves now where this bill stands: it might be reversed")
    claims = [] if kind == fhir.INVOICE else await call.desk.claims(bill.bill_id)
    bundle = fhir.build_bundle(bill, kind, claims, titles)
    if bundle is None:
        raise ApiRefused("claim_unknown", "no claim on this bill counts, or none is decided")
    return render_bytes(call, msgspec.json.encode(bundle), MEDIA_TYPE, headers={"Vary": VARY})


async def _payer_of(call: Call, bill_id: str, check_code: str) -> bytes:
    """Who was bound to the bill later; nothing if nobody was."""
    try:
        return await for_reader_or_holder(
            call, bill_id, check_code, lambda reader, secret: call.desk.payer_proof(bill_id, reader, secret)
        )
    except ServiceRefused as refusal:
        if refusal.code != "payer_not_bound":
            raise
        return b""


ROUTES = (
    Route(
        "GET",
        "/v1/bills/{bill_id}/fhir",
        "exportFhir",
        "public",
        "The bill as a FHIR R4 bundle, with its proof and its provenance; Claim and ExplanationOfBenefit where a claim is",
        export_fhir,
        {200: Given("The bundle", examples.FHIR_BUNDLE, dict, MEDIA_TYPE)},
        BOTH,
        None,
        (
            BILL_ID,
            Parameter(
                "kind", "what the bill is shown as", "Invoice", schema={"type": "string", "enum": list(fhir.KINDS)}
            ),
            CHECK_CODE,
            CHECK_CODE_HEADER,
            *PURPOSE_HEADERS,
        ),
        (
            *("bill_unknown", "claim_unknown", "parameter_invalid", "too_many_attempts", "unavailable"),
            *PURPOSE_PROBLEMS,
        ),
    ),
)
