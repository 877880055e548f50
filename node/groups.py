"""The bills of one settlement, found by the hospital's own number of it (FEATURES 8).

Only a bill that belongs to one has a row: MAC ‖ bill. The MAC keeps the number out of the store's keys. What another gateway
of the hospital issued, the office's archive tells: where it is away, what was issued here is found and nothing else.
"""

from __future__ import annotations

import hmac

import structlog

from chain.codec import encode
from chain.errors import ChainError
from node.errors import PeerError
from node.gateway_store import GatewayStore, group_key
from node.messages import FOUND_MAX, BillsAnswer, FindBills, decode_answer
from node.peers import Peers

FIND_TIMEOUT_S = 3.0


class Groups:
    def __init__(self, store: GatewayStore, mac_key: bytes, peers: Peers, archive: str) -> None:
        self._store, self._mac_key, self._peers, self._archive = store, mac_key, peers, archive

    def add(self, group: str, bill: str) -> None:
        """A new bill of a settlement; it goes to the disk with the bill."""
        self._store.put(group_key(self._mac(group), bill), b"")

    async def bills(self, group: str, after: str, count: int) -> list[str]:
        """At most `count` numbers above `after`, ascending. Raises Malformed for what is no text."""
        found = set(self._store.bills_of_group(self._mac(group), after, count))
        found.update(await self._told(group, after, min(count, FOUND_MAX)))
        return sorted(found)[:count]

    async def _told(self, group: str, after: str, count: int) -> list[str]:
        link = self._peers.node(self._archive)
        if link is None:
            return []
        try:
            payload = await link.request(encode(FindBills(group, after, count)), FIND_TIMEOUT_S)
            bills = decode_answer(payload, BillsAnswer).bills  # type: ignore[union-attr]
        except (PeerError, ChainError) as error:
            structlog.get_logger("gateway").warning("bills_not_found", peer=self._archive, code=error.code)
            return []
        return [bill for bill in bills if bill > after]

    def _mac(self, group: str) -> bytes:
        return hmac.digest(self._mac_key, encode(["medbill/1/group", group]), "sha256")
