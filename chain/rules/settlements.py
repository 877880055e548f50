"""Medical-insurance settlements: the bureau joins bills to a settlement of its own, and says what the fund paid its hospital for it.

A bill belongs to one settlement at a time; a settlement may be of several bills, all of one hospital (one visit, several bills: `balancedNumber`
and `eBillRelateNo` of the vendor interface). What the bureau says need not fit what the hospital said: the rules refuse what cannot be, and leave
what differs to be seen. The order is free, for clearing runs weeks behind: a payment may come before its bill is joined. A reversal waits
for no settlement: money that was settled for a reversed bill is a finding of the match (`node/settlement_match.py`), not a lock on a hospital.
Codes in their order of precedence:
  join      already_recorded, already_joined, wrong_key, not_an_insurance_bureau, bill_unknown, bill_not_normal, amount_not_positive, then the
            table's, settlement_of_other_hospital, already_joined, settlement_full
  pay       already_recorded, fund_already_paid, wrong_key, not_an_insurance_bureau, organisation_unknown, not_a_hospital,
            amount_not_positive, date_unknown, then the table's, settlement_of_other_hospital
  withdraw  already_recorded, already_withdrawn, wrong_key, settlement_unknown, then the table's
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import JoinSettlement, PayFund, WithdrawSettlement
from chain.records import (
    NORMAL,
    UNIT,
    WITHDRAWN,
    FundPaymentBody,
    JoinedBody,
    ReasonBody,
    SettledBody,
    SettlementBody,
)
from chain.rules.context import (
    HOSPITAL,
    Changes,
    Context,
    Refused,
    View,
    days_between,
    organisation,
    refuse_repeated,
)
from chain.rules.lives import known_bill, settlement_of
from chain.rules.moves import begin, moved

BUREAU = "insurance"  # kind of organisation that settles; companies (`insurer`) reimburse: rules/claims.py
BILLS_MAX = 16  # of one settlement


def join_settlement(view: View, operation: JoinSettlement, context: Context) -> Changes:
    """A bill is of this settlement, as far as the bureau knows; so one bill is settled once."""
    own = keyspace.joined(context.organisation, operation.settlement, operation.bill)
    refuse_repeated(view, own, context, "already_joined")
    _verify_bureau(view, context)
    bill = known_bill(view, operation.bill)
    if bill.validity != NORMAL:
        raise Refused("bill_not_normal")
    stated = operation.payments
    parts = (stated.insurance_fund_fen, stated.personal_account_fen, stated.other_fen, stated.cash_fen)
    if min(parts) < 0 or not any(parts):
        raise Refused("amount_not_positive")
    before = view.get(keyspace.settlement(context.organisation, operation.settlement), SettlementBody)
    state = moved("settlement", "join", before.state if before else begin("settlement"))
    if before is not None and before.hospital != bill.issuer:
        raise Refused("settlement_of_other_hospital")
    standing = settlement_of(view, operation.bill)
    if standing is not None and standing[1].state != WITHDRAWN:
        raise Refused("already_joined")
    bills = before.bills if before else []
    if len(bills) >= BILLS_MAX:
        raise Refused("settlement_full")
    return {
        own: JoinedBody(stated),
        keyspace.settlement(context.organisation, operation.settlement): SettlementBody(
            bill.issuer, state, [*bills, operation.bill]
        ),
        keyspace.settled(operation.bill): SettledBody(context.organisation, operation.settlement),
    }


def pay_fund(view: View, operation: PayFund, context: Context) -> Changes:
    """Once for each settlement, whatever is known of its bills."""
    own = keyspace.fund_payment(context.organisation, operation.settlement)
    refuse_repeated(view, own, context, "fund_already_paid")
    _verify_bureau(view, context)
    if organisation(view, operation.hospital).kind != HOSPITAL:
        raise Refused("not_a_hospital")
    if operation.amount_fen <= 0:
        raise Refused("amount_not_positive")
    days_between(operation.paid_date, operation.paid_date)
    before = view.get(keyspace.settlement(context.organisation, operation.settlement), SettlementBody)
    state = moved("settlement", "pay", before.state if before else begin("settlement"))
    if before is not None and before.hospital != operation.hospital:
        raise Refused("settlement_of_other_hospital")
    return {
        own: FundPaymentBody(operation.amount_fen, operation.paid_date, operation.payment_mac),
        keyspace.settlement(context.organisation, operation.settlement): SettlementBody(
            operation.hospital, state, before.bills if before else []
        ),
    }


def withdraw_settlement(view: View, operation: WithdrawSettlement, context: Context) -> Changes:
    """By the bureau that settled: of a bill that was reversed, or of a mistake. Its bills are free for another settlement."""
    own = keyspace.settlement_withdrawal(context.organisation, operation.settlement)
    refuse_repeated(view, own, context, "already_withdrawn")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    key = keyspace.settlement(context.organisation, operation.settlement)
    before = view.get(key, SettlementBody)
    if before is None:
        raise Refused("settlement_unknown")
    state = moved("settlement", "withdraw", before.state)
    return {own: ReasonBody(operation.reason), key: SettlementBody(before.hospital, state, before.bills)}


def _verify_bureau(view: View, context: Context) -> None:
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    if organisation(view, context.organisation).kind != BUREAU:
        raise Refused("not_an_insurance_bureau")
