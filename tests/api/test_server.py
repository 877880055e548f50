"""The same over a real socket and the server that nodes run: what test clients cannot show."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx2
import pytest
import uvicorn

from api.app import SERVER_OPTIONS, ApiSettings, build_app
from tests.api.conftest import CASHIER, bill, problem, verifier
from tests.api.fake_desk import FakeGateway

HEADERS = {**CASHIER, "Content-Type": "application/json"}


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    """Of a gateway on a free port."""
    app = build_app(FakeGateway(), verifier(), ApiSettings())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", **SERVER_OPTIONS))
    started = threading.Event()
    startup = server.startup

    async def startup_told(sockets: object = None) -> None:
        await startup()
        started.set()

    server.startup = startup_told  # type: ignore[method-assign,assignment]
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(10)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client
    server.should_exit = True
    thread.join()


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
