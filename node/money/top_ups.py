"""Deposits that are paid into over a channel: from a phone at the bedside, without a cashier.

What comes is a voucher of the deposit, once for each number of the channel's; what comes after the deposit was settled goes back by
itself. A channel's day, questions where no notice came, and giving back are as for parts of orders (`channel_parts.py`).
"""

from __future__ import annotations

from typing import Any

from chain import keyspace
from chain.records import DepositBody
from node.money.channel_parts import ChannelParts, PartPrivate
from node.money.filing import Filing, parse_name
from node.money.orders import MINUTE_MS
from node.money.top_up_requests import TopUpWish
from node.service import Reader, ServiceRefused

OPEN_MS = 30 * MINUTE_MS  # then the channel is asked to close it


class TopUps:
    def __init__(self, filing: Filing, parts: ChannelParts) -> None:
        self._filing, self._parts = filing, parts
        self._organisation = filing.steps.organisation

    async def invite(self, wish: TopUpWish, reader: Reader, target: str) -> dict[str, Any]:
        """Ask the channel for what the payer opens. Asked again, the same.

        Raises ServiceRefused: `deposit_unknown`, also for one that another gateway of the hospital keeps; `deposit_settled`,
        `business_no_conflict`, `channel_unknown`, `channel_differs`, `channel_unreachable`, `channel_refused`.
        """
        name, names = parse_name(target, "deposit_unknown"), self._filing.names
        row = self._filing.rows.get("deposit", name)
        if row is None or not self._filing.may_see(reader, row.holder):
            raise ServiceRefused("deposit_unknown")
        self._parts.verify_asks(wish.channel, reader, "/channel")
        body = await self._filing.steps.body(keyspace.deposit(self._organisation, name), DepositBody)
        if body is None:
            raise ServiceRefused("deposit_unknown", "it is not recorded yet")
        if body.settled:
            raise ServiceRefused("deposit_settled")
        order_no = names.of("top_up", name, wish.top_up_no).hex()[:32]
        part = names.of("part", order_no)
        known = self._parts.known(part)
        if known is not None and (known.channel, known.amount_fen) != (wish.channel, wish.amount_fen):
            raise ServiceRefused("business_no_conflict", "this number stands for another payment already")
        placed_ms = known.placed_ms if known is not None else self._filing.steps.now_ms()
        private = PartPrivate(
            name,
            0,
            wish.channel,
            order_no,
            wish.amount_fen,
            placed_ms,
            placed_ms + OPEN_MS,
            wish.subject,
            sorted([key, value] for key, value in wish.details.items()),
            True,
        )
        return {"deposit": target, **await self._parts.offer(part, private)}
