"""What waits for a second person of this node's organisation: listed, agreed to, withdrawn."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.policy import POLICIES
from api.rendering import render, status_of_code
from api.route import BOTH, Given, Parameter, Route, Sent
from api.routes import catalogues, organisations
from api.routes.bills import PREFER, perform_correction, perform_reversal
from api.routes.numbers import perform_allotment
from api.schemas import examples
from api.schemas.answers import Rows
from api.schemas.requests import CorrectionRequest, Nothing, RangeRequest, ReversalRequest
from api.second_person import Perform
from node.approvals import Awaiting
from node.service import ServiceRefused

STEPS: dict[str, tuple[type, Perform, str]] = {  # type: ignore[type-arg]
    "reverse_bill": (ReversalRequest, perform_reversal, "/v1/bills/{bill_id}/reversal"),
    "correct_bill": (CorrectionRequest, perform_correction, "/v1/bills/{bill_id}/correction"),
    "allot_range": (RangeRequest, perform_allotment, "/v1/number-ranges"),
    **organisations.STEPS,
    **catalogues.STEPS,
}


async def list_approvals(call: Call) -> Response:
    call.parameters()
    return render(
        call, Rows([_row(asked) for asked in call.desk.approvals.waiting() if _may(call, asked)], False, None)
    )


async def agree(call: Call) -> Response:
    """Exactly what was asked is done, as the second person; what the node refuses for want of room goes on waiting."""
    approvals, key = call.desk.approvals, _key(call)
    await call.read_json(Nothing)
    _verify_may(call, approvals.find(key))
    asked = approvals.agree(key, call.person.subject)
    kind, perform, _path = STEPS[asked.kind]
    persons = approvals.persons(asked, call.person.subject)
    try:
        request: Any = msgspec.json.decode(asked.body, type=kind)
        if getattr(request, "operator", None) == call.person.subject:  # asked for by a machine, in this person's name
            raise ServiceRefused("same_person", "the operator cannot be the one who agrees")
        response = await perform(call, asked.target, request, persons)
    except (ServiceRefused, ApiRefused) as refusal:
        if status_of_code(refusal.code) >= 500 or refusal.code == "same_person":
            approvals.not_agreed(key)
        else:
            await approvals.agreed(key)
        raise
    except BaseException:
        approvals.not_agreed(key)
        raise
    await approvals.agreed(key)
    return response


async def withdraw(call: Call) -> Response:
    approvals, key = call.desk.approvals, _key(call)
    await call.read_json(Nothing)
    asked = approvals.find(key)
    _verify_may(call, asked)
    await approvals.withdraw(key)
    return render(call, _row(asked))


def _key(call: Call) -> str:
    return str(call.request.path_params["approval"])[:64]


def _may(call: Call, asked: Awaiting) -> bool:
    """Whoever may ask for a step may agree to it."""
    policy = POLICIES["POST", STEPS[asked.kind][2]]
    return call.person.organisation == call.desk.organisation and call.person.role in policy.own


def _verify_may(call: Call, asked: Awaiting) -> None:
    if not _may(call, asked):
        raise ApiRefused("approval_unknown")


def _row(asked: Awaiting) -> dict[str, object]:
    return {
        "approval": asked.id,
        "kind": asked.kind,
        "target": asked.target or None,
        "asked_by": asked.subject,
        "asked_ms": asked.asked_ms,
        "request": msgspec.Raw(asked.body),
    }


APPROVAL = Parameter("approval", "32 hex digits", examples.APPROVAL, "path", True)

ROUTES = (
    Route(
        "GET",
        "/v1/approvals",
        "listApprovals",
        "approvals",
        "What waits for a second person",
        list_approvals,
        {200: Given("What waits", {"data": [examples.WAITING], "has_more": False, "next": None}, Rows)},
        BOTH,
    ),
    Route(
        "POST",
        "/v1/approvals/{approval}",
        "agree",
        "approvals",
        "Agree, as a second person: what was asked is done",
        agree,
        {
            202: Given("Kept and queued", examples.RED_QUEUED, dict),
            201: Given("Recorded or sealed within the preferred wait", examples.RED_QUEUED, dict),
        },
        BOTH,
        Sent({}, Nothing),
        (APPROVAL, PREFER),
        ("approval_unknown", "same_person", "approval_under_way", "already_reversed", "unavailable"),
    ),
    Route(
        "POST",
        "/v1/approvals/{approval}/withdrawal",
        "withdrawApproval",
        "approvals",
        "It waits no more, and nothing was done",
        withdraw,
        {200: Given("What waited", examples.WAITING, dict)},
        BOTH,
        Sent({}, Nothing),
        (APPROVAL,),
        ("approval_unknown",),
    ),
)
