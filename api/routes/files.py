"""Files that prove what happened: one operation, an earlier version of a bill's record, a claim's decision; and whose key it is.

Each is checked as a bill's own proof is: `POST /v1/proofs:check`, or `medbill proof verify` without a network.
"""

from __future__ import annotations

from datetime import datetime

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.rendering import found, render_bytes
from api.route import BOTH, MIRROR, Given, Parameter, Route
from api.routes.bills import BILL_ID
from api.schemas import examples

OCTETS = "application/octet-stream"


async def prove_operation(call: Call) -> Response:
    digest = hexadecimal(call.request.path_params["digest"], "operation_unknown")
    data = found(await call.desk.operation_proof(digest, call.person), "operation_unknown")
    return render_file(call, data, f"{digest[:16]}.proof")


async def prove_version(call: Call) -> Response:
    bill_id = call.bill_id()
    text = call.parameters("at").get("at")
    if text is None:
        raise ApiRefused("parameter_missing", "at")
    data = found(await call.archive.bill_version(bill_id, parse_moment_ms(text), call.person), "bill_unknown")
    return render_file(call, data, f"{bill_id}.version")


async def prove_decision(call: Call) -> Response:
    claim = hexadecimal(call.request.path_params["claim"], "claim_unknown")
    insurer = call.parameters("insurer").get("insurer", call.person.organisation)
    data = found(await call.archive.claim_evidence(insurer, claim, call.person), "claim_unknown")
    return render_file(call, data, f"{claim[:16]}.proof")


async def prove_key(call: Call) -> Response:
    key = hexadecimal(call.request.path_params["key"], "not_found")
    organisation = call.parameters("organisation").get("organisation")
    if organisation is None:
        raise ApiRefused("parameter_missing", "organisation")
    data = found(await call.archive.key_proof(organisation, key), "not_found")
    return render_file(call, data, f"{key[:16]}.proof")


def parse_moment_ms(text: str) -> int:
    """RFC 3339 with its zone, in ms since the epoch. Raises `parameter_invalid`."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or "T" not in text:
            raise ValueError
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ApiRefused("parameter_invalid", "at: a moment as 2026-03-01T10:00:00+08:00, the plus as %2B") from None


def hexadecimal(text: str, code: str) -> str:
    if len(text) != 64 or any(character not in "0123456789abcdef" for character in text):
        raise ApiRefused(code)
    return text


def render_file(call: Call, data: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return render_bytes(call, data, OCTETS, headers=headers)


def digest_parameter(name: str) -> Parameter:
    schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    return Parameter(name, "64 hexadecimal digits", examples.DIGEST, "path", True, schema)


ROUTES = (
    Route(
        "GET",
        "/v1/keys/{key}/proof",
        "proveKey",
        "ledger",
        "A file that proves whose key it is, what for, and from and until which block it signs",
        prove_key,
        {200: Given("The file", media_type=OCTETS)},
        (MIRROR,),
        None,
        (digest_parameter("key"), Parameter("organisation", "whose it is", "hospital-a", required=True)),
        ("not_found", "parameter_missing", "parameter_unknown"),
    ),
    Route(
        "GET",
        "/v1/operations/{digest}/proof",
        "proveOperation",
        "ledger",
        "A file that proves an operation: who signed it, and which block recorded it",
        prove_operation,
        {200: Given("The file", media_type=OCTETS)},
        BOTH,
        None,
        (digest_parameter("digest"),),
        ("operation_unknown",),
    ),
    Route(
        "GET",
        "/v1/bills/{bill_id}/version",
        "proveVersion",
        "audit",
        "A file that proves what the ledger said of a bill at an earlier moment",
        prove_version,
        {200: Given("The file", media_type=OCTETS)},
        (MIRROR,),
        None,
        (
            BILL_ID,
            Parameter("at", "the moment, RFC 3339 with its zone", "2026-03-01T10:00:00+08:00", required=True),
        ),
        ("bill_unknown", "not_yet_recorded", "parameter_missing", "parameter_invalid", "parameter_unknown"),
    ),
    Route(
        "GET",
        "/v1/claims/{claim}/evidence",
        "proveDecision",
        "claims",
        "A file that proves that a bill was normal, and claimed by nobody beyond its own part, when a claim was decided",
        prove_decision,
        {200: Given("The file", media_type=OCTETS)},
        (MIRROR,),
        None,
        (
            digest_parameter("claim"),
            Parameter("insurer", "whose claim it is; the reader's own organisation without it", "insurer-a"),
        ),
        ("claim_unknown", "claim_undecided", "bill_not_normal", "parameter_unknown"),
    ),
)
