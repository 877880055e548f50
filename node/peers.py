"""The links that are up, as the parts of a node see them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from chain.genesis import Genesis
from node.answers import AGENCIES
from node.link import Link
from node.transport import Transport


class PeerLink(Protocol):
    """An authenticated link to a peer."""

    @property
    def node(self) -> str: ...

    @property
    def organisation(self) -> str: ...

    async def request(self, payload: bytes, timeout_s: float) -> bytes:
        """Raises node.errors.PeerError: unreachable, timed out, refused."""
        ...

    def send(self, kind: int, payload: bytes, *, urgent: bool = False) -> bool:
        """Queue a one-way message; False if the queue is full and it was dropped."""
        ...


class Peers(Protocol):
    def validators(self) -> list[PeerLink]:
        """Links to validators that are up, in no order."""
        ...

    def node(self, name: str) -> PeerLink | None:
        """The link to a node by name, if it is up."""
        ...


class LivePeer:
    """A transport's link in the words of `PeerLink`."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def node(self) -> str:
        return self._link.peer.node

    @property
    def organisation(self) -> str:
        return self._link.peer.organisation

    async def request(self, payload: bytes, timeout_s: float) -> bytes:
        return await self._link.request(payload, int(timeout_s * 1000))

    def send(self, kind: int, payload: bytes, *, urgent: bool = False) -> bool:
        return self._link.send(kind, payload, urgent=urgent)


class LivePeers:
    """The links of a transport, from when it is there; `validators` are the nodes that the configuration names so."""

    def __init__(self, validators: Collection[str]) -> None:
        self.transport: Transport | None = None
        self._validators = validators

    def validators(self) -> list[PeerLink]:
        links = self.transport.links if self.transport else {}
        return [LivePeer(link) for peer, link in links.items() if peer.node in self._validators]

    def node(self, name: str) -> PeerLink | None:
        link = self.transport.link_to(name) if self.transport else None
        return LivePeer(link) if link else None


class AgencyPeers:
    """All links of a transport that lead to agencies: whoever follows whole may ask any of them."""

    def __init__(self, genesis: Genesis, transport: Transport | None) -> None:
        self._transport = transport
        self._agencies = {entry.id for entry in genesis.organisations if entry.kind in AGENCIES}

    def validators(self) -> list[PeerLink]:
        links = self._transport.links.values() if self._transport else ()
        return [LivePeer(link) for link in links if link.organisation in self._agencies]

    def node(self, name: str) -> PeerLink | None:
        link = self._transport.link_to(name) if self._transport else None
        return LivePeer(link) if link else None
