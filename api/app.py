"""The REST app of a node: routes, who may use them, and one error body for everything that goes wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import compile_path
from starlette.types import ASGIApp

from api.auth import TokenVerifier
from api.call import ApiSettings, Call
from api.envelope import Envelope, log_failure
from api.errors import ApiRefused, TokenRefused
from api.medical import handler as medical
from api.openapi import build_document
from api.pages import phone_page
from api.policy import POLICIES, PUBLIC, Policy
from api.problems import problem_page
from api.purpose import with_purpose
from api.rendering import REVALIDATE, render, render_refused
from api.route import BOTH, GATEWAY, Route
from api.routes import ROUTES
from chain.errors import ChainError
from node.service import Archive, Counter, Desk, Reader, Served, ServiceRefused
from node.services.desks import Insurer, Lender

Endpoint = Callable[[Request], Awaitable[Response]]

# code of the problem for statuses that the framework itself answers with
FRAMEWORK_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "media_type_unsupported"}


def build_app(
    desk: Counter | Archive | Insurer | Lender, tokens: TokenVerifier, settings: ApiSettings | None = None
) -> ASGIApp:
    """The ASGI app of a gateway, a mirror or an organisation's service: the routes of its kind. Everything runs on the caller's loop,
    except the checks of proofs. Raises KeyError for a route without a policy."""
    settings = settings or ApiSettings()
    app = FastAPI(title="medbill", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    served = [route for route in ROUTES if desk.kind in route.nodes]
    for route in served:
        policy = POLICIES[route.method, route.path]
        _add(app, route.method, route.path, _endpoint(route.path, route.handler, policy, desk, tokens, settings))
    document = build_document(served, desk.kind)

    async def show_document(call: Call) -> Response:
        return render(call, document, cache=REVALIDATE)

    async def show_problem(call: Call) -> Response:
        page = problem_page(call.request.path_params["code"])
        if page is None:
            raise ApiRefused("not_found")
        headers = {"Content-Security-Policy": "default-src 'none'", "Cache-Control": "max-age=3600"}
        return HTMLResponse(page, headers=headers)

    pages = {
        "/openapi.json": show_document,
        "/problems/{code}": show_problem,
        **(phone_page.PATHS if desk.kind in BOTH else {}),
    }
    for path, handler in pages.items():
        _add(app, "GET", path, _endpoint(path, handler, PUBLIC, desk, tokens, settings))
    if settings.medical_apps and desk.kind == GATEWAY:
        _add(app, "POST", medical.PATH, _endpoint(medical.PATH, medical.serve, PUBLIC, desk, tokens, settings))
    paths = [*((path, "GET") for path in pages), *((route.path, route.method) for route in served)]
    app.add_exception_handler(HTTPException, _framework_refusal(paths))
    return Envelope(app, desk, settings.observe)


def _add(app: FastAPI, method: str, path: str, endpoint: Endpoint) -> None:
    app.add_api_route(
        path, endpoint, methods=[method], response_class=Response, response_model=None, include_in_schema=False
    )


def _endpoint(
    path: str,
    handler: Callable[[Call], Awaitable[Response]],
    policy: Policy,
    desk: Served,
    tokens: TokenVerifier,
    settings: ApiSettings,
) -> Endpoint:
    """The handler behind its policy, with every refusal turned into a problem."""

    async def endpoint(request: Request) -> Response:
        scope = request.scope
        scope["medbill.route"] = path
        try:
            reader = None if policy.token == "none" else _read_token(request, tokens)
            admitted = with_purpose(request, policy.admit(reader, desk.organisation))
            return await handler(Call(request, cast(Desk, desk), settings, admitted))
        except ApiRefused as refusal:
            return render_refused(scope, refusal.code, refusal.detail, refusal.pointer, refusal.headers)
        except ServiceRefused as refusal:
            return render_refused(scope, refusal.code, refusal.detail, refusal.pointer, {}, refusal.links)
        except ChainError as refusal:
            pointer = getattr(refusal, "pointer", None)
            return render_refused(scope, refusal.code, getattr(refusal, "detail", ""), pointer, {})
        except Exception as error:
            log_failure(scope, error)
            return render_refused(scope, "internal_error", "", None, {})

    return endpoint


def _read_token(request: Request, tokens: TokenVerifier) -> Reader | None:
    """Who the bearer token speaks for; None if there is no Authorization header. Raises TokenRefused."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise TokenRefused("token_invalid", "send Authorization: Bearer TOKEN")
    return tokens.verify(token.strip())


def _framework_refusal(paths: Sequence[tuple[str, str]]) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Problems for what the router itself refuses; OPTIONS is answered with what there is."""
    patterns = [(compile_path(path)[0], method) for path, method in paths]

    async def refuse(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        methods = {method for pattern, method in patterns if pattern.match(request.scope["path"])}
        allow = ", ".join(sorted({*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))
        if methods and request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": allow})
        headers = {"Allow": allow} if status == 405 else {}
        code = FRAMEWORK_CODES.get(status, "malformed" if status < 500 else "internal_error")
        return render_refused(request.scope, code, "", None, headers)

    return refuse


__all__ = ["ApiSettings", "Route", "build_app"]
