"""uvicorn's HTTP/1.1 protocol with bounds on connections and heads, and problem bodies for what reaches no app.

uvicorn with httptools bounds neither the bytes of a head nor the time until it is there; and whom it cannot understand
or has no room for (its `limit_concurrency`) it answers with plain text. Problem bodies: RFC 9457; status 431: RFC 6585.
The codes and titles are among those of `api/problems.py`, which node does not import.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CONNECTIONS_MAX = 12_000  # and requests under way: more than may wait (api `waiting_max`); beyond, 503 at once
RETRY_AFTER_S = 5  # told with that 503, as with every other
HEAD_BYTES_MAX = 64 * 1024  # request line and header fields; a token is 4 KiB at most
HEAD_SECONDS_MAX = 20.0  # from connecting, or from a request's first byte, until its head is complete
CONNECTION = "medbill.connection"  # in a request's scope: its HttpProtocol


class HttpProtocol(HttpToolsProtocol):
    """One connection. A head that grows beyond its bound is answered with 431, one that never ends is cut off."""

    _in_head = True
    _head_bytes = 0  # read since the head began; what came with it in one piece counts too
    _head_due: asyncio.TimerHandle | None = None
    ending: asyncio.Event  # set when the server stops: whoever streams ends by itself

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.ending = asyncio.Event()
        self._head_due = self.loop.call_later(HEAD_SECONDS_MAX, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_due is None:
                self._head_due = self.loop.call_later(HEAD_SECONDS_MAX, self.transport.close)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._refuse(431, "Request Header Fields Too Large", "head_too_large", "The request's head is too large")

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        self._stop_clock()
        is_full = len(self.connections) > CONNECTIONS_MAX or len(self.tasks) >= CONNECTIONS_MAX
        self.app = _answer_that_all_is_full if is_full else self.config.loaded_app
        self.scope[CONNECTION] = self  # type: ignore[literal-required]
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()

    def shutdown(self) -> None:
        """Called by uvicorn when the server stops."""
        self.ending.set()
        super().shutdown()

    def abort(self) -> None:
        """Close at once, and let go what nobody reads."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for bytes that are no HTTP. Their text stays out of the answer."""
        self._refuse(400, "Bad Request", "malformed", "The bytes are not what they should be")

    def _stop_clock(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _refuse(self, status: int, reason: str, code: str, title: str) -> None:
        """Answer and close: where the next request would begin, nobody knows."""
        self._stop_clock()
        body = _problem_body(status, code, title)
        head = (
            f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()


async def _answer_that_all_is_full(scope: Any, receive: Any, send: Any) -> None:
    """An app in place of the node's: it reads no body, and closes the connection since these are what is short."""
    body = _problem_body(503, "too_many_connections", "Too many connections are open here")
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"%d" % RETRY_AFTER_S),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _problem_body(status: int, code: str, title: str) -> bytes:
    problem: dict[str, Any] = {"type": f"/problems/{code}", "title": title, "status": status, "code": code}
    return msgspec.json.encode(problem)
