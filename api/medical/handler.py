"""One request of the vendor interface: opened, served, and answered with 200 whatever became of it, as its clients expect."""

from __future__ import annotations

import msgspec
import structlog
from starlette.responses import Response

from api.body import JSON
from api.call import Call
from api.errors import ApiRefused
from api.intake.errors import FormatRefused
from api.medical.envelope import (
    CONTENT_REFUSED,
    NOT_FOUND,
    NOTHING_KEPT,
    SERVICE_UNKNOWN,
    STATE_REFUSED,
    SUCCESS,
    Answer,
    MedicalRefused,
    open_envelope,
    seal_envelope,
)
from api.medical.services import SERVICES
from api.problems import find_problem
from chain.errors import ChainError
from node.service import Reader, ServiceRefused

PATH = "/compat/medical/{service}"

log = structlog.get_logger("api")


async def serve(call: Call) -> Response:
    """Raises ApiRefused only for what is no JSON body at all; the app's own name stands for the person."""
    content = await call.read_raw(JSON)
    apps = call.settings.medical_apps
    try:
        envelope, body = open_envelope(content, apps)
    except MedicalRefused as refusal:  # nobody whom an answer could be signed for
        return Response(
            msgspec.json.encode({"result": refusal.result, "message": refusal.text}), 200, media_type="application/json"
        )
    service = SERVICES.get(call.request.path_params["service"])
    reader = Reader(f"his:{envelope.appid}", call.desk.organisation, "cashier")
    try:
        if service is None:
            raise MedicalRefused(SERVICE_UNKNOWN, "service_unknown")
        answer = _answer(envelope.appid, apps, envelope.noise, SUCCESS, await service(call, body, reader))
    except MedicalRefused as refusal:
        answer = _answer(envelope.appid, apps, envelope.noise, refusal.result, refusal.text)
    except FormatRefused as refusal:
        text = f"{refusal.code}: {refusal.pointer} {refusal.detail}".rstrip()
        answer = _answer(envelope.appid, apps, envelope.noise, CONTENT_REFUSED, text)
    except (ServiceRefused, ApiRefused, ChainError) as refusal:
        detail = getattr(refusal, "detail", "")
        text = f"{refusal.code}: {detail}" if detail else refusal.code
        answer = _answer(envelope.appid, apps, envelope.noise, _result_of(refusal.code), text)
    return Response(msgspec.json.encode(answer), 200, media_type="application/json")


def _answer(appid: str, apps: dict[str, str], noise: str, result: str, message: dict[str, object] | str) -> Answer:
    return seal_envelope(appid, apps[appid], noise, result, message)


def _result_of(code: str) -> str:
    """By the HTTP status that the rest of the interface gives it."""
    status = find_problem(code)[1].status
    return {404: NOT_FOUND, 409: STATE_REFUSED, 403: STATE_REFUSED, 503: NOTHING_KEPT, 500: NOTHING_KEPT}.get(
        status, CONTENT_REFUSED
    )
