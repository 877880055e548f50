"""A gateway as a node: it dials, asks, and takes nothing from a link that it did not ask for."""

from __future__ import annotations

from collections import Counter
from typing import Any

from node.errors import PeerRefused
from node.gateway import Gateway
from node.link import Link
from node.peers import LivePeers
from node.transport import Transport


class GatewayNode:
    """Joins a gateway to its transport and to the operations port."""

    kind = "gateway"

    def __init__(self, gateway: Gateway, peers: LivePeers) -> None:
        self.gateway, self._peers = gateway, peers
        self.name, self.organisation = gateway.name, gateway.organisation

    def start(self, transport: Transport) -> None:
        self._peers.transport = transport
        self.gateway.begin()

    async def stop(self) -> None:
        await self.gateway.stop()

    def on_link_up(self, link: Link) -> None:
        """Whoever needs a link looks for it when it is needed."""

    def on_link_down(self, link: Link) -> None:
        """Questions under way on it fail by themselves."""

    async def on_message(self, link: Link, kind: int, payload: bytes) -> None:
        raise PeerRefused("kind_unknown")

    async def on_request(self, link: Link, payload: bytes) -> bytes:
        raise PeerRefused("not_served_here")

    def not_ready(self) -> list[str]:
        return self.gateway.not_ready()

    def status(self) -> dict[str, Any]:
        head = self.gateway.head()
        return {"height": head.height, "digest": head.digest, "time_ms": head.time_ms, **self.gateway.status()}

    def figures(self) -> dict[str, float]:
        return self.gateway.figures()

    def labelled_figures(self) -> dict[str, dict[str, float]]:
        transport = self._peers.transport
        incidents = transport.incidents if transport else Counter[str]()
        return {"peer_incidents_total": dict(incidents), **self.gateway.labelled_figures()}
