"""Accounts that a bank supervises, for auditors and finance: the ledger's balance beside the bank's signed one."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.rendering import render
from api.route import MIRROR, Given, Parameter, Route
from api.routes.audit import DAY, IN_PARAMETERS, ISSUER
from api.routes.public import parse_date
from api.schemas import split_examples as examples
from api.schemas.answers import Rows
from node.supervised_days import MISMATCH


async def list_supervised(call: Call) -> Response:
    filters = call.parameters("organisation", "from", "to", "finding")
    if "organisation" in filters and not ISSUER.fullmatch(filters["organisation"]):
        raise ApiRefused("parameter_invalid", "organisation: its id")
    for name in ("from", "to"):
        if name in filters:
            parse_date(filters[name], "parameter_invalid", name)
    if filters.get("finding", MISMATCH) != MISMATCH:
        raise ApiRefused("parameter_invalid", f"finding: {MISMATCH}")
    return render(call, Rows(await call.archive.supervised(filters), False, None))


ROUTES = (
    Route(
        "GET",
        "/v1/audit/supervised",
        "listSupervised",
        "audit",
        "Supervised accounts day by day, what the bank attested of each, and where the two differ by as little as a fen",
        list_supervised,
        {200: Given("The days", {"data": [examples.SUPERVISED], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (
            Parameter("organisation", "whose money it is; all without it", "hospital-a"),
            Parameter("from", "first day, in the ledger's own time zone", "2026-03-01", schema=DAY),
            Parameter("to", "last one", "2026-03-31", schema=DAY),
            Parameter(
                "finding", "only where there is this one", MISMATCH, schema={"type": "string", "enum": [MISMATCH]}
            ),
        ),
        IN_PARAMETERS,
    ),
)
