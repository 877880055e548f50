"""Clearance of leases: what became of each number, derived from the ledger, so that nobody has to declare it.

The counts are of the moment before the clearance is sent: what is reversed or withdrawn afterwards is told by the bills, as ever.

A lease can be cleared once all its numbers are explained, and none can be used any more: all were given, or its year is over
and so are the days that bills may come late. Source: FEATURES 44, `chain/rules/clearance.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from chain import keyspace
from chain.ledger import Ledger
from chain.operation import ClearLease
from chain.records import NORMAL, RED, REVERSED, VOID, BillBody, ClearanceBody, LeaseBody
from chain.rules.context import days_between, local_date
from chain.state import body_of, record_of
from chain.stored_record import entry_of
from node.lease_numbers import SCANNED_AT_ONCE, numbers_under, spent_of
from node.service import ServiceRefused

ROWS_MAX = 100_000


class ClearanceDesk:
    """Over a mirror's whole ledger, on its loop; long looks go slice by slice."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def clearance_of(self, issuer: str, code: str, first: int) -> ClearLease:
        """What is to be recorded. Raises ServiceRefused lease_unknown, lease_in_use, numbers_unexplained."""
        state = self._ledger.state
        lease = state.get(keyspace.lease(issuer, code, first), LeaseBody)
        if lease is None:
            raise ServiceRefused("lease_unknown", "issuer, code, and first number of the lease", "/first")
        spent = await spent_of(state, code, lease)
        if spent.missing:
            some = ", ".join(f"{low:010d} to {high:010d}" for low, high in spent.gaps[:3])
            raise ServiceRefused("numbers_unexplained", f"{spent.missing} numbers: {some}")
        left = lease.first + lease.count - spent.next
        if left and not lease.cleared and not self._is_over(code):
            raise ServiceRefused("lease_in_use", f"{left} of its numbers may still be given")
        found: Counter[int] = Counter()
        for looked_at, number in enumerate(numbers_under(state, code, lease, keyspace.bill)):
            body = state.get(keyspace.bill(f"{code}{number:010d}"), BillBody)
            assert body is not None  # it was listed just now, and bills are never deleted
            found[body.validity] += 1
            if looked_at % SCANNED_AT_ONCE == 0:
                await asyncio.sleep(0)
        counts = (found[NORMAL], found[REVERSED], found[RED], found[VOID], spent.unused + left)
        return ClearLease(issuer, code, first, *counts)

    def _is_over(self, code: str) -> bool:
        """Whether no bill of the code's year can come any more."""
        parameters, head = self._ledger.genesis.parameters, self._ledger.head
        today = local_date(head.time_ms, parameters.utc_offset_minutes)
        last = (2000 + int(code[6:8])) * 10_000 + 1231
        return today > last and days_between(last, today) > parameters.business_days_behind_max

    def clearances(self, issuer: str | None) -> list[dict[str, Any]]:
        """{issuer, code, first, count, place, gateway, normal, reversed, red, void, unused, office, height}, by issuer."""
        prefix = keyspace.stored_record(b"clearance/" if issuer is None else f"clearance/{issuer}/".encode())
        rows = []
        for key, value in self._ledger.state.scan(prefix, limit=ROWS_MAX):
            _, name, code, first = key[1:].decode().split("/")
            record = record_of(entry_of(value)[1])
            body = body_of(record, ClearanceBody)
            lease = self._ledger.state.get(keyspace.lease(name, code, int(first)), LeaseBody)
            assert lease is not None  # a clearance names one
            rows.append(
                {
                    "issuer": name,
                    "code": code,
                    "first": int(first),
                    "count": lease.count,
                    "place": lease.place,
                    "gateway": lease.gateway,
                    "normal": body.normal,
                    "reversed": body.reversed,
                    "red": body.red,
                    "void": body.void,
                    "unused": body.unused,
                    "office": body.office,
                    "height": record.height,
                }
            )
        return rows
