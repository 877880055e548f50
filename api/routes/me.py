"""For patients: what is their own, at all hospitals."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.rendering import render_page
from api.route import MIRROR, Given, Parameter, Route
from api.routes.audit import parse_limit
from api.routes.bills import with_links
from api.schemas import examples
from api.schemas.answers import Rows
from node.service import Page

BILLS_LIMIT_MAX = 100

LIMIT = Parameter("limit", "rows in one part", 20, schema={"type": "integer", "minimum": 1, "maximum": BILLS_LIMIT_MAX})
CURSOR = Parameter("cursor", "`next` of the part before")


async def list_my_bills(call: Call) -> Response:
    parameters = call.parameters("cursor", "limit")
    limit = parse_limit(parameters.get("limit"), BILLS_LIMIT_MAX)
    scope = f"/v1/me/bills {call.person.organisation} {call.person.subject}"
    after = call.open_cursor(scope, parameters["cursor"]) if "cursor" in parameters else None
    page = await call.archive.patients.my_bills(call.person, after, limit)
    return render_page(call, Page([with_links(row) for row in page.data], page.next), scope, limit)


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
)
