"""The same over a real socket and the server that nodes run: what test clients cannot show."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from api.app import ApiSettings, build_app
from api.problems import PROBLEMS, RETRY_AFTER_S
from node.http_head import HEAD_BYTES_MAX
from node.web import WebServer
from tests.api.conftest import CASHIER, bill, problem, verifier
from tests.api.fake_desk import FakeGateway

HEADERS = {**CASHIER, "Content-Type": "application/json"}


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    """Of a gateway on a free port, served as nodes do it."""
    ports: list[int] = []
    started, ended = threading.Event(), threading.Event()

    async def serve() -> None:
        server = WebServer(build_app(FakeGateway(), verifier(), ApiSettings()), "127.0.0.1", 0)
        ports.append(server.port)
        started.set()
        await asyncio.to_thread(ended.wait)
        await server.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(10)
    with httpx2.Client(base_url=f"http://127.0.0.1:{ports[0]}") as client:
        yield client
    ended.set()
    thread.join()


def told(client: httpx2.Client, data: bytes) -> bytes:
    """What comes back for bytes on a connection of their own, until its end."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=10) as connection:
        connection.sendall(data)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_who_sends_too_much_still_hears_why(client: httpx2.Client) -> None:
    """With a length and without one; the connection goes on."""

    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    for _ in range(2):
        problem(client.post("/v1/bills", content=b" " * 10_000_000, headers=HEADERS), 413, "body_too_large")
        problem(client.post("/v1/bills", content=chunks(), headers=HEADERS), 413, "body_too_large")
        problem(client.post("/v1/bills", content=b" " * 10_000_000), 401, "token_missing")
    assert client.post("/v1/bills", json=bill(), headers=CASHIER).status_code == 202


def test_answers_name_no_software_and_heads_have_no_body(client: httpx2.Client) -> None:
    head = client.head("/v1/network")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 0
    assert "server" not in head.headers
    assert client.get("/v1/network").headers["etag"] == head.headers["etag"]


@pytest.mark.parametrize(
    "data",
    [b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"],
)
def test_what_is_no_http_is_a_problem_too(client: httpx2.Client, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Issue 2: problem+json everywhere, also where no request came into being; and nobody fills the log with it."""
    head, _, body = told(client, data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "malformed"
    assert not caplog.records
    assert client.get("/v1/network").status_code == 200


def test_a_head_without_end_is_refused_before_it_fills_the_memory(client: httpx2.Client) -> None:
    """uvicorn itself would read on for ever; 32 KiB are still fine."""
    assert client.get("/v1/network", headers={"X-Long": "a" * 32_768}).status_code == 200
    head, _, body = told(client, b"GET / HTTP/1.1\r\nX-Long: " + b"a" * (HEAD_BYTES_MAX + 1)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert json.loads(body)["code"] in PROBLEMS
    assert client.get("/v1/network").status_code == 200


def test_a_head_that_never_comes_is_cut_off(client: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise silent connections would pile up until no more can be opened."""
    monkeypatch.setattr("node.http_head.HEAD_SECONDS_MAX", 0.05)
    assert told(client, b"") == b""
    assert told(client, b"GET / HTTP/1.1\r\nX-Slow: ") == b""


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_whom_the_server_has_no_room_for_is_told_so_as_everybody_else(
    client: httpx2.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    """uvicorn itself would say it in plain text. One connection is all there may be, and the client's stays open."""
    monkeypatch.setattr("node.http_head.CONNECTIONS_MAX", 1)
    assert client.get("/v1/network").status_code == 200
    request = f"{method} /v1/bills HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    head, _, body = told(client, request).partition(b"\r\n\r\n")
    fields = head.lower().split(b"\r\n")
    assert fields[0] == b"http/1.1 503 service unavailable"
    assert {b"content-type: application/problem+json", b"retry-after: %d" % RETRY_AFTER_S, b"connection: close"} < set(
        fields
    )
    if method == "HEAD":
        assert body == b""
    else:
        code = "too_many_connections"
        status, title = PROBLEMS[code].status, PROBLEMS[code].en
        assert json.loads(body) == {"type": f"/problems/{code}", "title": title, "status": status, "code": code}
    assert not caplog.records
    assert client.get("/v1/network").status_code == 200  # it was there before


def test_requests_under_way_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """They go on when whoever asked is gone."""
    monkeypatch.setattr("node.http_head.CONNECTIONS_MAX", 1)
    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    async def story() -> None:
        asked, answer = asyncio.Event(), asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            asked.set()
            await answer.wait()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            while True:
                try:
                    return await asyncio.open_connection("127.0.0.1", server.port)
                except ConnectionRefusedError:  # it does not listen yet
                    await asyncio.sleep(0)

        async def status() -> bytes:
            reader, writer = await connect()
            writer.write(request)
            said = await reader.read()
            writer.close()
            return said[:12]

        server = WebServer(app, "127.0.0.1", 0)
        _, leaving = await connect()
        leaving.write(request)
        await asked.wait()
        leaving.close()
        assert await status() == b"HTTP/1.1 503"
        answer.set()
        assert await status() == b"HTTP/1.1 204"
        await server.stop()

    asyncio.run(asyncio.wait_for(story(), 10))
