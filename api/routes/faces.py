"""The face of a bill as a file: PDF or OFD, the bill itself or its detail list, its proof inside."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.purpose import PURPOSE_HEADERS, PURPOSE_PROBLEMS
from api.rendering import render_bytes
from api.route import BOTH, Given, Parameter, Route
from api.routes.bills import BILL_ID
from api.routes.public import HOLDER, VARY, for_reader_or_holder
from faces.source import FaceSource, Form

FORMS = ("pdf", "ofd")
KINDS: tuple[Form, ...] = ("face", "list")
AT_ONCE_MAX = 2  # faces that are drawn in threads at the same time
WAITING_MAX = 64  # requests for one; more are told to come again

_turn = asyncio.Semaphore(AT_ONCE_MAX)
_waiting = 0


async def show_face(call: Call) -> Response:
    bill_id = call.bill_id()
    parameters = call.parameters("form", "kind", "check_code")
    form, kind = parameters.get("form", "pdf"), _kind(parameters.get("kind", "face"))
    if form not in FORMS:
        raise ApiRefused("parameter_invalid", f"form: {' or '.join(FORMS)}")
    source = await for_reader_or_holder(
        call,
        bill_id,
        parameters.get("check_code", ""),
        lambda reader, secret: call.desk.face_source(bill_id, reader, kind, secret),
    )
    data, media_type = await _drawn(source, form, kind, call.settings.public_url, call.desk.chain_id)
    name = f"{source.bill}{'-list' if kind == 'list' else ''}.{form}"
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Vary": VARY}
    return render_bytes(call, data, media_type, headers=headers)


def _kind(text: str) -> Form:
    for kind in KINDS:
        if text == kind:
            return kind
    raise ApiRefused("parameter_invalid", f"kind: {' or '.join(KINDS)}")


async def _drawn(source: FaceSource, form: str, kind: Form, public_url: str, chain_id: str) -> tuple[bytes, str]:
    """(file, media type). Drawing takes a thread: the loop goes on."""
    global _waiting
    if _waiting >= WAITING_MAX:
        raise ApiRefused("unavailable", "too many faces are being drawn")
    _waiting += 1
    try:
        async with _turn:
            return await asyncio.to_thread(_draw, source, form, kind, public_url, chain_id)
    finally:
        _waiting -= 1


def _draw(source: FaceSource, form: str, kind: Form, public_url: str, chain_id: str) -> tuple[bytes, str]:
    from faces import ofd, pdf  # the typesetter is large: a node that nobody asks for a face does not load it
    from faces.face import make_face

    face = make_face(source, kind, public_url, chain_id)
    if form == "ofd":
        return ofd.render_ofd(face, source.proofs), ofd.MEDIA_TYPE
    return pdf.render_pdf(face, source.proofs), pdf.MEDIA_TYPE


ROUTES = (
    Route(
        "GET",
        "/v1/bills/{bill_id}/face",
        "showFace",
        "public",
        "The bill as people see it, with its proof as an attachment: that opens what the face shows and nothing else",
        show_face,
        {200: Given("PDF/A-3b; with form=ofd OFD, application/ofd", media_type="application/pdf")},
        BOTH,
        None,
        (
            BILL_ID,
            Parameter("form", "`pdf` (if left out) or `ofd`", "pdf"),
            Parameter("kind", "`face` (if left out), the bill itself, or `list`, its items", "face"),
            *HOLDER,
            *PURPOSE_HEADERS,
        ),
        ("bill_unknown", "parameter_invalid", "too_many_attempts", "unavailable", *PURPOSE_PROBLEMS),
    ),
)
