"""Looking for a hospital's bills by what it calls them itself: a business number, or a settlement that several belong to."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.purpose import PURPOSE_HEADERS, PURPOSE_PROBLEMS
from api.rendering import render, render_page
from api.route import BOTH, Given, Parameter, Route
from api.routes.audit import CURSOR, IN_PARAMETERS, parse_limit
from api.routes.bills import with_links
from api.schemas import examples
from api.schemas.answers import Rows
from chain.codec import verify_text
from chain.errors import TextRefused
from node.service import Page

NAME_CHARACTERS_MAX = 50  # of a business number, and of a settlement's
GROUP_LIMIT_MAX = 100  # bills in one part: each with its details


async def find_bills(call: Call) -> Response:
    """By `business_no` none or one; by `group` all, part by part."""
    parameters = call.parameters("issuer", "business_no", "group", "cursor", "limit")
    if "issuer" not in parameters:
        raise ApiRefused("parameter_missing", "issuer")
    names = [name for name in ("business_no", "group") if name in parameters]
    if not names:
        raise ApiRefused("parameter_missing", "business_no, or group")
    if len(names) > 1:
        raise ApiRefused("parameter_invalid", "business_no or group, not both")
    issuer, value = parameters["issuer"], _name(parameters[names[0]], names[0])
    limit = parse_limit(parameters.get("limit"), GROUP_LIMIT_MAX)
    if names == ["business_no"]:
        rows = await call.desk.bills_by_business_no(issuer, value, call.person)
        return render(call, Rows([with_links(row) for row in rows], False, None))
    scope = f"bills?issuer={issuer}&group={value}"
    after = call.open_cursor(scope, parameters["cursor"]) if "cursor" in parameters else None
    page = await call.desk.bills_of_group(issuer, value, call.person, after, limit)
    return render_page(call, Page([with_links(row) for row in page.data], page.next), scope, limit)


def _name(text: str, parameter: str) -> str:
    """What a hospital may call something. Raises `parameter_invalid`."""
    try:
        verify_text(text)
    except TextRefused:
        raise ApiRefused("parameter_invalid", parameter) from None
    if len(text) > NAME_CHARACTERS_MAX:
        raise ApiRefused("parameter_invalid", f"{parameter} has at most {NAME_CHARACTERS_MAX} characters")
    return text


LIMIT = Parameter(
    "limit", "bills in one part", schema={"type": "integer", "minimum": 1, "maximum": GROUP_LIMIT_MAX, "default": 20}
)

ROUTES = (
    Route(
        "GET",
        "/v1/bills",
        "findBills",
        "bills",
        "The bill of a business number, none or one; or all bills of a settlement",
        find_bills,
        {200: Given("The bills", {"data": [examples.BILL_VIEW], "has_more": False, "next": None}, Rows)},
        BOTH,
        None,
        (
            Parameter("issuer", "the hospital's organisation id", "hospital-a", required=True),
            Parameter("business_no", "the hospital's own serial", examples.BILL["business_no"]),
            Parameter("group", "instead of it: the hospital's own number of a settlement"),
            LIMIT,
            CURSOR,
            *PURPOSE_HEADERS,
        ),
        (*IN_PARAMETERS, "cursor_invalid", *PURPOSE_PROBLEMS),
    ),
)
