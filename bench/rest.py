"""Load over REST, as a hospital's own program makes it: keep-alive connections to gateways, one request at a time on each.

The client writes bytes made beforehand and reads answers without a framework: so it takes little of the two cores.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from bench.calibration import Milliseconds
from bench.load import LoadClient, LoadFailed
from cli.demo.stage import bill_body

RECOVERY_MAX_S = 20.0  # of an overloaded network, watched


@dataclass(frozen=True, slots=True)
class Door:
    """A gateway's REST service, and the issuing point that bills name there."""

    host: str
    port: int
    token: str
    place: str


class Connection:
    """HTTP/1.1, one request after the other."""

    def __init__(self, door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._door, self._reader, self._writer = door, reader, writer

    @classmethod
    async def open(cls, door: Door) -> Connection:
        return cls(door, *await asyncio.open_connection(door.host, door.port))

    async def post(self, path: str, body: bytes, wait_s: int = 0) -> tuple[int, Any]:
        """Status and JSON."""
        prefer = f"Prefer: wait={wait_s}\r\n" if wait_s else ""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._door.host}\r\nAuthorization: Bearer {self._door.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{prefer}\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(answer[9:12])
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in answer.split("\r\n")[1:] if line)
        }
        content = await self._reader.readexactly(int(fields["content-length"]))
        return status, msgspec.json.decode(content)

    def close(self) -> None:
        self._writer.close()


class Rest(msgspec.Struct, frozen=True):
    """Bills a second, from the first request to the last final block in the window."""

    per_s: float
    answered_ms: Milliseconds  # a request, to its answer with numbers
    refused: int


def bodies(door: Door, name: str, count: int, bills_each: int) -> list[bytes]:
    """Of invented bills, each business number once; `bills_each` 0 is for POST /bills."""
    made = []
    for number in range(count):
        bills = [
            bill_body(f"{name}-{door.place}-{number}-{index}", door.place, 1_000 + (number * 31 + index) % 90_000)
            for index in range(max(1, bills_each))
        ]
        made.append(msgspec.json.encode({"bills": bills} if bills_each else bills[0]))
    return made


async def press(
    client: LoadClient, doors: Sequence[Door], name: str, connections: int, bills_each: int, seconds: float, count: int
) -> Rest:
    """Every connection as fast as it is answered; what counts is what became final."""
    path = "/v1/bills:batch" if bills_each else "/v1/bills"
    prepared = {door: iter(bodies(door, name, count, bills_each)) for door in doors}
    took: list[float] = []
    refused = 0
    until = time.perf_counter() + seconds
    made = 0

    async def work(door: Door) -> None:
        nonlocal refused, made
        connection = await Connection.open(door)
        try:
            while time.perf_counter() < until:
                body = next(prepared[door], None)
                if body is None:
                    raise LoadFailed(f"{count} requests were sent in less than {seconds:.0f} s: prepare more")
                began = time.perf_counter()
                status, answer = await connection.post(path, body)
                took.append(time.perf_counter() - began)
                if status in (429, 503):
                    refused += 1
                    await asyncio.sleep(0.05)
                elif bills_each:
                    made += sum(outcome["status"] != "refused" for outcome in answer["outcomes"])
                else:
                    made += 1
        finally:
            connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(work(doors[number % len(doors)]) for number in range(connections)))
    await client.wait_for_operations(began, made)
    final = [entry for entry in client.entries if entry[0] > began]
    total = sum(operations for _when, operations in final)
    last = max(when for when, operations in final if operations)
    return Rest(round(total / (last - began), 1), Milliseconds.of(took), refused)


async def one_by_one(
    client: LoadClient, door: Door, name: str, count: int, pause_s: float
) -> tuple[list[float], list[float]]:
    """On an idle network, each bill after a pause: seconds until the client holds the block with it, and until the
    gateway answers that it is sealed."""
    connection = await Connection.open(door)
    recorded, sealed = [], []
    for body in bodies(door, name, count, 0):
        await asyncio.sleep(pause_s)
        began = time.perf_counter()
        _status, answer = await connection.post("/v1/bills", body, wait_s=20)
        if answer["status"] != "sealed":
            raise LoadFailed(f"not sealed within 20 s: {answer}")
        sealed.append(time.perf_counter() - began)
        await client.wait_for_operations(began, 1)
        recorded.append(next(when for when, operations in client.entries if when > began and operations) - began)
    connection.close()
    return recorded, sealed


async def until_quick(door: Door, seconds: float) -> float | None:
    """How long it takes until a bill is sealed within so many seconds; None if longer than RECOVERY_MAX_S."""
    connection = await Connection.open(door)
    try:
        began = time.perf_counter()
        for body in bodies(door, f"after-{began}", 1_000, 0):
            at = time.perf_counter()
            if at - began > RECOVERY_MAX_S:
                break
            _status, answer = await connection.post("/v1/bills", body, wait_s=5)
            if answer.get("status") == "sealed" and time.perf_counter() - at < seconds:
                return round(at - began, 2)
        return None
    finally:
        connection.close()
