"""HTTP servers inside a node's own loop: uvicorn without its signals, logs or workers."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import uvicorn

from node.errors import AddressTaken
from node.http_head import HttpProtocol

App = Callable[[Any, Any, Any], Awaitable[None]]
GRACE_SECONDS = 3  # for requests under way when the node stops

# a line for everybody's garbage would fill the log, and is none of its JSON
logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to the node."""

    def capture_signals(self) -> Any:
        return nullcontext()


class WebServer:
    """Serves an app until `stop`. Raises AddressTaken."""

    def __init__(
        self, app: App, host: str, port: int, certificate: Path | None = None, key: Path | None = None
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise AddressTaken(host, port, str(error)) from None
        config = uvicorn.Config(
            app,
            http=HttpProtocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,  # nobody may name another source than their own address
            timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            backlog=1024,
        )
        self._server = _Server(config)
        self.port: int = self._socket.getsockname()[1]  # where it listens, also if `port` was 0
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        self._server.should_exit = True
        await asyncio.gather(self._task, return_exceptions=True)
        self._socket.close()
