"""Family: who reads for whom. A person grants its own bills; for a child or a ward a clerk registers it at the counter."""

from __future__ import annotations

from datetime import date, timedelta

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.rendering import render
from api.route import MIRROR, Given, Parameter, Route, Sent
from api.routes.bills import PREFER
from api.routes.files import parse_moment_ms
from api.schemas import examples
from api.schemas.answers import Answer, Rows
from api.schemas.requests import CounterProxyRequest, Nothing, PersonRequest, ProxyRequest
from api.standing import answer_standing
from node.identity import Identity
from node.service import ProxyAsked

EPOCH = date(1970, 1, 1)
DAY_MS = 86_400_000


async def grant_proxy(call: Call) -> Response:
    request = await call.read_json(ProxyRequest)
    asked = ProxyAsked(None, _identity(request.agent), request.relationship, _until_ms(call, request.until))
    return await answer_standing(call, await call.archive.family.grant(call.person, asked))


async def register_proxy(call: Call) -> Response:
    request = await call.read_json(CounterProxyRequest)
    asked = ProxyAsked(
        _identity(request.principal),
        _identity(request.agent),
        request.relationship,
        _until_ms(call, request.until),
        request.evidence.kind,
        request.evidence.number,
    )
    return await answer_standing(call, await call.archive.family.grant(call.person, asked))


async def list_proxies(call: Call) -> Response:
    call.parameters()
    return render(call, Rows(call.archive.family.mine(call.person), False, None))


async def end_proxy(call: Call) -> Response:
    await call.read_json(Nothing)
    name = proxy_name(call.request.path_params["proxy"])
    return await answer_standing(call, await call.archive.family.end(call.person, name))


def proxy_name(text: str) -> str:
    """64 hex digits. Raises `proxy_unknown` for what cannot be one: malformed and unknown look the same."""
    if len(text) != 64 or any(character not in "0123456789abcdef" for character in text):
        raise ApiRefused("proxy_unknown")
    return text


def _identity(person: PersonRequest) -> Identity:
    return Identity(person.id_type, person.id_number, person.name)


def _until_ms(call: Call, text: str) -> int:
    """A day lasts to its end where the ledger is. Raises `invalid_value`."""
    try:
        if len(text) != 10:
            return parse_moment_ms(text)
        following = date.fromisoformat(text) + timedelta(days=1)
    except (ApiRefused, ValueError, OverflowError):
        raise ApiRefused(
            "invalid_value", "a day as yyyy-mm-dd, or a moment of RFC 3339 with its zone", "/until"
        ) from None
    offset_ms = int(call.desk.network()["parameters"]["utc_offset_minutes"]) * 60_000
    return (following - EPOCH).days * DAY_MS - offset_ms


PROXY = Parameter(
    "proxy", "64 hex digits", examples.DIGEST, "path", True, {"type": "string", "pattern": "^[0-9a-f]{64}$"}
)
REFUSALS = ("same_person", "proxy_exists", "proxy_expired", "proxy_too_long", "too_many_proxies", "unavailable")
END_REFUSALS = ("proxy_unknown", "already_ended", "proxy_expired", "unavailable")
SENT_TO_THE_LEDGER = {
    202: Given("Sent to the ledger", examples.PROXY_QUEUED, Answer),
    201: Given("Recorded within the preferred wait", examples.PROXY_QUEUED, Answer),
    200: Given("It was so before", examples.PROXY_QUEUED, Answer),
}

ROUTES = (
    Route(
        "GET",
        "/v1/me/proxies",
        "listProxies",
        "patients",
        "Who may read for the asking person, and for whom it may read",
        list_proxies,
        {200: Given("The relations", {"data": [examples.PROXY], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (),
        ("identity_missing", "parameter_unknown"),
    ),
    Route(
        "POST",
        "/v1/me/proxies",
        "grantProxy",
        "patients",
        "Let somebody read the asking person's bills under the own name, until a day or moment",
        grant_proxy,
        SENT_TO_THE_LEDGER,
        (MIRROR,),
        Sent(examples.PROXY_REQUEST, ProxyRequest),
        (PREFER,),
        ("identity_missing", "counter_only", *REFUSALS),
    ),
    Route(
        "POST",
        "/v1/me/proxies/{proxy}/end",
        "endProxy",
        "patients",
        "End a relation before its time: either of its two people may",
        end_proxy,
        SENT_TO_THE_LEDGER,
        (MIRROR,),
        Sent({}, Nothing),
        (PROXY, PREFER),
        END_REFUSALS,
    ),
    Route(
        "POST",
        "/v1/proxies",
        "registerProxy",
        "patients",
        "At the office's counter: for a child or a ward, who cannot sign on, by a document that the clerk has seen",
        register_proxy,
        SENT_TO_THE_LEDGER,
        (MIRROR,),
        Sent(examples.COUNTER_PROXY_REQUEST, CounterProxyRequest),
        (PREFER,),
        REFUSALS,
    ),
    Route(
        "POST",
        "/v1/proxies/{proxy}/end",
        "endProxyAtTheCounter",
        "patients",
        "End any relation, at the office's counter",
        end_proxy,
        SENT_TO_THE_LEDGER,
        (MIRROR,),
        Sent({}, Nothing),
        (PROXY, PREFER),
        END_REFUSALS,
    ),
)
