"""Statements by themselves: when a product's time has come, each of its lines that owes something is stated, once.

A **moment** is a product's day and minute (`node/statement_times.py`). It is due until a round after it has come to its end; the book
says up to when all are stated, and of each line which moment was its last one. So a service that was stopped, or killed within a
round, makes up at its next start for what was missed, and states nothing twice. What it made up for is stated as it is owed then,
and due as many days from then: a moment that was missed is no patient's delay.

A book without such a row is a service's first start: what was due before is not stated after all.
Source: FEATURES 97, 99; DOMAIN section 5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from node.service import ServiceRefused
from node.services.credit_book import CreditBook
from node.services.credit_dues import STATED_AT_ONCE, CreditDues
from node.statement_times import newest_moment

LOOK_S = 10.0
ROUND_MS_MAX = 3_600_000  # after so long all lines are looked at, for products that this book has no line of
MOVED = "owed_differs"  # a charge came in between: asked for again at the next look

log = structlog.get_logger("services")


class StatementRounds:
    def __init__(self, dues: CreditDues, book: CreditBook, now_ms: Callable[[], int]) -> None:
        self._dues, self._book, self._now_ms = dues, book, now_ms
        self._products: set[tuple[str, int]] = set()  # that lines beside the book's have: opened by another book
        self._is_new = True

    async def run(self) -> None:
        """Until cancelled. A mirror that does not answer is asked again."""
        failed = ""
        while True:
            try:
                await self.look()
                failed = ""
            except ServiceRefused as refused:
                if refused.code != failed:
                    log.warning("statements_wait", code=refused.code)
                failed = refused.code
            await asyncio.sleep(LOOK_S)

    async def look(self) -> int:
        """State what is due now; how many lines were. Raises ServiceRefused, OutcomeUnknown, StorageFailed."""
        now_ms, stated_until_ms = self._now_ms(), self._book.stated_until_ms()
        if stated_until_ms is None:
            self._book.note_all_stated(now_ms)
            return 0
        moments = [await self._moment_ms(*product, now_ms) for product in self._products | self._book.products]
        is_old = self._is_new or now_ms - stated_until_ms >= ROUND_MS_MAX
        if not is_old and max(moments, default=0) <= stated_until_ms:
            return 0
        return await self._round(now_ms, stated_until_ms)

    async def _moment_ms(self, product: str, version: int, now_ms: int) -> int:
        """The newest one of a product."""
        terms = await self._dues.terms(product, version)
        return newest_moment(terms["statement_day"], terms["statement_minute"], now_ms, await self._dues.offset_ms())

    async def _round(self, now_ms: int, stated_until_ms: int) -> int:
        count, is_whole, after = 0, True, None
        while True:
            rows, after = await self._dues.owing(after)
            due: list[tuple[dict[str, Any], int]] = []
            for row in rows:
                product = (row["product"], row["version"])
                self._products.add(product)
                moment_ms = await self._moment_ms(*product, now_ms)
                last_ms = self._book.stated_ms(bytes.fromhex(row["line"])) or 0
                if moment_ms > max(stated_until_ms, last_ms):
                    due.append((row, moment_ms))
            for place in range(0, len(due), STATED_AT_ONCE):
                stated, moved = await self._state(due[place : place + STATED_AT_ONCE])
                count, is_whole = count + stated, is_whole and not moved
            if after is None:
                break
        self._is_new = False
        if is_whole:
            self._book.note_all_stated(now_ms)
        if count:
            log.info("stated", lines=count)
        return count

    async def _state(self, due: list[tuple[dict[str, Any], int]]) -> tuple[int, int]:
        """How many were stated, and of how many the debt has moved."""
        acted = await self._dues.state_rows([row for row, _ in due], [moment_ms for _, moment_ms in due])
        stated = moved = 0
        for one, (_row, moment_ms) in zip(acted, due, strict=True):
            if one.status == "refused" and one.code == MOVED:
                moved += 1
                continue
            if one.status == "refused":
                log.error("not_stated", line=one.line, code=one.code)  # a person looks
            stated += one.status == "recorded" and not one.repeated
            self._book.note_stated(bytes.fromhex(one.line), moment_ms)
        return stated, moved
