"""The links that are up, as the parts of a node see them."""

from __future__ import annotations

from typing import Protocol


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
