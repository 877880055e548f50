"""Running an organisation's service: its REST port until a signal, as a node's loop does it without a ledger of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import structlog
import uvloop

from chain.signature import verify_library
from node.build import configure_logs
from node.services.mirror_link import MirrorLink
from node.web import App, WebServer

log = structlog.get_logger("services")

Parts = Mapping[
    str, Callable[[], Coroutine[Any, Any, None]]
]  # what a service does by itself, by name; each until it is cancelled


def serve(
    mirror: Callable[[], MirrorLink],
    make: Callable[[MirrorLink], tuple[App, Parts]],
    host: str,
    port: int,
    certificate: Path | None,
    key: Path | None,
    ready: Callable[[int], None],
) -> None:
    """Until SIGTERM or Ctrl-C. `ready` is told the port once the ledger was met and people are answered.

    Raises ServiceRefused `unavailable` where the mirror is not there at the start, AddressTaken, and what a part of the service
    broke on.
    """
    os.umask(0o077)
    configure_logs()
    verify_library()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(mirror, make, host, port, certificate, key, ready))


async def _serve(
    mirror: Callable[[], MirrorLink],
    make: Callable[[MirrorLink], tuple[App, Parts]],
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
    tasks: list[asyncio.Task[None]] = []
    try:
        await link.meet()
        app, parts = make(link)
        server = WebServer(app, host, port, certificate, key)
        try:
            for name, part in parts.items():
                task = asyncio.create_task(part(), name=name)
                task.add_done_callback(
                    lambda _task: stop.set()
                )  # one that broke is missed later: stop now, and say why
                tasks.append(task)
            ready(server.port)
            await stop.wait()
        finally:
            await server.stop()
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await link.close()
    for failure in ended:
        if isinstance(failure, Exception):
            raise failure
    log.info("stopped", reason="signal")
