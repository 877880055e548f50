"""For patients: what is their own, at all hospitals."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from api.call import Call
from api.rendering import render_page
from api.route import MIRROR, Given, Parameter, Route, Sent
from api.routes.audit import parse_limit
from api.routes.bills import PREFER, with_links
from api.schemas import examples
from api.schemas.answers import Answer, Rows
from api.schemas.requests import BillClaimRequest
from api.standing import preferred_wait_s, render_standing, wait_for
from node.service import Page

BILLS_LIMIT_MAX = 100
CLAIM_WAIT_S = 10  # where a person does not say how long to wait: whether the bill is theirs is decided by a block

LIMIT = Parameter("limit", "rows in one part", 20, schema={"type": "integer", "minimum": 1, "maximum": BILLS_LIMIT_MAX})
CURSOR = Parameter("cursor", "`next` of the part before")


async def list_my_bills(call: Call) -> Response:
    parameters = call.parameters("cursor", "limit")
    limit = parse_limit(parameters.get("limit"), BILLS_LIMIT_MAX)
    scope = f"/v1/me/bills {call.person.organisation} {call.person.subject}"
    after = call.open_cursor(scope, parameters["cursor"]) if "cursor" in parameters else None
    page = await call.archive.patients.my_bills(call.person, after, limit)
    return render_page(call, Page([with_links(row) for row in page.data], page.next), scope, limit)


async def claim_bill(call: Call) -> Response:
    """200 once the bill is the person's, be it since now."""
    request = await call.read_json(BillClaimRequest)
    standing = await call.archive.binding.claim(call.person, request.bill_id, request.secret, call.source())
    asked_s = preferred_wait_s(call)
    if not standing.repeated:
        reached = await wait_for(call, [standing], CLAIM_WAIT_S if asked_s is None else asked_s)
        standing = standing if reached is None else reached[0]
    is_theirs = standing.status in ("recorded", "sealed")
    return render_standing(call, msgspec.structs.replace(standing, repeated=is_theirs), asked_s)


ROUTES = (
    Route(
        "GET",
        "/v1/me/bills",
        "listMyBills",
        "patients",
        "The bills that name the asking person's identity document, from all hospitals",
        list_my_bills,
        {200: Given("The bills", {"data": [examples.BILL_VIEW], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (LIMIT, CURSOR),
        ("identity_missing", "parameter_invalid", "parameter_unknown", "cursor_invalid"),
    ),
    Route(
        "POST",
        "/v1/me/bills",
        "claimBill",
        "patients",
        "A bill that names no document becomes the person's who shows its slip first, and whose name is the payer's",
        claim_bill,
        {
            200: Given("It is the person's", examples.LIFE_RECORDED, Answer),
            202: Given("Sent to the ledger, and not decided within the wait", examples.LIFE_QUEUED, Answer),
        },
        (MIRROR,),
        Sent({"bill_id": examples.BILL_ID, "secret": examples.CHECK_CODE}, BillClaimRequest),
        (PREFER,),
        (
            "identity_missing",
            "too_many_attempts",
            "bill_unknown",
            "already_claimed",
            "bill_is_void",
            "mempool_full",
            "unavailable",
        ),
    ),
)
