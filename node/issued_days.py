"""What a hospital compares at the end of a day: the certified day books, and its own bills by business date.

A day book is asked of validators and comes with its path to a state that a quorum signed. Bills are found in the parts of blocks that
were followed: by the rules a business date lies within bounds around its block's time, so only the blocks of some days are looked at, and
issuing writes no index for it. That a day book does not exist nobody can prove: bills without one show as a difference.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import msgspec

from chain import keyspace
from chain.bill import KIND_NAMES
from chain.block import RECORDED
from chain.codec import plain
from chain.operation import IssueBill, ReverseBill
from chain.records import DayBookBody, KindTotals, ParametersBody
from chain.rules.context import DAY_MS
from node.foresight import Foresight
from node.gateway_store import GatewayStore
from node.service import IssuedBill, ServiceRefused
from node.verification import iso_date

BOOK_DAYS_MAX = 31
BILL_DAYS_MAX = 7
PARTS_AT_ONCE = 20  # then others have their turn
WINDOWS_MAX = 4  # lists that are kept to go on from
_EPOCH = date(1970, 1, 1).toordinal()


class _Window(msgspec.Struct):
    """A list as far as it was made."""

    upto: int  # height that was looked at last
    bills: dict[str, IssuedBill]  # bill -> itself, in the order in which they were recorded; some days of one hospital


class IssuedDays:
    def __init__(
        self,
        organisation: str,
        places: Sequence[str],
        parameters: ParametersBody,
        store: GatewayStore,
        foresight: Foresight,
        height: Callable[[], int],
    ) -> None:
        """`places` are all issuing points of the organisation; `height`: up to which blocks were followed."""
        self._organisation, self._places, self._parameters = organisation, places, parameters
        self._store, self._foresight, self._height = store, foresight, height
        self._windows: dict[tuple[date, date], _Window] = {}  # at most WINDOWS_MAX
        self._turn = 0  # how often lists were forgotten

    def forget(self) -> None:
        """A block turned out to hold more than was known: lists begin anew."""
        self._windows.clear()
        self._turn += 1

    def _verify(self, first: date, last: date, days_max: int, place: str | None) -> None:
        if not 0 <= (last - first).days < days_max or first.year < 2000:
            raise ServiceRefused("parameter_invalid", f"1 to {days_max} days")
        if place is not None and place not in self._places:
            raise ServiceRefused("place_unknown", "not an issuing point of this hospital")

    # ── day books ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def books(self, first: date, last: date, place: str | None) -> list[dict[str, Any]]:
        """Rows by date, place and kind: {issuer, place, date, kind, count, sum_fen, red_count, red_sum_fen, void_count, void_sum_fen,
        payments}. Raises ServiceRefused."""
        self._verify(first, last, BOOK_DAYS_MAX, place)
        places = self._places if place is None else [place]
        rows: list[dict[str, Any]] = []
        for ordinal in range(first.toordinal(), last.toordinal() + 1):
            day = _number(date.fromordinal(ordinal))
            for point in places:
                book = await self._book(point, day)
                rows += [self._row(point, day, totals) for totals in (book.kinds if book is not None else [])]
        return rows

    async def _book(self, place: str, day: int) -> DayBookBody | None:
        key, found = keyspace.day_book(self._organisation, place, day), list[DayBookBody | None]()
        if not await self._foresight.look(lambda view: found.append(view.get(key, DayBookBody))):
            raise ServiceRefused("unavailable", "no validator shows the day books")
        return found[-1]

    def _row(self, place: str, day: int, totals: KindTotals) -> dict[str, Any]:
        kind = KIND_NAMES.get(totals.kind, str(totals.kind))
        where = {"issuer": self._organisation, "place": place, "date": iso_date(day)}
        return {**where, **plain(totals), "kind": kind}

    # ── bills ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def bills(self, first: date, last: date, place: str | None) -> list[IssuedBill]:
        """Raises ServiceRefused."""
        self._verify(first, last, BILL_DAYS_MAX, place)
        turn = self._turn
        window = self._windows.pop((first, last), None) or _Window(self._first_height(first) - 1, {})
        await self._look_on(window, first, last)
        while len(self._windows) >= WINDOWS_MAX:
            self._windows.pop(next(iter(self._windows)))
        if turn == self._turn:
            self._windows[first, last] = window
        return [bill for bill in window.bills.values() if place in (None, bill.place)]

    async def _look_on(self, window: _Window, first: date, last: date) -> None:
        days, height = range(_number(first), _number(last) + 1), self._height()
        until_ms = self._begin_ms(last) + (2 + self._parameters.business_days_behind_max) * DAY_MS
        while window.upto < height:
            parts = self._store.parts_from(window.upto + 1, PARTS_AT_ONCE)
            for part in parts:
                if part.header.height > height:
                    break
                if part.header.time_ms >= until_ms:
                    return  # this one and those behind it hold none of these days
                operations = [entry.operation for own in part.transactions for entry in own.transaction.entries]
                for operation in operations:
                    if isinstance(operation, IssueBill | ReverseBill) and operation.business_date in days:
                        self._add(window, operation, part.header.height)
                window.upto = part.header.height
            if len(parts) < PARTS_AT_ONCE or parts[-1].header.height > height:
                window.upto = height
            await asyncio.sleep(0)

    def _add(self, window: _Window, operation: IssueBill | ReverseBill, height: int) -> None:
        row = self._store.bill(operation.bill)
        if row is not None and row.code == RECORDED and row.height == height:
            is_red = isinstance(row.operation, ReverseBill)
            window.bills[operation.bill] = IssuedBill(operation.bill, row.operation.place, is_red)

    def _first_height(self, first: date) -> int:
        """The first block whose time allows for a business date; one above the head if there is none yet."""
        from_ms = self._begin_ms(first) - self._parameters.business_ahead_max_ms
        low, high = 1, self._height() + 1
        while low < high:
            middle = (low + high) // 2
            kept = self._store.header(middle)
            if kept is not None and kept.header.time_ms < from_ms:
                low = middle + 1
            else:
                high = middle
        return low

    def _begin_ms(self, day: date) -> int:
        """When a day begins in the ledger's zone."""
        return (day.toordinal() - _EPOCH) * DAY_MS - self._parameters.utc_offset_minutes * 60_000


def _number(day: date) -> int:
    """yyyymmdd."""
    return day.year * 10_000 + day.month * 100 + day.day
