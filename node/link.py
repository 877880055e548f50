"""One authenticated link to a peer: consensus ahead of gossip, questions and answers.

Everything that waits is bounded. Hostile bytes close the link, are counted by reason, and raise nothing; a good link
beside it never notices. Source: DESIGN section 9.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import structlog

from chain.failpoint import failpoint
from node.errors import LinkBusy, LinkClosed, PeerRefused, RequestTimedOut
from node.frame import (
    CODE,
    HEAD_BYTES,
    KIND_MAX,
    LENGTH_BYTES,
    NUMBER_BYTES,
    PING,
    REFUSAL,
    REQUEST,
    RESPONSE,
    frame_head,
)
from node.incidents import Incidents
from node.peer_certificate import PeerIdentity
from node.work_share import LARGE_FRAME_BYTES, Allowance, WorkShare


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Bounds of each link. The times are generous for a slow line and short for a dead one."""

    frame_bytes_max: int = 32 << 20  # a block, a proposal with its bodies
    urgent_frames_max: int = 8_192  # waiting to be sent; a peer that lets them pile up is cut off and catches up later
    urgent_bytes_max: int = 128 << 20
    gossip_frames_max: int = 8_192  # when full, gossip is dropped: it is repeated elsewhere
    gossip_bytes_max: int = 24 << 20  # three answers: who does not read keeps no more of our memory
    requests_asked_max: int = 32  # unanswered questions of ours
    requests_served_max: int = 64  # of the peer, until their answers are written: above what it may have given up
    write_bytes: int = 256 << 10  # joined into one write, and let wait in the socket; gossip delays votes by this much
    handshake_timeout_ms: int = 5_000  # from accept to the peer's hello
    ping_interval_ms: int = 3_000
    idle_timeout_ms: int = 12_000  # without a frame from the peer
    frame_timeout_ms: int = 60_000  # from a frame's length to its end
    write_timeout_ms: int = 30_000  # for the peer to take what is written at once


class LinkHandler(Protocol):
    """What the node does with its links. All of it runs on the event loop; nothing may block."""

    def on_link_up(self, link: Link) -> None: ...

    def on_link_down(self, link: Link) -> None:
        """`link.close_reason` says why."""

    async def on_message(self, link: Link, kind: int, payload: bytes) -> None:
        """The next frame of this link is read after it returns. PeerRefused closes the link and is counted."""

    async def on_request(self, link: Link, payload: bytes) -> bytes:
        """The answer, or PeerRefused: its code goes back."""
        ...


class Link:
    """Made by the transport, ready to send once `on_link_up` is called."""

    def __init__(
        self,
        peer: PeerIdentity,
        is_dialled: bool,
        reader: StreamReader,
        writer: StreamWriter,
        handler: LinkHandler,
        limits: LinkLimits,
        incidents: Incidents,
        allowance: Allowance | None = None,
    ) -> None:
        """`allowance`: for large frames, shared by the links of the peer's organisation."""
        self.peer = peer
        self.is_dialled = is_dialled  # by us
        self.close_reason: str | None = None
        self.gossip_dropped = 0  # frames, because the queue was full
        self._reader, self._writer = reader, writer
        self._handler, self._limits, self._incidents = handler, limits, incidents
        self._urgent: deque[tuple[int, bytes, bytes]] = deque()  # (kind, number, payload), at most urgent_frames_max
        self._gossip: deque[tuple[int, bytes, bytes]] = deque()  # at most gossip_frames_max, and answers
        self._urgent_bytes = self._gossip_bytes = 0
        self._asked: dict[int, asyncio.Future[bytes]] = {}  # number -> answer, at most requests_asked_max
        self._next_number = 0
        self._served = 0  # questions of the peer whose answer is not written yet, at most requests_served_max
        self._answers: set[asyncio.Task[None]] = set()  # being worked out, at most requests_served_max
        self._has_output = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._frame_since: float | None = None  # a frame has begun and not ended
        self._write_since: float | None = None  # the peer does not take what was written
        self._output_since: float | None = None  # or takes it drop by drop
        self._closed = asyncio.Event()
        self._share, self._allowance = WorkShare(), allowance or Allowance()
        writer.transport.set_write_buffer_limits(high=limits.write_bytes)

    @property
    def node(self) -> str:
        return self.peer.node

    @property
    def organisation(self) -> str:
        return self.peer.organisation

    @property
    def answering(self) -> asyncio.Lock:
        """For a handler that works out one large answer of this organisation at a time."""
        return self._allowance.answering

    @property
    def waiting_bytes(self) -> int:
        """Of what is not urgent and not written yet."""
        return self._gossip_bytes

    @property
    def is_closed(self) -> bool:
        return self.close_reason is not None

    def send(self, kind: int, payload: bytes, *, urgent: bool = False) -> bool:
        """Queue a message of a kind up to KIND_MAX; whether it was taken.

        Gossip that does not fit is dropped and counted. Urgent messages that do not fit close the link: the peer is
        too slow for consensus and will catch up by blocks.
        """
        if not 0 <= kind <= KIND_MAX or len(payload) >= self._limits.frame_bytes_max:
            raise ValueError(f"kind {kind}, {len(payload)} bytes")
        return self._queue(kind, b"", payload, urgent)

    async def request(self, payload: bytes, timeout_ms: int) -> bytes:
        """Ask and wait for the answer.

        Raises PeerRefused with the peer's code, RequestTimedOut, LinkClosed, LinkBusy when requests_asked_max are
        unanswered or the queue is full.
        """
        if len(payload) + NUMBER_BYTES >= self._limits.frame_bytes_max:
            raise ValueError(f"a request of {len(payload)} bytes")
        if self.is_closed:
            raise LinkClosed(self.close_reason)
        if len(self._asked) >= self._limits.requests_asked_max:
            raise LinkBusy(f"{self.peer.node}: {len(self._asked)} requests unanswered")
        number = self._next_number
        self._next_number = (number + 1) % 2 ** (8 * NUMBER_BYTES)
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._asked[number] = answer
        try:
            if not self._queue(REQUEST, number.to_bytes(NUMBER_BYTES, "big"), payload, urgent=False):
                raise LinkBusy(f"{self.peer.node}: its queue is full")
            async with asyncio.timeout(timeout_ms / 1000):
                return await answer
        except TimeoutError:
            raise RequestTimedOut(f"{self.peer.node}: no answer within {timeout_ms} ms") from None
        finally:
            del self._asked[number]
            if not answer.cancel() and not answer.cancelled():
                answer.exception()  # seen, if only by us

    def spend(self, seconds: float) -> None:
        """Of the loop's time, on what this peer sent; beyond its share the link is read later."""
        self._share.spend(seconds)

    def close(self, reason: str = "closed") -> None:
        """End the link at once; what is queued is lost. The first reason counts."""
        if self.close_reason is None:
            self.close_reason = reason
            self._writer.transport.abort()
            self._has_output.set()
            self._closed.set()
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(LinkClosed(reason))

    def refuse(self, reason: str) -> None:
        """Close the link because of what the peer did, and count it."""
        if not self.is_closed:
            self._incidents.record(reason, peer=self.peer.node, organisation=self.peer.organisation)
            self.close(reason)

    async def wait_closed(self) -> None:
        await self._closed.wait()

    async def run(self) -> None:
        """Read, write and watch until the link is closed. For the transport."""
        tasks = [self._loop.create_task(part()) for part in (self._write, self._watch)]
        try:
            await self._read()
        except (asyncio.IncompleteReadError, OSError):
            if self._frame_since is not None:
                self.refuse("cut_off")
            self.close("closed_by_peer")
        finally:
            self.close("cancelled")
            for task in [*tasks, *self._answers]:
                task.cancel()
            await asyncio.gather(*tasks, *self._answers, return_exceptions=True)

    def _queue(self, kind: int, number: bytes, payload: bytes, urgent: bool) -> bool:
        if self.is_closed:
            return False
        size = len(payload)
        is_answer = kind in (RESPONSE, REFUSAL)  # these are bounded by requests_served_max
        limits = self._limits
        if urgent:
            is_full = (
                len(self._urgent) >= limits.urgent_frames_max or self._urgent_bytes + size > limits.urgent_bytes_max
            )
            if is_full and not is_answer:
                self.refuse("too_slow")
                return False
            self._urgent.append((kind, number, payload))
            self._urgent_bytes += size
        else:
            is_full = len(self._gossip) >= limits.gossip_frames_max or not self._has_room(size)
            if is_full and not is_answer:
                self.gossip_dropped += 1
                self._incidents.record("gossip_dropped", peer=self.peer.node)
                return False
            self._gossip.append((kind, number, payload))
            self._gossip_bytes += size
        self._has_output.set()
        return True

    def _has_room(self, size: int) -> bool:
        """For gossip and answers; one frame at least, however large, if nothing waits."""
        return not self._gossip or self._gossip_bytes + size <= self._limits.gossip_bytes_max

    async def _write(self) -> None:
        """Join what waits, urgent first, into one write at a time."""
        while not self.is_closed:
            await self._has_output.wait()
            self._has_output.clear()
            while (self._urgent or self._gossip) and not self.is_closed:
                await self._write_output()

    async def _write_output(self) -> None:
        self._output_since = self._loop.time()
        for piece in self._take_output():
            if not self.is_closed:
                await self._write_piece(piece)
        self._output_since = None

    async def _write_piece(self, piece: bytes | memoryview) -> None:
        self._write_since = self._loop.time()
        try:
            failpoint("link.write")
            self._writer.write(piece)
            failpoint("link.written")
            await self._writer.drain()
        except OSError:
            self.close("closed_by_peer")
        self._write_since = None

    def _take_output(self) -> list[bytes | memoryview]:
        """In pieces, since TLS and the transport each hold a copy of what they are given."""
        parts: list[bytes] = []
        size = 0
        while size < self._limits.write_bytes and (self._urgent or self._gossip):
            if self._urgent:
                kind, number, payload = self._urgent.popleft()
                self._urgent_bytes -= len(payload)
            else:
                kind, number, payload = self._gossip.popleft()
                self._gossip_bytes -= len(payload)
            if kind in (RESPONSE, REFUSAL):
                self._served -= 1
            parts += (frame_head(kind, len(number) + len(payload)), number, payload)
            size += HEAD_BYTES + len(number) + len(payload)
        most = self._limits.write_bytes
        if size <= 2 * most:
            return [b"".join(parts)]
        large = memoryview(parts.pop())  # whatever comes before the last frame fits
        return [b"".join(parts), *(large[start : start + most] for start in range(0, len(large), most))]

    async def _watch(self) -> None:
        """Ping, and close the link when the peer is silent, drips, or does not read."""
        limits = self._limits
        while not self.is_closed:
            await asyncio.sleep(limits.ping_interval_ms / 1000)
            now = self._loop.time()
            takes_nothing = _is_over(self._write_since, now, limits.write_timeout_ms)
            if takes_nothing or _is_over(self._output_since, now, limits.frame_timeout_ms):  # or it drips
                self.refuse("does_not_read")
            elif self._frame_since is not None:
                if _is_over(self._frame_since, now, limits.frame_timeout_ms):
                    self.refuse("half_a_frame")
            elif (now - self._heard_at) * 1000 > limits.idle_timeout_ms:
                self.refuse("silent")
            if not self._urgent:
                self._queue(PING, b"", b"", urgent=True)

    async def _read(self) -> None:
        while not self.is_closed:
            head = await self._reader.readexactly(1)  # between frames a peer may fall silent or leave
            self._frame_since = self._loop.time()
            failpoint("link.read")
            head += await self._reader.readexactly(LENGTH_BYTES)
            length, kind = int.from_bytes(head[:LENGTH_BYTES], "big"), head[LENGTH_BYTES]
            if not 1 <= length <= self._limits.frame_bytes_max:
                return self.refuse("wrong_length")
            if kind > KIND_MAX and kind not in (PING, REQUEST, RESPONSE, REFUSAL):
                return self.refuse("unknown_kind")
            await self._read_payload(kind, length - 1)
        return None

    async def _read_payload(self, kind: int, length: int) -> None:
        """A large frame counts towards its organisation's until it is dealt with; a question, until it is answered."""
        size = length if length >= LARGE_FRAME_BYTES else 0
        if size:
            await self._allowance.take(size)
        task = None
        try:
            payload = await self._reader.readexactly(length)
            self._heard_at, self._frame_since = self._loop.time(), None
            if kind <= KIND_MAX:
                await self._on_message(kind, payload)
            elif kind != PING:
                task = self._on_numbered(kind, payload)
        finally:
            if size and task is None:
                self._allowance.give(size)
        if size and task is not None:
            task.add_done_callback(lambda _task: self._allowance.give(size))

    async def _on_message(self, kind: int, payload: bytes) -> None:
        try:
            await self._handler.on_message(self, kind, payload)
        except PeerRefused as refused:
            self.refuse(refused.code)
        except Exception:
            structlog.get_logger("transport").exception("message_handler_failed", peer=self.peer.node, kind=kind)
            self.refuse("handler_failed")
        waits = self._share.waits
        await self._share.wait()
        if self._share.waits != waits:
            self._incidents.record("over_its_share", peer=self.peer.node)
        self._heard_at = self._loop.time()  # the time that we took is not the peer's silence

    def _on_numbered(self, kind: int, payload: bytes) -> asyncio.Task[None] | None:
        """What works out the answer, if it is a question."""
        number, body = payload[:NUMBER_BYTES], payload[NUMBER_BYTES:]
        if len(number) < NUMBER_BYTES or (kind == REFUSAL and not CODE.fullmatch(body)):
            self.refuse("malformed_frame")
            return None
        if kind in (RESPONSE, REFUSAL):
            answer = self._asked.get(int.from_bytes(number, "big"))
            if answer is None or answer.done():  # given up, or never asked
                self._incidents.record("late_answer", peer=self.peer.node)
            elif kind == RESPONSE:
                answer.set_result(body)
            else:
                answer.set_exception(PeerRefused(body.decode()))
            return None
        if self._served >= self._limits.requests_served_max:
            self.refuse("too_many_requests")
            return None
        self._served += 1
        if self._gossip_bytes + self._urgent_bytes > self._limits.gossip_bytes_max:
            self._queue(REFUSAL, number, b"busy", urgent=False)
            return None
        task = self._loop.create_task(self._answer(number, body))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)
        return task

    async def _answer(self, number: bytes, body: bytes) -> None:
        kind = RESPONSE
        try:
            answer = await self._handler.on_request(self, body)
            if len(answer) + NUMBER_BYTES >= self._limits.frame_bytes_max:
                kind, answer = REFUSAL, b"answer_too_large"
            elif not self._has_room(len(answer)):  # of questions asked all at once
                kind, answer = REFUSAL, b"busy"
        except PeerRefused as refused:
            code = refused.code.encode()
            kind, answer = REFUSAL, code if CODE.fullmatch(code) else b"refused"
        except Exception:
            structlog.get_logger("transport").exception("request_handler_failed", peer=self.peer.node)
            kind, answer = REFUSAL, b"internal"
        self._queue(kind, number, answer, urgent=False)


def _is_over(since: float | None, now: float, limit_ms: int) -> bool:
    return since is not None and (now - since) * 1000 > limit_ms
