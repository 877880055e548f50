"""Following the money of one bill: bill, notices, orders, payments, splits, the channel's day at the bank; what goes in comes out.

Read from the state, step by step; `in_fen` and `out_fen` of a step are two sums of different records, so a step that does not balance
is a finding. What lies with the bank is told by channel and day: a bank's credit is for all that a channel took on a day.
"""

from __future__ import annotations

from typing import Any, Protocol

from chain import keyspace
from chain.records import (
    NORMAL,
    AnsweredBody,
    BillBody,
    ChannelDayBody,
    NoticeBody,
    OrderBody,
    OrderSplitBody,
    PayeeBody,
    PaymentBody,
    SplitBody,
)
from chain.rules.context import Body, local_date
from chain.rules.orders import INSIDE
from node.verification import iso_date


class State(Protocol):
    """Where records are read."""

    def get(self, key: bytes, kind: type[Body]) -> Body | None: ...


class MoneyTrail:
    def __init__(self, state: State, utc_offset_minutes: int) -> None:
        self._state, self._utc_offset_minutes = state, utc_offset_minutes

    def trail(self, bill: str) -> dict[str, Any] | None:
        """None where there is no such bill. A bill that no notice led to has a trail of one step."""
        body = self._state.get(keyspace.bill(bill), BillBody)
        if body is None:
            return None
        issuer = body.issuer
        answered = self._state.get(keyspace.answered(bill), AnsweredBody)
        notices = self._notices(issuer, answered.notices if answered is not None else [])
        owed_fen = sum(notice.total_fen - notice.refunded_fen for _name, notice in notices)
        stands_fen = body.total_fen if body.validity == NORMAL else 0
        steps: list[dict[str, Any]] = []
        if notices:
            rows = [
                {"notice": name.hex(), "total_fen": notice.total_fen, "refunded_fen": notice.refunded_fen}
                for name, notice in notices
            ]
            steps.append(_step("bill_and_notices", owed_fen, stands_fen, rows))
        orders = self._orders(issuer, notices)
        for name, order in orders:
            steps += self.order_steps(issuer, name, order)
        return {
            "bill_id": bill,
            "issuer": issuer,
            "total_fen": body.total_fen,
            "validity": "normal" if body.validity == NORMAL else "not_normal",
            "steps": steps,
            "balanced": all(step["balanced"] for step in steps),
        }

    def _notices(self, issuer: str, names: list[bytes]) -> list[tuple[bytes, NoticeBody]]:
        found = [(name, self._state.get(keyspace.notice(issuer, name), NoticeBody)) for name in names]
        return [(name, notice) for name, notice in found if notice is not None]

    def _orders(self, issuer: str, notices: list[tuple[bytes, NoticeBody]]) -> list[tuple[bytes, OrderBody]]:
        names = list(dict.fromkeys(order for _name, notice in notices for order in notice.order))
        found = [(name, self._state.get(keyspace.order(issuer, name), OrderBody)) for name in names]
        return [(name, order) for name, order in found if order is not None]

    def order_steps(self, issuer: str, name: bytes, order: OrderBody) -> list[dict[str, Any]]:
        """From the notices that an order pays to the bank, whether they have a bill or not."""
        asked = self._notices(issuer, order.notices)
        asked_fen = sum(notice.total_fen for _name, notice in asked)
        steps = [_step("notices_and_order", asked_fen, order.total_fen, [{"order": name.hex()}])]
        payments: list[PaymentBody] = []
        rows: list[dict[str, Any]] = []
        for part in order.parts:
            for payment in part.payment:
                body = self._state.get(keyspace.payment(issuer, payment), PaymentBody)
                if body is None:
                    continue
                payments.append(body)
                rows.append(
                    {
                        "payment": payment.hex(),
                        "channel": body.channel,
                        "amount_fen": body.amount_fen,
                        "refunded_fen": body.refunded_fen,
                    }
                )
        steps.append(_step("order_and_payments", order.total_fen, sum(body.amount_fen for body in payments), rows))
        steps.append(self._division(issuer, name, order, payments))
        return steps + self._channel_days(issuer, payments)

    def _division(self, issuer: str, name: bytes, order: OrderBody, payments: list[PaymentBody]) -> dict[str, Any]:
        """What was collected is still there, with payees, with the organisation itself, owed by payees, or gone back."""
        became = self._state.get(keyspace.order_split(issuer, name), OrderSplitBody)
        rows: list[dict[str, Any]] = []
        shared_fen = 0
        for split in became.splits if became is not None else []:
            body = self._state.get(keyspace.split(issuer, split), SplitBody)
            if body is None:
                continue
            for place, share in enumerate(body.shares):
                shared_fen += share.amount_fen - body.taken_back_fen[place]
                payee = self._state.get(keyspace.payee(issuer, share.payee), PayeeBody)
                rows.append(
                    {
                        "split": split.hex(),
                        "line": share.line,
                        "payee": share.payee.hex(),
                        "kind": payee.kind if payee is not None else None,
                        "amount_fen": share.amount_fen,
                        "taken_back_fen": body.taken_back_fen[place],
                        "paper": share.paper or None,
                    }
                )
        parts = {
            "free_fen": order.free_fen,
            "shared_fen": shared_fen,  # less what was taken back
            "rest_fen": became.rest_fen if became is not None else 0,
            # what a payee owes was taken back of its share, and has not come unless it was put in
            "owed_fen": became.owed_fen - became.advanced_fen if became is not None else 0,
            "refunded_fen": sum(body.refunded_fen for body in payments),
        }
        paid_fen = sum(body.amount_fen for body in payments)
        return _step("payments_and_division", paid_fen, sum(parts.values()), rows) | parts

    def _channel_days(self, issuer: str, payments: list[PaymentBody]) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = []
        days = {
            (body.channel, local_date(body.time_ms, self._utc_offset_minutes))
            for body in payments
            if body.channel not in INSIDE
        }
        for channel, day in sorted(days):
            body = self._state.get(keyspace.channel_day(issuer, channel, day), ChannelDayBody)
            if body is None:
                continue
            row = {
                "channel": channel,
                "day": iso_date(day),
                "taken_fen": body.taken_fen,
                "refunded_fen": body.refunded_fen,
                "banked_fen": body.banked_fen,
                "fee_fen": body.fee_fen,
                "bank_lines": [line.hex() for line in body.bank_lines],
            }
            step = _step("channel_and_bank", body.taken_fen - body.refunded_fen, body.banked_fen + body.fee_fen, [row])
            if not body.bank_lines:  # the bank settles the day after: nothing to compare with yet
                step |= {"balanced": True, "pending": True}
            steps.append(step)
        return steps


def _step(name: str, in_fen: int, out_fen: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"step": name, "in_fen": in_fen, "out_fen": out_fen, "balanced": in_fen == out_fen, "rows": rows}
