"""The links of one node: listening, dialling, and one link per peer.

Sockets are accepted as they are and wrapped in TLS afterwards, so that a handshake that fails is seen, counted by
reason and bounded in number. Both sides say hello under TLS before a link counts as up: only then does the dialling
side know that its certificate was accepted. Source: DESIGN section 9.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from collections.abc import Coroutine
from typing import Any

from chain.failpoint import failpoint
from node.errors import AddressTaken, PeerRefused
from node.frame import KIND_MAX, exchange_hello
from node.incidents import Incidents
from node.link import Link, LinkHandler, LinkLimits
from node.peer_certificate import PeerContexts, PeerIdentity, PeerUnknown, tls_incident
from node.work_share import Allowance

LINKS_PER_ORGANISATION_MAX = 16
HANDSHAKES_MAX = 32  # accepted, and not known yet
READ_BUFFER_BYTES = 256 << 10
TLS_SHUTDOWN_SECONDS = 1.0
ACCEPT_PAUSE_SECONDS = 0.1  # when the process is out of file handles
REDIAL_MIN_SECONDS = 0.1  # doubles with every failure
REDIAL_MAX_SECONDS = 0.5  # while nobody is there: as long as a peer that is back is missing to a quorum
REFUSED_MAX_SECONDS = 5.0  # while somebody is there, and no link comes of it: a handshake costs both
UNREACHABLE = "unreachable"
CONNECT_SECONDS = 1.5  # a machine that is off answers nothing, and the kernel asks it less and less often: ask anew
SETTLED_SECONDS = 5.0  # a link that lived this long was a good one: the next dial starts at the minimum again


class Transport:
    """All links of a node. Made on the loop that it runs on; works on asyncio's own loop and on uvloop.

    `incidents` counts by reason what went wrong with peers; the node's metrics read it.
    """

    def __init__(
        self,
        contexts: PeerContexts,
        chain_id: bytes,
        handler: LinkHandler,
        limits: LinkLimits | None = None,
        incidents: Incidents | None = None,
        redial_max_seconds: float = REDIAL_MAX_SECONDS,
    ) -> None:
        self.me = contexts.me
        self.incidents = Incidents() if incidents is None else incidents
        self.links: dict[PeerIdentity, Link] = {}  # that are up; at most LINKS_PER_ORGANISATION_MAX an organisation
        self.handler = handler
        self._contexts, self._chain_id = contexts, chain_id
        self._limits = limits or LinkLimits()
        self._redial_max_seconds = redial_max_seconds
        self._handshakes = 0
        self._allowances: dict[str, Allowance] = {}  # organisation -> ; as many as have an authority in genesis
        self._tasks: set[asyncio.Task[None]] = set()  # listeners, dialers, links and HANDSHAKES_MAX handshakes
        self._loop = asyncio.get_running_loop()

    def listen(self, host: str, port: int) -> int:
        """Accept peers until `close`; returns the port, which is another one if `port` is 0. Raises AddressTaken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listener = socket.create_server((host, port), family=family, backlog=128)
        except OSError as error:
            raise AddressTaken(host, port, error.strerror or str(error)) from None
        listener.setblocking(False)
        self._start(self._accept(listener))
        return int(listener.getsockname()[1])

    def dial(self, peer: PeerIdentity, host: str, port: int) -> None:
        """Keep a link to `peer` until `close`: dial, and dial again with growing pauses when it is lost."""
        self._start(self._keep_dialling(peer, host, port))

    def link_to(self, node: str) -> Link | None:
        """The link to a node by its name, if one is up."""
        return next((link for peer, link in self.links.items() if peer.node == node), None)

    async def close(self) -> None:
        """End everything that `listen` and `dial` started."""
        for link in list(self.links.values()):
            link.close("shutdown")
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    failpoint("transport.accept")
                    accepted, address = await self._loop.sock_accept(listener)
                except OSError as error:  # out of handles, or the peer was gone already
                    self.incidents.record("accept_failed", detail=error.strerror)
                    await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
                    continue
                if self._handshakes >= HANDSHAKES_MAX:
                    self.incidents.record("too_many_handshakes", address=address[0])
                    accepted.close()
                    continue
                self._handshakes += 1
                self._start(self._welcome(accepted, address[0]))

    async def _welcome(self, accepted: socket.socket, address: str) -> None:
        link: Link | str = ""
        try:
            link = await self._shake_hands(accepted, address, expected=None)
        finally:
            self._handshakes -= 1
        if isinstance(link, Link):
            await self._run(link)

    async def _keep_dialling(self, peer: PeerIdentity, host: str, port: int) -> None:
        pause = REDIAL_MIN_SECONDS
        while True:
            existing = self.links.get(peer)
            if existing is not None:  # the peer dialled us
                await existing.wait_closed()
            connected = await self._connect(peer, host, port)
            link = UNREACHABLE if connected is None else await self._shake_hands(connected, host, expected=peer)
            pause_max = self._redial_max_seconds if link == UNREACHABLE else REFUSED_MAX_SECONDS
            if isinstance(link, Link):
                began = self._loop.time()
                await self._run(link)
                if self._loop.time() - began >= SETTLED_SECONDS:
                    pause = REDIAL_MIN_SECONDS
            await asyncio.sleep(min(pause, pause_max) * random.uniform(0.5, 1.0))
            pause = min(2 * pause, pause_max)

    async def _connect(self, peer: PeerIdentity, host: str, port: int) -> socket.socket | None:
        try:
            async with asyncio.timeout(self._limits.handshake_timeout_ms / 1000):
                family, kind, protocol, _name, address = (
                    await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                )[0]
            connecting = socket.socket(family, kind, protocol)
            try:
                connecting.setblocking(False)
                failpoint("transport.dial")
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._loop.sock_connect(connecting, address)
            except BaseException:
                connecting.close()
                raise
        except (OSError, IndexError) as error:
            self.incidents.record(UNREACHABLE, peer=peer.node, detail=type(error).__name__)
            return None
        return connecting

    async def _shake_hands(self, connected: socket.socket, address: str, expected: PeerIdentity | None) -> Link | str:
        """TLS, certificate and hello on a connected socket; the link, or the reason why not, which was counted:
        `UNREACHABLE` if the connection ended before TLS, as when what stands before a node has nobody to hand us to."""
        limits = self._limits
        reader = StreamReader(limit=READ_BUFFER_BYTES)
        protocol = StreamReaderProtocol(reader)
        transport: asyncio.BaseTransport | None = None
        try:
            async with asyncio.timeout(limits.handshake_timeout_ms / 1000):
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                transport = await self._wrap(protocol, connected, is_server=expected is None)
                writer = StreamWriter(transport, protocol, reader, self._loop)  # type: ignore[arg-type]
                ssl_object = transport.get_extra_info("ssl_object")
                peer = self._contexts.identify(ssl_object.getpeercert(binary_form=True))
                if expected is not None and peer != expected:
                    raise PeerRefused("wrong_peer")
                failpoint("transport.hello")
                await exchange_hello(reader, writer, self._chain_id)
        except PeerRefused as refused:
            reason = refused.code
        except (OSError, asyncio.IncompleteReadError, PeerUnknown) as error:
            reason = tls_incident(error)
        except BaseException:
            _abort(transport, connected)
            raise
        else:
            allowance = self._allowances.setdefault(peer.organisation, Allowance())
            return Link(peer, expected is not None, reader, writer, self.handler, limits, self.incidents, allowance)
        self.incidents.record(reason, address=address)
        _abort(transport, connected)
        return UNREACHABLE if transport is None and reason == "handshake_aborted" else reason

    async def _wrap(self, protocol: StreamReaderProtocol, connected: socket.socket, is_server: bool) -> Any:
        timeout = self._limits.handshake_timeout_ms / 1000
        if is_server:
            transport, _protocol = await self._loop.connect_accepted_socket(
                lambda: protocol,
                connected,
                ssl=self._contexts.server,
                ssl_handshake_timeout=timeout,
                ssl_shutdown_timeout=TLS_SHUTDOWN_SECONDS,
            )
        else:
            transport, _protocol = await self._loop.create_connection(
                lambda: protocol,
                sock=connected,
                ssl=self._contexts.client,
                server_hostname="",
                ssl_handshake_timeout=timeout,
                ssl_shutdown_timeout=TLS_SHUTDOWN_SECONDS,
            )
        return transport

    async def _run(self, link: Link) -> None:
        """Let the link live, if it may take its place among the others."""
        if not self._admit(link):
            return
        self.links[link.peer] = link
        try:
            self.handler.on_link_up(link)
            await link.run()
        finally:
            link.close("shutdown")
            if self.links.get(link.peer) is link:
                del self.links[link.peer]
            self.handler.on_link_down(link)

    def _admit(self, link: Link) -> bool:
        """One link a peer. Of two that met halfway, both sides keep the one that the lower name dialled; else the
        newer one: the older is dead, or the peer would not have dialled."""
        peer = link.peer
        if peer == self.me:
            link.refuse("own_name")
            return False
        existing = self.links.get(peer)
        if existing is None:
            count = sum(other.organisation == peer.organisation for other in self.links)
            if count >= LINKS_PER_ORGANISATION_MAX:
                link.refuse("too_many_links")
            return not link.is_closed
        if existing.is_dialled != link.is_dialled and existing.is_dialled == (self.me < peer):
            link.close("duplicate")
            return False
        existing.close("replaced")
        return True


def _abort(transport: Any, connected: socket.socket) -> None:
    """Close at once, whoever owns the socket by now."""
    if transport is not None:
        transport.abort()
    else:
        with contextlib.suppress(OSError):
            connected.close()


__all__ = ["KIND_MAX", "Link", "LinkHandler", "LinkLimits", "PeerContexts", "PeerIdentity", "Transport"]
