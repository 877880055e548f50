"""What is owed on a line: statements, repayment, instalments; and what came back beyond that, which is the patient's.

Codes in their order of precedence:
  StateLine         already_recorded, statement_exists, then the signer's, the bearer's, owed_differs, nothing_owed, due_too_soon,
                    account_full, too_many_dues
  RepayLine         already_recorded, repayment_exists, then the signer's, the bearer's, channel_differs, amount_not_positive,
                    amount_too_large, exceeds_debt
  AgreeInstalments  already_recorded, plan_exists, then the signer's, the bearer's, nothing_owed, instalments_malformed, account_full
  PayBackLine       already_recorded, payback_exists, then the signer's, the bearer's, channel_differs, amount_not_positive,
                    amount_too_large, exceeds_surplus, then the money's, the limits'
  the bearer's      line_unknown, not_the_bearer
The signer's, the money's and the limits' codes stand in `accounts.py`.
Source: DOMAIN section 5.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.operation import (
    AgreeInstalments,
    CreditTerms,
    LineRef,
    PayBackLine,
    RepayLine,
    StateLine,
)
from chain.records import (
    LENDER,
    Due,
    LineBody,
    PaybackBody,
    RepaymentBody,
    StatementBody,
)
from chain.rules import money_places
from chain.rules.accounts import Books, verify_signer
from chain.rules.channel_days import note_channel
from chain.rules.context import DAY_MS, Changes, Context, Refused, View, refuse_repeated
from chain.rules.credit import line_of, owed_fen, returned_fen, terms_of
from chain.rules.credit_dues import counting, due_of
from chain.rules.orders import verify_outside
from chain.rules.payments import verify_amount

DUES_MAX = 64  # dates of one line that still count


def state_line(view: View, operation: StateLine, context: Context) -> Changes:
    own = keyspace.statement(context.organisation, operation.statement)
    refuse_repeated(view, own, context, "statement_exists")
    line, terms = _borne(view, context, operation.line)
    owed = owed_fen(view, line)
    if operation.owed_fen != owed:
        raise Refused("owed_differs")
    if owed <= 0:  # below nothing: what was repaid went back to the line
        raise Refused("nothing_owed")
    if operation.due_ms < context.time_ms + terms.due_days * DAY_MS:
        raise Refused("due_too_soon")
    came_fen = returned_fen(view, line)
    dues = counting([*line.dues, due_of(operation.due_ms, came_fen + owed, context.time_ms)], came_fen)
    if len(dues) > DUES_MAX:
        raise Refused("too_many_dues")
    return {
        keyspace.line(operation.line.lender, operation.line.line): replace(line, dues=dues),
        own: StatementBody(owed, operation.due_ms, context.time_ms),
    }


def repay_line(view: View, operation: RepayLine, context: Context) -> Changes:
    """What comes pays the line first, and then the emergency line. At a hospital's risk it is the hospital's own money: no order
    is left that it could be divided, refunded or finished with.
    """
    own = keyspace.repayment(context.organisation, operation.repayment)
    refuse_repeated(view, own, context, "repayment_exists")
    line, terms = _borne(view, context, operation.line)
    verify_outside(operation.channel)
    verify_amount(operation.amount_fen)
    if operation.amount_fen > owed_fen(view, line):
        raise Refused("exceeds_debt")
    bearer, books = context.organisation, Books(view, context)
    source = money_places.channel(books, bearer, operation.channel)
    note_channel(view, books, context, operation.channel, taken_fen=operation.amount_fen)
    if terms.bearer != LENDER:
        into = money_places.own(books, bearer)
        books.post(source, into, operation.amount_fen, "repayment", operation.line.line)
        source = money_places.receivable(books, bearer)
    left_fen = operation.amount_fen
    for ref, granted_fen in ((line.account, terms.line_fen), (line.emergency, terms.emergency_fen)):
        account = books.account(ref)
        amount_fen = min(left_fen, granted_fen - (account.credits_fen - account.debits_fen))
        if amount_fen > 0:
            books.post(source, ref, amount_fen, "repayment", operation.line.line)
            left_fen -= amount_fen
    return books.changes | {
        own: RepaymentBody(operation.line, operation.channel, operation.amount_fen, operation.evidence, context.time_ms)
    }


def agree_instalments(view: View, operation: AgreeInstalments, context: Context) -> Changes:
    """They take the place of all dates before."""
    own = keyspace.instalments(context.organisation, operation.plan)
    refuse_repeated(view, own, context, "plan_exists")
    line, terms = _borne(view, context, operation.line)
    owed = owed_fen(view, line)
    if owed <= 0:  # below nothing: what was repaid went back to the line
        raise Refused("nothing_owed")
    dates = [instalment.due_ms for instalment in operation.instalments]
    amounts = [instalment.amount_fen for instalment in operation.instalments]
    in_order = dates == sorted(set(dates)) and dates[0] > context.time_ms
    if not in_order or min(amounts) <= 0 or sum(amounts) != owed or len(dates) > terms.instalments_max:
        raise Refused("instalments_malformed")
    dues: list[Due] = []
    asked_fen = returned_fen(view, line)
    for date_ms, amount_fen in zip(dates, amounts, strict=True):
        asked_fen += amount_fen
        dues.append(due_of(date_ms, asked_fen, context.time_ms))
    return {
        keyspace.line(operation.line.lender, operation.line.line): replace(line, dues=dues),
        own: StatementBody(owed, dates[-1], context.time_ms),
    }


def pay_back_line(view: View, operation: PayBackLine, context: Context) -> Changes:
    """A repayment the other way: of the line first, and then of the emergency line, what each has above what it was granted, and
    never more than both together have. Also of a line that has ended or run out: it is money that is owed to a person. At a
    hospital's risk it leaves the hospital's own money, where repayments went; what it has banked since has to be there again.
    """
    own = keyspace.payback(context.organisation, operation.payback)
    refuse_repeated(view, own, context, "payback_exists")
    line, terms = _borne(view, context, operation.line)
    verify_outside(operation.channel)
    verify_amount(operation.amount_fen)
    if operation.amount_fen > -owed_fen(view, line):
        raise Refused("exceeds_surplus")
    bearer, books = context.organisation, Books(view, context)
    into = money_places.channel(books, bearer, operation.channel)
    note_channel(view, books, context, operation.channel, refunded_fen=operation.amount_fen)
    if terms.bearer != LENDER:
        source = money_places.own(books, bearer)
        books.post(source, into, operation.amount_fen, "payback", operation.line.line)
        into = money_places.receivable(books, bearer)
    left_fen = operation.amount_fen
    for ref, granted_fen in ((line.account, terms.line_fen), (line.emergency, terms.emergency_fen)):
        account = books.account(ref)
        amount_fen = min(left_fen, account.credits_fen - account.debits_fen - granted_fen)
        if amount_fen > 0:
            books.post(ref, into, amount_fen, "payback", operation.line.line)
            left_fen -= amount_fen
    return books.changes | {
        own: PaybackBody(operation.line, operation.channel, operation.amount_fen, operation.evidence, context.time_ms)
    }


def _borne(view: View, context: Context, ref: LineRef) -> tuple[LineBody, CreditTerms]:
    """A line whose risk the signer bears. Raises Refused, the signer's codes and the bearer's."""
    verify_signer(view, context)
    line = line_of(view, ref)
    terms = terms_of(view, ref.lender, line)
    bearer = [ref.lender] if terms.bearer == LENDER else line.hospital
    if bearer != [context.organisation]:
        raise Refused("not_the_bearer")
    return line, terms
