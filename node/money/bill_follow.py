"""The bill follows by itself: once a notice is settled, its bill is issued, and answers it; one bill for all notices of a visit.

What is due lies in the store until the ledger has the answer, so a gateway that was killed in between goes on where it was, and a bill
or an answer that the ledger refused is asked for again: the same business number gives the same bill, and the same answer is known
again. A block that records a payment says whose bills are due now; everything else is looked at seldom, and what failed ever seldomer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from chain import keyspace
from chain.bill import BillRequest
from chain.operation import AnswerNotices, operation_digest
from chain.records import ORDER_PAID, OrderBody
from node.money.rows import MoneyRows
from node.money.steps import MoneySteps
from node.money.waiting import Waiting
from node.money.wanted_bills import FollowingBill
from node.service import ServiceRefused, Standing

LOOK_S = 2.0
AT_ONCE = 500
UNPAID_S = 60.0  # until a notice is looked at again that nobody was heard to pay
ASKED_S, ASKED_S_MAX = 4.0, 300.0  # until what was asked for is looked at again; each time twice as long
TRIES = 5  # at an order that was paid, of a validator that is behind
ANSWERED, NEVER = "answered", "never"
PARTLY = "partly"  # some of what was paid has gone back already: people write the bill for the rest

Issue = Callable[[BillRequest], Awaitable[Standing]]


class Source(Protocol):
    """Whose bills follow: notices, visits."""

    async def bill_of(self, name: bytes) -> tuple[FollowingBill | None, str]:
        """None and why: ANSWERED, NEVER, PARTLY, or there is none yet. Raises ServiceRefused for one that cannot be."""
        ...


class BillFollow:
    def __init__(self, rows: MoneyRows, steps: MoneySteps, sources: Mapping[str, Source], issue: Issue) -> None:
        """`sources`: task -> whose it is."""
        self._rows, self._steps, self._sources, self._issue = rows, steps, sources, issue
        self._wake = asyncio.Event()
        self._paid: dict[bytes, int] = {}  # order of which a block has recorded a payment -> tries left
        self._later: dict[
            bytes, float
        ] = {}  # notice or visit that is due -> when it is looked at again, by the loop's clock
        self._asked: dict[bytes, tuple[bytes, float]] = {}  # the same -> digest of its answer, seconds of the last wait
        self.waiting = Waiting("bill_did_not_follow")

    def on_paid(self, order: bytes) -> None:
        """A block has recorded a payment of this order."""
        self._paid[order] = TRIES
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for order in list(self._paid):
                await self.waiting.attempt(order, self._look_at(order))
                self.waiting.forget(order)  # in the log it stands; what waits are its notices
            for task in self._sources:
                for name in self._rows.due_in_turn(task, AT_ONCE):
                    if self._now() >= self._later.get(name, 0):
                        await self._try(task, name)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _look_at(self, order: bytes) -> None:
        """Once it is paid, the bills of its notices are due."""
        tries_left = self._paid.pop(order) - 1  # whatever fails here: its notices are looked at within a minute
        body = await self._steps.body(keyspace.order(self._steps.organisation, order), OrderBody)
        is_paid = body is not None and body.state == ORDER_PAID
        if not is_paid and tries_left:
            self._paid.setdefault(order, tries_left)
        for name in body.notices if body is not None and is_paid else []:
            self._later.pop(name, None)
            if self._rows.is_due("bill", name):
                await self._try("bill", name)

    async def _try(self, task: str, name: bytes) -> None:
        """At what failed a person looks; it is tried again."""
        if not await self.waiting.attempt(name, self._follow(task, name)):
            self._wait(name, self._asked.get(name, (b"", 0.0))[0])

    async def _follow(self, task: str, name: bytes) -> None:
        bill, why = await self._sources[task].bill_of(name)
        if bill is not None:
            await self._ask(name, bill)
        elif why == PARTLY:
            self.waiting.tell(name, "bill_unanswered")
            self._wait(name, b"")
        elif why in (ANSWERED, NEVER):
            self._done(task, name, why)
        elif task == "bill":  # a visit's is due at its end alone
            self._later[name] = self._now() + UNPAID_S

    async def _ask(self, name: bytes, bill: FollowingBill) -> None:
        """Issue it, and let it answer once it is recorded itself. It is due until the answer is recorded."""
        former = self._asked.get(name)
        if former is not None and former[0]:
            standing = self._steps.standing([former[0]])
            if standing.status == "refused":
                self.waiting.tell(name, standing.code or "unavailable")
        standing = await self._issue(bill.request)
        number = standing.superseded_by or standing.bill_id
        if number is None or (standing.status == "refused" and not standing.superseded_by):
            raise ServiceRefused(standing.code or "unavailable")
        answer = AnswerNotices(number, sorted(bill.notices))
        await self._steps.carry_out([answer], after=number)
        self._wait(name, operation_digest(answer))

    def _wait(self, name: bytes, answer: bytes) -> None:
        wait_s = min(ASKED_S_MAX, 2 * self._asked.get(name, (b"", ASKED_S / 2))[1])
        self._asked[name] = (answer, wait_s)
        self._later[name] = self._now() + wait_s

    def _done(self, task: str, name: bytes, why: str) -> None:
        former = self._asked.pop(name, None)
        self._later.pop(name, None)
        self.waiting.forget(name)
        if why == NEVER and former is not None and former[0]:  # refunded before the bill answered: people reverse it
            self.waiting.tell(name, "bill_unanswered")
        self._rows.done(task, name)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
