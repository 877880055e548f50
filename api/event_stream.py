"""Server-sent events (WHATWG HTML, 9.2): what a mirror tells somebody, as it happens, over one long answer.

Each event has its place on the ledger as `id`. While nothing happens, a heartbeat says how far the mirror has looked, as a
comment and as an `id` without data: a browser keeps it and dispatches nothing. So whoever comes back with `Last-Event-ID`,
here or at another mirror, goes on where it was, and no mirror searches again what was searched.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Protocol

import msgspec
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api.call import Call
from api.envelope import log_failure
from api.errors import ApiRefused
from node.http_head import CONNECTION
from node.service import EventPage, EventQuery, Events

MEDIA_TYPE = "text/event-stream"
STREAMS_MAX = 200  # open at once
STREAMS_PER_ORGANISATION_MAX = 20
STREAM_SECONDS_MAX = 3_600.0  # then it ends, and whoever comes back shows a token that holds now
HEARTBEAT_SECONDS = 15.0
WRITE_SECONDS_MAX = 20.0  # for what the socket does not take: nothing is kept for a reader that is so slow
ROWS_AT_ONCE = 100  # events in one write: so much is in memory for a stream, and what the socket buffers
GATHER_SECONDS = 0.1  # after a block others come: what is told of them goes together
RETRY_MS = 2_000  # after which a browser comes back
END_SECONDS = 1.0  # for the last bytes

_encoder = msgspec.json.Encoder()


class Connection(Protocol):
    """What a stream needs of the connection that carries it; see `node/http_head.py`."""

    ending: asyncio.Event

    def abort(self) -> None: ...


class OpenStreams:
    """How many there are; over all apps of the process, as it is the process that they cost."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()  # organisation -> streams; at most STREAMS_MAX in all

    @property
    def count(self) -> int:
        return self._of.total()

    def enter(self, organisation: str) -> None:
        """Raises ApiRefused `too_many_streams`."""
        if self.count >= STREAMS_MAX or self._of[organisation] >= STREAMS_PER_ORGANISATION_MAX:
            raise ApiRefused("too_many_streams", f"at most {STREAMS_PER_ORGANISATION_MAX} of one organisation")
        self._of[organisation] += 1

    def leave(self, organisation: str) -> None:
        self._of[organisation] -= 1
        self._of += Counter()  # those that have none any more are forgotten


OPEN = OpenStreams()


class EventStream(Response):
    """Told until the reader leaves or is too slow, the node stops, or STREAM_SECONDS_MAX have passed.

    Made after `OPEN.enter`; it leaves by itself. `after`: see `Events.page`.
    """

    def __init__(self, call: Call, query: EventQuery, after: str | None) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # a proxy is not to gather them
        super().__init__(None, 200, headers, MEDIA_TYPE)
        del self.headers["content-length"]
        self._events: Events = call.archive.events
        self._query, self._after = query, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection | None = scope.get(CONNECTION)
        writing = asyncio.create_task(self._write(send))
        waiting: list[asyncio.Task[Any]] = [writing, asyncio.create_task(_left(receive))]
        if connection is not None:
            waiting.append(asyncio.create_task(connection.ending.wait()))
        try:
            await asyncio.wait(waiting, timeout=STREAM_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            OPEN.leave(self._query.reader.organisation)
        fault = None if writing.cancelled() else writing.exception()
        if fault is not None and not isinstance(fault, TimeoutError):
            log_failure(scope, fault)  # it is too late for a problem: the stream ends, and the next request is told
        try:
            async with asyncio.timeout(0 if isinstance(fault, TimeoutError) else END_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            if connection is not None:
                connection.abort()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send) -> None:
        """Raises TimeoutError when the reader does not read."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        page = await self._events.page(self._query, self._after, ROWS_AT_ONCE)
        await _send(send, f"retry: {RETRY_MS}\n\n".encode() + _told(page) + _position(page))
        clock = asyncio.get_running_loop().time
        heartbeat_s = clock() + HEARTBEAT_SECONDS
        while True:
            if not page.has_more and await self._events.above(page.height, max(heartbeat_s - clock(), 0.0)):
                await asyncio.sleep(GATHER_SECONDS)
            page = await self._events.page(self._query, page.next, ROWS_AT_ONCE)
            data = _told(page)
            if not data and clock() >= heartbeat_s:
                data = _position(page)
            if data:
                await _send(send, data)
                heartbeat_s = clock() + HEARTBEAT_SECONDS


async def _send(send: Send, data: bytes) -> None:
    async with asyncio.timeout(WRITE_SECONDS_MAX):
        await send({"type": "http.response.body", "body": data, "more_body": True})


async def _left(receive: Receive) -> None:
    """Until the reader has gone."""
    message: Message = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()


def _told(page: EventPage) -> bytes:
    parts = []
    for row in page.data:
        parts.append(f"id: {row['id']}\nevent: {row['type']}\ndata: ".encode() + _encoder.encode(row) + b"\n\n")
    return b"".join(parts)


def _position(page: EventPage) -> bytes:
    return f": all up to {page.next}\nid: {page.next}\n\n".encode()
