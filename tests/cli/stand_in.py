"""Stands in for a node's process: `stand_in.py --home H PORT BEHAVIOUR`. Behaviours: ready, never-ready, ends, deaf."""

from __future__ import annotations

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

_, _, _, port, behaviour = sys.argv
if behaviour == "ends":
    print("journal_missing: no journal", file=sys.stderr)
    sys.exit(1)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_ready = behaviour != "never-ready"
        data = json.dumps({"ready": is_ready, "reasons": [] if is_ready else ["too_few_peers"]}).encode()
        self.send_response(200 if is_ready else 503)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "deaf" else lambda *_: sys.exit(0))
HTTPServer(("127.0.0.1", int(port)), Handler).serve_forever(poll_interval=0.02)
