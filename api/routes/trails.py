"""The money of one bill, from bill to bank, for auditors and finance."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.purpose import PURPOSE_HEADERS, PURPOSE_PROBLEMS, verify_purpose
from api.rendering import render
from api.route import MIRROR, Given, Route
from api.routes.bills import BILL_ID
from api.schemas import money_examples as examples


async def show_trail(call: Call) -> Response:
    verify_purpose(call)
    trail = await call.archive.money_trail(call.bill_id())
    if trail is None:
        raise ApiRefused("bill_unknown")
    return render(call, trail)


ROUTES = (
    Route(
        "GET",
        "/v1/audit/trails/{bill_id}",
        "showTrail",
        "audit",
        "Follow the money of a bill: notices, order, payments, splits, the channel's day at the bank; what goes in comes out",
        show_trail,
        {200: Given("Step by step, with both sums of each", examples.TRAIL, dict)},
        (MIRROR,),
        None,
        (BILL_ID, *PURPOSE_HEADERS),
        ("bill_unknown", *PURPOSE_PROBLEMS),
    ),
)
