"""The catalogues that a hospital goes by, kept at its gateway: its own, and those of the offices above it.

They come as records with their paths, asked of validators: a gateway's part of a block does not tell what an office does. So it asks
again when blocks have come, at most every LOOK_S; a version begins on a day, and is published days before. What it has taken over
stays, also while nobody answers: bills are checked, and old ones printed, without the province.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from chain import keyspace
from chain.bill import BillRequest
from chain.catalogue import InForce, verify_mapped
from chain.errors import ContentRefused, StorageDamaged
from chain.genesis import Genesis
from chain.proof import CurrentRecord
from chain.records import CatalogueBody, CataloguesBody
from chain.state import body_of
from node.catalogue_book import CatalogueBook
from node.gateway_store import GatewayStore, catalogue_key, catalogues_key
from node.service import ServiceRefused
from node.supervision import supervisors_of

LOOK_S = 15.0

AskRecord = Callable[[bytes], Awaitable[tuple[CurrentRecord | None, bool]]]  # key -> proven record, anybody answered

log = structlog.get_logger("gateway")


class GatewayCatalogues:
    def __init__(
        self,
        genesis: Genesis,
        organisation: str,
        title: str,
        office: str,
        store: GatewayStore,
        ask: AskRecord,
        height: Callable[[], int],
    ) -> None:
        """`title`: the hospital as people write it, where genesis does not know it; `office` supervises it; `height`: up to which
        blocks were followed."""
        self._organisation, self._store, self._ask, self._height = organisation, store, ask, height
        offices = list(supervisors_of(office, genesis))
        self._publishers = [organisation, *offices]
        titles = {organisation: title or organisation} | {entry.id: entry.name for entry in genesis.organisations}
        self._known: dict[str, CataloguesBody] = {}  # publisher -> what it has published; few
        for name in self._publishers:
            if (body := store.get(catalogues_key(name), CataloguesBody)) is not None:
                self._known[name] = body
        self.book = CatalogueBook(
            lambda: self._publishers, lambda _hospital: offices, lambda name: titles[name], self._known.get, self._body
        )
        self._wake = asyncio.Event()

    def _body(self, publisher: str, catalogue: str, version: int) -> CatalogueBody:
        body = self._store.get(catalogue_key(publisher, catalogue, version), CatalogueBody)
        if body is None:
            raise StorageDamaged(f"gateway catalogue {publisher}/{catalogue}/{version}", "missing")
        return body

    def in_force(self, date: int, time_ms: int) -> InForce:
        """For a bill of the hospital, of that business date (yyyymmdd) and issued at that moment."""
        return self.book.in_force(self._organisation, date, time_ms)

    def verify_mapped(self, request: BillRequest, date: int, now_ms: int) -> None:
        """Raises ServiceRefused `item_not_mapped`, `item_mapped_elsewhere` with a JSON pointer."""
        if not self._known:
            return
        try:
            verify_mapped(request, self.in_force(date, now_ms))
        except ContentRefused as refusal:
            raise ServiceRefused(refusal.code, refusal.detail, refusal.pointer) from None

    # ── keeping up ───────────────────────────────────────────────────────────────────────────────────────────────────

    def look_now(self) -> None:
        """The hospital has published something: a block said so."""
        self._wake.set()

    async def run(self, caught_up: asyncio.Event) -> None:
        """Until cancelled."""
        await caught_up.wait()
        looked_at = -1
        while True:
            height = self._height()
            if height != looked_at and await self._look():
                looked_at = height
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            self._wake.clear()

    async def _look(self) -> bool:
        """Whether everybody's list was told, and all that it names."""
        for publisher in self._publishers:
            current, is_answered = await self._ask(keyspace.catalogues(publisher))
            if not is_answered:
                return False
            if current is not None and not await self._take_over(publisher, body_of(current.record, CataloguesBody)):
                return False
        return True

    async def _take_over(self, publisher: str, told: CataloguesBody) -> bool:
        """Fetch the versions that are not here; their list is taken over last, so it never names what is missing."""
        known = self._known.get(publisher)
        if known is not None and _count(told) <= _count(known):
            return True  # the same, or of a validator that is behind
        for entry in told.catalogues:
            for number in range(1, len(entry.versions) + 1):
                key = catalogue_key(publisher, entry.catalogue, number)
                if self._store.read(key) is not None:
                    continue
                current, _ = await self._ask(keyspace.catalogue(publisher, entry.catalogue, number))
                if current is None:
                    return False
                self._store.put(key, body_of(current.record, CatalogueBody))
                log.info("catalogue_taken", publisher=publisher, catalogue=entry.catalogue, version=number)
        self._store.put(catalogues_key(publisher), told)
        self._known[publisher] = told
        return True


def _count(body: CataloguesBody) -> int:
    return sum(len(entry.versions) for entry in body.catalogues)
