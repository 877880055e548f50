"""What a gateway keeps in boxes and owes to the archive of its office: the round that brings it there, and reading it here."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import structlog

from chain.details import Details
from chain.errors import StorageDamaged
from node.gateway_store import GatewayStore
from node.peers import Peers
from node.sealed_box import DetailsBox

COLLECT_MS = 10  # so that one question carries what a busy counter made meanwhile
RETRY_FIRST_MS, RETRY_LAST_MS = 250, 5_000
PUT_TIMEOUT_S, GET_TIMEOUT_S = 10.0, 3.0


class DuePost(ABC):
    """What is due lies on disk only, so that an archive that is away for days costs no memory."""

    kind: ClassVar[str]  # as the log calls it

    def __init__(self, store: GatewayStore, box: DetailsBox, peers: Peers, archive: str) -> None:
        self._store, self._box, self._peers, self._archive = store, box, peers, archive
        self._wake = asyncio.Event()
        self._wake.set()
        self._after = ""  # where the next round begins: one that the archive does not take holds up no other
        self.is_behind = False  # the archive did not answer, or did not keep all

    async def run(self) -> None:
        """Until cancelled."""
        pause_ms = RETRY_FIRST_MS
        while True:
            await self._wake.wait()
            await asyncio.sleep(COLLECT_MS / 1000)
            bills = self._due(self._after)
            if not bills:
                if not self._after:
                    self._wake.clear()
                    self._on_nothing_due()
                    self.is_behind, pause_ms = False, RETRY_FIRST_MS
                self._after = ""
                continue
            if await self._put(bills):
                self.is_behind, pause_ms = False, RETRY_FIRST_MS
                continue
            self.is_behind = True
            await asyncio.sleep(pause_ms / 1000)
            pause_ms = min(2 * pause_ms, RETRY_LAST_MS)

    @abstractmethod
    def _due(self, after: str) -> list[str]:
        """The bills of one question: above `after`, ascending."""

    @abstractmethod
    async def _put(self, bills: list[str]) -> bool:
        """Send one question's worth; whether the archive keeps all of it."""

    def _on_nothing_due(self) -> None:  # noqa: B027 (most have nothing to forget)
        """All that was due is at the archive."""

    def _here(self, key: bytes, bill: str, is_right: Callable[[Details], bool]) -> Details | None:
        """What lies in a box here and is the one that the ledger has; one that does not open is told of in the log."""
        box = self._store.read(key)
        if box is None:
            return None
        try:
            details = self._box.open(box, bill)
        except StorageDamaged:
            structlog.get_logger("gateway").error(f"{self.kind}_damaged", bill=bill)
            return None
        return details if is_right(details) else None
