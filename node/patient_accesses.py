"""Who read a person's bills: what the log of accesses tells the patient, of all hospitals, the newest first (FEATURES 33)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from chain.accesses import Access
from node.access_log import PROXY, AccessLog
from node.holders import Holders
from node.identity import Identity
from node.ledger_pages import utc_text
from node.proxies import Proxies
from node.service import Page

BILLS_AT_ONCE = 50  # looked up before others have their turn


class PatientAccesses:
    def __init__(
        self,
        accesses: AccessLog,
        holders: Holders,
        proxies: Proxies,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._accesses, self._holders, self._proxies, self._now_ms = accesses, holders, proxies, now_ms

    async def page(self, person: Identity, after: str | None, limit: int) -> Page:
        """Readings of a person's bills by others, a proxy's among them. `after` is the `next` of the page before."""
        numbers: list[int] = []
        for place, (_issuer, bill, _body) in enumerate(self._holders.bills_of(person, None)):
            numbers += self._accesses.numbers_of(bill)
            if place % BILLS_AT_ONCE == BILLS_AT_ONCE - 1:
                await asyncio.sleep(0)
        rows: list[dict[str, Any]] = []
        before = int(after) if after is not None else None
        last = 0
        for number in sorted(numbers, reverse=True):
            if before is not None and number >= before:
                continue
            access = self._accesses.entry(number)
            if access is None or not self._is_told(access):
                continue
            if len(rows) == limit:
                return Page(rows, str(last))
            rows.append(self._row(access))
            last = number
        return Page(rows)

    def _is_told(self, access: Access) -> bool:
        """Not the person's own readings, and none for a case before its time."""
        return access.role != "patient" and access.shown_ms <= self._now_ms()

    def _row(self, access: Access) -> dict[str, Any]:
        row = {
            "number": access.number,
            "bill_id": access.bill,
            "issuer": access.issuer,
            "at": utc_text(access.time_ms),
            "height": access.height,
            "role": access.role,
            "organisation": access.organisation or None,
            "person": access.subject or None,
            "purpose": access.purpose,
            "case_number": access.case_number or None,
            "fields": access.fields,
        }
        relation = self._proxies.get(access.proxy) if access.role == PROXY else None
        if relation is not None:
            row |= {"person": relation.agent.name, "relationship": relation.relationship, "proxy": access.proxy.hex()}
        return row
