"""Day books: what an issuer issued at a place on a business date, so that completeness can be proven.

Written by the rules of bills in the same step as the bill, or its withdrawal, never by an operation of their own.
"""

from __future__ import annotations

from chain import keyspace
from chain.codec import FEN_MAX
from chain.operation import IssueBill, Payments, ReverseBill
from chain.records import BillBody, DayBookBody, KindTotals
from chain.rules.context import Changes, Refused, View


def entered(view: View, issuer: str, kind: int, operation: IssueBill | ReverseBill) -> Changes:
    """The day book's record with one bill more. Raises Refused `day_book_full` for a sum that no record can hold."""
    key = keyspace.day_book(issuer, operation.place, operation.business_date)
    book = view.get(key, DayBookBody)
    totals = {entry.kind: entry for entry in book.kinds} if book else {}
    old = totals.get(kind) or KindTotals(kind, 0, 0, 0, 0, 0, 0, Payments(0, 0, 0, 0))
    red = isinstance(operation, ReverseBill)
    new = totals[kind] = KindTotals(
        kind,
        old.count + (not red),
        old.sum_fen + (0 if red else operation.total_fen),
        old.red_count + red,
        old.red_sum_fen + (operation.total_fen if red else 0),
        old.void_count,
        old.void_sum_fen,
        added(old.payments, operation.payments),
    )
    parts = new.payments
    sums = (
        new.sum_fen,
        new.red_sum_fen,
        parts.insurance_fund_fen,
        parts.personal_account_fen,
        parts.other_fen,
        parts.cash_fen,
    )
    if max(sums) > FEN_MAX or min(sums) < -FEN_MAX:
        raise Refused("day_book_full")
    return {key: DayBookBody([totals[number] for number in sorted(totals)])}


def taken_off(view: View, bill: BillBody) -> Changes:
    """The day book of a bill that is withdrawn: it stays in count and sum, and stands among the void."""
    key = keyspace.day_book(bill.issuer, bill.place, bill.business_date)
    book = view.get(key, DayBookBody)
    assert book is not None  # written with the bill
    parts = bill.payments
    negative = Payments(-parts.insurance_fund_fen, -parts.personal_account_fen, -parts.other_fen, -parts.cash_fen)
    kinds = [
        old
        if old.kind != bill.kind
        else KindTotals(
            old.kind,
            old.count,
            old.sum_fen,
            old.red_count,
            old.red_sum_fen,
            old.void_count + 1,
            old.void_sum_fen + bill.total_fen,
            added(old.payments, negative),
        )
        for old in book.kinds
    ]
    return {key: DayBookBody(kinds)}


def added(left: Payments, right: Payments) -> Payments:
    """The sums part by part."""
    return Payments(
        left.insurance_fund_fen + right.insurance_fund_fen,
        left.personal_account_fen + right.personal_account_fen,
        left.other_fen + right.other_fen,
        left.cash_fen + right.cash_fen,
    )
