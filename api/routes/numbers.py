"""Number ranges and the leases that gateways cut from them."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from api.call import Call
from api.rendering import render
from api.route import GATEWAY, MIRROR, Given, Parameter, Route, Sent
from api.routes.bills import PREFER
from api.schemas import examples
from api.schemas.answers import Answer, Leases, Rows
from api.schemas.requests import ClearanceRequest, RangeRequest
from api.second_person import perform_or_ask
from api.standing import answer_standing


def own_only(call: Call, asked: str | None) -> tuple[bool, str | None]:
    """(whether there is anything to see, the organisation to look at): a hospital's people see their hospital only."""
    reader = call.person
    if reader.role != "hospital_admin":
        return True, asked
    return asked in (None, reader.organisation), reader.organisation


async def list_leases(call: Call) -> Response:
    call.parameters()
    return render(call, Leases(call.counter.leases(), False, None))


async def list_ranges(call: Call) -> Response:
    visible, holder = own_only(call, call.parameters("holder").get("holder"))
    return render(call, Rows(await call.archive.number_ranges(holder) if visible else [], False, None))


async def allot_range(call: Call) -> Response:
    return await perform_or_ask(call, "allot_range", "", await call.read_json(RangeRequest), perform_allotment)


async def perform_allotment(call: Call, _target: str, request: RangeRequest, persons: Sequence[bytes]) -> Response:
    asked = (request.parent, request.first, request.count, request.holder)
    return await answer_standing(call, await call.archive.allot_range(*asked, persons))


async def clear_lease(call: Call) -> Response:
    request = await call.read_json(ClearanceRequest)
    return await answer_standing(call, await call.archive.clear_lease(request.issuer, request.code, request.first))


async def list_clearances(call: Call) -> Response:
    visible, issuer = own_only(call, call.parameters("issuer").get("issuer"))
    return render(call, Rows(call.archive.clearances(issuer) if visible else [], False, None))


ROUTES = (
    Route(
        "GET",
        "/v1/number-leases",
        "listLeases",
        "numbers",
        "This gateway's leases and what is left of them",
        list_leases,
        {200: Given("The leases", {"data": [examples.LEASE], "has_more": False, "next": None}, Leases)},
        (GATEWAY,),
    ),
    Route(
        "GET",
        "/v1/number-ranges",
        "listRanges",
        "numbers",
        "Ranges, of one holder or of all",
        list_ranges,
        {200: Given("The ranges", {"data": [examples.RANGE], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (Parameter("holder", "organisation id", "hospital-a"),),
        ("parameter_unknown",),
    ),
    Route(
        "POST",
        "/v1/number-ranges",
        "allotRange",
        "numbers",
        "Allot the front of a range to an organisation under supervision",
        allot_range,
        {
            202: Given("Sent to the ledger", examples.OPERATION_QUEUED, Answer),
            201: Given(
                "Recorded within the preferred wait",
                {**examples.OPERATION_QUEUED, "status": "recorded", "height": 1042},
                Answer,
            ),
        },
        (MIRROR,),
        Sent(examples.RANGE_REQUEST, RangeRequest),
        (PREFER,),
        (
            "range_unknown",
            "range_overlaps",
            "range_moved",
            "range_exhausted",
            "not_supervised",
            "range_not_yours",
            "organisation_unknown",
            "unavailable",
        ),
    ),
    Route(
        "POST",
        "/v1/clearances",
        "clearLease",
        "numbers",
        "Clear a lease: what became of each number is counted, and none can be used any more",
        clear_lease,
        {
            202: Given("Sent to the ledger", examples.OPERATION_QUEUED, Answer),
            201: Given("Recorded within the preferred wait", examples.LIFE_RECORDED, Answer),
            200: Given("It was cleared before", examples.LIFE_RECORDED, Answer),
        },
        (MIRROR,),
        Sent({"issuer": "hospital-a", "code": "33060126", "first": 1}, ClearanceRequest),
        (PREFER,),
        (
            "lease_unknown",
            "lease_in_use",
            "numbers_unexplained",
            "already_cleared",
            "not_supervised",
            "organisation_unknown",
            "unavailable",
        ),
    ),
    Route(
        "GET",
        "/v1/clearances",
        "listClearances",
        "numbers",
        "Leases that were cleared, with what became of their numbers",
        list_clearances,
        {200: Given("The clearances", {"data": [examples.CLEARANCE], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (Parameter("issuer", "organisation id", "hospital-a"),),
        ("parameter_unknown",),
    ),
)
