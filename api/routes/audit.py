"""What finance and auditors read over all hospitals: seals, bills, day totals."""

from __future__ import annotations

import re

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.purpose import PURPOSE_HEADERS, PURPOSE_PROBLEMS, verify_purpose
from api.rendering import render, render_bytes, render_page
from api.route import MIRROR, Given, Parameter, Route, Sent
from api.routes.numbers import own_only
from api.routes.public import parse_date
from api.schemas import examples
from api.schemas.answers import Rows
from api.schemas.requests import SealsRequest
from chain.bill import KINDS
from chain.rules.moves import AXES

AUDIT_LIMIT_MAX = 1_000  # rows in one part
LIMIT_DEFAULT = 20
DAYS_MAX = 400  # that day totals span
PROVEN_DAYS_MAX = 31  # that a file of day books spans: each has a path of its own

ISSUER = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}", re.ASCII)
VALIDITIES = tuple(AXES["validity"].states.values())


async def list_seals(call: Call) -> Response:
    visible, issuer = own_only(call, call.parameters("issuer").get("issuer"))
    return render(call, Rows(await call.archive.seals(issuer) if visible else [], False, None))


async def withhold_seals(call: Call) -> Response:
    request = await call.read_json(SealsRequest)
    withheld = {entry.bill_id: entry.reason for entry in request.exceptions}
    if len(withheld) != len(request.exceptions) or set(withheld) & set(request.released):
        raise ApiRefused("invalid_value", "each bill once", "/exceptions")
    await call.archive.withhold(withheld, request.released)
    return render(call, {"exceptions": len(withheld), "released": len(request.released)})


async def list_audited_bills(call: Call) -> Response:
    verify_purpose(call)
    filters = call.parameters("issuer", "from", "to", "kind", "place", "validity", "cursor", "limit")
    cursor = filters.pop("cursor", None)
    limit = parse_limit(filters.pop("limit", None), AUDIT_LIMIT_MAX)
    if "issuer" not in filters:
        raise ApiRefused("parameter_missing", "issuer")
    for name in ("from", "to"):
        if name in filters:
            parse_date(filters[name], "parameter_invalid", name)
    for name, allowed in (("kind", tuple(KINDS)), ("validity", VALIDITIES)):
        if name in filters and filters[name] not in allowed:
            raise ApiRefused("parameter_invalid", f"{name}: {', '.join(allowed)}")
    scope = "audit/bills?" + "&".join(f"{name}={filters[name]}" for name in sorted(filters))
    after = None if cursor is None else call.open_cursor(scope, cursor)
    return render_page(call, await call.archive.audit_bills(filters, after, limit, call.person), scope, limit)


async def list_day_totals(call: Call) -> Response:
    filters = call.parameters("issuer", "from", "to")
    rows = await call.archive.day_totals(filters.get("issuer"), *_span(filters, DAYS_MAX))
    return render(call, Rows(rows, False, None))


async def fetch_day_books(call: Call) -> Response:
    filters = call.parameters("issuer", "from", "to")
    if "issuer" not in filters:
        raise ApiRefused("parameter_missing", "issuer")
    if not ISSUER.fullmatch(filters["issuer"]):
        raise ApiRefused("parameter_invalid", "issuer: an organisation's id")
    if not own_only(call, filters["issuer"])[0]:
        raise ApiRefused("organisation_forbidden", "a hospital's own day books")
    data = await call.archive.day_books(filters["issuer"], *_span(filters, PROVEN_DAYS_MAX))
    return render_bytes(call, data, "application/octet-stream")


def _span(filters: dict[str, str], days_max: int) -> tuple[str, str]:
    """First and last day. Raises `parameter_missing`, `parameter_invalid`."""
    if "from" not in filters:
        raise ApiRefused("parameter_missing", "from")
    from_date = parse_date(filters["from"], "parameter_invalid", "from")
    to_date = parse_date(filters.get("to", filters["from"]), "parameter_invalid", "to")
    if not 0 <= (to_date - from_date).days < days_max:
        raise ApiRefused("parameter_invalid", f"to: not before from, and within {days_max} days")
    return from_date.isoformat(), to_date.isoformat()


async def list_number_gaps(call: Call) -> Response:
    filters = call.parameters("issuer", "year")
    year = filters.get("year", "")
    if not year:
        raise ApiRefused("parameter_missing", "year")
    if len(year) != 4 or not (year.isascii() and year.isdigit()):
        raise ApiRefused("parameter_invalid", "year: four digits")
    rows = await call.archive.number_gaps(filters.get("issuer"), int(year))
    return render(call, Rows(rows, False, None))


async def list_signed(call: Call) -> Response:
    verify_purpose(call)
    parameters = call.parameters("key_id", "from_height", "cursor", "limit")
    try:
        key = bytes.fromhex(parameters.get("key_id", ""))
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ApiRefused("parameter_invalid", "key_id: 64 hex digits")
    text = parameters.get("from_height", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise ApiRefused("parameter_invalid", "from_height: a block's height")
    scope = f"signed/{key.hex()}/{text}"
    after = call.open_cursor(scope, parameters["cursor"]) if "cursor" in parameters else None
    limit = parse_limit(parameters.get("limit"), AUDIT_LIMIT_MAX)
    page = await call.archive.signed_by(key, int(text), after, limit)
    following = call.seal_cursor(scope, page.next) if page.next else None
    return render(call, Rows(page.data, following is not None, following))


def parse_limit(text: str | None, most: int) -> int:
    """Rows that are asked for. Raises `parameter_invalid`."""
    if text is None:
        return LIMIT_DEFAULT
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= most):
        raise ApiRefused("parameter_invalid", f"limit: 1 to {most}")
    return int(text)


DAY = {"type": "string", "format": "date"}
LIMIT = Parameter("limit", "rows in one part", 20, schema={"type": "integer", "minimum": 1, "maximum": AUDIT_LIMIT_MAX})
CURSOR = Parameter("cursor", "`next` of the part before")
IN_PARAMETERS = ("parameter_unknown", "parameter_missing", "parameter_invalid")

ROUTES = (
    Route(
        "GET",
        "/v1/seals",
        "listSeals",
        "supervision",
        "Per issuer how far the office has sealed, and which bills it withholds",
        list_seals,
        {200: Given("The watermarks", {"data": [examples.SEAL], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (Parameter("issuer", "organisation id", "hospital-a"),),
        ("parameter_unknown",),
    ),
    Route(
        "POST",
        "/v1/seals",
        "withholdSeals",
        "supervision",
        "Withhold the seal of bills, by their numbers, or let them have it after all",
        withhold_seals,
        {200: Given("The sealer knows", {"exceptions": 1, "released": 0}, dict)},
        (MIRROR,),
        Sent({"exceptions": [{"bill_id": examples.BILL_ID, "reason": "under_inquiry"}], "released": []}, SealsRequest),
        (),
        ("already_sealed", "not_supervised", "too_many_withheld", "unavailable"),
    ),
    Route(
        "GET",
        "/v1/audit/bills",
        "listAuditedBills",
        "audit",
        "Public parts of an issuer's bills, by height",
        list_audited_bills,
        {200: Given("Part of the list", {"data": [examples.BILL_VIEW], "has_more": True, "next": "b3BhcXVl"}, Rows)},
        (MIRROR,),
        None,
        (
            Parameter("issuer", "organisation id", "hospital-a", required=True),
            Parameter("from", "first business date", "2026-03-01", schema=DAY),
            Parameter("to", "last business date", "2026-03-31", schema=DAY),
            Parameter("kind", "kind of bill", "outpatient", schema={"type": "string", "enum": list(KINDS)}),
            Parameter("place", "issuing point", "A01"),
            Parameter("validity", "state of the bill", "normal", schema={"type": "string", "enum": list(VALIDITIES)}),
            LIMIT,
            CURSOR,
            *PURPOSE_HEADERS,
        ),
        (*IN_PARAMETERS, "cursor_invalid", *PURPOSE_PROBLEMS),
    ),
    Route(
        "GET",
        "/v1/audit/day-totals",
        "listDayTotals",
        "audit",
        "Day books: counts and sums per issuer, place, business date and kind",
        list_day_totals,
        {200: Given("The day books", {"data": [examples.DAY_TOTALS], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (
            Parameter("issuer", "organisation id; all without it", "hospital-a"),
            Parameter("from", "first business date", "2026-03-01", required=True, schema=DAY),
            Parameter("to", "last business date; the first where it is not sent", "2026-03-31", schema=DAY),
        ),
        IN_PARAMETERS,
    ),
    Route(
        "GET",
        "/v1/audit/day-books",
        "fetchDayBooks",
        "audit",
        "An issuer's day books as a file that proves them without a network; up to 31 days",
        fetch_day_books,
        {200: Given("The file", media_type="application/octet-stream")},
        (MIRROR,),
        None,
        (
            Parameter("issuer", "organisation id", "hospital-a", required=True),
            Parameter("from", "first business date", "2026-03-01", required=True, schema=DAY),
            Parameter("to", "last business date; the first where it is not sent", "2026-03-31", schema=DAY),
        ),
        IN_PARAMETERS,
    ),
    Route(
        "GET",
        "/v1/audit/number-gaps",
        "listNumberGaps",
        "audit",
        "Leases of a year that numbers were used of, with the numbers that neither a bill nor a report explains",
        list_number_gaps,
        {200: Given("The leases", {"data": [examples.NUMBER_GAPS], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (
            Parameter("issuer", "organisation id; all without it", "hospital-a"),
            Parameter("year", "of the bills' numbers", "2026", required=True),
        ),
        IN_PARAMETERS,
    ),
    Route(
        "GET",
        "/v1/audit/signed-by",
        "listSignedBy",
        "audit",
        "What a key signed from a block on: after a theft, what has to be looked at",
        list_signed,
        {200: Given("What it signed", {"data": [examples.SIGNED], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (
            Parameter("key_id", "64 hex digits", "ab" * 32, required=True),
            Parameter("from_height", "first block to look at", "1"),
            LIMIT,
            CURSOR,
            *PURPOSE_HEADERS,
        ),
        (*IN_PARAMETERS, "cursor_invalid", *PURPOSE_PROBLEMS),
    ),
)
