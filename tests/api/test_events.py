"""GET /v1/events: pages and streams, who holds how many, and streams that end well (api/event_stream.py)."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from api import event_stream
from api.app import ApiSettings, build_app
from api.event_stream import OPEN
from api.schemas import examples
from node.ledger_events import choose_types
from node.web import WebServer
from tests.api.conftest import AUDITOR, CASHIER, OTHER_CASHIER, bearer, problem, verifier
from tests.api.fake_desk import FakeMirror

STREAM = {**AUDITOR, "Accept": "text/event-stream"}


class Served:
    """A mirror on a free port, as nodes serve it."""

    def __init__(self, mirror: FakeMirror) -> None:
        self.mirror, self.port = mirror, 0
        self.started, self.stopping = threading.Event(), threading.Event()
        self.stop_s = 0.0
        self.thread = threading.Thread(target=asyncio.run, args=(self._serve(),))
        self.thread.start()
        assert self.started.wait(10)
        until(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    async def _serve(self) -> None:
        server = WebServer(build_app(self.mirror, verifier(), ApiSettings()), "127.0.0.1", 0)  # type: ignore[arg-type]
        self.port = server.port
        self.started.set()
        await asyncio.to_thread(self.stopping.wait)
        begun = time.monotonic()
        await server.stop()
        self.stop_s = time.monotonic() - begun

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join(20)

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10, trust_env=False)

    @contextmanager
    def stream(self, headers: dict[str, str] = STREAM, **query: str) -> Iterator[tuple[httpx2.Response, Iterator[str]]]:
        with self.client() as client, client.stream("GET", "/v1/events", params=query, headers=headers) as answer:
            yield answer, answer.iter_lines()


@pytest.fixture
def served(archive: FakeMirror) -> Iterator[Served]:
    archive.height = 3
    served = Served(archive)
    yield served
    served.stop()
    assert OPEN.count == 0


def block(lines: Iterator[str]) -> list[str]:
    """The lines up to the next empty one."""
    found: list[str] = []
    for line in lines:
        if not line:
            return found
        found.append(line)
    return found


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_pages_begin_at_the_beginning_and_go_on_where_they_say(mirror: TestClient, archive: FakeMirror) -> None:
    archive.height = 45
    query: dict[str, Any] = {"limit": 20}
    seen: list[int] = []
    for expected in ("20-0-0", "40-0-0", "45"):
        answer = mirror.get("/v1/events", params=query, headers=AUDITOR)
        page = answer.json()
        seen += [row["height"] for row in page["data"]]
        assert (page["next"], page["has_more"]) == (expected, expected != "45")
        assert answer.headers["link"].startswith("</v1/events?")
        assert answer.headers["cache-control"] == "private, no-store"
        query["after"] = page["next"]
    assert seen == list(range(1, 46))
    again = mirror.get("/v1/events", params=query, headers=AUDITOR).json()
    assert again == {"data": [], "has_more": False, "next": "45"}


def test_filters_reach_the_node_with_the_reader(mirror: TestClient, archive: FakeMirror) -> None:
    query = {"types": "claim,bill.reversed", "bill_id": examples.BILL_ID, "issuer": "hospital-a", "proofs": "inline"}
    insurer = bearer("insurer_clerk", "finance")
    assert mirror.get("/v1/events", params={**query, "limit": "7"}, headers=insurer).status_code == 200
    ((asked, after, limit),) = archive.events.asked
    assert (asked.reader.role, asked.reader.organisation) == ("insurer_clerk", "finance")
    assert asked.types == choose_types("claim,bill.reversed")
    assert (asked.bill_id, asked.issuer, asked.with_proofs) == (examples.BILL_ID, "hospital-a", True)
    assert (after, limit) == ("0", 7)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("types=claims", "parameter_invalid"),
        ("types=bill.issued,,claim", "parameter_invalid"),
        ("bill_id=1", "parameter_invalid"),
        ("issuer=Hospital", "parameter_invalid"),
        ("proofs=yes", "parameter_invalid"),
        ("after=1-2", "parameter_invalid"),
        ("after=9999999999999999", "parameter_invalid"),
        ("limit=0", "parameter_invalid"),
        ("limit=1001", "parameter_invalid"),
        ("cursor=x", "parameter_unknown"),
        ("after=1&after=2", "parameter_invalid"),
    ],
)
def test_queries_are_strict_and_streams_are_refused_before_they_begin(
    query: str, code: str, mirror: TestClient
) -> None:
    problem(mirror.get(f"/v1/events?{query}", headers=AUDITOR), 400, code)
    problem(mirror.get(f"/v1/events?{query}", headers=STREAM), 400, code)
    assert OPEN.count == 0


def test_a_place_that_is_none_is_refused_in_the_header_too(mirror: TestClient) -> None:
    problem(mirror.get("/v1/events", headers={**STREAM, "Last-Event-ID": "abc"}), 400, "parameter_invalid")


def test_a_head_is_a_page_without_a_body(mirror: TestClient) -> None:
    """Whatever it accepts: there is nothing to stream in."""
    answer = mirror.head("/v1/events", headers=STREAM)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/json"


def test_gateways_have_no_events(gateway: TestClient) -> None:
    problem(gateway.get("/v1/events", headers=CASHIER), 404, "not_found")


def test_a_stream_tells_what_comes_and_says_where_it_is(served: Served) -> None:
    """WHATWG HTML 9.2: id, event, data; the first block has no data, so that a browser only keeps its id."""
    with served.stream() as (answer, lines):
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        assert "content-length" not in answer.headers
        assert block(lines) == [f"retry: {event_stream.RETRY_MS}"]
        assert block(lines) == [": all up to 3", "id: 3"]
        served.mirror.height = 5
        for height in (4, 5):
            number, kind, data = block(lines)
            assert (number, kind) == (f"id: {height}-0-0", "event: claim.paid")
            assert data.startswith('data: {"id":"')


def test_whoever_comes_back_says_how_far_it_was(served: Served) -> None:
    """The header counts more than the address, which a browser repeats as it was."""
    for headers, query in (
        ({"Last-Event-ID": "1-0-0"}, {"after": "0"}),
        ({}, {"after": "1-0-0"}),
        ({"Last-Event-ID": ""}, {"after": "1"}),
    ):
        with served.stream({**STREAM, **headers}, **query) as (_answer, lines):
            block(lines)
            assert block(lines)[0] == "id: 2-0-0"
            assert block(lines)[0] == "id: 3-0-0"


def test_a_quiet_stream_has_a_heart(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.05)
    with served.stream() as (_answer, lines):
        for _ in range(2):
            block(lines)
        for _ in range(3):
            assert block(lines) == [": all up to 3", "id: 3"]


def test_a_stream_ends_after_its_time_and_the_next_one_goes_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """So nobody hears on for ever with a token that has expired."""
    monkeypatch.setattr(event_stream, "STREAM_SECONDS_MAX", 0.2)
    with served.stream() as (_answer, lines):
        told = list(lines)  # to its end, which is clean
    assert told[0].startswith("retry: ")
    assert told[-2:] == ["id: 3", ""]


def test_streams_are_few_and_one_organisation_does_not_take_them_all(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "STREAMS_PER_ORGANISATION_MAX", 2)
    monkeypatch.setattr(event_stream, "STREAMS_MAX", 3)
    other = {**OTHER_CASHIER, "Accept": "text/event-stream"}
    third = {**CASHIER, "Accept": "text/event-stream"}
    with served.stream(), served.stream(), served.client() as client:
        until(lambda: OPEN.count == 2)
        refused = client.get("/v1/events", headers=STREAM)
        problem(refused, 503, "too_many_streams")
        assert int(refused.headers["retry-after"]) > 0
        with served.stream(other):
            until(lambda: OPEN.count == 3)
            problem(client.get("/v1/events", headers=third), 503, "too_many_streams")
        until(lambda: OPEN.count == 2)
        with served.stream(third) as (answer, _lines):
            assert answer.status_code == 200
    until(lambda: OPEN.count == 0)


def test_a_stop_of_the_node_ends_streams_at_once_and_cleanly(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """Not after the server's patience, and not in the middle of a line: the reader sees the end of the answer."""
    ended: list[list[str]] = []

    def read() -> None:
        with served.stream() as (_answer, lines):
            ended.append(list(lines))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    until(lambda: OPEN.count == 3)
    served.stop()
    for reader in readers:
        reader.join(10)
    assert len(ended) == 3
    assert served.stop_s < 2
    assert not caplog.records


def test_a_reader_that_does_not_read_is_cut_off_and_nothing_is_kept_for_it(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its socket fills up; then it has WRITE_SECONDS_MAX. Others hear on meanwhile."""
    monkeypatch.setattr(event_stream, "WRITE_SECONDS_MAX", 0.3)
    served.mirror.height = 200_000
    token = STREAM["Authorization"]
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", served.port))
        slow.sendall(
            f"GET /v1/events?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nAccept: text/event-stream\r\n\r\n".encode()
        )
        until(lambda: OPEN.count == 1)
        with served.stream() as (_answer, lines):
            block(lines)
            assert block(lines)[1] == "id: 200000"
            until(lambda: OPEN.count == 1)
            served.mirror.height += 1
            assert block(lines)[0] == "id: 200001-0-0"
        slow.settimeout(10)
        data = b""
        while piece := slow.recv(
            1 << 20
        ):  # what had left the node before; the connection is closed, and not ended well
            data += piece
        assert data.startswith(b"HTTP/1.1 200")
        assert not data.endswith(b"0\r\n\r\n")
    until(lambda: OPEN.count == 0)
    assert not caplog.records


def test_a_reader_that_leaves_is_forgotten(served: Served) -> None:
    with served.stream():
        until(lambda: OPEN.count == 1)
    until(lambda: OPEN.count == 0)
