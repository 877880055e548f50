"""A server between phone and node that passes everything on, and alters what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2

Alter = Callable[[str, bytes], bytes]  # (path, body of the node's answer) -> what the phone is given
PASSED_ON = ("content-type", "content-security-policy", "referrer-policy", "cache-control", "etag")


@contextmanager
def altered(node: str, alter: Alter, invents: bool = False) -> Iterator[str]:
    """The address of a server that speaks for the node at the address `node`; one that `invents` has what the node lacks."""
    client = httpx2.Client(base_url=node, trust_env=False, timeout=30)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on(client.get(self.path, headers=self._asked()))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._pass_on(client.post(self.path, headers=self._asked(), content=body))

        def _asked(self) -> dict[str, str]:
            names = ("Medbill-Check-Code", "Content-Type")
            return {name: self.headers[name] for name in names if self.headers[name]}

        def _pass_on(self, answer: httpx2.Response) -> None:
            status = 200 if invents and answer.status_code == 404 else answer.status_code
            body = alter(self.path, answer.content) if status == 200 else answer.content
            self.send_response(status)
            for name in PASSED_ON:
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nobody asked."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        client.close()


def of_proofs(change: Callable[[bytes], bytes]) -> Alter:
    """Alters proofs and leaves everything else alone."""
    return lambda path, body: change(body) if is_proof(path) else body


def is_proof(path: str) -> bool:
    """Not the page's own `proof.js`."""
    return path.startswith("/v1/") and "/proof" in path
