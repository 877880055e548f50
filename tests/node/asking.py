"""Who asks, as far as answers go: a link on which so much waits unread."""

from __future__ import annotations

import asyncio


class Asker:
    def __init__(self, organisation: str, waiting_bytes: int = 0) -> None:
        self.organisation = self.node = organisation
        self.peer = self
        self.waiting_bytes, self.answering = waiting_bytes, asyncio.Lock()
