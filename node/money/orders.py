"""Payment orders of a hospital, and the payments that its counter takes for their parts."""

from __future__ import annotations

from typing import Any

from chain import keyspace
from chain.operation import CloseOrder, OrderPart, PlaceOrder, TakePayment
from chain.records import ORDER_CLOSED, ORDER_OPEN, ORDER_PAID, OrderBody
from node.money.filing import Filing, parse_name
from node.money.moments import utc_moment
from node.money.requests import ClosureWish, OrderWish, PaymentWish
from node.service import Reader, ServiceRefused, Standing

MINUTE_MS = 60_000
STATES = {ORDER_OPEN: "open", ORDER_PAID: "paid", ORDER_CLOSED: "closed"}
AT_THE_COUNTER = frozenset({"cash", "card", "fund", "account"})  # a person has seen the money, or a terminal's slip


class Orders:
    def __init__(self, filing: Filing) -> None:
        self._filing = filing
        self._organisation = filing.steps.organisation

    async def place(self, wish: OrderWish, reader: Reader, target: str) -> Standing:
        notices = sorted({bytes.fromhex(notice) for notice in wish.notices})
        parts = [OrderPart(part.channel, part.amount_fen) for part in wish.parts]
        until_ms = self._filing.steps.now_ms() + wish.minutes * MINUTE_MS
        rows, own = self._filing.rows, self._filing.names.of("order", wish.order_no)
        return await self._filing.file(
            "order",
            wish.order_no,
            wish,
            lambda name: [PlaceOrder(name, notices, parts, until_ms)],
            beside=lambda: rows.put_due("order", own, until_ms),
        )

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
        return await self._filing.steps.carry_out([CloseOrder(parse_name(target, "order_unknown"), wish.reason)])

    async def page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        name = parse_name(target, "order_unknown")
        found = await self._filing.steps.body_at(keyspace.order(self._organisation, name), OrderBody)
        row = self._filing.rows.get("order", name)
        if found is None:
            if row is None:
                return None
            standing = self._filing.steps.standing(row.operations)
            return {"order": name.hex(), "order_no": row.number, "state": standing.status, "code": standing.code}
        body, height = found
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
        return page | {"order_no": row.number} if row is not None else page
