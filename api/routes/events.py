"""What the ledger recorded, told to whom it is meant for: page by page, or as it happens."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.event_stream import MEDIA_TYPE, OPEN, EventStream
from api.rendering import render
from api.route import MIRROR, Given, Parameter, Route
from api.routes.audit import IN_PARAMETERS, ISSUER, parse_limit
from api.schemas import examples
from api.schemas.answers import Rows
from node.ledger_events import EVENT_TYPES, choose_types, parse_position
from node.service import EventQuery

EVENTS_LIMIT_MAX = 1_000  # in one part
FROM_THE_BEGINNING = "0"


async def list_events(call: Call) -> Response:
    """Pages begin with the ledger's first event, a stream with the next one, if it is not said where to go on."""
    parameters = call.parameters("after", "limit", "types", "bill_id", "issuer", "proofs")
    query = _query(call, parameters)
    after = _after(call, parameters.get("after"))
    limit = parse_limit(parameters.get("limit"), EVENTS_LIMIT_MAX)
    if _wants_stream(call):
        OPEN.enter(query.reader.organisation)
        return EventStream(call, query, after)
    page = await call.archive.events.page(query, after or FROM_THE_BEGINNING, limit)
    url = call.request.url.include_query_params(after=page.next)
    headers = {"Link": f'<{url.path}?{url.query}>; rel="next"', "Vary": "Accept, Last-Event-ID"}
    return render(call, Rows(page.data, page.has_more, page.next), headers=headers)


def _wants_stream(call: Call) -> bool:
    """A HEAD has no body to stream in."""
    accepted = ",".join(call.request.headers.getlist("accept")).lower()
    return MEDIA_TYPE in accepted and not call.request.scope.get("medbill.is_head")


def _query(call: Call, parameters: dict[str, str]) -> EventQuery:
    types = choose_types(parameters["types"]) if "types" in parameters else None
    if "types" in parameters and types is None:
        words = sorted({*EVENT_TYPES.values(), *(name.partition(".")[0] for name in EVENT_TYPES.values())})
        raise ApiRefused("parameter_invalid", f"types: {', '.join(words)}")
    bill_id, issuer = parameters.get("bill_id", ""), parameters.get("issuer", "")
    if bill_id and not (len(bill_id) == 18 and bill_id.isascii() and bill_id.isdigit()):
        raise ApiRefused("parameter_invalid", "bill_id: 18 digits")
    if issuer and not ISSUER.fullmatch(issuer):
        raise ApiRefused("parameter_invalid", "issuer: an organisation's id")
    if parameters.get("proofs", "inline") != "inline":
        raise ApiRefused("parameter_invalid", "proofs: inline")
    return EventQuery(call.person, types, bill_id, issuer, "proofs" in parameters)


def _after(call: Call, after: str | None) -> str | None:
    """A browser that comes back keeps its address and says in the header how far it was: the header counts."""
    position = call.request.headers.get("last-event-id") or after
    if position is not None and parse_position(position) is None:
        raise ApiRefused("parameter_invalid", "after, Last-Event-ID: an event's id, or a height")
    return position


ROUTES = (
    Route(
        "GET",
        "/v1/events",
        "listEvents",
        "events",
        "What was recorded, in the order of the ledger; with `Accept: text/event-stream` as it happens, until the reader leaves",
        list_events,
        {200: Given("Part of the list", {"data": [examples.EVENT], "has_more": False, "next": "1043"}, Rows)},
        (MIRROR,),
        None,
        (
            Parameter("after", "an event's id, or a height: go on behind it, at any mirror", "1041"),
            Parameter(
                "Last-Event-ID", "the same, as a browser sends it that comes back; it counts more", place="header"
            ),
            Parameter("types", "types of events, or words that they begin with, by comma", "claim,bill.reversed"),
            Parameter("bill_id", "of this bill alone", examples.BILL_ID),
            Parameter("issuer", "of this hospital's bills alone", "hospital-a"),
            Parameter(
                "proofs",
                "each event with the file that proves it, base64; at most 100 in one part",
                "inline",
                schema={"type": "string", "enum": ["inline"]},
            ),
            Parameter(
                "limit", "rows in one part", 20, schema={"type": "integer", "minimum": 1, "maximum": EVENTS_LIMIT_MAX}
            ),
        ),
        (*IN_PARAMETERS, "too_many_streams"),
    ),
)
