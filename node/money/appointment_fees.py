"""An appointment's fee: a notice and an order over it, as a patient pays anything else; once paid, the appointment is confirmed.

What is due lies in the store, so a gateway that was killed in between goes on where it was.
"""

from __future__ import annotations

import asyncio
import os

import msgspec
import structlog

from chain import keyspace
from chain.details import SEED_BYTES
from chain.operation import ConfirmAppointment, IssueNotice, LineSum, Operation, OrderPart, PlaceOrder
from chain.records import CANCELLED, LAPSED, NUMBER_HELD, ORDER_CLOSED, ORDER_OPEN, ORDER_PAID, OrderBody
from node.money.appointments import Appointments
from node.money.filing import Filing
from node.money.notices import DUE_MS, NoticePrivate
from node.money.schedules import FEE, Schedules
from node.money.visit_requests import FeeWish
from node.service import Reader, ServiceRefused, Standing

LOOK_S = 2.0  # for what a block of another gateway's settled
AT_ONCE = 500
KIND = "medical"
ENDED = {CANCELLED: "appointment_cancelled", LAPSED: "hold_expired"}

log = structlog.get_logger("gateway")


class _Asked(msgspec.Struct, frozen=True):
    """What makes two of them the same."""

    appointment: str
    wish: FeeWish


class AppointmentFees:
    def __init__(self, filing: Filing, schedules: Schedules, appointments: Appointments) -> None:
        self._filing, self._schedules, self._appointments = filing, schedules, appointments
        self._organisation = filing.steps.organisation
        self._wake = asyncio.Event()
        self.failed: dict[bytes, str] = {}  # appointment -> why its paid order does not confirm it; at most AT_ONCE

    async def ask(self, wish: FeeWish, reader: Reader, target: str) -> Standing:
        """The order, whose parts are paid as those of any other; it ends with the number's time.

        Raises ServiceRefused: `fee_differs` where there is none, `schedule_unknown` where another gateway keeps the schedule and so
        the fee's bill, or what the ledger says.
        """
        filing = self._filing
        name, body = await self._appointments.of_reader(target, reader)
        number, asked = f"fee-{name.hex()[:40]}", _Asked(name.hex(), wish)
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
                await self._confirm(name)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _confirm(self, name: bytes) -> None:
        """What an order has paid is confirmed; what came to nothing, or was confirmed otherwise, is due no longer."""
        rows, steps, order = self._filing.rows, self._filing.steps, self._order(name)
        body = await self._appointments.body(name)
        paid = await steps.body(keyspace.order(self._organisation, order), OrderBody)
        if body is None or paid is None:
            return
        is_vain = paid.state == ORDER_CLOSED or (paid.state == ORDER_OPEN and paid.until_ms <= steps.now_ms())
        if is_vain or body.state not in (NUMBER_HELD, LAPSED):
            rows.done("confirm", name)
        elif paid.state == ORDER_PAID:
            await self._carry_out(name, order)

    async def _carry_out(self, name: bytes, order: bytes) -> None:
        try:
            await self._filing.steps.carry_out([ConfirmAppointment(name, [order])])
        except ServiceRefused as refused:  # a person looks, and gives the money back; it is tried again
            if self.failed.get(name) != refused.code:
                log.error("appointment_not_confirmed", code=refused.code)
                if len(self.failed) < AT_ONCE:
                    self.failed[name] = refused.code

    def _order(self, name: bytes) -> bytes:
        return self._filing.names.of("order", "fee", name)
