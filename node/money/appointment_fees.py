"""An appointment's fee: a notice and an order over it, as a patient pays anything else; once paid, the appointment is confirmed.

Of an appointment that came to nothing nobody owes the fee: its order is closed, its notice withdrawn. What a counter took of the order
waits for people. What is due lies in the store, so a gateway that was killed in between goes on where it was.
"""

from __future__ import annotations

import asyncio
import os

import msgspec

from chain import keyspace
from chain.details import SEED_BYTES
from chain.operation import (
    CloseOrder,
    ConfirmAppointment,
    IssueNotice,
    LineSum,
    Operation,
    OrderPart,
    PlaceOrder,
    WithdrawNotice,
)
from chain.records import (
    CANCELLED,
    LAPSED,
    NOT_OWED,
    NUMBER_HELD,
    ORDER_OPEN,
    ORDER_PAID,
    SETTLED,
    NoticeBody,
    OrderBody,
)
from node.money.appointments import Appointments
from node.money.filing import Filing
from node.money.notices import DUE_MS, NoticePrivate
from node.money.schedules import FEE, Schedules, fee_number
from node.money.visit_requests import FeeWish
from node.money.waiting import Waiting
from node.service import Reader, ServiceRefused, Standing

LOOK_S = 2.0  # for what a block of another gateway's settled
AT_ONCE = 500
KIND = "medical"
ENDED = {CANCELLED: "appointment_cancelled", LAPSED: "hold_expired"}


class _Asked(msgspec.Struct, frozen=True):
    """What makes two of them the same."""

    appointment: str
    wish: FeeWish


class AppointmentFees:
    def __init__(self, filing: Filing, schedules: Schedules, appointments: Appointments) -> None:
        self._filing, self._schedules, self._appointments = filing, schedules, appointments
        self._organisation = filing.steps.organisation
        self._wake = asyncio.Event()
        self.waiting = Waiting("appointment_fee_waits")  # by appointment

    async def ask(self, wish: FeeWish, reader: Reader, target: str) -> Standing:
        """The order, whose parts are paid as those of any other; it ends with the number's time.

        Raises ServiceRefused: `fee_differs` where there is none, `schedule_unknown` where another gateway keeps the schedule and so
        the fee's bill, or what the ledger says.
        """
        filing = self._filing
        name, body = await self._appointments.of_reader(target, reader)
        number, asked = fee_number(name), _Asked(name.hex(), wish)
        order = self._order(name)
        if (known := filing.known("notice", number, asked)) is not None:
            return msgspec.structs.replace(known, resource=filing.path("order", order))
        if body.state != NUMBER_HELD:
            raise ServiceRefused(ENDED.get(body.state, "already_confirmed"))
        if body.until_ms <= filing.steps.now_ms():
            raise ServiceRefused("hold_expired")
        schedule = await self._schedules.body(body.schedule)
        if schedule.fee_fen == 0:
            raise ServiceRefused("fee_differs", "it costs nothing: confirm it")
        kept = self._schedules.private(body.schedule)
        if kept is None:
            raise ServiceRefused("schedule_unknown", "another gateway of the hospital keeps it and its fee's bill")
        payer = self._appointments.payer(name)
        private = NoticePrivate(os.urandom(SEED_BYTES), payer, [FEE], kept.bill)
        parts = [OrderPart(part.channel, part.amount_fen) for part in wish.parts]
        due_ms = filing.steps.now_ms() + DUE_MS

        def make(notice: bytes) -> list[Operation]:
            lines = [LineSum(FEE, schedule.fee_fen)]
            return [
                IssueNotice(notice, KIND, body.holder, lines, due_ms, private.root()),
                PlaceOrder(order, [notice], parts, body.until_ms),
            ]

        standing = await filing.file(
            "notice",
            number,
            asked,
            make,
            holder=body.holder,
            private=private,
            due=["bill"] if kept.bill else [],
            beside=lambda: filing.rows.put_due("confirm", name),
        )
        return msgspec.structs.replace(standing, resource=filing.path("order", order))

    def look_now(self) -> None:
        """Something was paid."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for name in self._filing.rows.due_in_turn("confirm", AT_ONCE):
                await self.waiting.attempt(name, self._go_on(name))
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _go_on(self, name: bytes) -> None:
        """What an order has paid is confirmed, and a person looks where it cannot be; what nobody needs any more is not owed."""
        steps, order = self._filing.steps, self._order(name)
        appointment = await self._appointments.body(name)
        body = await steps.body(keyspace.order(self._organisation, order), OrderBody)
        if appointment is None or body is None:
            return
        if body.state == ORDER_PAID:
            notice = await self._notice(name)
            if order in appointment.order or (notice and notice.refunded_fen == notice.total_fen):
                self._done(name)
            else:
                await steps.carry_out([ConfirmAppointment(name, [order])])
        elif appointment.state != NUMBER_HELD or appointment.until_ms <= steps.now_ms():
            await self._withdraw(name, order, body)

    async def _withdraw(self, name: bytes, order: bytes, body: OrderBody) -> None:
        """Close the order, and its notice with it."""
        rows, notice = self._filing.rows, await self._notice(name)
        if notice is None:
            return
        if notice.state in (NOT_OWED, SETTLED):
            self._done(name)
            return
        own = self._schedules.fee_notice(name)
        chain: list[Operation] = [WithdrawNotice(own, "appointment_over")]
        if body.state == ORDER_OPEN:
            if any(rows.get("payment", payment) is None for part in body.parts for payment in part.payment):
                return  # a counter's
            chain.insert(0, CloseOrder(order, "unpaid"))
        elif notice.order:
            return  # people have put it into another one
        await self._filing.steps.carry_out(chain)

    async def _notice(self, name: bytes) -> NoticeBody | None:
        own = self._schedules.fee_notice(name)
        return await self._filing.steps.body(keyspace.notice(self._organisation, own), NoticeBody)

    def _done(self, name: bytes) -> None:
        self._filing.rows.done("confirm", name)
        self.waiting.forget(name)

    def _order(self, name: bytes) -> bytes:
        return self._filing.names.of("order", "fee", name)
