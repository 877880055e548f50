"""The match of bills, medical-insurance settlements and the fund's payments, for auditors, finance and the bureau itself."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.rendering import render_page
from api.route import MIRROR, Given, Parameter, Route
from api.routes.audit import AUDIT_LIMIT_MAX, CURSOR, DAY, IN_PARAMETERS, ISSUER, LIMIT, parse_limit
from api.routes.public import parse_date
from api.schemas import examples
from api.schemas.answers import Rows
from node.service import DIFFERENCES

FLAGS = ("", "true", "false")  # `?unmatched` alone is as good as `unmatched=true`


async def list_settlements(call: Call) -> Response:
    filters = call.parameters("unmatched", "issuer", "from", "to", "difference", "cursor", "limit")
    cursor = filters.pop("cursor", None)
    limit = parse_limit(filters.pop("limit", None), AUDIT_LIMIT_MAX)
    flags = call.request.query_params.getlist("unmatched")
    if len(flags) > 1 or not set(flags) <= set(FLAGS):
        raise ApiRefused("parameter_invalid", "unmatched: true, false, or without a value")
    if "issuer" in filters and not ISSUER.fullmatch(filters["issuer"]):
        raise ApiRefused("parameter_invalid", "issuer: an organisation's id")
    for name in ("from", "to"):
        if name in filters:
            parse_date(filters[name], "parameter_invalid", name)
    if filters.get("difference", DIFFERENCES[0]) not in DIFFERENCES:
        raise ApiRefused("parameter_invalid", f"difference: {', '.join(DIFFERENCES)}")
    filters.pop("unmatched", None)
    if flags and flags != ["false"]:
        filters["unmatched"] = "true"
    bureau = call.person.organisation if call.person.role == "insurer_clerk" else None
    scope = f"audit/settlements/{bureau or ''}?" + "&".join(f"{name}={filters[name]}" for name in sorted(filters))
    after = None if cursor is None else call.open_cursor(scope, cursor)
    return render_page(call, await call.archive.audit_settlements(filters, bureau, after, limit), scope, limit)


ROUTES = (
    Route(
        "GET",
        "/v1/audit/settlements",
        "listSettlements",
        "audit",
        "Three-way match: what bills, the insurance bureau's settlements and the fund's payments say of each other",
        list_settlements,
        {200: Given("Part of the list", {"data": [examples.SETTLEMENT], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (
            Parameter("unmatched", "only where something differs", "true", schema={"enum": list(FLAGS)}),
            Parameter("issuer", "organisation id; all hospitals without it", "hospital-a"),
            Parameter("from", "first business date, or date of a payment without a bill", "2026-03-01", schema=DAY),
            Parameter("to", "last one", "2026-03-31", schema=DAY),
            Parameter(
                "difference", "only with this one", "fund_differs", schema={"type": "string", "enum": list(DIFFERENCES)}
            ),
            LIMIT,
            CURSOR,
        ),
        (*IN_PARAMETERS, "cursor_invalid"),
    ),
)
