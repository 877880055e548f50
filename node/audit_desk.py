"""What finance and auditors read over all issuers: number ranges, bills by date, day books. Derived from the state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from chain import keyspace
from chain.bill import KIND_NAMES, KINDS
from chain.codec import plain
from chain.ledger import Ledger
from chain.records import BillBody, DayBookBody, LeaseBody, RangeBody
from chain.rules.context import HOSPITAL
from chain.state import body_of, record_of
from chain.stored_record import entry_of
from node.admissions import organisations_of
from node.lease_numbers import spent_of
from node.ledger_pages import VALIDITIES
from node.service import Page, ServiceRefused
from node.verification import iso_date

SCANNED_AT_ONCE = 200  # then others have their turn
SCANNED_MAX = 20_000  # bills looked at for one page; the page may then be short and still have a next one
ROWS_MAX = 100_000  # of a list without pages

BillPage = Callable[[str, BillBody, bytes], dict[str, Any]]  # (bill, body, operation that made it)


class AuditDesk:
    def __init__(self, ledger: Ledger, bill_page: BillPage) -> None:
        self._ledger, self._bill_page = ledger, bill_page

    async def number_ranges(self, holder: str | None) -> list[dict[str, Any]]:
        """Rows of the tree of ranges: {holder, code, kind, year, first, count, next, left, parent}."""
        prefix = keyspace.stored_record(b"range/" if holder is None else f"range/{holder}/".encode())
        rows = []
        for key, value in self._ledger.state.scan(prefix, limit=ROWS_MAX):
            _, name, code, _first = key[1:].decode().split("/")
            body = body_of(record_of(entry_of(value)[1]), RangeBody)
            ref = body.parent[0] if body.parent else None
            rows.append(
                {
                    "holder": name,
                    "code": code,
                    "kind": KIND_NAMES.get(int(code[4:6]), code[4:6]),
                    "year": 2000 + int(code[6:8]),
                    "first": body.first,
                    "count": body.count,
                    "next": body.next,
                    "left": body.first + body.count - body.next,
                    "parent": f"{ref.holder}/{ref.code}/{ref.first}" if ref else None,
                }
            )
        return rows

    async def bills(self, filters: dict[str, str], after: str | None, limit: int) -> Page:
        """Public parts of an issuer's bills by business date and number. `after` is the `next` of the page before.

        Raises ServiceRefused `parameter_invalid`.
        """
        issuer = filters.get("issuer", "")
        first, last = day_number(filters.get("from"), 0), day_number(filters.get("to"), 99991231)
        kind = KINDS.get(filters["kind"], -1) if "kind" in filters else None
        prefix = keyspace.stored_bills_of(issuer)
        key = _key_after(prefix, after) if after is not None else prefix + f"{first:08d}".encode()
        rows: list[dict[str, Any]] = []
        for _ in range(SCANNED_MAX // SCANNED_AT_ONCE):
            found = self._ledger.state.scan(prefix, after=key, limit=SCANNED_AT_ONCE)
            for key, _nothing in found:
                date, bill = key[len(prefix) :].decode().split("/")
                if int(date) > last:
                    return Page(rows)
                row = self._row(bill, kind, filters)
                if row is not None:
                    rows.append(row)
                if len(rows) >= limit:
                    return Page(rows, f"{date}/{bill}")
            if len(found) < SCANNED_AT_ONCE:
                return Page(rows)
            await asyncio.sleep(0)
        return Page(rows, key[len(prefix) :].decode())

    def _row(self, bill: str, kind: int | None, filters: dict[str, str]) -> dict[str, Any] | None:
        record = self._ledger.state.record(keyspace.bill(bill))
        if record is None:
            return None
        body = body_of(record, BillBody)
        if kind is not None and body.kind != kind:
            return None
        if "place" in filters and body.place != filters["place"]:
            return None
        if "validity" in filters and VALIDITIES[body.validity] != filters["validity"]:
            return None
        return self._bill_page(bill, body, record.origin)

    async def number_gaps(self, issuer: str | None, year: int) -> list[dict[str, Any]]:
        """A row for each lease of a year that numbers were used of: how many by bills, how many reported unused, and the
        stretches [first, last] below the highest that nothing explains yet. A number whose bill is on its way is one of these.

        Raises ServiceRefused `parameter_invalid`.
        """
        if not 2000 <= year <= 2099:
            raise ServiceRefused("parameter_invalid", "a year from 2000 to 2099")
        prefix = keyspace.stored_record(b"lease/" if issuer is None else f"lease/{issuer}/".encode())
        rows: list[dict[str, Any]] = []
        for key, value in self._ledger.state.scan(prefix, limit=ROWS_MAX):
            _, name, code, _first = key[1:].decode().split("/")
            if int(code[6:8]) != year % 100:
                continue
            lease = body_of(record_of(entry_of(value)[1]), LeaseBody)
            spent = await spent_of(self._ledger.state, code, lease)
            if spent.bills + spent.unused == 0:
                continue
            rows.append(
                {
                    "issuer": name,
                    "code": code,
                    "kind": KIND_NAMES.get(int(code[4:6]), code[4:6]),
                    "place": lease.place,
                    "gateway": lease.gateway,
                    "first": lease.first,
                    "count": lease.count,
                    "highest": spent.next - 1,
                    "used": spent.bills,
                    "unused": spent.unused,
                    "missing": spent.missing,
                    "gaps": spent.gaps,
                }
            )
        return rows

    async def day_totals(self, issuer: str | None, from_date: str, to_date: str) -> list[dict[str, Any]]:
        """Rows by issuer, place, date and kind: {…, count, sum_fen, red_count, red_sum_fen, void_count, void_sum_fen, payments, version}.

        Raises ServiceRefused `parameter_invalid`.
        """
        first, last = day_number(from_date), day_number(to_date)
        organisations = organisations_of(self._ledger)
        issuers = [name for name, body in organisations if body.kind == HOSPITAL and issuer in (None, name)]
        rows: list[dict[str, Any]] = []
        for name in issuers:
            prefix = keyspace.stored_record(f"daybook/{name}/".encode())
            for key, value in self._ledger.state.scan(prefix, limit=ROWS_MAX):
                place, date = key[len(prefix) :].decode().split("/")
                if not first <= int(date) <= last:
                    continue
                record = record_of(entry_of(value)[1])
                for totals in body_of(record, DayBookBody).kinds:
                    figures = plain(totals)
                    figures["kind"] = KIND_NAMES.get(totals.kind, str(totals.kind))
                    place_and_day = {"issuer": name, "place": place, "date": iso_date(int(date))}
                    rows.append({**place_and_day, **figures, "version": record.version, "height": record.height})
            await asyncio.sleep(0)
        return rows


def day_number(text: str | None, otherwise: int = 0) -> int:
    """yyyy-mm-dd as yyyymmdd. Raises ServiceRefused `parameter_invalid`."""
    if text is None:
        return otherwise
    digits = text.replace("-", "")
    if len(text) != 10 or len(digits) != 8 or not (digits.isascii() and digits.isdigit()):
        raise ServiceRefused("parameter_invalid", "a day as yyyy-mm-dd")
    return int(digits)


def _key_after(prefix: bytes, after: str) -> bytes:
    date, _, bill = after.partition("/")
    if not (after.isascii() and len(date) == 8 and len(bill) == 18 and (date + bill).isdigit()):
        raise ServiceRefused("parameter_invalid", "cursor: not one of this list")
    return prefix + after.encode()
