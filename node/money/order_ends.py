"""Orders that come to nothing: closed by themselves once their time is over, and what was paid of them goes back.

Which orders are open, and until when, lies in the store (task `order`), so a gateway that was killed in between goes on where it was.
Whoever closed one, the counter or another gateway of the hospital, the block that says so is heard here. What a counter took of one
whose time is over waits for people: they may still have the rest in their hands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from chain import keyspace
from chain.operation import CloseOrder
from chain.records import ORDER_CLOSED, ORDER_OPEN, OrderBody
from chain.rules.context import DAY_MS
from node.money.filing import Filing
from node.money.waiting import Waiting

LOOK_S = 1.0
AT_ONCE = 500
AGAIN_MS = 3_600_000  # an order of which a counter took a part is looked at again


class OrderEnds:
    def __init__(self, filing: Filing, on_stray: Callable[[], None]) -> None:
        """`on_stray`: something is to go back (task `stray`)."""
        self._filing, self._on_stray = filing, on_stray
        self._organisation = filing.steps.organisation
        self._wake = asyncio.Event()
        self.waiting = Waiting("order_not_closed")

    def on_closed(self, operation: CloseOrder) -> None:
        """A block has recorded it."""
        self._filing.rows.put_due("order", operation.order, 0)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def look(self) -> None:
        rows, now_ms = self._filing.rows, self._filing.steps.now_ms()
        for name in rows.due_in_turn("order", AT_ONCE):
            since_ms = rows.due_since_ms("order", name)
            if since_ms <= now_ms:
                await self.waiting.attempt(name, self._end(name, since_ms, now_ms))

    async def _end(self, name: bytes, since_ms: int, now_ms: int) -> None:
        rows, steps = self._filing.rows, self._filing.steps
        body = await steps.body(keyspace.order(self._organisation, name), OrderBody)
        if body is None:
            if 0 < since_ms < now_ms - DAY_MS:  # the ledger never took it
                rows.done("order", name)
            return
        paid = [payment for part in body.parts for payment in part.payment]
        if body.state == ORDER_OPEN:
            if body.until_ms > now_ms:
                rows.put_due("order", name, body.until_ms)
            elif any(rows.get("payment", payment) is None for payment in paid):
                rows.put_due("order", name, now_ms + AGAIN_MS)
            else:
                await steps.carry_out([CloseOrder(name, "unpaid")])
            return
        if body.state == ORDER_CLOSED and paid:
            for payment in paid:
                rows.put_due("stray", payment)
            self._on_stray()
        rows.done("order", name)
        self.waiting.forget(name)
