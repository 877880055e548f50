"""Answers: JSON with its entity tag, lists with their cursor, problems."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused, FieldError
from api.problems import PROBLEMS, RETRY_AFTER_S, build_problem, choose_language
from api.schemas.answers import Rows
from node.service import Page

PERSONAL = "private, no-store"
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"  # may be kept, must be asked about

_encoder = msgspec.json.Encoder()


def render(
    call: Call,
    value: Any,
    status: int = 200,
    cache: str = PERSONAL,
    headers: dict[str, str] | None = None,
) -> Response:
    """JSON; see `render_bytes`."""
    return render_bytes(call, _encoder.encode(value), "application/json", status, cache, headers)


def render_bytes(
    call: Call,
    body: bytes,
    media_type: str,
    status: int = 200,
    cache: str = PERSONAL,
    headers: dict[str, str] | None = None,
) -> Response:
    """A GET's answer carries a strong entity tag, the digest of the body; 304 where If-None-Match has it."""
    sent = {"Cache-Control": cache, **(headers or {})}
    if call.request.scope["method"] == "GET" and status == 200:
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        sent["ETag"] = tag
        asked = call.request.headers.get("if-none-match")
        if asked is not None and (
            asked.strip() == "*" or tag in [part.strip().removeprefix("W/") for part in asked.split(",")]
        ):
            return Response(status_code=304, headers=sent)
    return Response(body, status, sent, media_type)


def render_page(call: Call, page: Page, scope: str, limit: int, cache: str = PERSONAL) -> Response:
    """A part of a list, with the Link to the next one (RFC 8288). `scope`: see `Call.seal_cursor`."""
    cursor = call.seal_cursor(scope, page.next) if page.next is not None else None
    headers = {}
    if cursor is not None:
        url = call.request.url.include_query_params(cursor=cursor, limit=limit)
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return render(call, Rows(page.data, cursor is not None, cursor), cache=cache, headers=headers)


def render_refused(
    scope: Any,
    code: str,
    detail: str,
    pointer: str | None,
    headers: dict[str, str],
    links: dict[str, str] | None = None,
) -> Response:
    """A problem for a request of which nothing was kept."""
    accept = next((value for name, value in scope["headers"] if name == b"accept-language"), b"").decode("latin-1")
    language = choose_language(accept)
    errors = [FieldError(pointer, code, detail)] if pointer is not None else None
    body = build_problem(code, request_id(scope), language, detail, errors, links=links or {})
    return problem_response(body, language, headers)


def problem_response(body: Any, language: str, headers: dict[str, str]) -> Response:
    sent = {
        "Cache-Control": "no-store",
        "Content-Language": "zh-CN" if language == "zh" else "en",
        "Vary": "Accept-Language",
        **headers,
    }
    if body.status in (429, 503):
        sent.setdefault("Retry-After", str(RETRY_AFTER_S))
    return Response(_encoder.encode(body), body.status, sent, "application/problem+json")


def request_id(scope: Any) -> str:
    """As the envelope found or made it."""
    found: str = scope.get("medbill.request_id", "")
    return found


def status_of_code(code: str) -> int:
    """HTTP status of a code; see `problems.find_problem` for unknown ones."""
    return PROBLEMS[code].status if code in PROBLEMS else 500


def found(value: Any, code: str) -> Any:
    """`value`, or ApiRefused `code` if it is None."""
    if value is None:
        raise ApiRefused(code)
    return value
