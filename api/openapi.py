"""The OpenAPI 3.1 document, made from the routes: schemas by msgspec, which also decodes the requests.

`python -m api.openapi` writes `api/openapi-KIND.json` for each kind that serves REST, which a test compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from api.policy import POLICIES
from api.problems import PROBLEMS, ProblemBody, build_problem
from api.route import SERVING, Given, Route, Sent
from api.schemas.requests import BATCH_MAX, VERIFICATIONS_MAX, VerificationRequest
from chain.bill import BillRequest

VERSION = "1.0"
REQUEST_ID = "3f1c9a5b7d2e4f60"
PROBLEM = "application/problem+json"

BODY_PROBLEMS = ("media_type_unsupported", "body_too_large", "body_too_slow")
JSON_PROBLEMS = ("malformed_json", "unknown_field", "missing_field", "duplicate_field", "wrong_type", "invalid_value")
TOKEN_PROBLEMS = ("token_missing", "token_invalid", "token_expired", "role_forbidden")

# bodies whose list is split before it is decoded -> field, most entries, kind of each
LISTS: dict[str, tuple[str, int, type[Any]]] = {
    "Batch": ("bills", BATCH_MAX, BillRequest),
    "Verifications": ("rows", VERIFICATIONS_MAX, VerificationRequest),
}

TAGS = {
    "bills": "A hospital issues, looks up and reverses its bills",
    "a bill's life": "What a hospital does with a bill after its issue",
    "patients": "What is a patient's own",
    "public": "Whoever holds a bill checks it",
    "payments": "What is owed, orders over many channels, refunds",
    "deposits": "Money that a patient leaves with a hospital",
    "appointments": "Schedules, numbers that are given out, appointments",
    "visits": "Visits without a cashier, and how long they took",
    "splits": "Payees, rules of splitting, paid orders divided to the fen, returns and payouts; the bank that supervises",
    "credit": "Treatment on credit: agreements, holds, charges without a cashier",
    "claims": "Bills that people claim from their insurer, and what the insurer keeps of its decisions",
    "accounting": "Units that pay or refund bills book them",
    "numbers": "Number ranges and leases",
    "organisations": "Who takes part, and who is suspended or closed",
    "catalogues": "What charges are called, where items belong, how faces are headed",
    "approvals": "Steps that two people have to agree on",
    "supervision": "Seals of the supervising finance offices",
    "events": "What the ledger recorded, told to whom it is meant for",
    "audit": "Reads over all hospitals",
    "ledger": "Blocks, network, operations, signed transactions",
}


def build_document(routes: Sequence[Route], kind: str) -> dict[str, Any]:
    """The document of a node of `kind` that serves `routes`."""
    kinds = {
        part.kind for route in routes for part in _parts(route) if isinstance(part.kind, type) and part.kind is not dict
    }
    ordered = sorted({*kinds, ProblemBody, BillRequest}, key=lambda struct: struct.__name__)
    _references, schemas = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"medbill: REST of {'an' if kind[0] in 'aeiou' else 'a'} {kind}",
            "version": VERSION,
            "description": "A permissioned ledger for medical electronic bills. Every error is a problem (RFC 9457) with a "
            "stable `code`; every GET says as of which height and time in `Medbill-Height` and `Medbill-Time`. Money is whole fen.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": name, "description": text}
            for name, text in TAGS.items()
            if any(name == route.tag for route in routes)
        ],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _parts(route: Route) -> list[Sent | Given]:
    return [*([route.body] if route.body else []), *route.answers.values()]


def _operation(route: Route) -> dict[str, Any]:
    policy = POLICIES[route.method, route.path]
    described: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": route.summary,
        "security": {"none": [], "optional": [{}, {"token": []}], "required": [{"token": []}]}[policy.token],
    }
    if policy.token != "none":
        roles = [*sorted(policy.anyone), *(f"{role} (of the node's organisation)" for role in sorted(policy.own))]
        described["description"] = f"Roles: {', '.join(roles)}."
    if route.parameters:
        described["parameters"] = [
            {
                "name": parameter.name,
                "in": parameter.place,
                "required": parameter.required,
                "description": parameter.description,
                "schema": parameter.schema,
                **({} if parameter.example is None else {"example": parameter.example}),
            }
            for parameter in route.parameters
        ]
    if route.body is not None:
        described["requestBody"] = {"required": True, "content": _request_content(route.body)}
    described["responses"] = {
        **{str(status): _answer(given, route.method) for status, given in sorted(route.answers.items())},
        **_problem_answers(_codes(route, policy.token)),
    }
    return described


def _request_content(body: Sent) -> dict[str, Any]:
    if body.kind in LISTS:
        name, most, kind = LISTS[body.kind]
        entries = {"type": "array", "minItems": 1, "maxItems": most, "items": _reference(kind)}
        schema = {
            "type": "object",
            "properties": {name: entries},
            "required": [name],
            "additionalProperties": False,
        }
        return {"application/json": {"schema": schema, "example": body.example}}
    if body.kind is None:  # raw bytes; the example is their hexadecimal form
        return {
            media: {"schema": {"description": "raw bytes; the example is hexadecimal"}, "example": body.example}
            for media in body.media_types
        }
    return {media: {"schema": _reference(body.kind), "example": body.example} for media in body.media_types}


def _reference(kind: Any) -> dict[str, Any]:
    return {"type": "object"} if kind is dict else {"$ref": f"#/components/schemas/{kind.__name__}"}


def _answer(given: Given, method: str) -> dict[str, Any]:
    names = ["X-Request-Id", *(["Medbill-Height", "Medbill-Time", "ETag"] if method == "GET" else [])]
    content = {"schema": {} if given.kind is None else _reference(given.kind)}
    if given.example is not None:
        content["example"] = given.example
    return {
        "description": given.description,
        "headers": {name: {"schema": {"type": "string"}} for name in names},
        "content": {given.media_type: content},
    }


def _codes(route: Route, token: str) -> list[str]:
    codes = [*route.problems, "internal_error"]
    if token == "required":
        codes += TOKEN_PROBLEMS
    elif token == "optional":
        codes += TOKEN_PROBLEMS[1:3]
    if route.body is not None:
        codes += BODY_PROBLEMS
        if route.body.kind is not None:
            codes += JSON_PROBLEMS
    return list(dict.fromkeys(codes))


def _problem_answers(codes: Sequence[str]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    return {
        str(status): {
            "description": "; ".join(PROBLEMS[code].en for code in same),
            "content": {
                PROBLEM: {
                    "schema": _reference(ProblemBody),
                    "examples": {
                        code: {"value": msgspec.to_builtins(build_problem(code, REQUEST_ID))} for code in same
                    },
                }
            },
        }
        for status, same in sorted(by_status.items())
    }


def main() -> None:
    """Write the committed documents anew."""
    from api.routes import ROUTES

    for kind in SERVING:
        document = build_document([route for route in ROUTES if kind in route.nodes], kind)
        text = msgspec.json.format(msgspec.json.encode(document), indent=1)
        (Path(__file__).parent / f"openapi-{kind}.json").write_bytes(text + b"\n")


if __name__ == "__main__":
    main()
