"""Deposits: money that a patient leaves with a hospital, pays from, and gets back what is left of the way it came.

Codes in their order of precedence:
  OpenDeposit     already_recorded, deposit_exists, then the signer's
  PayDeposit      already_recorded, payment_exists, then the signer's, deposit_unknown, deposit_settled, channel_differs,
                  amount_not_positive, amount_too_large
  PayFromDeposit  already_recorded, payment_exists, then the signer's, deposit_unknown, deposit_settled, then the part's (of
                  payments), order_of_other, deposit_exceeded
  SettleDeposit   already_recorded, deposit_settled, then the signer's, deposit_unknown
  RefundDeposit   already_recorded, refund_exists, then the signer's, deposit_unknown, deposit_unsettled, payment_unknown,
                  amount_not_positive, exceeds_payment, deposit_exceeded
Source: DOMAIN sections 2.2 and 5; the voucher of an in-patient deposit.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.digest import EMPTY_DIGEST
from chain.operation import OpenDeposit, PayDeposit, PayFromDeposit, RefundDeposit, SettleDeposit
from chain.records import COUNTED, DEBITS_WITHIN_CREDITS, DepositBody, PaymentBody, ReasonBody, RefundBody
from chain.rules import money_places
from chain.rules.accounts import Books, room_fen, verify_signer
from chain.rules.channel_days import note_channel
from chain.rules.context import Changes, Context, Refused, View, refuse_repeated
from chain.rules.orders import part_to_pay, pay_part, payment_of, verify_of_holder, verify_outside
from chain.rules.payments import verify_amount, verify_left

INPATIENT = "inpatient"  # it is settled before anything of it goes back


def open_deposit(view: View, operation: OpenDeposit, context: Context) -> Changes:
    key = keyspace.deposit(context.organisation, operation.deposit)
    refuse_repeated(view, key, context, "deposit_exists")
    verify_signer(view, context)
    books = Books(view, context)
    account = books.own(
        context.organisation, money_places.DEPOSITS, "deposit", DEBITS_WITHIN_CREDITS, operation.deposit
    )
    return books.changes | {key: DepositBody(operation.kind, operation.holder, account, False, 0)}


def pay_deposit(view: View, operation: PayDeposit, context: Context) -> Changes:
    own = keyspace.payment(context.organisation, operation.payment)
    refuse_repeated(view, own, context, "payment_exists")
    verify_signer(view, context)
    deposit = _unsettled(view, context, operation.deposit)
    verify_outside(operation.channel)
    verify_amount(operation.amount_fen)
    books = Books(view, context)
    source = money_places.channel(books, context.organisation, operation.channel)
    books.post(source, deposit.account, operation.amount_fen, "deposit", operation.deposit)
    note_channel(view, books, context, operation.channel, taken_fen=operation.amount_fen)
    return books.changes | {
        own: PaymentBody(
            [],
            operation.channel,
            operation.amount_fen,
            source,
            deposit.account,
            COUNTED,
            0,
            operation.evidence,
            context.time_ms,
        ),
        keyspace.deposit(context.organisation, operation.deposit): replace(deposit, payments=deposit.payments + 1),
    }


def pay_from_deposit(view: View, operation: PayFromDeposit, context: Context) -> Changes:
    refuse_repeated(view, keyspace.payment(context.organisation, operation.payment), context, "payment_exists")
    verify_signer(view, context)
    deposit = _unsettled(view, context, operation.deposit)
    order, part = part_to_pay(view, context, operation.order, operation.part, "deposit")
    verify_of_holder(view, context, order, deposit.holder)
    books = Books(view, context)
    if part.amount_fen > room_fen(books.account(deposit.account)):
        raise Refused("deposit_exceeded")
    waiting = money_places.suspense(books, context.organisation)
    books.post(deposit.account, waiting, part.amount_fen, "payment", operation.order)
    pay_part(view, books, context, operation.order, operation.part, operation.payment, deposit.account, EMPTY_DIGEST)
    return books.changes


def settle_deposit(view: View, operation: SettleDeposit, context: Context) -> Changes:
    end = keyspace.deposit_end(context.organisation, operation.deposit)
    refuse_repeated(view, end, context, "deposit_settled")
    verify_signer(view, context)
    deposit = deposit_of(view, context.organisation, operation.deposit)
    return {
        keyspace.deposit(context.organisation, operation.deposit): replace(deposit, settled=True),
        end: ReasonBody(""),
    }


def refund_deposit(view: View, operation: RefundDeposit, context: Context) -> Changes:
    own = keyspace.refund(context.organisation, operation.refund)
    refuse_repeated(view, own, context, "refund_exists")
    verify_signer(view, context)
    deposit = deposit_of(view, context.organisation, operation.deposit)
    if deposit.kind == INPATIENT and not deposit.settled:
        raise Refused("deposit_unsettled")
    payment = payment_of(view, context.organisation, operation.payment)
    if payment.into != deposit.account:
        raise Refused("payment_unknown")
    verify_left(payment, operation.amount_fen)
    books = Books(view, context)
    if operation.amount_fen > room_fen(books.account(deposit.account)):
        raise Refused("deposit_exceeded")
    books.post(deposit.account, payment.source, operation.amount_fen, "deposit_refund", operation.deposit)
    note_channel(view, books, context, payment.channel, refunded_fen=operation.amount_fen)
    return books.changes | {
        keyspace.payment(context.organisation, operation.payment): replace(
            payment, refunded_fen=payment.refunded_fen + operation.amount_fen
        ),
        own: RefundBody(operation.payment, operation.amount_fen, [], [], operation.evidence, context.time_ms),
    }


def deposit_of(view: View, organisation: str, name: bytes) -> DepositBody:
    """Raises Refused `deposit_unknown`."""
    deposit = view.get(keyspace.deposit(organisation, name), DepositBody)
    if deposit is None:
        raise Refused("deposit_unknown")
    return deposit


def _unsettled(view: View, context: Context, name: bytes) -> DepositBody:
    deposit = deposit_of(view, context.organisation, name)
    if deposit.settled:
        raise Refused("deposit_settled")
    return deposit
