"""The bill follows by itself: once a notice is settled, its bill is issued, and answers it; one bill for all notices of a visit.

What is due lies in the store, so a gateway that was killed in between goes on where it was: the same business number gives the same
bill, and the same answer is known again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import structlog

from chain.bill import BillRequest
from chain.operation import AnswerNotices
from node.money.notices import FollowingBill
from node.money.rows import MoneyRows
from node.money.steps import MoneySteps
from node.service import ServiceRefused, Standing

LOOK_S = 2.0  # for what a block of another gateway's settled
AT_ONCE = 500

log = structlog.get_logger("gateway")

Issue = Callable[[BillRequest], Awaitable[Standing]]


class Source(Protocol):
    """Whose bills follow: notices, visits."""

    async def bill_of(self, name: bytes) -> tuple[FollowingBill | None, str]:
        """None and why: `never`, or there is none yet. Raises ServiceRefused for one that cannot be."""
        ...


class BillFollow:
    def __init__(self, rows: MoneyRows, steps: MoneySteps, sources: Mapping[str, Source], issue: Issue) -> None:
        """`sources`: task -> whose it is."""
        self._rows, self._steps, self._sources, self._issue = rows, steps, sources, issue
        self._wake = asyncio.Event()
        self.failed: dict[bytes, str] = {}  # notice or visit -> why its bill could not be issued; at most AT_ONCE

    def look_now(self) -> None:
        """Something was paid."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for task, source in self._sources.items():
                for name in self._rows.due_in_turn(task, AT_ONCE):
                    await self._follow(task, source, name)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _follow(self, task: str, source: Source, name: bytes) -> None:
        try:
            bill, why = await source.bill_of(name)
            if why == "never":
                self._rows.done(task, name)
            if bill is None:
                return
            standing = await self._issue(bill.request)
            if standing.bill_id is None or standing.status == "refused":
                raise ServiceRefused(standing.code or "unavailable")
            await self._answer(standing.bill_id, bill.notices)
        except ServiceRefused as refused:  # a person looks; it is tried again
            if self.failed.get(name) != refused.code:
                log.error("bill_did_not_follow", code=refused.code)
                if len(self.failed) < AT_ONCE:
                    self.failed[name] = refused.code
            return
        self.failed.pop(name, None)
        self._rows.done(task, name)

    async def _answer(self, bill: str, notices: list[bytes]) -> None:
        """The bill answers them, once it is recorded itself."""
        await self._steps.carry_out([AnswerNotices(bill, sorted(notices))], after=bill)
