"""Who takes part, and what an office does about those that it supervises."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.rendering import render
from api.route import MIRROR, Given, Parameter, Route, Sent
from api.routes.bills import PREFER
from api.schemas import examples
from api.schemas.answers import Answer, Rows
from api.schemas.requests import AdmissionRequest, Nothing, ReasonRequest
from api.second_person import Perform, perform_or_ask
from api.standing import answer_standing
from chain.operation import AdmitOrganisation, CloseOrganisation, ResumeOrganisation, SuspendOrganisation


async def list_organisations(call: Call) -> Response:
    call.parameters()
    return render(call, Rows(call.archive.organisations(), False, None))


async def admit(call: Call) -> Response:
    request = await call.read_json(AdmissionRequest)
    return await perform_or_ask(call, "admit_organisation", request.organisation, request, perform_admission)


async def perform_admission(call: Call, _name: str, request: AdmissionRequest, persons: Sequence[bytes]) -> Response:
    operation = AdmitOrganisation(
        request.organisation,
        request.name,
        request.kind,
        request.region,
        sorted(set(request.places)),
        bytes.fromhex(request.key),
        bytes.fromhex(request.authority),
        [],
    )
    return await answer_standing(call, await call.archive.admit(operation, persons))


async def suspend(call: Call) -> Response:
    request = await call.read_json(ReasonRequest)
    return await perform_or_ask(call, "suspend_organisation", _name(call), request, perform_suspension)


async def perform_suspension(call: Call, name: str, request: ReasonRequest, persons: Sequence[bytes]) -> Response:
    operation = SuspendOrganisation(name, request.reason, 0, [])
    return await answer_standing(call, await call.archive.supervise(operation, persons))


async def resume(call: Call) -> Response:
    return await perform_or_ask(
        call, "resume_organisation", _name(call), await call.read_json(Nothing), perform_resumption
    )


async def perform_resumption(call: Call, name: str, _request: Nothing, persons: Sequence[bytes]) -> Response:
    return await answer_standing(call, await call.archive.supervise(ResumeOrganisation(name, 0, []), persons))


async def close(call: Call) -> Response:
    request = await call.read_json(ReasonRequest)
    return await perform_or_ask(call, "close_organisation", _name(call), request, perform_closure)


async def perform_closure(call: Call, name: str, request: ReasonRequest, persons: Sequence[bytes]) -> Response:
    operation = CloseOrganisation(name, request.reason, 0, [])
    return await answer_standing(call, await call.archive.supervise(operation, persons))


def _name(call: Call) -> str:
    name: str = call.request.path_params["name"]
    if len(name) > 32 or not name.isascii():
        raise ApiRefused("organisation_unknown")
    return name


NAME = Parameter("name", "organisation id", "hospital-b", "path", True)
STEP_CODES = (
    "organisation_unknown",
    "not_supervised",
    "organisation_closed",
    "standing_moved",
    "already_suspended",
    "not_suspended",
    "approvals_full",
    "unavailable",
)


ADMISSION_CODES = (
    "organisation_known",
    "not_a_finance_office",
    "kind_not_admissible",
    "region_foreign",
    "authority_unusable",
    "places_malformed",
    "text_refused",
    "key_refused",
    "key_used",
    "directory_full",
    "approvals_full",
    "unavailable",
)


def _step(path: str, name: str, summary: str, handler: object, sent: Sent) -> Route:
    return Route(
        "POST",
        f"/v1/organisations/{{name}}/{path}",
        name,
        "organisations",
        summary,
        handler,  # type: ignore[arg-type]
        {
            202: Given("Waits for a second person, or sent to the ledger", examples.AWAITING_OFFICE, dict),
            201: Given("Recorded within the preferred wait", examples.LIFE_RECORDED, Answer),
        },
        (MIRROR,),
        sent,
        (NAME, PREFER),
        STEP_CODES,
    )


# kind -> (what its request is, what is done, the path whose policy says who may)
STEPS: dict[str, tuple[type, Perform, str]] = {  # type: ignore[type-arg]
    "admit_organisation": (AdmissionRequest, perform_admission, "/v1/organisations"),
    "suspend_organisation": (ReasonRequest, perform_suspension, "/v1/organisations/{name}/suspension"),
    "resume_organisation": (Nothing, perform_resumption, "/v1/organisations/{name}/resumption"),
    "close_organisation": (ReasonRequest, perform_closure, "/v1/organisations/{name}/closure"),
}

ROUTES = (
    Route(
        "GET",
        "/v1/organisations",
        "listOrganisations",
        "organisations",
        "Who takes part, and who is suspended or closed",
        list_organisations,
        {200: Given("The organisations", {"data": [examples.ORGANISATION], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
    ),
    Route(
        "POST",
        "/v1/organisations",
        "admitOrganisation",
        "organisations",
        "Take in an organisation below this office; an office still has to give a hospital numbers",
        admit,
        {
            202: Given("Waits for a second person, or sent to the ledger", examples.AWAITING_OFFICE, dict),
            201: Given("Recorded within the preferred wait", examples.LIFE_RECORDED, Answer),
        },
        (MIRROR,),
        Sent(examples.ADMISSION, AdmissionRequest),
        (PREFER,),
        ADMISSION_CODES,
    ),
    _step(
        "suspension",
        "suspendOrganisation",
        "It issues nothing until it is resumed",
        suspend,
        Sent({"reason": "key_lost"}, ReasonRequest),
    ),
    _step("resumption", "resumeOrganisation", "A suspended organisation goes on", resume, Sent({}, Nothing)),
    _step(
        "closure",
        "closeOrganisation",
        "It issues nothing any more",
        close,
        Sent({"reason": "merged"}, ReasonRequest),
    ),
)
