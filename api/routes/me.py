"""For patients: what is their own, at all hospitals."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from api.call import Call
from api.rendering import render_page
from api.route import MIRROR, Given, Parameter, Route, Sent
from api.routes.audit import parse_limit
from api.routes.bills import PREFER, with_links
from api.routes.proxies import proxy_name
from api.schemas import examples
from api.schemas.answers import Answer, Rows
from api.schemas.requests import BillClaimRequest
from api.standing import preferred_wait_s, render_standing, wait_for
from node.service import Page

BILLS_LIMIT_MAX = 100
CLAIM_WAIT_S = 10  # where a person does not say how long to wait: whether the bill is theirs is decided by a block

LIMIT = Parameter("limit", "rows in one part", 20, schema={"type": "integer", "minimum": 1, "maximum": BILLS_LIMIT_MAX})
CURSOR = Parameter("cursor", "`next` of the part before")
FOR = Parameter("for", "a proxy that is in force: whom the asking person reads for")


async def list_my_bills(call: Call) -> Response:
    after, limit, proxy, scope = _part(call, "bills")
    page = await call.archive.patients.my_bills(call.person, after, limit, proxy)
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


async def list_my_accesses(call: Call) -> Response:
    after, limit, proxy, scope = _part(call, "accesses")
    return render_page(call, await call.archive.patients.my_accesses(call.person, after, limit, proxy), scope, limit)


def _part(call: Call, of: str) -> tuple[str | None, int, str | None, str]:
    """(where to go on, how many rows, for whom, the cursor's scope) of a list of the asking person's."""
    parameters = call.parameters("cursor", "limit", "for")
    limit = parse_limit(parameters.get("limit"), BILLS_LIMIT_MAX)
    proxy = proxy_name(parameters["for"]) if "for" in parameters else None
    scope = f"/v1/me/{of} {call.person.organisation} {call.person.subject} {proxy or ''}"
    after = call.open_cursor(scope, parameters["cursor"]) if "cursor" in parameters else None
    return after, limit, proxy, scope


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
        (LIMIT, CURSOR, FOR),
        ("identity_missing", "parameter_invalid", "parameter_unknown", "cursor_invalid", "proxy_unknown"),
    ),
    Route(
        "GET",
        "/v1/me/accesses",
        "listMyAccesses",
        "patients",
        "Who else read the details of the asking person's bills, for what purpose and when, at all hospitals, the newest first",
        list_my_accesses,
        {200: Given("The readings", {"data": [examples.ACCESS], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (LIMIT, CURSOR, FOR),
        ("identity_missing", "parameter_invalid", "parameter_unknown", "cursor_invalid", "proxy_unknown"),
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
