"""For auditors and finance: how long visits took, before a day and since."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.rendering import render
from api.route import MIRROR, Given, Parameter, Route
from api.routes.audit import DAY, IN_PARAMETERS, ISSUER
from api.routes.public import parse_date
from api.schemas import examples
from api.schemas.answers import Rows
from chain.rules.visits import KINDS, OUTPATIENT
from node.service import WaitingQuery
from node.visit_timeline import VISITS_SHOWN_MIN


async def show_waiting(call: Call) -> Response:
    sent = call.parameters("split", "from", "to", "hospital", "kind")
    if "split" not in sent:
        raise ApiRefused("parameter_missing", "split")
    for name in ("split", "from", "to"):
        if name in sent:
            parse_date(sent[name], "parameter_invalid", name)
    kind = sent.get("kind", OUTPATIENT)
    if kind not in KINDS:
        raise ApiRefused("parameter_invalid", f"kind: {', '.join(sorted(KINDS))}")
    if "hospital" in sent and not ISSUER.fullmatch(sent["hospital"]):
        raise ApiRefused("parameter_invalid", "hospital: an organisation's id")
    query = WaitingQuery(sent["split"], kind, sent.get("from"), sent.get("to"), sent.get("hospital"))
    return render(call, Rows(await call.archive.waiting(query), False, None))


ROUTES = (
    Route(
        "GET",
        "/v1/audit/waiting",
        "showWaiting",
        "audit",
        f"Medians of minutes that visits took before a day and since; no figure of fewer than {VISITS_SHOWN_MIN} visits",
        show_waiting,
        {
            200: Given(
                "Hospital by hospital, then all that are shown together",
                {"data": [examples.MINUTES_WAITED], "has_more": False, "next": None},
                Rows,
            )
        },
        (MIRROR,),
        None,
        (
            Parameter("split", "the first day of the time since", "2026-03-15", required=True, schema=DAY),
            Parameter("from", "first day on which visits were opened", "2026-03-01", schema=DAY),
            Parameter("to", "last day", "2026-03-31", schema=DAY),
            Parameter("hospital", "organisation id; all without it", "hospital-a"),
            Parameter("kind", "kind of visit", OUTPATIENT, schema={"type": "string", "enum": sorted(KINDS)}),
        ),
        IN_PARAMETERS,
    ),
)
