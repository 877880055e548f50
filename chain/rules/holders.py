"""Whose a bill is, where it names no document: whoever shows its slip first, once and for ever (FEATURES 29).

The ledger knows no people. That the slip was shown, and by whom, is the word of the bill's issuer or of its office, which
sign for it; the MAC tells the same person again, and nobody else anything. A reversed bill is still somebody's.
Codes in their order of precedence:
  bind  already_recorded, already_claimed, wrong_key, bill_unknown, not_supervised, bill_is_red, bill_is_void
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import BindHolder
from chain.records import RED, UNIT, VOID, BillBody, BoundBody
from chain.rules.context import Changes, Context, Refused, View, organisation, refuse_repeated
from chain.rules.lives import known_bill


def bind_holder(view: View, operation: BindHolder, context: Context) -> Changes:
    """By the issuer or the office that supervises it."""
    own = keyspace.bound(operation.bill)
    refuse_repeated(view, own, context, "already_claimed")
    bill_of_a_person(view, operation.bill, context)
    return {own: BoundBody(operation.holder)}


def bill_of_a_person(view: View, number: str, context: Context) -> BillBody:
    """A bill that its issuer, or the office above it, says something of for its holder. Raises Refused."""
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    bill = known_bill(view, number)
    if context.organisation not in (bill.issuer, organisation(view, bill.issuer).supervisor):
        raise Refused("not_supervised")
    if bill.validity == RED:
        raise Refused("bill_is_red")
    if bill.validity == VOID:
        raise Refused("bill_is_void")
    return bill
