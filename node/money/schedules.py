"""Schedules of a hospital: published, stopped, given to somebody else; which numbers are free, as the ledger has them now."""

from __future__ import annotations

from typing import Any

import msgspec

from chain import keyspace
from chain.codec import Wire
from chain.number_pool import free_numbers
from chain.operation import Pool, PublishSchedule, StopSchedule, SubstituteStaff
from chain.records import STOPPED, ScheduleBody
from node.money.filing import Filing, parse_name
from node.money.moments import parse_moment, utc_moment
from node.money.rows import MoneyRow
from node.money.visit_requests import ScheduleWish, StopWish, SubstitutionWish
from node.money.wanted_bills import WantedBills
from node.service import Page, Reader, ServiceRefused, Standing

MINUTE_MS = 60_000
FEE = "registration"  # the kind of line that an appointment's fee is
SOMEBODY = ("-", "person", "", "")  # who will book it


class SchedulePrivate(Wire, frozen=True):
    """What the ledger has under a MAC, or not at all."""

    staff: list[str]  # who sees or saw the patients
    bill: bytes  # NoticeBill of the fee as JSON; empty where none follows


class Schedules:
    def __init__(self, filing: Filing, bills: WantedBills) -> None:
        self._filing, self._bills = filing, bills
        self._organisation = filing.steps.organisation

    async def publish(self, wish: ScheduleWish, reader: Reader, target: str) -> Standing:
        filing, names = self._filing, self._filing.names
        if (known := filing.known("schedule", wish.schedule_no, wish)) is not None:
            return known
        if wish.bill is not None and wish.bill.business_no:
            raise ServiceRefused("invalid_value", "each fee's bill has a number of its own", "/bill/business_no")
        await self._bills.verify(wish.bill, fee_number(bytes(32)), "/bill", SOMEBODY, wish.fee_fen, bytes(32))
        starts_ms, ends_ms = parse_moment(wish.starts, "/starts"), parse_moment(wish.ends, "/ends")
        book_until_ms = parse_moment(wish.book_until, "/book_until") if wish.book_until else starts_ms
        cancel_until_ms = parse_moment(wish.cancel_until, "/cancel_until") if wish.cancel_until else starts_ms
        pools: list[Pool] = []
        first = 1
        for place, pool in enumerate(wish.pools):
            opens = parse_moment(pool.opens_to_all, f"/pools/{place}/opens_to_all") if pool.opens_to_all else ends_ms
            pools.append(Pool(pool.channel, first, pool.count, opens))
            first += pool.count
        day = filing.steps.local_day(starts_ms)
        name = names.of("schedule", wish.schedule_no)
        is_listed = filing.rows.get("schedule", name) is not None

        def beside() -> None:
            if not is_listed:
                filing.rows.put_day(_shelf(""), day, name)
                filing.rows.put_day(_shelf(wish.department), day, name)

        return await filing.file(
            "schedule",
            wish.schedule_no,
            wish,
            lambda own: [
                PublishSchedule(
                    own,
                    wish.department,
                    names.of("staff", wish.staff),
                    day,
                    wish.session,
                    starts_ms,
                    ends_ms,
                    pools,
                    wish.fee_fen,
                    wish.pay_within_minutes * MINUTE_MS,
                    book_until_ms,
                    cancel_until_ms,
                )
            ],
            private=SchedulePrivate([wish.staff], msgspec.json.encode(wish.bill) if wish.bill is not None else b""),
            beside=beside,
        )

    async def stop(self, wish: StopWish, reader: Reader, target: str) -> Standing:
        name = parse_name(target, "schedule_unknown")
        return await self._filing.steps.carry_out([StopSchedule(name, wish.reason)])

    async def substitute(self, wish: SubstitutionWish, reader: Reader, target: str) -> Standing:
        filing, name = self._filing, parse_name(target, "schedule_unknown")
        body = await self.body(name)

        def keep() -> None:
            row = filing.rows.get("schedule", name)
            if row is None:
                return  # another gateway of the hospital knows their names
            private = filing.rows.private("schedule", name, row, SchedulePrivate)
            private = SchedulePrivate([*private.staff, wish.staff], private.bill)
            sealed = filing.rows.sealed("schedule", name, private)
            filing.rows.put("schedule", name, msgspec.structs.replace(row, private=sealed))

        operation = SubstituteStaff(name, filing.names.of("staff", wish.staff), body.changes)
        return await filing.steps.carry_out([operation], keep)

    async def body(self, name: bytes) -> ScheduleBody:
        """Raises ServiceRefused `schedule_unknown`."""
        body = await self._filing.steps.body(keyspace.schedule(self._organisation, name), ScheduleBody)
        if body is None:
            raise ServiceRefused("schedule_unknown")
        return body

    def fee_notice(self, appointment: bytes) -> bytes:
        """The name of the notice of an appointment's fee."""
        return self._filing.names.of("notice", fee_number(appointment))

    def private(self, name: bytes) -> SchedulePrivate | None:
        """None for one that another gateway of the hospital keeps."""
        row = self._filing.rows.get("schedule", name)
        return self._filing.rows.private("schedule", name, row, SchedulePrivate) if row is not None else None

    async def page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        """Everybody of the hospital's and every patient sees it; nothing tells who has a number."""
        return await self._page(parse_name(target, "schedule_unknown"))

    async def of_day(self, department: str, day: int, after: str | None, limit: int) -> Page:
        """Of a day, yyyymmdd, in the order of their making; `department` may be empty."""
        start = bytes.fromhex(after) if after else b""
        found = self._filing.rows.of_day(_shelf(department), day, start, limit + 1)
        pages = [await self._page(name) for _key, name in found[:limit]]
        more = found[limit - 1][0].hex() if len(found) > limit else None
        return Page([page for page in pages if page is not None], more)

    async def _page(self, name: bytes) -> dict[str, Any] | None:
        steps = self._filing.steps
        found = await steps.body_at(keyspace.schedule(self._organisation, name), ScheduleBody)
        row = self._filing.rows.get("schedule", name)
        if found is None:
            if row is None:
                return None
            standing = steps.standing(row.operations)
            return {"schedule": name.hex(), "schedule_no": row.number, "state": standing.status, "code": standing.code}
        body, height = found
        channels = sorted({pool.channel for pool in body.pools})
        page: dict[str, Any] = {
            "schedule": name.hex(),
            "department": body.department,
            "date": day_text(body.date),
            "session": body.session,
            "starts": utc_moment(body.starts_ms),
            "ends": utc_moment(body.ends_ms),
            "book_until": utc_moment(body.book_until_ms),
            "cancel_until": utc_moment(body.cancel_until_ms),
            "fee_fen": body.fee_fen,
            "pay_within_minutes": body.pay_within_ms // MINUTE_MS,
            "state": "stopped" if body.state == STOPPED else "takes_place",
            "reason": body.reason or None,
            "pools": [
                {
                    "channel": pool.channel,
                    "first": pool.first,
                    "count": pool.count,
                    "opens_to_all": utc_moment(pool.opens_to_all_ms) if pool.opens_to_all_ms < body.ends_ms else None,
                }
                for pool in body.pools
            ],
            "free": {channel: free_numbers(body, channel, steps.now_ms()) for channel in channels},
            "returned": body.returned,
            "substitutions": body.changes,
            "height": height,
        }
        return page | self._own(name, row, body) if row is not None else page

    def _own(self, name: bytes, row: MoneyRow, body: ScheduleBody) -> dict[str, Any]:
        private = self._filing.rows.private("schedule", name, row, SchedulePrivate)
        named = (staff for staff in private.staff if self._filing.names.of("staff", staff) == body.staff)
        return {"schedule_no": row.number, "staff": next(named, None)}


def _shelf(department: str) -> str:
    """Schedules lie by day as a channel's lines do, under a name that no channel has."""
    return f"schedule:{department}"


def day_text(day: int) -> str:
    return f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"


def fee_number(appointment: bytes) -> str:
    """Of the notice of an appointment's fee."""
    return f"fee-{appointment.hex()[:40]}"
