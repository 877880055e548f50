"""What comes over a channel, parts of orders and payments into deposits: invited, heard of, asked for, closed, given back.

A part is kept before the channel hears of it. A notice, which may come late, twice or never, becomes one payment by the channel's own
number; what the ledger refuses as payment of the part it takes as stray, and that goes back by itself. Everything that is still to be
done lies in the store (tasks `part`, `stray`, `back`), so it goes on after a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from chain import keyspace
from chain.codec import Count, Digest, Fen, Milliseconds, Wire
from chain.operation import (
    CloseOrder,
    Operation,
    PayDeposit,
    RefundDeposit,
    RefundPayment,
    TakePayment,
    TakeStray,
    operation_digest,
)
from chain.records import ORDER_OPEN, STRAY, OrderBody, PaymentBody, RefundBody
from chain.rules.orders import INSIDE
from node.channels.channel import Channel, ChannelState, PaymentRequest, RefundRequest
from node.channels.errors import ChannelError, NoticeRefused
from node.channels.statement_line import CLOSED, PAYMENT, SUCCESS
from node.money.filing import Filing, parse_name
from node.money.orders import is_of_reader
from node.money.requests import InvitationWish
from node.money.rows import MoneyRow
from node.money.waiting import Waiting
from node.service import Reader, ServiceRefused

LOOK_S = 1.0
ASKED_AGAIN_MS = 15_000  # of a part whose notice has not come
AT_ONCE = 200
# a payment that is refused for these goes back; for others a person has to look
GOES_BACK = frozenset(
    {
        "already_settled",
        "order_closed",
        "order_expired",
        "part_paid",
        "amount_differs",
        "channel_differs",
        "deposit_settled",
    }
)

FAMILIES = {"unionpay": ("quickpass", "card")}  # one merchant's notices of both come to one path
KNOWN = "payment_exists"  # by this gateway, or by another one of the hospital

log = structlog.get_logger("gateway")


class PartPrivate(Wire, frozen=True):
    """What a channel was told of a part, or of a payment into a deposit."""

    order: Digest  # or the deposit
    part: Count  # 0 of a deposit
    channel: str
    order_no: str  # as the channel has it
    amount_fen: Fen
    placed_ms: Milliseconds
    expires_ms: Milliseconds
    subject: str
    details: list[list[str]]
    is_deposit: bool

    def request(self) -> PaymentRequest:
        return PaymentRequest(
            self.order_no,
            self.amount_fen,
            self.placed_ms,
            self.expires_ms,
            self.subject,
            {entry[0]: entry[1] for entry in self.details},
        )


class PaidPrivate(Wire, frozen=True):
    """A payment that a channel told of."""

    part: Digest  # name of the part's row
    trade_no: str
    amount_fen: Fen
    evidence: Digest
    time_ms: Milliseconds  # when the channel counted it


class ChannelParts:
    def __init__(self, filing: Filing, channels: Mapping[str, Channel]) -> None:
        self._filing, self._channels = filing, channels
        self._organisation = filing.steps.organisation
        self._asked_ms: dict[bytes, int] = {}  # part -> when the channel was asked last; those that are due alone
        self._wake = asyncio.Event()
        self.waiting = Waiting("channel_task_waits")
        self.refused_notices = 0
        # a payment into a deposit is kept
        self.on_voucher: Callable[[bytes, bytes], None] = lambda deposit, payment: None

    # ── inviting ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def invite(self, wish: InvitationWish, reader: Reader, target: str) -> dict[str, Any]:
        """Ask the channel for what the payer opens; one that answers at once has paid at once. Asked again, the same.

        Raises ServiceRefused: `order_unknown`, for a patient also where it pays what another one owes; `part_unknown`,
        `already_settled`, `channel_unknown`, `channel_differs`, `channel_unreachable`, `channel_refused`.
        """
        order = parse_name(target, "order_unknown")
        body = await self._filing.steps.body(keyspace.order(self._organisation, order), OrderBody)
        if body is None or not await is_of_reader(self._filing, reader, body.notices):
            raise ServiceRefused("order_unknown")
        if body.state != ORDER_OPEN:
            raise ServiceRefused("already_settled" if body.paid_ms else "order_closed")
        if wish.part >= len(body.parts):
            raise ServiceRefused("part_unknown", "the order has no such part", "/part")
        part = body.parts[wish.part]
        self.verify_asks(part.channel, reader, "/part")
        order_no = f"{order.hex()[:30]}{wish.part:02d}"
        name = self._filing.names.of("part", order_no)
        known = self.known(name)
        private = PartPrivate(
            order,
            wish.part,
            part.channel,
            order_no,
            part.amount_fen,
            known.placed_ms if known is not None else self._filing.steps.now_ms(),
            body.until_ms,
            wish.subject,
            sorted([key, value] for key, value in wish.details.items()),
            False,
        )
        return {"order": target, "part": wish.part, **await self.offer(name, private)}

    def verify_asks(self, name: str, reader: Reader, pointer: str) -> None:
        """A patient's word is no payment: they go to who asks them for it; nor is anybody's of what the ledger moves itself.
        Raises ServiceRefused `channel_differs`."""
        if name in INSIDE:
            raise ServiceRefused("channel_differs", f"{name} pays by its own account", pointer)
        channel = self._channels.get(name)
        if reader.role == "patient" and channel is not None and not channel.asks_payer:
            raise ServiceRefused("channel_differs", f"the hospital's people say what came over {name}", pointer)

    async def offer(self, name: bytes, private: PartPrivate) -> dict[str, Any]:
        """Let the channel invite its payer. Raises ServiceRefused `invalid_value`, `channel_unknown`, `channel_unreachable`,
        `channel_refused`."""
        channel = self._channel(private)
        if private != self.known(name):  # it is on the disk before the channel hears of it
            try:
                private.request()
            except ValueError as error:
                raise ServiceRefused("invalid_value", str(error), "/subject") from None
            self._put("part", name, private)
            self._filing.rows.put_due("part", name)
            if not private.is_deposit:
                self._filing.rows.put_due("order", private.order, private.expires_ms)
            await self._filing.rows.flushed()
        try:
            invitation = await channel.pay(private.request())
        except ChannelError as error:
            raise _refused(error) from None
        page: dict[str, Any] = {
            "channel": private.channel,
            "order_no": private.order_no,
            "kind": invitation.kind,
            "text": invitation.text,
            "state": "invited",
        }
        if invitation.state is not None and invitation.state.state == SUCCESS:
            await self._paid(name, private, invitation.state, self._filing.names.of("answer", private.order_no))
            page["state"] = "paid"
        return page

    # ── hearing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def hear(self, name: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, bytes]:
        """A channel's own word, from anybody who can reach the path: (status, media type, body) of the answer.

        It is accepted once what follows from it is on the disk. Raises ServiceRefused `not_found` for no channel of ours.
        """
        names = [one for one in FAMILIES.get(name, (name,)) if one in self._channels]
        if not names:
            raise ServiceRefused("not_found")
        channel = self._channels[names[0]]
        is_accepted = False
        try:
            notice = channel.read_notice(headers, body)
            if notice.kind == PAYMENT and notice.state == SUCCESS:
                part = self._filing.names.of("part", notice.order_no)
                private = self.known(part)
                if private is None or private.channel not in names:
                    raise ServiceRefused("notice_unknown_order")
                state = ChannelState(SUCCESS, notice.trade_no, notice.amount_fen, notice.time_ms)
                await self._paid(part, private, state, notice.evidence)
            is_accepted = True
        except NoticeRefused as refused:
            self.refused_notices += 1
            log.warning("notice_refused", channel=name, code=refused.code)
        except ServiceRefused as refused:
            self.refused_notices += 1
            log.warning("notice_refused", channel=name, code=refused.code)
        answer = channel.acknowledgement(is_accepted)
        return answer.status, answer.content_type, answer.body

    async def _paid(self, part: bytes, private: PartPrivate, state: ChannelState, evidence: bytes) -> None:
        """Once for each of the channel's numbers. Raises ServiceRefused where nothing could be kept."""
        rows, names = self._filing.rows, self._filing.names
        payment = names.of("payment", private.channel, state.trade_no)
        if rows.get("payment", payment) is not None:
            self._done(part)  # it may have been offered once more
            return
        paid = PaidPrivate(part, state.trade_no, state.amount_fen, evidence, state.time_ms)
        operation: Operation
        if private.is_deposit:
            operation = PayDeposit(private.order, payment, private.channel, state.amount_fen, evidence)
        else:
            operation = TakePayment(payment, private.order, private.part, state.amount_fen, evidence)

        def keep() -> None:
            if rows.get("payment", payment) is not None:
                raise ServiceRefused(KNOWN)  # it came twice at once
            if private.is_deposit:
                self.on_voucher(private.order, payment)
            self._put("payment", payment, paid, operation_digest(operation))
            rows.put_day(private.channel, self._day(paid.time_ms), payment)
            self._done(part)

        try:
            await self._filing.steps.carry_out([operation], keep)
        except ServiceRefused as refused:
            if refused.code in GOES_BACK and rows.get("payment", payment) is None:
                self._take_stray(payment, private, paid)
            elif refused.code not in (*GOES_BACK, KNOWN):
                raise
        if rows.get("payment", payment) is None:  # another gateway heard of it, and gives back what is to go back
            self._done(part)
        await rows.flushed()

    def _done(self, part: bytes) -> None:
        """Nothing more is to be heard of it."""
        self._filing.rows.done("part", part)
        self._asked_ms.pop(part, None)
        self.waiting.forget(part)

    def on_payment_refused(self, operation: TakePayment | PayDeposit, code: str) -> None:
        """The ledger has refused, of two that came at once, the later one; or a deposit was settled meanwhile."""
        row = self._filing.rows.get("payment", operation.payment)
        if row is None or code not in GOES_BACK:
            return
        paid = self._filing.rows.private("payment", operation.payment, row, PaidPrivate)
        private = self.known(paid.part)
        if private is not None:
            self._take_stray(operation.payment, private, paid)

    def on_refunded(self, operation: RefundPayment | RefundDeposit) -> None:
        """A block has recorded it, whichever gateway of the hospital asked: who heard of the payment gives it back."""
        rows = self._filing.rows
        if rows.get("payment", operation.payment) is not None and rows.get("refunded", operation.refund) is None:
            rows.put_due("back", operation.refund)
            self._wake.set()

    def _take_stray(self, payment: bytes, private: PartPrivate, paid: PaidPrivate) -> None:
        operation = TakeStray(payment, private.order, private.channel, paid.amount_fen, paid.evidence)
        if self._filing.rows.get("payment", payment) is None:
            self._filing.rows.put_day(private.channel, self._day(paid.time_ms), payment)
        self._put("payment", payment, paid, operation_digest(operation))
        self._done(paid.part)
        self._filing.rows.put_due("stray", payment)
        self._filing.steps.keep(operation)
        log.warning("payment_goes_back", channel=private.channel)
        self._wake.set()

    # ── what is still to be done ─────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for task, do in (("part", self._watch), ("stray", self._give_back), ("back", self._refund)):
                for name in self._filing.rows.due_in_turn(task, AT_ONCE):
                    if await self.waiting.attempt(name, do(name)) and task != "part":  # which is not asked each time
                        self.waiting.forget(name)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    def look_now(self) -> None:
        self._wake.set()

    async def _watch(self, name: bytes) -> None:
        """A part whose notice has not come: asked for now and then, closed with its order when the time is over."""
        private = self.known(name)
        if private is None:
            return
        channel = self._channel(private)
        now_ms = self._filing.steps.now_ms()
        is_over = now_ms >= private.expires_ms
        if not is_over and now_ms - self._asked_ms.setdefault(name, private.placed_ms) < ASKED_AGAIN_MS:
            return
        self._asked_ms[name] = now_ms
        state = await (channel.close(private.request()) if is_over else channel.query(private.request()))
        if state.state == SUCCESS:
            await self._paid(name, private, state, self._filing.names.of("answer", private.order_no))
        elif is_over and state.state == CLOSED:
            if not private.is_deposit:
                await self._close(private.order)
            self._done(name)
        self.waiting.forget(name)

    def _channel(self, private: PartPrivate) -> Channel:
        """Raises ServiceRefused `channel_unknown`; of a part that waits: it was taken out of the configuration meanwhile."""
        channel = self._channels.get(private.channel)
        if channel is None:
            raise ServiceRefused("channel_unknown", f"this gateway has no channel {private.channel}")
        return channel

    async def _close(self, order: bytes) -> None:
        """When unpaid: its notices are owed again."""
        body = await self._filing.steps.body(keyspace.order(self._organisation, order), OrderBody)
        if body is not None and body.state == ORDER_OPEN:
            await self._filing.steps.carry_out([CloseOrder(order, "unpaid")])

    async def _give_back(self, payment: bytes) -> None:
        """A stray payment: the ledger first, then the channel."""
        body = await self._filing.steps.body(keyspace.payment(self._organisation, payment), PaymentBody)
        if body is None or body.state != STRAY:
            return  # not recorded yet
        rows, names = self._filing.rows, self._filing.names
        refund = names.of("refund", "stray", payment)
        left_fen = body.amount_fen - body.refunded_fen
        if left_fen == 0:
            rows.done("stray", payment)
            return
        operation = RefundPayment(refund, payment, left_fen, [], [], names.of("refund_order", "stray", payment))
        await self._filing.steps.carry_out([operation])  # it is due until that is recorded

    async def _refund(self, name: bytes) -> None:
        """A refund that is recorded is asked of the channel until it is done; taken once, whatever comes in between."""
        body = await self._filing.steps.body(keyspace.refund(self._organisation, name), RefundBody)
        if body is None:
            return
        row = self._filing.rows.get("payment", body.payment)
        # it came over the counter, and goes back there; or another gateway heard of it, and gives it back
        if row is None:
            self._filing.rows.done("back", name)
            return
        paid = self._filing.rows.private("payment", body.payment, row, PaidPrivate)
        private = self.known(paid.part)
        if private is None:
            return
        channel = self._channel(private)
        asked = RefundRequest(refund_no(name), paid.trade_no, body.amount_fen, body.time_ms)
        state = await channel.refund(private.request(), asked)
        if state.state != SUCCESS:
            state = await channel.query_refund(private.request(), asked)
        if state.state == SUCCESS:
            self._put("refunded", name, paid)
            self._filing.rows.put_day(private.channel, self._day(self._filing.steps.now_ms()), name)
            self._filing.rows.done("back", name)

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _day(self, time_ms: int) -> int:
        return self._filing.steps.local_day(time_ms)

    def known(self, name: bytes) -> PartPrivate | None:
        """What a channel was told under this name."""
        row = self._filing.rows.get("part", name)
        return self._filing.rows.private("part", name, row, PartPrivate) if row is not None else None

    def _put(self, kind: str, name: bytes, private: Wire, *operations: bytes) -> None:
        rows, steps = self._filing.rows, self._filing.steps
        sealed = rows.sealed(kind, name, private)
        rows.put(
            kind,
            name,
            MoneyRow("", bytes(32), list(operations), b"", steps.now_ms(), self._filing.next_sequence(), sealed),
        )


def refund_no(name: bytes) -> str:
    """Of a refund, as its channel has it."""
    return name.hex()[:32]


def _refused(error: ChannelError) -> ServiceRefused:
    code = "channel_refused" if error.code == "channel_refused" else "channel_unreachable"
    return ServiceRefused(code, str(error))
