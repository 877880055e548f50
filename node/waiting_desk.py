"""How long visits took before a day and since, at each hospital: what auditors read of visits, and what anybody may publish of it.

Figures of fewer than VISITS_SHOWN_MIN visits are left out, also their number. The row of all hospitals is made of those groups alone
that are shown by themselves: else the one that is left out would be what is missing. Source: FEATURES 37.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from chain import keyspace
from chain.ledger import Ledger
from chain.records import VisitBody
from chain.rules.context import HOSPITAL, local_date
from chain.state import body_of, record_of
from chain.stored_record import entry_of
from node.admissions import organisations_of
from node.audit_desk import day_number
from node.service import WaitingQuery
from node.visit_timeline import SpentTimes

SCANNED_AT_ONCE = 200  # then others have their turn
LAST_DAY = 99991231


class WaitingDesk:
    """On the ledger's loop. The work grows with the visits of the hospitals that are asked for."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def rows(self, query: WaitingQuery) -> list[dict[str, Any]]:
        """{hospital, before, since} of each hospital with such visits, by name, then of all together (hospital None) where there are
        several. Each side is {visits, queued, treated, tested, dispensed, total} with medians in minutes, all of them None where
        there are too few. Raises ServiceRefused `parameter_invalid`."""
        first, last = day_number(query.from_date, 0), day_number(query.to_date, LAST_DAY)
        split = day_number(query.split)
        found: list[tuple[str, SpentTimes, SpentTimes]] = []
        for name, body in organisations_of(self._ledger):
            if body.kind != HOSPITAL or query.hospital not in (None, name):
                continue
            before, since = SpentTimes(), SpentTimes()
            async for day, visit in self._closed(name, query.kind):
                if first <= day <= last:
                    (before if day < split else since).add(visit)
            if before.medians().visits or since.medians().visits:
                found.append((name, before, since))
        rows = [_row(*one) for one in sorted(found, key=lambda one: one[0])]
        if len(found) > 1:
            together = SpentTimes(), SpentTimes()
            for _name, *sides in found:
                for whole, side in zip(together, sides, strict=True):
                    if not side.are_few:
                        whole.add_all(side)
            rows.append(_row(None, *together))
        return rows

    async def _closed(self, hospital: str, kind: str) -> AsyncIterator[tuple[int, VisitBody]]:
        """(local day of its opening, visit) of a hospital's closed visits of a kind."""
        offset = self._ledger.genesis.parameters.utc_offset_minutes
        prefix = keyspace.stored_record(f"visit/{hospital}/".encode())
        key = b""
        while found := self._ledger.state.scan(prefix, after=key, limit=SCANNED_AT_ONCE):
            for key, value in found:
                if b"/" in key[len(prefix) :]:
                    continue  # a step of one
                visit = body_of(record_of(entry_of(value)[1]), VisitBody)
                if visit.closed_ms and visit.kind == kind:
                    yield local_date(visit.stamps[0].at_ms, offset), visit
            await asyncio.sleep(0)


def _row(hospital: str | None, before: SpentTimes, since: SpentTimes) -> dict[str, Any]:
    return {"hospital": hospital, "before": _side(before), "since": _side(since)}


def _side(spent: SpentTimes) -> dict[str, int | None]:
    medians = msgspec.structs.asdict(spent.medians())
    return dict.fromkeys(medians) if spent.are_few else medians
