"""The log of who read which details, for auditors, who check it against its anchor on the ledger."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.purpose import PURPOSE_HEADERS, PURPOSE_PROBLEMS, verify_purpose
from api.rendering import found, render, render_bytes
from api.route import MIRROR, Given, Parameter, Route, Sent
from api.routes.audit import AUDIT_LIMIT_MAX, LIMIT, parse_limit
from api.routes.bills import PREFER
from api.schemas import examples
from api.schemas.answers import Answer, Rows
from api.schemas.requests import Nothing
from api.standing import answer_standing

NUMBER_DIGITS_MAX = 15


async def list_accesses(call: Call) -> Response:
    verify_purpose(call)
    parameters = call.parameters("after", "limit")
    after = parameters.get("after", "0")
    if not (after.isascii() and after.isdigit() and len(after) <= NUMBER_DIGITS_MAX):
        raise ApiRefused("parameter_invalid", "after: an entry's number")
    page = call.archive.accesses(int(after), parse_limit(parameters.get("limit"), AUDIT_LIMIT_MAX))
    return render(call, Rows(page.data, page.next is not None, page.next))


async def fetch_anchor(call: Call) -> Response:
    call.parameters()
    data = found(call.archive.access_anchor(), "anchor_unknown")
    headers = {"Content-Disposition": 'attachment; filename="accesses.anchor"'}
    return render_bytes(call, data, "application/octet-stream", headers=headers)


async def anchor_accesses(call: Call) -> Response:
    await call.read_json(Nothing)
    standing = await call.archive.anchor_accesses()
    if standing is None:
        return render(call, Rows([], False, None))
    return await answer_standing(call, standing)


ROUTES = (
    Route(
        "GET",
        "/v1/audit/accesses",
        "listAccesses",
        "audit",
        "The log of who read which details, by number: `entry` holds the bytes that the next one's digest is about",
        list_accesses,
        {200: Given("Part of the log", {"data": [examples.ACCESS_ENTRY], "has_more": True, "next": "1"}, Rows)},
        (MIRROR,),
        None,
        (Parameter("after", "number of the entry before; `next` of the part before", "0"), LIMIT, *PURPOSE_HEADERS),
        ("parameter_unknown", "parameter_invalid", *PURPOSE_PROBLEMS),
    ),
    Route(
        "GET",
        "/v1/audit/accesses/anchor",
        "fetchAccessAnchor",
        "audit",
        "A file that proves up to which entry, and to which digest of it, the log is anchored on the ledger",
        fetch_anchor,
        {200: Given("The file", media_type="application/octet-stream")},
        (MIRROR,),
        None,
        (),
        ("anchor_unknown", "parameter_unknown"),
    ),
    Route(
        "POST",
        "/v1/audit/accesses:anchor",
        "anchorAccesses",
        "audit",
        "Anchor at once what was logged since the last anchor, instead of within about a minute",
        anchor_accesses,
        {
            202: Given("Sent to the ledger", examples.OPERATION_QUEUED, Answer),
            201: Given("Recorded within the preferred wait", examples.OPERATION_QUEUED, Answer),
            200: Given("Nothing was logged since", {"data": [], "has_more": False, "next": None}, Rows),
        },
        (MIRROR,),
        Sent({}, Nothing),
        (PREFER,),
        ("accesses_moved", "unavailable", "mempool_full"),
    ),
)
