"""For patients: whom they let read their bills, field by field and until when; and taking it back."""

from __future__ import annotations

from datetime import datetime

import msgspec
from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.rendering import render, render_page
from api.route import MIRROR, Given, Parameter, Route, Sent
from api.routes.audit import parse_limit
from api.routes.bills import PREFER
from api.routes.me import CURSOR, LIMIT
from api.schemas import examples
from api.schemas.answers import Answer, GivenGrants, GrantAnswer, Rows
from api.schemas.requests import GRANTS_MAX, GrantsRequest, RevocationRequest
from api.standing import answer_standing, is_fulfilled, preferred_wait_s, render_standing, wait_for
from node.service import GivenGrant, GrantWish, Page

ROWS_MAX = 100


async def give_grants(call: Call) -> Response:
    request = await call.read_json(GrantsRequest)
    wish = GrantWish(request.to, request.fields, request.purpose, _until_ms(request.until))
    given = await call.archive.patients.give_grants(call.person, request.bill_ids, wish)
    headers: dict[str, str] = {}
    waited_s = preferred_wait_s(call)
    if waited_s is not None:
        reached = await wait_for(call, [one.standing for one in given], waited_s)
        if reached is not None:
            headers["Preference-Applied"] = f"wait={waited_s}"
            given = [
                msgspec.structs.replace(one, standing=msgspec.structs.replace(standing, repeated=one.standing.repeated))
                for one, standing in zip(given, reached, strict=True)
            ]
    failed = [one.standing for one in given if one.standing.status == "refused" and not is_fulfilled(one.standing)]
    if len(failed) == len(given):
        return render_standing(call, failed[0], waited_s)
    status = 202 if any(one.standing.status == "queued" for one in given) else 201
    if all(is_fulfilled(one.standing) for one in given):
        status = 200
    headers["Location"] = "/v1/me/grants"
    return render(call, GivenGrants([_answer(one) for one in given]), status, headers=headers)


def _answer(given: GivenGrant) -> GrantAnswer:
    standing, bill = given.standing, f"/v1/bills/{given.bill_id}"
    links = {
        "grants": "/v1/me/grants",
        "revocation": f"/v1/me/grants/{given.grant}/revocation",
        "bill": bill,
        "proof": f"/v1/operations/{standing.operation}/proof",
    }
    return GrantAnswer(
        grant=given.grant,
        bill_id=given.bill_id,
        operation=standing.operation,
        status=standing.status,
        code=standing.code,
        height=standing.height,
        links=links,
    )


async def list_my_grants(call: Call) -> Response:
    parameters = call.parameters("cursor", "limit")
    limit = parse_limit(parameters.get("limit"), ROWS_MAX)
    scope = f"/v1/me/grants {call.person.organisation} {call.person.subject}"
    after = call.open_cursor(scope, parameters["cursor"]) if "cursor" in parameters else None
    page = await call.archive.patients.my_grants(call.person, after, limit)
    return render_page(call, Page([_with_links(row) for row in page.data], page.next), scope, limit)


def _with_links(row: dict[str, object]) -> dict[str, object]:
    bill = f"/v1/bills/{row['bill_id']}"
    links = {"bill": bill, "history": f"{bill}/history"}
    if row["state"] == "granted":
        links["revocation"] = f"/v1/me/grants/{row['grant']}/revocation"
    return {**row, "links": links}


async def revoke_grant(call: Call) -> Response:
    grant = call.request.path_params["grant"]
    request = await call.read_json(RevocationRequest)
    if len(grant) != 64 or any(character not in "0123456789abcdef" for character in grant):
        raise ApiRefused("grant_unknown")
    return await answer_standing(call, await call.archive.patients.revoke_grant(call.person, grant, request.reason))


def _until_ms(text: str) -> int:
    """RFC 3339 with its zone, in ms since the epoch. Raises `invalid_time`."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or "T" not in text:
            raise ValueError
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ApiRefused("invalid_time", "a moment as 2026-12-31T23:59:59+08:00", "/until") from None


GRANT = Parameter(
    "grant",
    "64 hexadecimal digits",
    examples.DIGEST,
    "path",
    True,
    {"type": "string", "pattern": "^[0-9a-f]{64}$"},
)
KEEPING = ("mempool_full", "disk_nearly_full", "unavailable")
GRANTING = (
    "identity_missing",
    "bill_unknown",
    "field_unknown",
    "organisation_unknown",
    "not_a_reader",
    "organisation_suspended",
    "organisation_closed",
    "not_details_keeper",
    "invalid_time",
    "grant_too_long",
    "grant_revoked",
    "grant_expired",
    "too_many_grants",
    *KEEPING,
)

ROUTES = (
    Route(
        "POST",
        "/v1/me/grants",
        "giveGrants",
        "patients",
        f"Let an organisation read up to {GRANTS_MAX} bills of one's own, field by field, until a moment; all or none",
        give_grants,
        {
            202: Given("Kept and queued for the ledger", examples.GIVEN_GRANTS, GivenGrants),
            201: Given("Recorded within the preferred wait", examples.GIVEN_GRANTS, GivenGrants),
            200: Given("All of it was granted before", examples.GIVEN_GRANTS, GivenGrants),
        },
        (MIRROR,),
        Sent(examples.GRANTS_REQUEST, GrantsRequest),
        (PREFER,),
        GRANTING,
    ),
    Route(
        "GET",
        "/v1/me/grants",
        "listMyGrants",
        "patients",
        "Who may read the asking person's bills, and who might: each with the blocks that gave it and took it back",
        list_my_grants,
        {200: Given("The grants", {"data": [examples.GRANT], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (LIMIT, CURSOR),
        ("identity_missing", "parameter_invalid", "parameter_unknown", "cursor_invalid"),
    ),
    Route(
        "POST",
        "/v1/me/grants/{grant}/revocation",
        "revokeGrant",
        "patients",
        "Take a grant back: it opens nothing from the block on that records this",
        revoke_grant,
        {
            202: Given("Kept and queued for the ledger", examples.LIFE_QUEUED, Answer),
            201: Given("Recorded within the preferred wait", examples.LIFE_RECORDED, Answer),
            200: Given("The same was asked before", examples.LIFE_RECORDED, Answer),
        },
        (MIRROR,),
        Sent({"reason": "claim_paid"}, RevocationRequest),
        (GRANT, PREFER),
        ("identity_missing", "grant_unknown", "already_revoked", "grant_expired", *KEEPING),
    ),
)
