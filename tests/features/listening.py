"""Who listens: a reader of a stream that comes back as browsers do, and a receiver of webhooks with a certificate."""

from __future__ import annotations

import base64
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2

from tests.network.running import Network

READ_SECONDS = 30  # a heartbeat comes twice as often


class Listener:
    """Hears `/v1/events` of one mirror as an insurer. When the stream ends it goes to `node` with the last id that it had."""

    def __init__(
        self, network: Network, node: str, organisation: str = "insurer-a", role: str = "insurer_clerk"
    ) -> None:
        self.network, self.node = network, node
        self.heard: list[dict[str, Any]] = []
        self.heard_s: list[float] = []  # when, by the monotonic clock
        self.last_id = ""
        self.places: list[str] = []  # mirrors that it was answered by
        self._who = (role, organisation)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._listen(self.node)
            except httpx2.HTTPError:  # it was killed, or is not up yet: that is the story
                time.sleep(0.1)

    def _listen(self, node: str) -> None:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self.last_id} if self.last_id else {})
        with self.network.api(node, *self._who).stream(
            "GET", "/events", headers=headers, timeout=READ_SECONDS
        ) as answer:
            assert answer.status_code == 200
            self.places.append(node)
            fields: dict[str, str] = {}
            for line in answer.iter_lines():
                if self._over.is_set():
                    return
                name, _, value = line.partition(":")
                if name:
                    fields[name] = value.removeprefix(" ")
                    continue
                if line == "":
                    self.last_id = fields.get("id", self.last_id)
                    if "data" in fields:
                        row = json.loads(fields["data"])
                        assert (row["id"], row["type"]) == (fields["id"], fields["event"])
                        self.heard.append(row)
                        self.heard_s.append(time.monotonic())
                    fields = {}

    def until(self, reached: Callable[[], Any], what: str) -> Any:
        return self.network.until(reached, f"{what}; heard {[row['type'] for row in self.heard]}")

    def end(self) -> None:
        self._over.set()


def pages(network: Network, node: str, after: str, organisation: str = "insurer-a") -> list[dict[str, Any]]:
    """The same by asking, page by page, to the end."""
    rows: list[dict[str, Any]] = []
    client = network.api(node, "insurer_clerk", organisation)
    while True:
        page = client.get("/events", params={"after": after, "limit": 3}).json()
        rows += page["data"]
        after = page["next"]
        if not page["has_more"]:
            return rows


class Receiver:
    """HTTPS with the certificate of a node. Every message's signature is checked as it comes in."""

    def __init__(self, port: int, home: Path, secret: bytes) -> None:
        self.messages: list[dict[str, Any]] = []  # bodies, in the order of their arrival
        self.before_answer: Callable[[str], None] = lambda _id: None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                name, moment = self.headers["webhook-id"], self.headers["webhook-timestamp"]
                content = f"{name}.{moment}.".encode() + body
                signature = "v1," + base64.b64encode(hmac.digest(secret, content, "sha256")).decode()
                holds = self.headers["webhook-signature"] == signature and abs(int(moment) - time.time()) < 60
                if holds:
                    message = json.loads(body)
                    assert message["data"]["id"] == name
                    receiver.messages.append(message)
                    receiver.before_answer(name)
                self.send_response(204 if holds else 401)
                self.send_header("Content-Length", "0")
                self.send_header("Connection", "close")  # else one that was closed would hear on
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """What a test's receiver sees is in `messages`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(home / "config" / "tls.pem", home / "config" / "tls.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def ids(self) -> list[str]:
        return [message["data"]["id"] for message in self.messages]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
