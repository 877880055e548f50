"""Notices, orders and the money that pays them: all parts or nothing, each payment once, refunds the way the money came.

A notice says what is owed. An order pays some of the signer's notices over several channels. What comes for a part waits in
suspense until all parts are there; then the notices are settled in that very operation, and the bill that follows answers
them. What comes too late, twice or with another sum is refused as payment of the part and taken as stray: it is only ever to
go back. So a channel's notice may come late or any number of times.
Codes in their order of precedence:
  IssueNotice     already_recorded, notice_exists, then the signer's, lines_malformed, amount_too_large
  WithdrawNotice  already_recorded, notice_withdrawn, then the signer's, notice_unknown, already_settled, notice_in_order
  AnswerNotices   already_recorded, already_answered, then the signer's, notices_malformed, bill_unknown, not_issuer,
                  bill_not_normal, then notice by notice notice_unknown, notice_unsettled, already_answered; bill_differs
  PlaceOrder      already_recorded, order_exists, then the signer's, notices_malformed, then notice by notice notice_unknown,
                  already_settled, notice_in_order, notice_withdrawn; parts_malformed, sum_mismatch, order_too_long
  TakePayment     already_recorded, payment_exists, then the signer's, then the part's, amount_differs
  TakeStray       already_recorded, payment_exists, then the signer's, order_unknown, amount_not_positive, amount_too_large
  CloseOrder      already_recorded, order_closed, then the signer's, order_unknown, already_settled
  RefundPayment   already_recorded, refund_exists, then the signer's, payment_unknown, amount_not_positive, exceeds_payment,
                  notice_not_in_order, order_open, red_bill_missing, bill_unknown, red_bill_differs, exceeds_notice, exceeds_order
  BankChannel     already_recorded, bank_line_exists, then the signer's, amount_not_positive, amount_too_large, date_unknown
  the part's      order_unknown, already_settled, order_closed, order_expired, part_unknown, channel_differs, part_paid
Source: DOMAIN sections 2.2, 5 and 6; the flow notice, payment, bill of the Zhejiang platform.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.operation import (
    AccountRef,
    AnswerNotices,
    BankChannel,
    CloseOrder,
    IssueNotice,
    PlaceOrder,
    RefundPayment,
    TakePayment,
    TakeStray,
    WithdrawNotice,
)
from chain.records import (
    COUNTED,
    IN_ORDER,
    NORMAL,
    NOT_OWED,
    ORDER_CLOSED,
    ORDER_OPEN,
    ORDER_PAID,
    OWED,
    RED,
    SETTLED,
    STRAY,
    AnsweredBody,
    BankLineBody,
    BillBody,
    NoticeBody,
    OrderBody,
    PartBody,
    PaymentBody,
    ReasonBody,
    RefundBody,
)
from chain.rules import money_places
from chain.rules.accounts import AMOUNT_FEN_MAX, Books, verify_signer
from chain.rules.context import DAY_MS, Changes, Context, Refused, View, days_between, refuse_repeated

ORDER_MS_MAX = 180 * DAY_MS
INSIDE = frozenset({"deposit", "credit"})  # channels that are accounts of the ledger: their own operations pay


# ── notices ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def issue_notice(view: View, operation: IssueNotice, context: Context) -> Changes:
    key = keyspace.notice(context.organisation, operation.notice)
    refuse_repeated(view, key, context, "notice_exists")
    verify_signer(view, context)
    kinds = [line.kind for line in operation.lines]
    if kinds != sorted(set(kinds)) or any(line.amount_fen <= 0 for line in operation.lines):
        raise Refused("lines_malformed")
    total_fen = sum(line.amount_fen for line in operation.lines)
    if total_fen > AMOUNT_FEN_MAX:
        raise Refused("amount_too_large")
    return {
        key: NoticeBody(
            operation.kind,
            operation.holder,
            operation.lines,
            total_fen,
            operation.due_ms,
            operation.details_root,
            OWED,
            [],
            [],
            0,
        )
    }


def withdraw_notice(view: View, operation: WithdrawNotice, context: Context) -> Changes:
    end = keyspace.notice_end(context.organisation, operation.notice)
    refuse_repeated(view, end, context, "notice_withdrawn")
    verify_signer(view, context)
    notice = notice_of(view, context.organisation, operation.notice)
    _verify_owed(notice)
    return {
        keyspace.notice(context.organisation, operation.notice): replace(notice, state=NOT_OWED),
        end: ReasonBody(operation.reason),
    }


def answer_notices(view: View, operation: AnswerNotices, context: Context) -> Changes:
    """Each notice has one bill, and a further one only after that was reversed and some of the money went back."""
    own = keyspace.answered(operation.bill)
    refuse_repeated(view, own, context, "already_answered")
    verify_signer(view, context)
    if operation.notices != sorted(set(operation.notices)):
        raise Refused("notices_malformed")
    bill = view.get(keyspace.bill(operation.bill), BillBody)
    if bill is None:
        raise Refused("bill_unknown")
    if bill.issuer != context.organisation:
        raise Refused("not_issuer")
    if bill.validity != NORMAL:
        raise Refused("bill_not_normal")
    changes: Changes = {own: AnsweredBody(operation.notices)}
    paid_fen = 0
    for name in operation.notices:
        notice = notice_of(view, context.organisation, name)
        if notice.state != SETTLED:
            raise Refused("notice_unsettled")
        if _is_answered(view, notice):
            raise Refused("already_answered")
        paid_fen += notice.total_fen - notice.refunded_fen
        changes[keyspace.notice(context.organisation, name)] = replace(notice, bill=[operation.bill])
    if paid_fen != bill.total_fen:
        raise Refused("bill_differs")
    return changes


def notice_of(view: View, organisation: str, name: bytes) -> NoticeBody:
    """Raises Refused `notice_unknown`."""
    notice = view.get(keyspace.notice(organisation, name), NoticeBody)
    if notice is None:
        raise Refused("notice_unknown")
    return notice


def _verify_owed(notice: NoticeBody) -> None:
    if notice.state == SETTLED:
        raise Refused("already_settled")
    if notice.state == IN_ORDER:
        raise Refused("notice_in_order")
    if notice.state == NOT_OWED:
        raise Refused("notice_withdrawn")


def _is_answered(view: View, notice: NoticeBody) -> bool:
    """Its bill stands."""
    for name in notice.bill:
        bill = view.get(keyspace.bill(name), BillBody)
        if bill is not None and bill.validity == NORMAL:
            return True
    return False


# ── orders ───────────────────────────────────────────────────────────────────────────────────────────────────────────


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
        _verify_owed(notice)
        total_fen += notice.total_fen
        changes[keyspace.notice(context.organisation, name)] = replace(notice, state=IN_ORDER, order=[operation.order])
    if any(part.amount_fen <= 0 for part in operation.parts):
        raise Refused("parts_malformed")
    if sum(part.amount_fen for part in operation.parts) != total_fen:
        raise Refused("sum_mismatch")
    if not context.time_ms < operation.until_ms <= context.time_ms + ORDER_MS_MAX:
        raise Refused("order_too_long")
    parts = [PartBody(part.channel, part.amount_fen, []) for part in operation.parts]
    changes[own] = OrderBody(
        operation.notices, parts, total_fen, operation.until_ms, ORDER_OPEN, 0, total_fen, False, []
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
            into = money_places.refunds(books, context.organisation)
            books.post(payment.into, into, payment.amount_fen, "order_closed", operation.order)
            changes[keyspace.payment(context.organisation, name)] = replace(payment, into=into, state=STRAY)
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


# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────────


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
    pay_part(view, books, context, operation.order, operation.part, operation.payment, source, operation.evidence)
    return books.changes


def take_stray(view: View, operation: TakeStray, context: Context) -> Changes:
    key = keyspace.payment(context.organisation, operation.payment)
    refuse_repeated(view, key, context, "payment_exists")
    verify_signer(view, context)
    order_of(view, context.organisation, operation.order)
    verify_amount(operation.amount_fen)
    books = Books(view, context)
    source = money_places.channel(books, context.organisation, operation.channel)
    into = money_places.refunds(books, context.organisation)
    books.post(source, into, operation.amount_fen, "stray", operation.order)
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


def payment_of(view: View, organisation: str, name: bytes) -> PaymentBody:
    """Raises Refused `payment_unknown`."""
    payment = view.get(keyspace.payment(organisation, name), PaymentBody)
    if payment is None:
        raise Refused("payment_unknown")
    return payment


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
        order = replace(order, free_fen=order.free_fen - operation.amount_fen)
        books.changes[keyspace.order(context.organisation, payment.order[0])] = order
    books.changes[keyspace.notice(context.organisation, name)] = replace(notice, refunded_fen=refunded_fen)


def _verify_reversed(view: View, red: list[str], notice: NoticeBody) -> None:
    """While its bill stands the money stays: the red bill of the one that answers it is named. Raises Refused."""
    if not notice.bill:
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
    return books.changes | {
        own: BankLineBody(operation.channel, operation.day, operation.amount_fen, operation.fee_fen, context.time_ms)
    }
