""" "This was not me": a bill's holder disputes it, the finance office looks and settles, and who watches sees what is open."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.rendering import render_page
from api.route import MIRROR, Given, Parameter, Route, Sent
from api.routes.audit import parse_limit
from api.routes.bills import BILL_ID, PREFER
from api.schemas import examples
from api.schemas.answers import Answer, Rows
from api.schemas.requests import ReasonRequest, SettleRequest
from api.standing import answer_standing

DISPUTES_LIMIT_MAX = 1_000
SCOPE = "/v1/disputes"


async def dispute_bill(call: Call) -> Response:
    bill, request = call.bill_id(), await call.read_json(ReasonRequest)
    return await answer_standing(call, await call.archive.disputes.dispute(call.person, bill, request.reason))


async def settle_dispute(call: Call) -> Response:
    bill, request = call.bill_id(), await call.read_json(SettleRequest)
    return await answer_standing(call, await call.archive.disputes.settle(bill, request.outcome))


async def list_disputes(call: Call) -> Response:
    parameters = call.parameters("cursor", "limit")
    limit = parse_limit(parameters.get("limit"), DISPUTES_LIMIT_MAX)
    after = call.open_cursor(SCOPE, parameters["cursor"]) if "cursor" in parameters else ""
    return render_page(call, call.archive.disputes.open(call.person, after, limit), SCOPE, limit)


STANDINGS = {
    202: Given("Sent to the ledger", examples.OPERATION_QUEUED, Answer),
    201: Given("Recorded within the preferred wait", examples.LIFE_RECORDED, Answer),
    200: Given("The same was said before", examples.LIFE_RECORDED, Answer),
}
LIMIT = Parameter(
    "limit", "rows in one part", 20, schema={"type": "integer", "minimum": 1, "maximum": DISPUTES_LIMIT_MAX}
)

ROUTES = (
    Route(
        "POST",
        "/v1/bills/{bill_id}/disputes",
        "disputeBill",
        "patients",
        '"This was not me": nobody reimburses the bill until its office has looked',
        dispute_bill,
        STANDINGS,
        (MIRROR,),
        Sent({"reason": "not_me"}, ReasonRequest),
        (BILL_ID, PREFER),
        (
            "bill_unknown",
            "identity_missing",
            "already_disputed",
            "bill_is_red",
            "bill_is_void",
            "mempool_full",
            "unavailable",
        ),
    ),
    Route(
        "POST",
        "/v1/bills/{bill_id}/disputes:settle",
        "settleDispute",
        "supervision",
        "The office has looked into a dispute",
        settle_dispute,
        STANDINGS,
        (MIRROR,),
        Sent({"outcome": "dismissed"}, SettleRequest),
        (BILL_ID, PREFER),
        ("bill_unknown", "not_disputed", "already_settled", "mempool_full", "unavailable"),
    ),
    Route(
        "GET",
        "/v1/disputes",
        "listDisputes",
        "supervision",
        "Bills with an open dispute, by number: for auditors all, for the office's clerks those of its hospitals",
        list_disputes,
        {200: Given("The disputes", {"data": [examples.DISPUTE], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (LIMIT, Parameter("cursor", "`next` of the part before")),
        ("parameter_invalid", "parameter_unknown", "cursor_invalid"),
    ),
)
