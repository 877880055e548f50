"""Appointments at a hospital: the next free number of a channel, confirmed, given back, used or missed.

Which number it is the gateway picks; two that pick the same at a moment are told apart by the ledger, and who lost it tries the
next one. What a patient asks for has numbers of its own, so that nobody's number is in another one's way.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec

from chain import keyspace
from chain.bill import Payer
from chain.codec import Wire
from chain.number_pool import free_numbers, is_open_to
from chain.operation import CancelAppointment, CheckIn, ConfirmAppointment, HoldNumber, MissAppointment, Operation
from chain.records import (
    CANCELLED,
    CHECKED_IN,
    CONFIRMED,
    LAPSED,
    MISSED,
    NUMBER_HELD,
    AppointmentBody,
    NoticeBody,
    ScheduleBody,
)
from node.money.filing import Filing, asked_number, own_number, parse_name
from node.money.moments import utc_moment
from node.money.schedules import Schedules, day_text
from node.money.visit_requests import (
    AppointmentWish,
    CancellationWish,
    CheckInWish,
    ConfirmationWish,
    MissWish,
)
from node.service import Page, Reader, ServiceRefused, Standing

STATES = {
    NUMBER_HELD: "held",
    CONFIRMED: "confirmed",
    CANCELLED: "cancelled",
    CHECKED_IN: "checked_in",
    MISSED: "missed",
    LAPSED: "lapsed",
}
WINDOW = "window"  # gives out its numbers to whom stands before it, not to whom asks from afar
TRIES_MAX = 8  # of numbers that others were given meanwhile
WAIT_S = 10.0  # for the ledger's word on one of them
AMONG = 8  # of the next free ones a second try is one by chance: who lost a number together does not meet again
BLOCK_BEHIND_MS = (
    30_000  # that block time may be behind the gateway's: so much less than the schedule allows a number waits
)


class AppointmentPrivate(Wire, frozen=True):
    payer: list[str]  # name, type, kind of document, number


class _Asked(msgspec.Struct, frozen=True):
    """What makes two appointments the same."""

    holder: str
    wish: AppointmentWish


class Appointments:
    def __init__(self, filing: Filing, schedules: Schedules) -> None:
        self._filing, self._schedules = filing, schedules
        self._organisation = filing.steps.organisation

    async def book(self, wish: AppointmentWish, reader: Reader, target: str) -> Standing:
        """Raises ServiceRefused `slot_taken` once no number is left, or what else the ledger says."""
        filing = self._filing
        payer = _payer(wish, reader)
        holder = filing.names.holder(payer.id_type, payer.id_number)
        number = own_number(wish.appointment_no, holder) if reader.role == "patient" else wish.appointment_no
        asked = _Asked(holder.hex(), wish)
        if (known := filing.known("appointment", number, asked)) is not None:
            return known
        private = AppointmentPrivate([payer.name, payer.type, payer.id_type, payer.id_number])
        schedule = bytes.fromhex(wish.schedule)
        tried: set[int] = set()
        while True:
            body, now_ms = await self._schedules.body(schedule), filing.steps.now_ms()
            chosen, is_free = _next(body, wish.channel, now_ms, tried)
            until_ms = now_ms + body.pay_within_ms - min(body.pay_within_ms // 4, BLOCK_BEHIND_MS)

            def make(name: bytes, chosen: int = chosen, until_ms: int = until_ms) -> list[Operation]:
                return [HoldNumber(name, schedule, wish.channel, chosen, holder, until_ms)]

            try:
                standing = await filing.file("appointment", number, asked, make, holder=holder, private=private)
                await filing.rows.flushed()
                standing = await filing.steps.settled(standing, WAIT_S)
            except ServiceRefused as refused:
                if refused.code != "slot_taken" or not is_free or len(tried) == TRIES_MAX:
                    raise
            else:
                if standing.status != "refused" or standing.code != "slot_taken":
                    return standing
                if len(tried) == TRIES_MAX:
                    raise ServiceRefused("slot_taken", "many ask at this moment: ask again")
            tried.add(chosen)

    async def confirm(self, wish: ConfirmationWish, reader: Reader, target: str) -> Standing:
        """By an order that a patient names only where it pays this very fee. Raises ServiceRefused `fee_differs`, or the ledger's code."""
        name, _ = await self.of_reader(target, reader)
        order = [bytes.fromhex(wish.order)] if wish.order is not None else []
        if order and reader.role == "patient":
            own = keyspace.notice(self._organisation, self._schedules.fee_notice(name))
            fee = await self._filing.steps.body(own, NoticeBody)
            if fee is None or fee.order != order or fee.refunded_fen:
                raise ServiceRefused("fee_differs", "it has paid something else", "/order")
        return await self._step(name, ConfirmAppointment(name, order))

    async def cancel(self, wish: CancellationWish, reader: Reader, target: str) -> Standing:
        name, _ = await self.of_reader(target, reader)
        return await self._step(name, CancelAppointment(name, wish.reason))

    async def check_in(self, wish: CheckInWish, reader: Reader, target: str) -> Standing:
        name, _ = await self.of_reader(target, reader)
        return await self._step(name, CheckIn(name))

    async def miss(self, wish: MissWish, reader: Reader, target: str) -> Standing:
        name, _ = await self.of_reader(target, reader)
        return await self._step(name, MissAppointment(name))

    async def of_reader(self, target: str, reader: Reader) -> tuple[bytes, AppointmentBody]:
        """As the ledger has it; also one that another gateway of the hospital made. Raises ServiceRefused `appointment_unknown`,
        also for another patient's."""
        name = parse_name(target, "appointment_unknown")
        body = await self.body(name)
        if body is None or not self._filing.may_see(reader, body.holder):
            raise ServiceRefused("appointment_unknown")
        return name, body

    async def body(self, name: bytes) -> AppointmentBody | None:
        return await self._filing.steps.body(keyspace.appointment(self._organisation, name), AppointmentBody)

    def payer(self, name: bytes) -> list[str]:
        """Raises ServiceRefused `appointment_unknown` for one that another gateway of the hospital made."""
        row = self._filing.rows.get("appointment", name)
        if row is None:
            raise ServiceRefused("appointment_unknown", "another gateway of the hospital keeps it")
        return self._filing.rows.private("appointment", name, row, AppointmentPrivate).payer

    async def page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        return await self._page(parse_name(target, "appointment_unknown"), reader)

    async def of_patient(self, reader: Reader, after: str | None, limit: int) -> Page:
        """The asking patient's, as far as they were made here."""
        holder = self._filing.holder_of(reader)
        found = self._filing.rows.of_holder(holder, "appointment", int(after) if after else None, limit + 1)
        pages = [await self._page(name, reader) for _sequence, name in found[:limit]]
        more = str(found[limit - 1][0]) if len(found) > limit else None
        return Page([page for page in pages if page is not None], more)

    async def _step(self, name: bytes, operation: Operation) -> Standing:
        standing = await self._filing.steps.carry_out([operation])
        return msgspec.structs.replace(standing, resource=self._filing.path("appointment", name))

    async def _page(self, name: bytes, reader: Reader) -> dict[str, Any] | None:
        steps, row = self._filing.steps, self._filing.rows.get("appointment", name)
        found = await steps.body_at(keyspace.appointment(self._organisation, name), AppointmentBody)
        holder = found[0].holder if found is not None else row.holder if row is not None else b""
        if not holder or not self._filing.may_see(reader, holder):
            return None
        page: dict[str, Any] = {"appointment": name.hex()}
        if row is not None:
            page["appointment_no"] = asked_number(row)
        if found is None:
            standing = steps.standing(row.operations) if row is not None else None
            return page | {"state": standing.status, "code": standing.code} if standing is not None else None
        body, height = found
        schedule = await self._schedules.body(body.schedule)
        is_over = body.state == NUMBER_HELD and body.until_ms <= steps.now_ms()
        return page | {
            "schedule": body.schedule.hex(),
            "department": schedule.department,
            "date": day_text(schedule.date),
            "session": schedule.session,
            "starts": utc_moment(schedule.starts_ms),
            "channel": body.channel,
            "number": body.number,
            "fee_fen": schedule.fee_fen,
            "state": "expired" if is_over else STATES[body.state],
            "pay_until": utc_moment(body.until_ms) if body.state == NUMBER_HELD else None,
            "order": body.order[0].hex() if body.order else None,
            "visit": body.visit[0].hex() if body.visit else None,
            "reason": body.reason or None,
            "height": height,
        }


def _payer(wish: AppointmentWish, reader: Reader) -> Payer:
    """Who comes: whom the cashier names, or the patient who asks. Raises ServiceRefused."""
    if reader.role != "patient":
        if wish.payer is None or not wish.payer.id_number.strip():
            raise ServiceRefused("invalid_value", "who comes has a document", "/payer")
        return wish.payer
    if reader.identity is None:
        raise ServiceRefused("identity_missing")
    if wish.payer is not None:
        raise ServiceRefused("invalid_value", "it is for whoever asks", "/payer")
    if wish.channel == WINDOW:
        raise ServiceRefused("pool_closed", "the window gives out its own numbers", "/channel")
    identity = reader.identity
    return Payer(identity.name, "person", identity.id_type, identity.id_number)


def _next(schedule: ScheduleBody, channel: str, now_ms: int, tried: set[int]) -> tuple[int, bool]:
    """The number to ask for, and whether it is free. Where none is, the ledger says why not of the first that could be."""
    free = [number for number in free_numbers(schedule, channel, now_ms) if number not in tried]
    if free:
        return (random.choice(free[:AMONG]) if tried else free[0]), True
    reachable = [pool.first for pool in schedule.pools if is_open_to(pool, channel, now_ms)]
    return (reachable[0] if reachable else 1), False
