"""Running an organisation's service: its REST port until a signal, as a node's loop does it without a ledger of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import structlog
import uvloop

from chain.signature import verify_library
from node.build import configure_logs
from node.services.mirror_link import MirrorLink
from node.web import App, WebServer


def serve(
    mirror: Callable[[], MirrorLink],
    app: Callable[[MirrorLink], App],
    host: str,
    port: int,
    certificate: Path | None,
    key: Path | None,
    ready: Callable[[int], None],
) -> None:
    """Until SIGTERM or Ctrl-C. `ready` is told the port once the ledger was met and people are answered.

    Raises ServiceRefused `unavailable` where the mirror is not there at the start, AddressTaken.
    """
    os.umask(0o077)
    configure_logs()
    verify_library()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(mirror, app, host, port, certificate, key, ready))


async def _serve(
    mirror: Callable[[], MirrorLink],
    app: Callable[[MirrorLink], App],
    host: str,
    port: int,
    certificate: Path | None,
    key: Path | None,
    ready: Callable[[int], None],
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    link = mirror()
    try:
        await link.meet()
        server = WebServer(app(link), host, port, certificate, key)
        try:
            ready(server.port)
            await stop.wait()
        finally:
            await server.stop()
    finally:
        await link.close()
    structlog.get_logger("services").info("stopped", reason="signal")
