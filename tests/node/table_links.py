"""The links of a table of validators: in order, a moment later, and as lossy as the story says. See `validating.py`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from node.errors import PeerRefused, RequestTimedOut
from node.frame import REQUEST
from node.link import Link
from node.peer_certificate import PeerIdentity

if TYPE_CHECKING:
    from tests.node.validating import Table


def organisation_of(node: str) -> str:
    """`health@2` is another node of health."""
    return node.partition("@")[0]


class TableLink:
    """One direction of a link: what `owner` sends goes to `other`'s handler, in order, a moment later."""

    waiting_bytes = 0

    def __init__(self, table: Table, owner: str, other: str) -> None:
        self.table, self.owner = table, owner
        self.node, self.organisation = other, organisation_of(other)
        self.peer = PeerIdentity(other, self.organisation)
        self.is_closed = False
        self.answering = asyncio.Lock()
        self._queue: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self.task = asyncio.get_running_loop().create_task(self._deliver())

    def spend(self, seconds: float) -> None:
        """A table's links are not held back."""

    def send(self, kind: int, payload: bytes, *, urgent: bool = False) -> bool:
        if self.is_closed:
            return False
        self.table.hear(self.owner, kind, payload)
        if not self.table.lost(self.owner, self.node, kind, payload):
            self._queue.put_nowait((kind, payload))
        return True

    async def request(self, payload: bytes, timeout_ms: int) -> bytes:
        """The answer comes from the other's handler, unless what is lost says otherwise."""
        back = self.table.links.get((self.node, self.owner))
        target = self.table.nodes.get(self.node)
        if self.is_closed or back is None or target is None or self.table.lost(self.owner, self.node, REQUEST, payload):
            raise RequestTimedOut(self.node)
        return await target.on_request(cast(Link, back), payload)

    async def _deliver(self) -> None:
        while True:
            kind, payload = await self._queue.get()
            await asyncio.sleep(self.table.delay_s)
            target = self.table.nodes.get(self.node)
            back = self.table.links.get((self.node, self.owner))
            if target is None or back is None or back.is_closed:
                continue
            try:
                await target.on_message(cast(Link, back), kind, payload)
            except PeerRefused as refused:
                self.table.refused.append((self.owner, self.node, refused.code))
            except Exception as error:  # of ours: a real link would be closed for it
                self.table.halted[self.node] = f"on_message: {error!r}"


class TableLinks:
    """The links of one node as a transport has them."""

    def __init__(self, table: Table, node: str) -> None:
        self._table, self._node = table, node

    def values(self) -> list[Any]:
        return [link for (owner, _), link in self._table.links.items() if owner == self._node]
