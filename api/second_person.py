"""Steps that need two people: asked for by one, agreed to by another of the same organisation (`/v1/approvals`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec
from starlette.responses import Response

from api.call import Call
from api.rendering import render
from api.schemas.answers import AwaitingAnswer
from node.service import ServiceRefused

T = TypeVar("T", bound=msgspec.Struct)

# what is done once there are enough: (call, what the path named, the request, the marks of who asked and who agreed)
Perform = Callable[[Call, str, T, Sequence[bytes]], Awaitable[Response]]


async def perform_or_ask(call: Call, kind: str, target: str, request: T, perform: Perform[T]) -> Response:
    """Do it, or keep it until a second person agrees, where that is all that is missing."""
    try:
        return await perform(call, target, request, [])
    except ServiceRefused as refusal:
        if refusal.code != "second_person_missing":
            raise
    asked = await call.desk.approvals.ask(kind, target, msgspec.json.encode(request), call.person.subject)
    approval = f"/v1/approvals/{asked.id}"
    answer = AwaitingAnswer("awaiting_second", asked.id, kind, target or None, {"approval": approval})
    return render(call, answer, 202, headers={"Location": approval})
