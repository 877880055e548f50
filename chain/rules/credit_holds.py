"""What a visit takes of a line: held at check-in, captured step by step, released at the end; emergencies.

A visit has one cap, the smaller one of the product's and the agreement's: no new hold takes what a holder's holds of a line for one
visit take together beyond it. A hold that runs takes all that it was made for; one that was released or has expired, what was
captured of it. Refunds do not restore the cap. The visit may be opened later, in the same chain. A hold that names no visit stands
for itself. An emergency is bound by no cap, and counts against none.
Codes in their order of precedence:
  HoldCredit        already_recorded, hold_exists, then the signer's, agreement_unknown, line_differs, agreement_ended, then the
                    line's, account_overdue and visit_cap_exceeded (no emergency), amount_not_positive, hold_too_long,
                    credit_line_exceeded, too_many_holds
  CaptureCredit     already_recorded, payment_exists, then the signer's, hold_unknown, line_differs, agreement_ended, line_ended, then
                    the part's (of payments), order_of_other, balance_first, then the hold's (of accounts), credit_line_exceeded
  ReleaseCredit     already_recorded, already_released, then the signer's, hold_unknown, line_differs, then the hold's
  ReviewEmergency   already_recorded, already_reviewed, then the signer's, hold_unknown, not_an_emergency, same_person
  the line's        line_unknown, line_ended, line_expired, lender_not_entitled
Source: DOMAIN section 5.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.digest import VISIT_CREDIT, digest
from chain.operation import (
    CaptureCredit,
    HoldCredit,
    HoldMoney,
    LineRef,
    ReleaseCredit,
    ReviewEmergency,
)
from chain.records import (
    ENDED,
    HELD,
    LENDER,
    AgreementBody,
    CreditHoldBody,
    DepositBody,
    HoldBody,
    ReasonBody,
    VisitCreditBody,
)
from chain.rules import money_places
from chain.rules.accounts import Books, room_fen, verify_signer
from chain.rules.context import Changes, Context, Refused, View, refuse_repeated
from chain.rules.credit import agreement_of, is_overdue, line_of, terms_of, verify_usable
from chain.rules.orders import part_to_pay, pay_part, verify_of_holder


def hold_credit(view: View, operation: HoldCredit, context: Context) -> Changes:
    own = keyspace.credit_hold(context.organisation, operation.hold)
    refuse_repeated(view, own, context, "hold_exists")
    verify_signer(view, context)
    agreement = agreement_of(view, context, operation.holder)
    if agreement.line != operation.line:
        raise Refused("line_differs")
    if agreement.state == ENDED:
        raise Refused("agreement_ended")
    line = line_of(view, agreement.line)
    verify_usable(view, agreement.line.lender, line, context)
    terms = terms_of(view, agreement.line.lender, line)
    visit, taken_fen = _visit_so_far(view, operation, context)
    if not operation.emergency:
        if is_overdue(view, line, context.time_ms):
            raise Refused("account_overdue")
        if taken_fen + operation.amount_fen > min(terms.visit_cap_fen, agreement.cap_fen):
            raise Refused("visit_cap_exceeded")
    if operation.amount_fen <= 0:
        raise Refused("amount_not_positive")
    if not context.time_ms < operation.until_ms <= context.time_ms + terms.hold_ms_max:
        raise Refused("hold_too_long")
    books = Books(view, context)
    account = line.emergency if operation.emergency else line.account
    if operation.amount_fen > room_fen(books.account(account)):
        raise Refused("credit_line_exceeded")
    waiting = money_places.suspense(books, context.organisation)
    about = operation.visit or [operation.hold]
    kept = HoldMoney(operation.hold, account, waiting, operation.amount_fen, operation.until_ms, "credit", about)
    books.hold(operation.hold, kept)
    changes: Changes = {
        own: CreditHoldBody(
            operation.holder,
            operation.line,
            operation.amount_fen,
            operation.visit,
            operation.emergency,
            "",
            [],
        )
    }
    for key in _visit_key(operation, context):
        changes[key] = replace(visit, holds=[*visit.holds, operation.hold])
    return books.changes | changes


def _visit_key(operation: HoldCredit, context: Context) -> list[bytes]:
    """Of what is counted against the cap; none for a hold that stands for itself, and for an emergency."""
    if operation.emergency:
        return []
    return [visit_credit(context.organisation, name, operation.holder, operation.line) for name in operation.visit]


def visit_credit(hospital: str, visit: bytes, holder: bytes, line: LineRef) -> bytes:
    """The key of what a holder's holds of a line take for a visit, whether there are any or not."""
    return keyspace.visit_credit(hospital, digest(VISIT_CREDIT, [visit, holder, line]))


def _visit_so_far(view: View, operation: HoldCredit, context: Context) -> tuple[VisitCreditBody, int]:
    """A visit's record as of now, in which holds that have ended are only what was captured of them, and what it takes, in fen."""
    captured_fen, running, running_fen = 0, [], 0
    for key in _visit_key(operation, context):
        former = view.get(key, VisitCreditBody) or VisitCreditBody(0, [])
        captured_fen = former.captured_fen
        for name in former.holds:
            held = view.get(keyspace.held(context.organisation, name), HoldBody)
            if held is None:  # what is listed was held
                raise Refused("hold_unknown")
            if held.state == HELD and held.until_ms > context.time_ms:
                running.append(name)
                running_fen += held.amount_fen
            else:
                captured_fen += held.captured_fen
    return VisitCreditBody(captured_fen, running), captured_fen + running_fen


def capture_credit(view: View, operation: CaptureCredit, context: Context) -> Changes:
    """What the balance does not pay the line pays: in the order balance, card, credit."""
    refuse_repeated(view, keyspace.payment(context.organisation, operation.payment), context, "payment_exists")
    verify_signer(view, context)
    hold = _credit_hold(view, context, operation.hold, operation.lender)
    agreement = agreement_of(view, context, hold.holder)
    if agreement.state == ENDED or agreement.line != hold.line:
        raise Refused("agreement_ended")
    line = line_of(view, hold.line)
    if line.state == ENDED:
        raise Refused("line_ended")
    order, part = part_to_pay(view, context, operation.order, operation.part, "credit")
    verify_of_holder(view, context, order, hold.holder)
    books = Books(view, context)
    _verify_balance_used(view, books, context, agreement)
    waiting = money_places.suspense(books, context.organisation)
    held = books.held(operation.hold)
    if part.amount_fen > held.amount_fen - held.captured_fen:
        raise Refused("credit_line_exceeded")
    books.draw(operation.hold, waiting, part.amount_fen, "credit", operation.order)
    pay_part(
        view,
        books,
        context,
        operation.order,
        operation.part,
        operation.payment,
        held.debit,
        hold.line.line,
        is_money=terms_of(view, hold.line.lender, line).bearer == LENDER,
    )
    return books.changes


def _verify_balance_used(view: View, books: Books, context: Context, agreement: AgreementBody) -> None:
    for name in agreement.deposit:
        deposit = view.get(keyspace.deposit(context.organisation, name), DepositBody)
        if deposit is not None and not deposit.settled and room_fen(books.account(deposit.account)) > 0:
            raise Refused("balance_first")


def release_credit(view: View, operation: ReleaseCredit, context: Context) -> Changes:
    step = keyspace.credit_hold_step(context.organisation, operation.hold, "released")
    refuse_repeated(view, step, context, "already_released")
    verify_signer(view, context)
    _credit_hold(view, context, operation.hold, operation.lender)
    books = Books(view, context)
    books.release(operation.hold)
    return books.changes | {step: ReasonBody(operation.reason)}


def review_emergency(view: View, operation: ReviewEmergency, context: Context) -> Changes:
    """Somebody else than who declared it says whether it was one; what was paid stays paid."""
    step = keyspace.credit_hold_step(context.organisation, operation.hold, "reviewed")
    refuse_repeated(view, step, context, "already_reviewed")
    verify_signer(view, context)
    own = keyspace.credit_hold(context.organisation, operation.hold)
    hold = view.get(own, CreditHoldBody)
    if hold is None:
        raise Refused("hold_unknown")
    if not hold.emergency:
        raise Refused("not_an_emergency")
    if operation.reviewer in hold.emergency:
        raise Refused("same_person")
    return {
        own: replace(hold, outcome=operation.outcome, reviewer=[operation.reviewer]),
        step: ReasonBody(operation.outcome),
    }


def _credit_hold(view: View, context: Context, name: bytes, lender: str) -> CreditHoldBody:
    """Raises Refused `hold_unknown`, `line_differs`."""
    hold = view.get(keyspace.credit_hold(context.organisation, name), CreditHoldBody)
    if hold is None:
        raise Refused("hold_unknown")
    if hold.line.lender != lender:
        raise Refused("line_differs")
    return hold
