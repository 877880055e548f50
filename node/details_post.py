"""Bills' private details between a gateway and the archive of its office.

Each bill's details go there as soon as they are kept here, and again until the archive says that it has them on disk:
without them the office does not seal. What another gateway of the hospital issued is fetched from there when asked for.
Source: DESIGN section 6, details; PROTOCOL rule 17.
"""

from __future__ import annotations

import msgspec
import structlog

from chain.codec import encode
from chain.details import Details, details_root
from chain.errors import ChainError
from chain.failpoint import failpoint
from node.due_post import GET_TIMEOUT_S, PUT_TIMEOUT_S, DuePost
from node.errors import PeerError
from node.gateway_store import BillRow, GatewayStore, details_due_key, details_key
from node.messages import DETAILS_MAX, DetailsAnswer, DetailsKept, GetDetails, PutDetails, decode_answer
from node.peers import Peers
from node.sealed_box import DetailsBox

BYTES_MAX = 4 << 20  # in one question
FRESH_BYTES_MAX = 4 << 20  # of details that are kept opened until the archive has them; others are read again
PUT_TAG = PutDetails.__struct_config__.tag


class DetailsPost(DuePost):
    kind = "details"

    def __init__(self, store: GatewayStore, box: DetailsBox, peers: Peers, archive: str) -> None:
        super().__init__(store, box, peers, archive)
        # made in this life and not at the archive yet: canonical bytes, for thousands of objects cost the collector's time
        self._fresh: dict[str, bytes] = {}
        self._fresh_bytes = 0

    def add(self, details: Details) -> None:
        """Keep a new bill's details, to be sent when they are on the disk."""
        box = self._box.seal(details)
        self._store.put(details_key(details.bill), box)
        self._store.put(details_due_key(details.bill), b"")
        if self._fresh_bytes < FRESH_BYTES_MAX:
            spelt = self._fresh[details.bill] = encode(details)
            self._fresh_bytes += len(spelt)
        failpoint("details_post.added")
        self._wake.set()

    def _due(self, after: str) -> list[str]:
        return self._store.details_due(after, DETAILS_MAX)

    def _on_nothing_due(self) -> None:
        self._fresh.clear()  # those of bills that were refused among them
        self._fresh_bytes = 0

    async def _put(self, bills: list[str]) -> bool:
        link = self._peers.node(self._archive)
        if link is None:
            return False
        await self._store.flushed()
        chosen: dict[str, msgspec.Raw] = {}
        size = 0
        for bill in bills:
            found = self._fresh.get(bill) or self._opened(bill)
            if found is None:
                self._store.delete(details_due_key(bill))
                continue
            size += len(found)
            if chosen and size > BYTES_MAX:
                break
            chosen[bill] = msgspec.Raw(found)
        if not chosen:
            return True
        failpoint("details_post.asking")
        try:
            payload = await link.request(encode([PUT_TAG, list(chosen.values())]), PUT_TIMEOUT_S)
            kept = set(decode_answer(payload, DetailsKept).bills)  # type: ignore[union-attr]
        except (PeerError, ChainError) as error:
            structlog.get_logger("gateway").warning("details_not_sent", peer=self._archive, code=error.code)
            return False
        failpoint("details_post.kept")
        self._after = next(reversed(chosen))
        for bill in chosen.keys() & kept:
            self._store.delete(details_due_key(bill))
            self._fresh_bytes -= len(self._fresh.pop(bill, b""))
        return chosen.keys() <= kept

    def _opened(self, bill: str) -> bytes | None:
        """What lies here, spelt as it is sent."""
        box = self._store.read(details_key(bill))
        return None if box is None else encode(self._box.open(box, bill))

    async def details(self, row: BillRow) -> Details | None:
        """A bill's details, from here or else from the archive; None if neither has them now."""
        bill, root = row.operation.bill, row.operation.details_root
        here = self._here(details_key(bill), bill, lambda found: _has_root(found, root))
        return here if here is not None else await self._fetch(bill, root)

    async def _fetch(self, bill: str, root: bytes) -> Details | None:
        link = self._peers.node(self._archive)
        if link is None:
            return None
        try:
            payload = await link.request(encode(GetDetails([bill])), GET_TIMEOUT_S)
            found = decode_answer(payload, DetailsAnswer).details  # type: ignore[union-attr]
            for details in found:
                if details.bill == bill and _has_root(details, root):
                    self._store.put(details_key(bill), self._box.seal(details))
                    return details
        except (PeerError, ChainError) as error:
            structlog.get_logger("gateway").warning("details_not_fetched", peer=self._archive, code=error.code)
        return None


def _has_root(details: Details, root: bytes) -> bool:
    try:
        return details_root(details) == root
    except (ChainError, TypeError, ValueError):  # fields of another shape than ours have
        return False
