"""What has become of something written: which status says so, and waiting for more (`Prefer: wait`)."""

from __future__ import annotations

import time

import msgspec
from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.problems import build_problem, choose_language
from api.rendering import problem_response, render, request_id
from api.schemas.answers import Answer, Outcome
from node.service import ServiceRefused, Standing

# outcomes that refuse an operation because what it wanted is there already
FULFILLED = ("already_recorded", "already_issued")

_waiting = [0]  # requests that wait now, over all apps of the process; at most ApiSettings.waiting_max


def links_of(standing: Standing) -> dict[str, str]:
    """Where to read on."""
    links = {"operation": f"/v1/operations/{standing.operation}"}
    if standing.bill_id is not None:
        bill = f"/v1/bills/{standing.bill_id}"
        links |= {"bill": bill, "history": f"{bill}/history", "proof": f"{bill}/proof"}
    if standing.resource is not None:
        links["resource"] = standing.resource
    if standing.height is not None:
        links["block"] = f"/v1/blocks/{standing.height}"
    return links


def build_answer(standing: Standing) -> Answer:
    return Answer(
        operation=standing.operation,
        status=standing.status,
        code=standing.code,
        height=standing.height,
        sealed_height=standing.sealed_height,
        bill_id=standing.bill_id,
        check_code=standing.check_code,
        superseded_by=standing.superseded_by,
        proxy=standing.proxy,
        name=standing.resource.rpartition("/")[2] if standing.resource is not None else None,
        links=links_of(standing),
    )


def is_fulfilled(standing: Standing) -> bool:
    """Whether nothing new was made because it had been made before."""
    if standing.superseded_by is not None:
        return True
    return standing.code in FULFILLED if standing.status == "refused" else standing.repeated


def build_outcome(index: int, standing: Standing | ServiceRefused | ApiRefused | None) -> Outcome:
    """Of one of many; None stands for a node that forgot to answer."""
    if not isinstance(standing, Standing):
        code, detail, pointer = (
            ("internal_error", "", None) if standing is None else (standing.code, standing.detail, standing.pointer)
        )
        links = standing.links or {} if isinstance(standing, ServiceRefused) else {}
        return Outcome(index=index, status="refused", code=code, detail=detail or None, pointer=pointer, links=links)
    return Outcome(
        index=index,
        status=standing.status,
        operation=standing.operation,
        code=standing.code,
        height=standing.height,
        sealed_height=standing.sealed_height,
        bill_id=standing.bill_id,
        check_code=standing.check_code,
        superseded_by=standing.superseded_by,
        repeated=is_fulfilled(standing),
        links=links_of(standing),
    )


def render_standing(call: Call, standing: Standing, waited_s: int | None) -> Response:
    """A write's answer: 202 queued, 201 recorded or sealed, 200 had been made before, or the refusal's problem."""
    headers = {} if waited_s is None else {"Preference-Applied": f"wait={waited_s}"}
    if standing.status == "refused" and not is_fulfilled(standing):
        return _render_refusal(call, standing, headers)
    links = links_of(standing)
    headers["Location"] = links.get("bill", links.get("resource", links["operation"]))
    status = 200 if is_fulfilled(standing) else 202 if standing.status == "queued" else 201
    return render(call, build_answer(standing), status, headers=headers)


def _render_refusal(call: Call, standing: Standing, headers: dict[str, str]) -> Response:
    language = choose_language(call.request.headers.get("accept-language", ""))
    body = build_problem(
        standing.code or "internal_error",
        request_id(call.request.scope),
        language,
        operation=standing.operation,
        height=standing.height,
        bill_id=standing.bill_id,
        links=links_of(standing),
    )
    return problem_response(body, language, headers)


def preferred_wait_s(call: Call) -> int | None:
    """N of `Prefer: wait=N` (RFC 7240), at most `wait_s_max`; None where it is not asked or not a number."""
    for header in call.request.headers.getlist("prefer"):
        for preference in header.split(","):
            name, _, value = preference.partition(";")[0].partition("=")
            value = value.strip().strip('"')
            if name.strip().lower() == "wait" and value.isascii() and value.isdigit():
                return min(int(value[:6]), call.settings.wait_s_max)
    return None


async def wait_for(call: Call, standings: list[Standing], seconds: float) -> list[Standing] | None:
    """The standings after at most so many seconds for all together; None where too many wait already."""
    if _waiting[0] >= call.settings.waiting_max:
        return None
    _waiting[0] += 1
    try:
        deadline = time.monotonic() + seconds
        return [await call.desk.wait(standing, max(0.0, deadline - time.monotonic())) for standing in standings]
    finally:
        _waiting[0] -= 1


async def answer_standing(call: Call, standing: Standing) -> Response:
    """Wait if the client prefers to, then answer."""
    waited_s = preferred_wait_s(call)
    if waited_s is not None:
        reached = await wait_for(call, [standing], waited_s)
        if reached is None:
            return render_standing(call, standing, None)
        # what was said at the counter stays true after the wait
        standing = msgspec.structs.replace(reached[0], repeated=standing.repeated, proxy=standing.proxy)
    return render_standing(call, standing, waited_s)
