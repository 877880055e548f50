"""Circulation: delivery to the payer, and bills whose fees are owed; and what never left the house is withdrawn.

Codes in their order of precedence:
  void      already_recorded, already_void, wrong_key, bill_unknown, not_issuer, then validity's (already_reversed, bill_is_red),
            delivered_use_reversal, paper_copy_outstanding, claim_open, claim_paid, accounting_not_acknowledged
  delivery  already_recorded, already_delivered, wrong_key, bill_unknown, not_issuer, bill_is_void, bill_in_arrears
  hold      already_recorded, held_before, wrong_key, bill_unknown, not_issuer, bill_not_normal, already_delivered
  make up   already_recorded, not_in_arrears, wrong_key, bill_unknown, not_issuer, not_in_arrears
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import DeliverBill, HoldBill, MakeUpPayment, VoidBill
from chain.records import NORMAL, VOID, CirculationBody, DeliveryBody, ReasonBody
from chain.rules.context import Changes, Context, Refused, View, refuse_repeated
from chain.rules.day_books import taken_off
from chain.rules.lives import circulation_of, own_bill, replaced, verify_preconditions
from chain.rules.moves import moved


def void_bill(view: View, operation: VoidBill, context: Context) -> Changes:
    """Withdraw a bill that was never delivered."""
    refuse_repeated(view, keyspace.void(operation.bill), context, "already_void")
    body = own_bill(view, operation.bill, context)
    validity = moved("validity", "void", body.validity)
    verify_preconditions(view, operation.bill, "void", context.time_ms)
    return {
        keyspace.void(operation.bill): ReasonBody(operation.reason),
        keyspace.bill(operation.bill): replaced(body, validity=validity),
        **taken_off(view, body),
    }


def deliver_bill(view: View, operation: DeliverBill, context: Context) -> Changes:
    """Stamp that it went to its payer; once for each channel."""
    own = keyspace.delivery(operation.bill, operation.channel)
    refuse_repeated(view, own, context, "already_delivered")
    body = own_bill(view, operation.bill, context)
    if body.validity == VOID:
        raise Refused("bill_is_void")
    state = moved("circulation", "deliver", circulation_of(view, operation.bill))
    return {
        own: DeliveryBody(operation.delivered_ms),
        keyspace.circulation(operation.bill): CirculationBody(state, ""),
    }


def hold_bill(view: View, operation: HoldBill, context: Context) -> Changes:
    """It may not circulate until it is paid."""
    own = keyspace.hold(operation.bill)
    refuse_repeated(view, own, context, "held_before")
    body = own_bill(view, operation.bill, context)
    if body.validity != NORMAL:
        raise Refused("bill_not_normal")
    state = moved("circulation", "hold", circulation_of(view, operation.bill))
    return {
        own: ReasonBody(operation.reason),
        keyspace.circulation(operation.bill): CirculationBody(state, operation.reason),
    }


def make_up_payment(view: View, operation: MakeUpPayment, context: Context) -> Changes:
    """What was owed is paid."""
    own = keyspace.made_up(operation.bill)
    refuse_repeated(view, own, context, "not_in_arrears")
    own_bill(view, operation.bill, context)
    state = moved("circulation", "make_up", circulation_of(view, operation.bill))
    return {own: ReasonBody(""), keyspace.circulation(operation.bill): CirculationBody(state, "")}
