"""A proxy on one link between real nodes, whose conditions change while it runs. RELIABILITY 2.1, N8 to N13.

It knows nothing of TLS or frames: it carries bytes both ways, late, slowly, not at all, or with something of its own
among them. All wires of a network live on one event loop in a thread; stories are told from other threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from asyncio import StreamReader, StreamWriter
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

HELD_BYTES_MAX = 1 << 20  # of one way, on its way; then the sender's socket fills up, as on a real line
READ_BYTES = 32 << 10
TICK_S = 0.05  # a throttled way gets its share so often
GARBAGE_BYTES = 700

FORTH, BACK = "forth", "back"  # from who dials to who listens; and back
WAYS = (FORTH, BACK)


@dataclass(frozen=True, slots=True)
class Way:
    """What happens to bytes in one direction."""

    delay_s: float = 0.0
    jitter_s: float = 0.0  # more, at random; the order stays
    bytes_per_s: int | None = None
    is_silent: bool = False  # bytes are taken and kept back until it speaks again


class Lines:
    """The loop that all wires live on. `with Lines() as lines: wire = lines.wire(port)`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lines", daemon=True)
        self._thread.start()
        self._wires: list[Wire] = []

    def wire(self, target_port: int) -> Wire:
        """A new wire to whoever listens at a port of this machine."""
        wire = Wire(self, target_port)
        self._wires.append(wire)
        return wire

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def call(self, work: Callable[[], None]) -> None:
        async def done() -> None:
            work()

        self.run(done())

    def close(self) -> None:
        if not self._thread.is_alive():
            return
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    async def _end(self) -> None:
        for wire in self._wires:
            await wire.end()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class Wire:
    """Listens at `port`, dials `target_port` for each connection, and carries bytes under the conditions of now."""

    def __init__(self, lines: Lines, target_port: int) -> None:
        self._lines, self._target_port = lines, target_port
        self.ways = {FORTH: Way(), BACK: Way()}
        self.is_cut = False  # connections end at once
        self.greets_with_garbage = False  # both sides hear it before any TLS
        self.connections: set[Connection] = set()
        self.accepted = 0
        self.changed = asyncio.Event()  # replaced at each change
        self.server: asyncio.Server = lines.run(self._listen())
        self.port = int(self.server.sockets[0].getsockname()[1])

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    # ── for stories ──────────────────────────────────────────────────────────────────────────────────────────────────

    def set(self, *names: str, **changes: Any) -> None:
        """New conditions for `names`, by default both ways; given as fields of Way."""

        def change() -> None:
            for name in names or WAYS:
                self.ways[name] = replace(self.ways[name], **changes)

        self._change(change)

    def heal(self) -> None:
        """As new. What was kept back goes on; a connection with one dead side ends."""

        def change() -> None:
            self.ways = {FORTH: Way(), BACK: Way()}
            self.is_cut = self.greets_with_garbage = False
            for connection in list(self.connections):
                if connection.is_half_open:
                    connection.end()

        self._change(change)

    def cut(self) -> None:
        """Every connection ends, and each new one at once."""

        def change() -> None:
            self.is_cut = True
            self._end_all()

        self._change(change)

    def hang_up(self) -> None:
        """What is connected now ends; who dials again gets through."""
        self._change(self._end_all)

    def half_open(self, lost: str) -> None:
        """The end of way `lost` is gone, and its other end never hears of it."""

        def change() -> None:
            for connection in self.connections:
                connection.lose_end(lost)

        self._change(change)

    def garble(self, *names: str) -> None:
        """Bytes that nobody sent come in the middle of the stream."""

        def change() -> None:
            for connection in self.connections:
                for name in names or WAYS:
                    connection.pipes[name].put(random.randbytes(GARBAGE_BYTES))

        self._change(change)

    def greet_with_garbage(self) -> None:
        def change() -> None:
            self.greets_with_garbage = True
            self._end_all()

        self._change(change)

    def _change(self, change: Callable[[], None]) -> None:
        def work() -> None:
            change()
            woken, self.changed = self.changed, asyncio.Event()
            woken.set()

        self._lines.call(work)

    # ── on the loop ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _end_all(self) -> None:
        for connection in list(self.connections):
            connection.end()

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.accepted += 1
        if self.is_cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:  # who should listen is down: so the line is
            writer.transport.abort()
            return
        connection = Connection(self, (reader, writer), (far_reader, far_writer))
        self.connections.add(connection)
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)
            connection.end()

    async def end(self) -> None:
        self.server.close()
        self._end_all()


class Connection:
    def __init__(
        self, wire: Wire, near: tuple[StreamReader, StreamWriter], far: tuple[StreamReader, StreamWriter]
    ) -> None:
        self.ends = {FORTH: far[1], BACK: near[1]}  # where each way leads to
        self.pipes = {FORTH: Pipe(wire, FORTH, near[0], far[1]), BACK: Pipe(wire, BACK, far[0], near[1])}
        self.is_half_open = False
        self._over = asyncio.Event()
        if wire.greets_with_garbage:
            for pipe in self.pipes.values():
                pipe.put(random.randbytes(GARBAGE_BYTES))

    async def run(self) -> None:
        """Until either side is done, unless that is just what the story wants to be hidden."""
        parts = [asyncio.create_task(part) for pipe in self.pipes.values() for part in (pipe.take_in(), pipe.let_out())]
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait([*parts, over], return_when=asyncio.FIRST_COMPLETED)
            if self.is_half_open:
                await over
        finally:
            for part in [*parts, over]:
                part.cancel()
            await asyncio.gather(*parts, over, return_exceptions=True)

    def lose_end(self, way: str) -> None:
        self.is_half_open = True
        self.ends[way].transport.abort()

    def end(self) -> None:
        self._over.set()
        for writer in self.ends.values():
            writer.transport.abort()


class Pipe:
    """One direction of one connection."""

    def __init__(self, wire: Wire, name: str, reader: StreamReader, writer: StreamWriter) -> None:
        self._wire, self._name, self._reader, self._writer = wire, name, reader, writer
        self._held: deque[tuple[float, bytes]] = deque()  # (when to let it out, bytes), at most HELD_BYTES_MAX
        self._held_bytes = 0
        self._moved = asyncio.Event()
        self._last_due_s = 0.0
        self._is_ended = False

    @property
    def _way(self) -> Way:
        return self._wire.ways[self._name]

    def put(self, data: bytes) -> None:
        now = asyncio.get_running_loop().time()
        due = max(self._last_due_s, now + self._way.delay_s + random.uniform(0, self._way.jitter_s))
        self._last_due_s = due
        self._held.append((due, data))
        self._held_bytes += len(data)
        self._moved.set()

    async def take_in(self) -> None:
        while True:
            while self._held_bytes >= HELD_BYTES_MAX:
                self._moved.clear()
                await self._moved.wait()
            data = await self._reader.read(READ_BYTES)
            if not data:
                break
            self.put(data)
        self._is_ended = True
        self._moved.set()
        await asyncio.get_running_loop().create_future()  # what is held still goes out; then `let_out` ends

    async def let_out(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._held:
                if self._is_ended:
                    return
                self._moved.clear()
                await self._moved.wait()
            while self._way.is_silent:
                await self._wire.changed.wait()
            due, data = self._held.popleft()
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._write(data)
            self._held_bytes -= len(data)
            self._moved.set()

    async def _write(self, data: bytes) -> None:
        """In pieces, if the way is throttled; conditions may change between two."""
        while data:
            while self._way.is_silent:
                await self._wire.changed.wait()
            rate = self._way.bytes_per_s
            size = len(data) if rate is None else max(1, int(rate * TICK_S))
            with contextlib.suppress(ConnectionError):
                self._writer.write(data[:size])
                await self._writer.drain()
            if rate is not None:
                await asyncio.sleep(size / rate)
            data = data[size:]
