"""For insurers, at a mirror: how their claims stand, and what the ledger would say to new ones."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.rendering import found, render, render_page
from api.route import MIRROR, Given, Parameter, Route, Sent
from api.routes.audit import CURSOR, IN_PARAMETERS, parse_limit
from api.routes.files import digest_parameter, hexadecimal
from api.schemas import claim_examples as examples
from api.schemas.answers import Foreseen, ForeseenClaims, Rows
from api.schemas.requests import ForesightRequest
from chain.rules.moves import AXES
from node.service import Page

ROWS_MAX = 1_000
STATES = tuple(sorted(set(AXES["claim"].states.values())))


async def show_claim(call: Call) -> Response:
    claim = hexadecimal(call.request.path_params["claim"], "claim_unknown")
    insurer = call.parameters("insurer").get("insurer", call.person.organisation)
    row = found(call.archive.reimbursing.claim(insurer, claim, call.person), "claim_unknown")
    return render(call, _with_links(row))


async def list_claims(call: Call) -> Response:
    parameters = call.parameters("insurer", "state", "cursor", "limit")
    insurer, state = parameters.get("insurer", call.person.organisation), parameters.get("state")
    if state is not None and state not in STATES:
        raise ApiRefused("parameter_invalid", f"state: {', '.join(STATES)}")
    limit = parse_limit(parameters.get("limit"), ROWS_MAX)
    scope = f"/v1/claims {insurer} {state or ''}"
    after = call.open_cursor(scope, parameters["cursor"]) if "cursor" in parameters else None
    page = call.archive.reimbursing.claims(insurer, state, after, limit, call.person)
    return render_page(call, Page([_with_links(row) for row in page.data], page.next), scope, limit)


def _with_links(row: dict[str, object]) -> dict[str, object]:
    links = {"bill": f"/v1/bills/{row['bill_id']}"}
    if row["state"] != "locked":
        links["evidence"] = f"/v1/claims/{row['claim']}/evidence"
    return {**row, "links": links}


async def foresee_claims(call: Call) -> Response:
    request = await call.read_json(ForesightRequest)
    wanted = [(claim.bill_id, claim.amount_fen) for claim in request.claims]
    codes = call.archive.reimbursing.foresee(call.person, wanted)
    rows = [Foreseen(bill, code) for (bill, _amount_fen), code in zip(wanted, codes, strict=True)]
    return render(call, ForeseenClaims(rows))


INSURER_PARAMETER = Parameter("insurer", "whose claims; the reader's own organisation without it", "insurer-a")
STATE = Parameter("state", "only those that stand so", "locked", schema={"type": "string", "enum": list(STATES)})
LIMIT = Parameter("limit", "rows in one part", 20, schema={"type": "integer", "minimum": 1, "maximum": ROWS_MAX})

ROUTES = (
    Route(
        "GET",
        "/v1/claims",
        "listClaims",
        "claims",
        "An insurer's claims as the ledger has them: those that are locked wait for a person, those that are approved for payment",
        list_claims,
        {200: Given("The claims", {"data": [examples.CLAIM], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (INSURER_PARAMETER, STATE, LIMIT, CURSOR),
        IN_PARAMETERS,
    ),
    Route(
        "GET",
        "/v1/claims/{claim}",
        "showClaim",
        "claims",
        "One claim of an insurer's, by its name on the ledger",
        show_claim,
        {200: Given("The claim", examples.CLAIM, dict)},
        (MIRROR,),
        None,
        (digest_parameter("claim"), INSURER_PARAMETER),
        ("claim_unknown", "parameter_unknown"),
    ),
    Route(
        "POST",
        "/v1/claims:foresee",
        "foreseeClaims",
        "claims",
        "With which code the ledger would refuse to lock bills for the asking insurer now; nothing is written",
        foresee_claims,
        {200: Given("A code for each, or null", examples.FORESEEN, ForeseenClaims)},
        (MIRROR,),
        Sent(examples.FORESIGHT_REQUEST, ForesightRequest),
    ),
)
