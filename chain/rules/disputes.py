"""Disputes: "this was not me". While one is open no claim is locked on the bill; its office settles it (FEATURES 32).

One is open at a time, and each has its number. A claim that was locked before may be decided, paid and released: its
insurer finds the dispute on the bill. A reversal or withdrawal waits for none of it: it may be what the dispute leads to.
Codes in their order of precedence:
  dispute  already_recorded, already_disputed, wrong_key, bill_unknown, not_supervised, bill_is_red, bill_is_void, then the table's,
           standing_moved (another dispute's number)
  settle   already_recorded, already_settled, wrong_key, bill_unknown, not_supervised, then the table's, standing_moved
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import DisputeBill, SettleDispute
from chain.records import DISPUTED, UNIT, DisputeBody, ReasonBody
from chain.rules.context import Changes, Context, Refused, View, organisation, refuse_repeated
from chain.rules.holders import bill_of_a_person
from chain.rules.lives import Reads, known_bill
from chain.rules.moves import begin, moved


def dispute_bill(view: View, operation: DisputeBill, context: Context) -> Changes:
    """By the issuer or the office that supervises it, for the person whom the bill names."""
    step = keyspace.dispute_step(operation.bill, operation.number, "begun")
    refuse_repeated(view, step, context, "already_disputed")
    bill_of_a_person(view, operation.bill, context)
    before = dispute_of(view, operation.bill)
    state = moved("dispute", "dispute", before.state if before else begin("dispute"))
    if operation.number != (before.number if before else 0) + 1:
        raise Refused("standing_moved")
    body = DisputeBody(state, operation.number, operation.holder, operation.reason, "", context.time_ms)
    return {step: ReasonBody(operation.reason), keyspace.dispute(operation.bill): body}


def settle_dispute(view: View, operation: SettleDispute, context: Context) -> Changes:
    """By the office that supervises the issuer alone."""
    step = keyspace.dispute_step(operation.bill, operation.number, "settled")
    refuse_repeated(view, step, context, "already_settled")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    bill = known_bill(view, operation.bill)
    if context.organisation != organisation(view, bill.issuer).supervisor:
        raise Refused("not_supervised")
    before = dispute_of(view, operation.bill)
    state = moved("dispute", "settle", before.state if before else begin("dispute"))
    if before is None or operation.number != before.number:
        raise Refused("standing_moved")
    body = DisputeBody(state, before.number, before.holder, before.reason, operation.outcome, before.time_ms)
    return {step: ReasonBody(operation.outcome), keyspace.dispute(operation.bill): body}


def dispute_of(view: Reads, number: str) -> DisputeBody | None:
    """A bill's newest dispute."""
    return view.get(keyspace.dispute(number), DisputeBody)


def is_disputed(view: Reads, number: str) -> bool:
    """Whether one is open."""
    dispute = dispute_of(view, number)
    return dispute is not None and dispute.state == DISPUTED
