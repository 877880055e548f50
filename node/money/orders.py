"""Payment orders of a hospital, and the payments that its counter takes for their parts.

A patient places orders too, over what they owe themselves and by channels alone that ask them: such an order is open for half an hour at
most, has numbers of the patient's own, and the patient may close it. So what is owed is paid without a counter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chain import keyspace
from chain.operation import CloseOrder, OrderPart, PlaceOrder, TakePayment
from chain.records import ORDER_CLOSED, ORDER_OPEN, ORDER_PAID, NoticeBody, OrderBody
from node.channels.channel import Channel
from node.money.filing import Filing, asked_number, own_number, parse_name
from node.money.moments import utc_moment
from node.money.requests import ClosureWish, OrderWish, PaymentWish
from node.service import Reader, ServiceRefused, Standing

MINUTE_MS = 60_000
PATIENTS_MINUTES_MAX = 30
STATES = {ORDER_OPEN: "open", ORDER_PAID: "paid", ORDER_CLOSED: "closed"}
AT_THE_COUNTER = frozenset({"cash", "card", "fund", "account"})  # a person has seen the money, or a terminal's slip


class Orders:
    def __init__(self, filing: Filing, channels: Mapping[str, Channel]) -> None:
        self._filing, self._channels = filing, channels
        self._organisation = filing.steps.organisation

    async def place(self, wish: OrderWish, reader: Reader, target: str) -> Standing:
        """Raises ServiceRefused: of a patient's `notice_unknown` also for what another one owes, `channel_differs`,
        `invalid_value`; or the ledger's code."""
        notices = sorted({bytes.fromhex(notice) for notice in wish.notices})
        number, holder = wish.order_no, b""
        if reader.role == "patient":
            holder = self._filing.holder_of(reader)
            await self._verify_own(wish, reader, notices)
            number = own_number(wish.order_no, holder)
        parts = [OrderPart(part.channel, part.amount_fen) for part in wish.parts]
        until_ms = self._filing.steps.now_ms() + wish.minutes * MINUTE_MS
        rows, own = self._filing.rows, self._filing.names.of("order", number)
        return await self._filing.file(
            "order",
            number,
            wish,
            lambda name: [PlaceOrder(name, notices, parts, until_ms)],
            holder=holder,
            beside=lambda: rows.put_due("order", own, until_ms),
        )

    async def _verify_own(self, wish: OrderWish, reader: Reader, notices: list[bytes]) -> None:
        for place, part in enumerate(wish.parts):
            channel = self._channels.get(part.channel)
            if channel is None or not channel.asks_payer:
                raise ServiceRefused(
                    "channel_differs", f"{part.channel} asks no patient here", f"/parts/{place}/channel"
                )
        if wish.minutes > PATIENTS_MINUTES_MAX:
            raise ServiceRefused("invalid_value", f"{PATIENTS_MINUTES_MAX} minutes at most", "/minutes")
        if not await is_of_reader(self._filing, reader, notices):
            raise ServiceRefused("notice_unknown", "", "/notices")

    async def take(self, wish: PaymentWish, reader: Reader, target: str) -> Standing:
        """The counter's word for a part that comes over it; what comes over a channel's own notice is the channel's to say."""
        name = parse_name(target, "order_unknown")
        order = await self._filing.steps.body(keyspace.order(self._organisation, name), OrderBody)
        if order is None:
            raise ServiceRefused("order_unknown")
        if wish.part >= len(order.parts):
            raise ServiceRefused("part_unknown", "the order has no such part", "/part")
        channel = order.parts[wish.part].channel
        if channel not in AT_THE_COUNTER:
            raise ServiceRefused("channel_differs", f"{channel} tells its payments itself", "/part")
        names = self._filing.names
        evidence = names.of("receipt", channel, wish.channel_no, reader.subject)
        payment = names.of("payment", channel, wish.channel_no)
        return await self._filing.steps.carry_out([TakePayment(payment, name, wish.part, wish.amount_fen, evidence)])

    async def close(self, wish: ClosureWish, reader: Reader, target: str) -> Standing:
        """A patient closes what they placed. Raises ServiceRefused `order_unknown` of any other, or the ledger's code."""
        name = parse_name(target, "order_unknown")
        if reader.role == "patient":
            row = self._filing.rows.get("order", name)
            if row is None or row.holder != self._filing.holder_of(reader):
                raise ServiceRefused("order_unknown")
        return await self._filing.steps.carry_out([CloseOrder(name, wish.reason)])

    async def page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        name = parse_name(target, "order_unknown")
        found = await self._filing.steps.body_at(keyspace.order(self._organisation, name), OrderBody)
        row = self._filing.rows.get("order", name)
        if found is None:
            if row is None or (reader.role == "patient" and row.holder != self._filing.holder_of(reader)):
                return None
            standing = self._filing.steps.standing(row.operations)
            return {"order": name.hex(), "order_no": asked_number(row), "state": standing.status, "code": standing.code}
        body, height = found
        if not await is_of_reader(self._filing, reader, body.notices):
            return None
        page: dict[str, Any] = {
            "order": name.hex(),
            "state": STATES[body.state],
            "notices": [notice.hex() for notice in body.notices],
            "parts": [
                {
                    "channel": part.channel,
                    "amount_fen": part.amount_fen,
                    "payment": part.payment[0].hex() if part.payment else None,
                }
                for part in body.parts
            ],
            "total_fen": body.total_fen,
            "free_fen": body.free_fen,
            "until": utc_moment(body.until_ms),
            "paid": utc_moment(body.paid_ms) if body.paid_ms else None,
            "visit": body.visit[0].hex() if body.visit else None,
            "height": height,
        }
        return page | {"order_no": asked_number(row)} if row is not None else page


async def is_of_reader(filing: Filing, reader: Reader, notices: list[bytes]) -> bool:
    """Whether a patient owes all of them; the hospital's people see what is the hospital's."""
    if reader.role != "patient":
        return True
    for name in notices:
        notice = await filing.steps.body(keyspace.notice(filing.steps.organisation, name), NoticeBody)
        if notice is None or not filing.may_see(reader, notice.holder):
            return False
    return True
