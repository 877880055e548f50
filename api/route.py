"""A route: its handler, and what its documentation says. `app.py` serves it, `openapi.py` describes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from api.call import Call

GATEWAY = "gateway"
MIRROR = "mirror"
BOTH = (GATEWAY, MIRROR)
INSURER = "insurer"
LENDER = "lender"
SERVING = (*BOTH, INSURER, LENDER)  # whatever serves REST: nodes, and organisations' own services

Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """Of the path, the query or the headers. `example` is sent by the test that runs all examples."""

    name: str
    description: str
    example: Any = None
    place: str = "query"
    required: bool = False
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Sent:
    """A request's body. `kind` is a struct, or None for raw bytes, whose example is hex."""

    example: Any
    kind: Any = None
    media_types: tuple[str, ...] = ("application/json",)


@dataclass(frozen=True, slots=True)
class Given:
    """An answer. `kind` is a struct, `dict` for a record's view, or None for other media."""

    description: str
    example: Any = None
    kind: Any = None
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Route:
    """`path` begins with /v1 and stands in `policy.POLICIES`. `problems` are codes beyond those that follow from the
    policy and the body."""

    method: str
    path: str
    name: str  # operationId
    tag: str
    summary: str
    handler: Handler
    answers: dict[int, Given]
    nodes: tuple[str, ...] = BOTH
    body: Sent | None = None
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[str, ...] = ()
