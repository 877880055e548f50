"""A node that answers as the story says, over a real socket, and a network directory that leads to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from api.auth import TokenVerifier, load_issuers
from node.home import NetworkHome
from node.network_file import load_network_file, save_network_file
from node.service import Reader

SILENT_PORT = 1  # tcpmux: nobody listens there, whatever else runs on this machine
Answer = tuple[int, Any]  # status, body: bytes as they are, anything else as JSON


class Asked(msgspec.Struct):
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]
    reader: Reader | None


class FakeNode:
    """Serves `answers`: (method, path) -> function of Asked. What has no answer is 404 `not_found`."""

    def __init__(self, verifier: TokenVerifier | None = None) -> None:
        self.answers: dict[tuple[str, str], Callable[[Asked], Answer]] = {}
        self.asked: list[Asked] = []
        self.verifier = verifier
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._serve("GET")

            def do_POST(self) -> None:
                self._serve("POST")

            def _serve(self, method: str) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, body = node.answer(
                    method, self.path, raw, {key.lower(): value for key, value in self.headers.items()}
                )
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self.server.server_address[1])

    def answer(self, method: str, target: str, raw: bytes, headers: dict[str, str]) -> Answer:
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        body = json.loads(raw) if raw and "json" in headers.get("content-type", "") else raw
        reader = None
        if self.verifier is not None and "authorization" in headers:
            reader = self.verifier.verify(headers["authorization"].removeprefix("Bearer "))
        asked = Asked(method, parts.path, query, body, headers, reader)
        self.asked.append(asked)
        found = self.answers.get((method, parts.path))
        return found(asked) if found else (404, problem("not_found", 404))

    @contextmanager
    def serving(self) -> Iterator[FakeNode]:
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()


def problem(code: str, status: int, **more: Any) -> dict[str, Any]:
    return {"type": f"/problems/{code}", "title": code, "status": status, "code": code, "request_id": "r-1", **more}


def lead_to(home: Path, node: FakeNode, *names: str) -> None:
    """Make the nodes `names` of a network answer at the fake one, and make that check their tokens. The others are silent."""
    network = load_network_file(home)
    issuers = load_issuers(NetworkHome(home).node(names[0]).token_issuers.read_bytes())
    node.verifier = TokenVerifier(issuers, network.chain_id)
    nodes = []
    for entry in network.nodes:
        port = node.port if entry.name in names else SILENT_PORT
        api_port = None if entry.api_port is None else port
        nodes.append(msgspec.structs.replace(entry, api_port=api_port, operations_port=port))
    save_network_file(NetworkHome(home), msgspec.structs.replace(network, nodes=nodes))
