"""What an order has paid, for whatever goes by it: an appointment's fee, a step of a visit."""

from __future__ import annotations

from chain.records import ORDER_PAID, OrderBody
from chain.rules.context import Refused, View
from chain.rules.notices import notice_of
from chain.rules.orders import order_of


def paid_order(view: View, organisation: str, name: bytes, holder: bytes) -> tuple[OrderBody, int]:
    """An order that was paid for this holder, and how much of it did not go back, in fen.

    Raises Refused `order_unknown`, `order_unpaid` (or all of it went back), `order_of_other`.
    """
    order = order_of(view, organisation, name)
    notices = [notice_of(view, organisation, notice) for notice in order.notices]
    paid_fen = sum(notice.total_fen - notice.refunded_fen for notice in notices)
    if order.state != ORDER_PAID or paid_fen == 0:
        raise Refused("order_unpaid")
    if any(notice.holder != holder for notice in notices):
        raise Refused("order_of_other")
    return order, paid_fen
