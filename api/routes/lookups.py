"""For a bill's holder: how often it was verified, when last, and by what kind of asker."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.rendering import found, render
from api.route import BOTH, Given, Route
from api.routes.bills import BILL_ID
from api.schemas import examples
from api.schemas.answers import LookupsPage


async def show_lookups(call: Call) -> Response:
    bill_id = call.bill_id()
    call.parameters()
    return render(call, found(await call.desk.lookups(bill_id, call.person), "bill_unknown"))


ROUTES = (
    Route(
        "GET",
        "/v1/bills/{bill_id}/lookups",
        "showLookups",
        "patients",
        "How often this node found the bill for somebody, and the newest hundred with the kind of asker",
        show_lookups,
        {200: Given("The look-ups", examples.LOOKUPS, LookupsPage)},
        BOTH,
        None,
        (BILL_ID,),
        ("bill_unknown", "parameter_unknown"),
    ),
)
