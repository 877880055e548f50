"""Accounting (入账): the issuer books the bill, and one unit that pays for it or refunds it.

The same bill is never booked by two units; a bill that stands in a unit's books is reversed only once that unit has
taken it out. Source: Zhejiang medical e-bill measure of 2019; DA/T 95-2022 `IsAccounted`, `AccDate`, `AccAmount`.
Codes in their order of precedence:
  book         already_recorded, already_accounted, wrong_key, bill_unknown, not_issuer (of the issuer's side), issuer_is_not_payer
               (of the other), not_a_paying_unit, bill_not_normal, bill_not_sealed, bill_in_arrears (the payer's side),
               amount_exceeds_total
  acknowledge  already_recorded, already_acknowledged, wrong_key, bill_unknown, not_accounted, not_your_booking
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import AcknowledgeReversal, BookBill
from chain.records import IN_ARREARS, ISSUER, NORMAL, PAYER, UNIT, BookingBody, ReasonBody
from chain.rules.context import Changes, Context, Refused, View, organisation, refuse_repeated
from chain.rules.lives import accounting_of, circulation_of, is_sealed, known_bill
from chain.rules.moves import moved

PAYING = ("employer", "insurer", "insurance", "platform")  # kinds of organisation that pay bills or refund their payers


def book_bill(view: View, operation: BookBill, context: Context) -> Changes:
    """Once on each side."""
    own = keyspace.booking(operation.bill, operation.side)
    refuse_repeated(view, own, context, "already_accounted")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    body = known_bill(view, operation.bill)
    is_issuer = body.issuer == context.organisation
    if is_issuer != (operation.side == ISSUER):
        raise Refused("not_issuer" if operation.side == ISSUER else "issuer_is_not_payer")
    if operation.side == PAYER and organisation(view, context.organisation).kind not in PAYING:
        raise Refused("not_a_paying_unit")
    if body.validity != NORMAL:
        raise Refused("bill_not_normal")
    if operation.side == PAYER:
        if not is_sealed(view, body):
            raise Refused("bill_not_sealed")
        if circulation_of(view, operation.bill) == IN_ARREARS:
            raise Refused("bill_in_arrears")
    if not 0 < operation.amount_fen <= body.total_fen:
        raise Refused("amount_exceeds_total")
    state = moved("accounting", "book", accounting_of(view, operation.bill, operation.side))
    return {own: BookingBody(state, context.organisation, operation.amount_fen, operation.voucher_mac)}


def acknowledge_reversal(view: View, operation: AcknowledgeReversal, context: Context) -> Changes:
    """By the unit that booked it."""
    own = keyspace.acknowledgement(operation.bill)
    refuse_repeated(view, own, context, "already_acknowledged")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    known_bill(view, operation.bill)
    state = moved("accounting", "acknowledge", accounting_of(view, operation.bill, PAYER))
    booking = view.get(keyspace.booking(operation.bill, PAYER), BookingBody)
    if booking is None or booking.organisation != context.organisation:
        raise Refused("not_your_booking")
    return {
        own: ReasonBody(""),
        keyspace.booking(operation.bill, PAYER): BookingBody(
            state, booking.organisation, booking.amount_fen, booking.voucher_mac
        ),
    }
