"""Money that comes from a channel, each payment once, and goes back the way it came.

What comes too late, twice or with another sum is refused as payment of the part and taken as stray: it is only ever to go back.
So a channel's notice may come late or any number of times.
Codes in their order of precedence:
  TakePayment     already_recorded, payment_exists, then the signer's, then the part's, amount_differs
  TakeStray       already_recorded, payment_exists, then the signer's, order_unknown, channel_differs, amount_not_positive,
                  amount_too_large
  RefundPayment   already_recorded, refund_exists, then the signer's, payment_unknown, amount_not_positive, exceeds_payment,
                  notice_not_in_order, order_open, red_bill_missing, bill_unknown, red_bill_differs, exceeds_notice, exceeds_order
  BankChannel     already_recorded, bank_line_exists, then the signer's, channel_differs, amount_not_positive, amount_too_large,
                  date_unknown, bank_day_full
  the part's      as in orders.py
Source: DOMAIN sections 2.2, 5 and 6.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.operation import (
    BankChannel,
    RefundPayment,
    TakePayment,
    TakeStray,
)
from chain.records import (
    ORDER_PAID,
    RED,
    STRAY,
    VOID,
    BankLineBody,
    BillBody,
    DepositBody,
    NoticeBody,
    PaymentBody,
    RefundBody,
)
from chain.rules import money_places
from chain.rules.accounts import AMOUNT_FEN_MAX, Books, verify_signer
from chain.rules.channel_days import note_bank, note_channel
from chain.rules.context import Changes, Context, Refused, View, days_between, refuse_repeated
from chain.rules.credit_dues import note_back
from chain.rules.notices import notice_of
from chain.rules.orders import order_of, part_to_pay, pay_part, payment_of, verify_outside


def take_payment(view: View, operation: TakePayment, context: Context) -> Changes:
    refuse_repeated(view, keyspace.payment(context.organisation, operation.payment), context, "payment_exists")
    verify_signer(view, context)
    _, part = part_to_pay(view, context, operation.order, operation.part)
    if operation.amount_fen != part.amount_fen:
        raise Refused("amount_differs")
    books = Books(view, context)
    source = money_places.channel(books, context.organisation, part.channel)
    waiting = money_places.suspense(books, context.organisation)
    books.post(source, waiting, part.amount_fen, "payment", operation.order)
    note_channel(view, books, context, part.channel, taken_fen=part.amount_fen)
    pay_part(view, books, context, operation.order, operation.part, operation.payment, source, operation.evidence)
    return books.changes


def take_stray(view: View, operation: TakeStray, context: Context) -> Changes:
    key = keyspace.payment(context.organisation, operation.payment)
    refuse_repeated(view, key, context, "payment_exists")
    verify_signer(view, context)
    if view.get(keyspace.deposit(context.organisation, operation.order), DepositBody) is None:
        order_of(view, context.organisation, operation.order)
    verify_outside(operation.channel)
    verify_amount(operation.amount_fen)
    books = Books(view, context)
    source = money_places.channel(books, context.organisation, operation.channel)
    into = money_places.refunds(books, context.organisation)
    books.post(source, into, operation.amount_fen, "stray", operation.order)
    note_channel(view, books, context, operation.channel, taken_fen=operation.amount_fen)
    books.changes[key] = PaymentBody(
        [operation.order],
        operation.channel,
        operation.amount_fen,
        source,
        into,
        STRAY,
        0,
        operation.evidence,
        context.time_ms,
    )
    return books.changes


def verify_amount(amount_fen: int) -> None:
    """Raises Refused `amount_not_positive`, `amount_too_large`."""
    if amount_fen <= 0:
        raise Refused("amount_not_positive")
    if amount_fen > AMOUNT_FEN_MAX:
        raise Refused("amount_too_large")


def refund_payment(view: View, operation: RefundPayment, context: Context) -> Changes:
    """Of a payment never more than it was, of a notice never more than its bills leave over."""
    own = keyspace.refund(context.organisation, operation.refund)
    refuse_repeated(view, own, context, "refund_exists")
    verify_signer(view, context)
    payment = payment_of(view, context.organisation, operation.payment)
    if not payment.order:
        raise Refused("payment_unknown")  # a deposit's, which goes back by its own operation
    verify_left(payment, operation.amount_fen)
    books = Books(view, context)
    if payment.state == STRAY:
        if operation.notice or operation.red:
            raise Refused("notice_not_in_order")
    else:
        _refund_order(view, books, context, operation, payment)
    books.post(payment.into, payment.source, operation.amount_fen, "refund", payment.order[0])
    note_back(view, books, payment, operation.amount_fen)
    note_channel(view, books, context, payment.channel, refunded_fen=operation.amount_fen)
    books.changes[keyspace.payment(context.organisation, operation.payment)] = replace(
        payment, refunded_fen=payment.refunded_fen + operation.amount_fen
    )
    books.changes[own] = RefundBody(
        operation.payment,
        operation.amount_fen,
        operation.notice,
        operation.red,
        operation.evidence,
        context.time_ms,
    )
    if payment.state != STRAY:
        money_places.note_closing(view, books, context, context.organisation)
    return books.changes


def verify_left(payment: PaymentBody, amount_fen: int) -> None:
    """Raises Refused `amount_not_positive`, `exceeds_payment`."""
    if amount_fen <= 0:
        raise Refused("amount_not_positive")
    if payment.refunded_fen + amount_fen > payment.amount_fen:
        raise Refused("exceeds_payment")


def _refund_order(view: View, books: Books, context: Context, operation: RefundPayment, payment: PaymentBody) -> None:
    """Of a settled order: what its notice and that one's bills leave over, and what is still there of its money."""
    order = order_of(view, context.organisation, payment.order[0])
    if order.state != ORDER_PAID:
        raise Refused("order_open")
    if len(operation.notice) != 1 or operation.notice[0] not in order.notices:
        raise Refused("notice_not_in_order")
    name = operation.notice[0]
    notice = notice_of(view, context.organisation, name)
    refunded_fen = notice.refunded_fen + operation.amount_fen
    _verify_reversed(view, operation.red, notice)
    if refunded_fen > notice.total_fen:
        raise Refused("exceeds_notice")
    if payment.into == money_places.collected(books, context.organisation):
        if operation.amount_fen > order.free_fen:
            raise Refused("exceeds_order")  # shares have to be taken back first
        order = replace(
            order,
            free_fen=order.free_fen - operation.amount_fen,
            back_fen=max(0, order.back_fen - operation.amount_fen),  # what came back goes first
        )
        books.changes[keyspace.order(context.organisation, payment.order[0])] = order
    books.changes[keyspace.notice(context.organisation, name)] = replace(notice, refunded_fen=refunded_fen)


def _verify_reversed(view: View, red: list[str], notice: NoticeBody) -> None:
    """While its bill stands the money stays: the red bill of the one that answers it is named, and none where that one was
    withdrawn. Raises Refused."""
    answered = view.get(keyspace.bill(notice.bill[0]), BillBody) if notice.bill else None
    if answered is None or answered.validity == VOID:
        if red:
            raise Refused("red_bill_differs")
        return
    if not red:
        raise Refused("red_bill_missing")
    bill = view.get(keyspace.bill(red[0]), BillBody)
    if bill is None:
        raise Refused("bill_unknown")
    if bill.validity != RED or bill.related != notice.bill:
        raise Refused("red_bill_differs")


def bank_channel(view: View, operation: BankChannel, context: Context) -> Changes:
    """What the channel owed is at the bank now; what it kept is a fee."""
    own = keyspace.bank_line(context.organisation, operation.settled)
    refuse_repeated(view, own, context, "bank_line_exists")
    verify_signer(view, context)
    verify_outside(operation.channel)
    if min(operation.amount_fen, operation.fee_fen) < 0:
        raise Refused("amount_not_positive")
    verify_amount(operation.amount_fen + operation.fee_fen)
    days_between(operation.day, operation.day)
    books = Books(view, context)
    source = money_places.channel(books, context.organisation, operation.channel)
    if operation.amount_fen:
        into = money_places.bank(books, context.organisation)
        books.post(into, source, operation.amount_fen, "settled", operation.settled)
    if operation.fee_fen:
        into = money_places.fees(books, context.organisation)
        books.post(into, source, operation.fee_fen, "fee", operation.settled)
    note_bank(
        view,
        books,
        context,
        operation.channel,
        operation.day,
        operation.settled,
        operation.amount_fen,
        operation.fee_fen,
    )
    return books.changes | {
        own: BankLineBody(operation.channel, operation.day, operation.amount_fen, operation.fee_fen, context.time_ms)
    }
