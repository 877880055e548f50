"""Orders: several channels pay some notices, all parts together or not at all.

What comes for a part waits in suspense until all parts are there; then the notices are settled in that very operation.
Codes in their order of precedence:
  PlaceOrder      already_recorded, order_exists, then the signer's, notices_malformed, then notice by notice notice_unknown,
                  already_settled, notice_in_order, notice_withdrawn; amount_too_large, parts_malformed, sum_mismatch, order_too_long
  CloseOrder      already_recorded, order_closed, then the signer's, order_unknown, already_settled
  the part's      order_unknown, already_settled, order_closed, order_expired, part_unknown, channel_differs, part_paid
Source: DOMAIN sections 2.2, 5 and 6.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.operation import (
    AccountRef,
    CloseOrder,
    PlaceOrder,
)
from chain.records import (
    COUNTED,
    IN_ORDER,
    ORDER_CLOSED,
    ORDER_OPEN,
    ORDER_PAID,
    OWED,
    SETTLED,
    STRAY,
    OrderBody,
    PartBody,
    PaymentBody,
    ReasonBody,
)
from chain.rules import money_places
from chain.rules.accounts import AMOUNT_FEN_MAX, Books, verify_signer
from chain.rules.context import DAY_MS, Changes, Context, Refused, View, refuse_repeated
from chain.rules.credit_dues import note_back
from chain.rules.notices import notice_of, verify_owed

ORDER_MS_MAX = 180 * DAY_MS


INSIDE = frozenset({"deposit", "credit"})  # channels that are accounts of the ledger: their own operations pay


def place_order(view: View, operation: PlaceOrder, context: Context) -> Changes:
    own = keyspace.order(context.organisation, operation.order)
    refuse_repeated(view, own, context, "order_exists")
    verify_signer(view, context)
    if operation.notices != sorted(set(operation.notices)):
        raise Refused("notices_malformed")
    changes: Changes = {}
    total_fen = 0
    for name in operation.notices:
        notice = notice_of(view, context.organisation, name)
        verify_owed(notice)
        total_fen += notice.total_fen
        changes[keyspace.notice(context.organisation, name)] = replace(notice, state=IN_ORDER, order=[operation.order])
    if total_fen > AMOUNT_FEN_MAX:
        raise Refused("amount_too_large")
    if any(part.amount_fen <= 0 for part in operation.parts):
        raise Refused("parts_malformed")
    if sum(part.amount_fen for part in operation.parts) != total_fen:
        raise Refused("sum_mismatch")
    if not context.time_ms < operation.until_ms <= context.time_ms + ORDER_MS_MAX:
        raise Refused("order_too_long")
    parts = [PartBody(part.channel, part.amount_fen, []) for part in operation.parts]
    changes[own] = OrderBody(
        operation.notices, parts, total_fen, operation.until_ms, ORDER_OPEN, 0, total_fen, 0, False, []
    )
    return changes


def close_order(view: View, operation: CloseOrder, context: Context) -> Changes:
    step = keyspace.order_step(context.organisation, operation.order, "closed")
    refuse_repeated(view, step, context, "order_closed")
    verify_signer(view, context)
    order = order_of(view, context.organisation, operation.order)
    if order.state == ORDER_PAID:
        raise Refused("already_settled")
    books = Books(view, context)
    changes: Changes = {step: ReasonBody(operation.reason)}
    for part in order.parts:
        for name in part.payment:
            payment = payment_of(view, context.organisation, name)
            if part.channel in INSIDE:  # it goes back by that alone
                into, refunded_fen = payment.source, payment.amount_fen
                note_back(view, books, payment, payment.amount_fen)
            else:
                into, refunded_fen = money_places.refunds(books, context.organisation), 0
            books.post(payment.into, into, payment.amount_fen, "order_closed", operation.order)
            changes[keyspace.payment(context.organisation, name)] = replace(
                payment, into=into, state=STRAY, refunded_fen=refunded_fen
            )
    for name in order.notices:
        notice = notice_of(view, context.organisation, name)
        changes[keyspace.notice(context.organisation, name)] = replace(notice, state=OWED, order=[])
    changes[keyspace.order(context.organisation, operation.order)] = replace(order, state=ORDER_CLOSED, free_fen=0)
    return changes | books.changes


def order_of(view: View, organisation: str, name: bytes) -> OrderBody:
    """Raises Refused `order_unknown`."""
    order = view.get(keyspace.order(organisation, name), OrderBody)
    if order is None:
        raise Refused("order_unknown")
    return order


def payment_of(view: View, organisation: str, name: bytes) -> PaymentBody:
    """Raises Refused `payment_unknown`."""
    payment = view.get(keyspace.payment(organisation, name), PaymentBody)
    if payment is None:
        raise Refused("payment_unknown")
    return payment


def verify_outside(channel: str) -> None:
    """Money comes from outside the ledger. Raises Refused `channel_differs`."""
    if channel in INSIDE:
        raise Refused("channel_differs")


def verify_of_holder(view: View, context: Context, order: OrderBody, holder: bytes) -> None:
    """Somebody's line and deposit pay what they owe themselves. Raises Refused `order_of_other`."""
    if any(notice_of(view, context.organisation, name).holder != holder for name in order.notices):
        raise Refused("order_of_other")


def part_to_pay(view: View, context: Context, name: bytes, place: int, channel: str = "") -> tuple[OrderBody, PartBody]:
    """An order of the signer's that still waits for this part; `channel` names the only one that may pay it, none: any outside
    the ledger. Raises Refused, the part's codes."""
    order = order_of(view, context.organisation, name)
    if order.state == ORDER_PAID:
        raise Refused("already_settled")
    if order.state == ORDER_CLOSED:
        raise Refused("order_closed")
    if order.until_ms <= context.time_ms:
        raise Refused("order_expired")
    if place >= len(order.parts):
        raise Refused("part_unknown")
    part = order.parts[place]
    if part.channel != channel if channel else part.channel in INSIDE:
        raise Refused("channel_differs")
    if part.payment:
        raise Refused("part_paid")
    return order, part


def pay_part(
    view: View,
    books: Books,
    context: Context,
    order_name: bytes,
    place: int,
    payment_name: bytes,
    source: AccountRef,
    evidence: bytes,
    is_money: bool = True,
) -> None:
    """A part's money lies in suspense: it is paid, and the order is settled if it was the last. What is no money yet, since a
    line at the hospital's risk promised it, becomes a receivable. The caller has asked `part_to_pay`, and moved the money."""
    organisation = context.organisation
    order = order_of(view, organisation, order_name)
    part = order.parts[place]
    waiting = money_places.suspense(books, organisation)
    payment = PaymentBody(
        [order_name],
        part.channel,
        part.amount_fen,
        source,
        waiting if is_money else money_places.receivable(books, organisation),
        COUNTED,
        0,
        evidence,
        context.time_ms,
    )
    parts = [*order.parts]
    parts[place] = replace(part, payment=[payment_name])
    order = replace(order, parts=parts)
    if not is_money:
        books.post(waiting, payment.into, part.amount_fen, "receivable", order_name)
        order = replace(order, free_fen=order.free_fen - part.amount_fen)
    books.changes[keyspace.payment(organisation, payment_name)] = payment
    if all(part.payment for part in parts):
        order = replace(order, state=ORDER_PAID, paid_ms=context.time_ms)
        _settle(view, books, context, order_name, order)
    books.changes[keyspace.order(organisation, order_name)] = order


def _settle(view: View, books: Books, context: Context, order_name: bytes, order: OrderBody) -> None:
    """All parts are paid: the money is collected, the notices are settled."""
    organisation = context.organisation
    waiting, into = money_places.suspense(books, organisation), money_places.collected(books, organisation)
    arrived_fen = 0
    for part in order.parts:
        for name in part.payment:
            key = keyspace.payment(organisation, name)
            payment = books.changes.get(key) or payment_of(view, organisation, name)
            if isinstance(payment, PaymentBody) and payment.into == waiting:
                arrived_fen += payment.amount_fen
                books.changes[key] = replace(payment, into=into)
    if arrived_fen:
        books.post(waiting, into, arrived_fen, "order_paid", order_name)
        money_places.note_closing(view, books, context, organisation)
    for name in order.notices:
        notice = notice_of(view, organisation, name)
        books.changes[keyspace.notice(organisation, name)] = replace(notice, state=SETTLED)
