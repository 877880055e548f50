"""What this gateway has of a channel's day: one line for each payment that the channel told of, and for each refund that it took.

It is what reconciliation puts beside the channel's own statement; states, orders and bills are the ledger's, as validators prove them now.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from chain import keyspace
from chain.records import ORDER_PAID, BillBody, NoticeBody, OrderBody, PaymentBody, RefundBody
from node.money.channel_parts import PaidPrivate, PartPrivate, refund_no
from node.money.filing import Filing
from node.reconciliation.our_line import OurLine

AT_ONCE = 500


class OurLines:
    def __init__(self, filing: Filing) -> None:
        self._filing = filing
        self._organisation = filing.steps.organisation

    async def lines(self, channel: str, day: int) -> AsyncIterator[OurLine]:
        """`day` is yyyymmdd in the ledger's own time zone. In the order of their telling."""
        after = b""
        while names := self._filing.rows.of_day(channel, day, after, AT_ONCE):
            after = names[-1][0]
            for _key, name in names:
                line = await self._payment(name) if self._filing.rows.get("payment", name) else await self._refund(name)
                if line is not None:
                    yield line

    async def _payment(self, name: bytes) -> OurLine | None:
        steps, rows = self._filing.steps, self._filing.rows
        body = await steps.body(keyspace.payment(self._organisation, name), PaymentBody)
        row = rows.get("payment", name)
        if row is None or body is None:  # on its way to the ledger: of the next export
            return None
        paid = rows.private("payment", name, row, PaidPrivate)
        part = self._part(paid.part)
        if part is None:
            return None
        line = OurLine(
            channel=body.channel,
            kind="payment",
            order_no=part.order_no,
            amount_fen=body.amount_fen,
            state="success",
            time_ms=paid.time_ms,
            trade_no=paid.trade_no,
            order=part.order.hex(),
        )
        return await self._with_bill(line, part.order)

    async def _with_bill(self, line: OurLine, name: bytes) -> OurLine:
        steps = self._filing.steps
        order = await steps.body(keyspace.order(self._organisation, name), OrderBody)
        if order is None or order.state != ORDER_PAID:
            return line
        notice = await steps.body(keyspace.notice(self._organisation, order.notices[0]), NoticeBody)
        bill = await steps.body(keyspace.bill(notice.bill[0]), BillBody) if notice is not None and notice.bill else None
        return msgspec.structs.replace(
            line,
            notice=order.notices[0].hex(),
            is_bill_due=len(order.notices) == 1 and notice is not None and notice.kind == "medical",
            order_total_fen=order.total_fen,
            bill_id=notice.bill[0] if notice is not None and notice.bill else "",
            bill_total_fen=bill.total_fen if bill is not None else 0,
        )

    async def _refund(self, name: bytes) -> OurLine | None:
        steps, rows = self._filing.steps, self._filing.rows
        body = await steps.body(keyspace.refund(self._organisation, name), RefundBody)
        row = rows.get("payment", body.payment) if body is not None else None
        if body is None or row is None:
            return None
        paid = rows.private("payment", body.payment, row, PaidPrivate)
        part = self._part(paid.part)
        done = rows.get("refunded", name)
        if part is None or done is None:
            return None
        return OurLine(
            channel=part.channel,
            kind="refund",
            order_no=part.order_no,
            amount_fen=body.amount_fen,
            state="success",
            time_ms=done.asked_ms,
            trade_no=paid.trade_no,
            refund_no=refund_no(name),
            order=part.order.hex(),
        )

    def _part(self, name: bytes) -> PartPrivate | None:
        row = self._filing.rows.get("part", name)
        return self._filing.rows.private("part", name, row, PartPrivate) if row is not None else None
