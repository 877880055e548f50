"""Routes of money and visits have one form: a wish that is kept, one thing that is shown, a list."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.rendering import render, render_page
from api.route import GATEWAY, Given, Handler, Parameter, Route, Sent
from api.routes.audit import parse_limit
from api.routes.bills import PREFER
from api.routes.me import CURSOR, LIMIT
from api.schemas import money_examples as examples
from api.schemas.answers import Answer, Rows
from api.standing import answer_standing

NOTHING_KEPT = ("outbox_full", "disk_nearly_full", "storage_failed")
PACE = "too_many_requests"  # of a patient
SIGNERS = ("organisation_suspended", "organisation_closed")
ROWS_MAX = 100


def name_of(what: str) -> Parameter:
    return Parameter("name", f"{what}: 64 hexadecimal digits", examples.NAME, "path", True)


def wish_route(
    path: str,
    operation: str,
    tag: str,
    summary: str,
    sent: Sent,
    problems: tuple[str, ...],
    target: Parameter | None = None,
) -> Route:
    """POST: a wish of `sent.kind`, about what `target` names in the path."""

    async def handle(call: Call) -> Response:
        wish = await call.read_json(sent.kind)
        about = call.request.path_params[target.name] if target is not None else ""
        return await answer_standing(call, await call.counter.money.do(wish, call.person, about))

    return Route(
        "POST",
        path,
        operation,
        tag,
        summary,
        handle,
        {
            202: Given("Kept and queued for the ledger", examples.QUEUED, Answer),
            201: Given("Recorded within the preferred wait", examples.RECORDED, Answer),
            200: Given("The same was asked before", examples.RECORDED, Answer),
        },
        (GATEWAY,),
        sent,
        (target, PREFER) if target is not None else (PREFER,),
        (*problems, PACE, *SIGNERS, *NOTHING_KEPT),
    )


def show_route(
    path: str,
    operation: str,
    tag: str,
    summary: str,
    kind: str,
    example: dict[str, Any],
    unknown: str,
    target: Parameter,
) -> Route:
    """GET: one thing, as the ledger has it now."""

    async def handle(call: Call) -> Response:
        page = await call.counter.money.show(kind, call.request.path_params[target.name], call.person)
        if page is None:
            raise ApiRefused(unknown)
        return render(call, page)

    return Route(
        "GET",
        path,
        operation,
        tag,
        summary,
        handle,
        {200: Given("As the ledger has it now", example, dict)},
        (GATEWAY,),
        None,
        (target,),
        (unknown,),
    )


def list_route(
    path: str,
    operation: str,
    tag: str,
    summary: str,
    kind: str,
    example: dict[str, Any],
    problems: tuple[str, ...] = ("identity_missing", "cursor_invalid"),
) -> Route:
    """GET: what is a patient's own, the oldest first; or the hospital's, which needs nobody's identity."""
    return Route(
        "GET",
        path,
        operation,
        tag,
        summary,
        _listing(path, kind),
        {200: Given("A part of the list", {"data": [example], "has_more": False, "next": None}, Rows)},
        (GATEWAY,),
        None,
        (LIMIT, CURSOR),
        problems,
    )


def _listing(path: str, kind: str) -> Handler:
    async def handle(call: Call) -> Response:
        parameters = call.parameters("cursor", "limit")
        limit = parse_limit(parameters.get("limit"), ROWS_MAX)
        scope = f"{path} {call.person.organisation} {call.person.subject}"
        after = call.open_cursor(scope, parameters["cursor"]) if "cursor" in parameters else None
        return render_page(call, await call.counter.money.rows(kind, call.person, after, limit), scope, limit)

    return handle
