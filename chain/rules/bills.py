"""Bills: issue, and reversal by a linked red bill (冲红).

What may become of a bill afterwards is the table of `moves.py`.
Codes in their order of precedence:
  issue     already_recorded, number_used, wrong_key, organisation_unknown, issuer_not_entitled, organisation_suspended or
            organisation_closed, place_unknown, kind_unknown, amount_not_positive, sum_mismatch, own_part_exceeds_total, date_unknown, date_out_of_window,
            number_code_mismatch, lease_unknown, number_outside_lease, lease_cleared, already_issued, business_no_conflict,
            day_book_full
  reversal  already_recorded, number_used, wrong_key, second_person_missing, persons_malformed, same_person,
            organisation_unknown, issuer_not_entitled, organisation_suspended or organisation_closed, place_unknown, bill_unknown, not_issuer, bill_is_red, bill_is_void, already_reversed, amount_mismatch, date_unknown,
            date_out_of_window, number_code_mismatch, lease_unknown, number_outside_lease, lease_cleared, paper_copy_outstanding, claim_open,
            claim_paid, accounting_not_acknowledged, day_book_full
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import IssueBill, Payments, ReverseBill
from chain.records import NORMAL, RED, UNIT, BillBody, BusinessBody, UnusedBody
from chain.rules.context import (
    Changes,
    Context,
    Refused,
    View,
    days_between,
    issuing_hospital,
    local_date,
    refuse_repeated,
)
from chain.rules.day_books import entered
from chain.rules.lives import replaced, verify_preconditions
from chain.rules.moves import moved
from chain.rules.numbers import leased_number
from chain.rules.second_person import verify_persons


def issue_bill(view: View, operation: IssueBill, context: Context) -> Changes:
    """Record a bill under a leased number, once per business number."""
    _verify_number_free(view, operation.bill, context)
    issuing_hospital(view, context.organisation, operation.place)
    if operation.kind not in context.parameters.kinds:
        raise Refused("kind_unknown")
    parts = operation.payments
    amounts = (parts.insurance_fund_fen, parts.personal_account_fen, parts.other_fen, parts.cash_fen)
    own_parts = (operation.self_paid_fen, operation.self_funded_fen)
    if operation.total_fen <= 0 or min(*amounts, *own_parts) < 0:
        raise Refused("amount_not_positive")
    if sum(amounts) != operation.total_fen:
        raise Refused("sum_mismatch")
    if sum(own_parts) > operation.total_fen:
        raise Refused("own_part_exceeds_total")
    _verify_date_and_number(view, operation, operation.kind, context)
    business = keyspace.business(context.organisation, operation.business_mac)
    earlier = view.get(business, BusinessBody)
    if earlier is not None:
        raise Refused("already_issued" if earlier.content_mac == operation.content_mac else "business_no_conflict")
    body = BillBody.of(operation, context.organisation, operation.kind, context.height, validity=NORMAL, related=[])
    return {
        keyspace.bill(operation.bill): body,
        business: BusinessBody(operation.bill, operation.content_mac),
        **entered(view, context.organisation, operation.kind, operation),
    }


def reverse_bill(view: View, operation: ReverseBill, context: Context) -> Changes:
    """Record a red bill that takes an earlier one back, whole and once."""
    _verify_number_free(view, operation.bill, context)
    verify_persons(operation, context)
    issuing_hospital(view, context.organisation, operation.place)
    original = view.get(keyspace.bill(operation.original), BillBody)
    if original is None:
        raise Refused("bill_unknown")
    if original.issuer != context.organisation:
        raise Refused("not_issuer")
    validity = moved("validity", "reverse", original.validity)
    if (
        operation.total_fen != -original.total_fen
        or operation.payments != negated(original.payments)
        or operation.self_paid_fen != -original.self_paid_fen
        or operation.self_funded_fen != -original.self_funded_fen
    ):
        raise Refused("amount_mismatch")
    _verify_date_and_number(view, operation, original.kind, context)
    verify_preconditions(view, operation.original, "reverse", context.time_ms)
    red = BillBody.of(
        operation, context.organisation, original.kind, context.height, validity=RED, related=[operation.original]
    )
    return {
        keyspace.bill(operation.bill): red,
        keyspace.bill(operation.original): replaced(original, validity=validity, related=[operation.bill]),
        **entered(view, context.organisation, original.kind, operation),
    }


def _verify_number_free(view: View, bill: str, context: Context) -> None:
    refuse_repeated(view, keyspace.bill(bill), context, "number_used")
    if view.get(keyspace.unused(bill), UnusedBody) is not None:
        raise Refused("number_used")
    if context.purpose != UNIT:
        raise Refused("wrong_key")


def _verify_date_and_number(view: View, operation: IssueBill | ReverseBill, kind: int, context: Context) -> None:
    parameters = context.parameters
    today = local_date(context.time_ms, parameters.utc_offset_minutes)
    latest = local_date(context.time_ms + parameters.business_ahead_max_ms, parameters.utc_offset_minutes)
    behind = days_between(operation.business_date, today)
    is_ahead = operation.issued_ms > context.time_ms + parameters.business_ahead_max_ms
    if is_ahead or operation.business_date > latest or behind > parameters.business_days_behind_max:
        raise Refused("date_out_of_window")
    if operation.bill[:8] != bill_code(parameters.region, parameters.classification, kind, operation.business_date):
        raise Refused("number_code_mismatch")
    lease = leased_number(view, context.organisation, operation.bill, operation.lease_first)
    if lease.place != operation.place:
        raise Refused("number_outside_lease")


def bill_code(region: str, classification: str, kind: int, business_date: int) -> str:
    """Eight digits: region 2, classification 2, kind 2, year 2; the year is the hospital's own date."""
    return f"{region}{classification}{kind:02d}{business_date // 10_000 % 100:02d}"


def negated(parts: Payments) -> Payments:
    """Each part with its sign turned."""
    return Payments(-parts.insurance_fund_fen, -parts.personal_account_fen, -parts.other_fen, -parts.cash_fen)
