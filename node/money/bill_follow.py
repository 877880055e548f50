"""The bill follows by itself: once a notice is settled, its bill is issued, and answers it.

What is due lies in the store, so a gateway that was killed in between goes on where it was: the same business number gives the same
bill, and the same answer is known again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from chain.bill import BillRequest
from node.money.notices import Notices
from node.money.rows import MoneyRows
from node.service import ServiceRefused, Standing

LOOK_S = 2.0  # for what a block of another gateway's settled
AT_ONCE = 500

log = structlog.get_logger("gateway")

Issue = Callable[[BillRequest], Awaitable[Standing]]


class BillFollow:
    def __init__(self, rows: MoneyRows, notices: Notices, issue: Issue) -> None:
        self._rows, self._notices, self._issue = rows, notices, issue
        self._wake = asyncio.Event()
        self.failed: dict[bytes, str] = {}  # notice -> why its bill could not be issued; at most AT_ONCE

    def look_now(self) -> None:
        """Something was paid."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for name in self._rows.due("bill", AT_ONCE):
                await self._follow(name)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _follow(self, name: bytes) -> None:
        request, why = await self._notices.bill_of(name)
        if why == "never":
            self._rows.done("bill", name)
        if request is None:
            return
        try:
            standing = await self._issue(request)
            if standing.bill_id is None or standing.status == "refused":
                raise ServiceRefused(standing.code or "unavailable")
            await self._notices.answer(standing.bill_id, [name])
        except ServiceRefused as refused:  # a person looks; it is tried again
            if self.failed.get(name) != refused.code:
                log.error("bill_did_not_follow", code=refused.code)
                if len(self.failed) < AT_ONCE:
                    self.failed[name] = refused.code
            return
        self.failed.pop(name, None)
        self._rows.done("bill", name)
