"""Treatment on credit: a lender's line, a hospital's agreement to deduct from it, holds that charges are captured from.

A line is an account that was granted a sum; what left it is owed, until it comes back. So what is owed needs no record of its
own, and a refund, a repayment and a released hold all restore the line by what they are. Who bears the risk is a field of the
product: the lender, who pays the hospital in the block of the capture; or the hospital, which has a receivable until the patient
pays. Overdue is derived: a statement's date has passed, and less has come back than it asked for. It stops what is new, never
an emergency, which has a line of its own and a name behind it.
Codes in their order of precedence:
  PublishProduct    already_recorded, version_moved, then the signer's, lender_not_entitled, version_moved, terms_malformed
  OpenLine          already_recorded, line_exists, then the signer's, product_unknown, line_expired
  EndLine           already_recorded, line_ended, then the signer's, line_unknown
  SignAgreement     already_recorded, agreement_exists, then the signer's, not_a_hospital, standing_moved, agreement_in_force, then
                    the line's, line_taken, account_overdue, amount_not_positive, deposit_unknown, deposit_of_other
  EndAgreement      already_recorded, agreement_ended, then the signer's, agreement_unknown, standing_moved
  HoldCredit        already_recorded, hold_exists, then the signer's, agreement_unknown, line_differs, agreement_ended, then the
                    line's, account_overdue and visit_cap_exceeded (no emergency), amount_not_positive, hold_too_long,
                    credit_line_exceeded, too_many_holds
  CaptureCredit     already_recorded, payment_exists, then the signer's, hold_unknown, line_differs, agreement_ended, line_ended, then
                    the part's (of payments), balance_first, then the hold's (of accounts), credit_line_exceeded
  ReleaseCredit     already_recorded, already_released, then the signer's, hold_unknown, line_differs, then the hold's
  ReviewEmergency   already_recorded, already_reviewed, then the signer's, hold_unknown, not_an_emergency, same_person
  StateLine         already_recorded, statement_exists, then the signer's, the bearer's, owed_differs, nothing_owed, due_too_soon,
                    too_many_dues
  RepayLine         already_recorded, repayment_exists, then the signer's, the bearer's, amount_not_positive, amount_too_large,
                    exceeds_debt
  AgreeInstalments  already_recorded, plan_exists, then the signer's, the bearer's, nothing_owed, instalments_malformed
  the line's        line_unknown, line_ended, line_expired
  the bearer's      line_unknown, not_the_bearer
Source: DOMAIN section 5; the seeds' score 650 and CNY 1,000 are a product's terms, `samples`.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.digest import EMPTY_DIGEST
from chain.operation import (
    AgreeInstalments,
    CaptureCredit,
    CreditTerms,
    EndAgreement,
    EndLine,
    HoldCredit,
    HoldMoney,
    LineRef,
    OpenLine,
    PublishProduct,
    ReleaseCredit,
    RepayLine,
    ReviewEmergency,
    SignAgreement,
    StateLine,
)
from chain.records import (
    DEBITS_WITHIN_CREDITS,
    ENDED,
    IN_FORCE,
    LENDER,
    UNLIMITED,
    AccountBody,
    AgreementBody,
    CreditHoldBody,
    DepositBody,
    Due,
    LineBody,
    ProductBody,
    ProductVersions,
    ReasonBody,
    RepaymentBody,
    StatementBody,
)
from chain.rules import money_places
from chain.rules.accounts import AMOUNT_FEN_MAX, HOLD_MS_MAX, Books, room_fen, verify_signer
from chain.rules.context import DAY_MS, HOSPITAL, Changes, Context, Refused, View, organisation, refuse_repeated
from chain.rules.payments import part_to_pay, pay_part, verify_amount

LENDERS = ("lender", "bank", HOSPITAL)
DUES_MAX = 64  # dates of one line that still count


# ── products and lines ───────────────────────────────────────────────────────────────────────────────────────────────


def publish_product(view: View, operation: PublishProduct, context: Context) -> Changes:
    own = keyspace.product(context.organisation, operation.product, operation.version)
    refuse_repeated(view, own, context, "version_moved")
    verify_signer(view, context)
    if organisation(view, context.organisation).kind not in LENDERS:
        raise Refused("lender_not_entitled")
    versions = keyspace.products(context.organisation, operation.product)
    former = view.get(versions, ProductVersions)
    if operation.version != (former.newest if former else 0) + 1:
        raise Refused("version_moved")
    _verify_terms(operation.terms)
    return {own: ProductBody(operation.terms), versions: ProductVersions(operation.version)}


def _verify_terms(terms: CreditTerms) -> None:
    fits = 0 < terms.visit_cap_fen <= terms.line_fen <= AMOUNT_FEN_MAX and 0 <= terms.emergency_fen <= AMOUNT_FEN_MAX
    if not fits or not 0 < terms.hold_ms_max <= HOLD_MS_MAX:
        raise Refused("terms_malformed")


def open_line(view: View, operation: OpenLine, context: Context) -> Changes:
    own = keyspace.line(context.organisation, operation.line)
    refuse_repeated(view, own, context, "line_exists")
    verify_signer(view, context)
    product = view.get(keyspace.product(context.organisation, operation.product, operation.version), ProductBody)
    if product is None:
        raise Refused("product_unknown")
    if operation.until_ms <= context.time_ms:
        raise Refused("line_expired")
    terms, books, lender = product.terms, Books(view, context), context.organisation
    granted = books.own(lender, money_places.CREDIT, "granted", UNLIMITED)
    accounts = []
    for purpose, amount_fen in (("line", terms.line_fen), ("emergency", terms.emergency_fen)):
        account = books.own(lender, money_places.CREDIT, purpose, DEBITS_WITHIN_CREDITS, operation.line)
        accounts.append(account)
        if amount_fen:
            books.post(granted, account, amount_fen, "granted", operation.line)
    return books.changes | {
        own: LineBody(
            operation.product,
            operation.version,
            operation.until_ms,
            IN_FORCE,
            "",
            accounts[0],
            accounts[1],
            terms.line_fen + terms.emergency_fen,
            [],
            [],
            operation.approval,
        )
    }


def end_line(view: View, operation: EndLine, context: Context) -> Changes:
    end = keyspace.line_end(context.organisation, operation.line)
    refuse_repeated(view, end, context, "line_ended")
    verify_signer(view, context)
    line = line_of(view, LineRef(context.organisation, operation.line))
    return {
        keyspace.line(context.organisation, operation.line): replace(line, state=ENDED, reason=operation.reason),
        end: ReasonBody(operation.reason),
    }


def line_of(view: View, ref: LineRef) -> LineBody:
    """Raises Refused `line_unknown`."""
    line = view.get(keyspace.line(ref.lender, ref.line), LineBody)
    if line is None:
        raise Refused("line_unknown")
    return line


def terms_of(view: View, lender: str, line: LineBody) -> CreditTerms:
    """Those of the version that it was opened under."""
    product = view.get(keyspace.product(lender, line.product, line.version), ProductBody)
    if product is None:  # a line has one
        raise Refused("product_unknown")
    return product.terms


def _verify_usable(line: LineBody, context: Context) -> None:
    if line.state == ENDED:
        raise Refused("line_ended")
    if line.until_ms <= context.time_ms:
        raise Refused("line_expired")


# ── what is owed ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _accounts(view: View, line: LineBody) -> list[AccountBody]:
    found = [view.get(keyspace.account(ref), AccountBody) for ref in (line.account, line.emergency)]
    return [account for account in found if account is not None]


def owed_fen(view: View, line: LineBody) -> int:
    """What has left both accounts of a line and has not come back."""
    return line.granted_fen - sum(account.credits_fen - account.debits_fen for account in _accounts(view, line))


def returned_fen(view: View, line: LineBody) -> int:
    """All that ever came back."""
    return sum(account.credits_fen for account in _accounts(view, line)) - line.granted_fen


def is_overdue(view: View, line: LineBody, time_ms: int) -> bool:
    came_fen = returned_fen(view, line)
    return any(due.due_ms <= time_ms and came_fen < due.returned_fen for due in line.dues)


def is_holder_overdue(view: View, hospital: str, holder: bytes, time_ms: int) -> bool:
    """Whether the line of a hospital's patient is overdue, also one of an agreement that has ended."""
    agreement = view.get(keyspace.agreement(hospital, holder), AgreementBody)
    return agreement is not None and is_overdue(view, line_of(view, agreement.line), time_ms)


# ── agreements ───────────────────────────────────────────────────────────────────────────────────────────────────────


def sign_agreement(view: View, operation: SignAgreement, context: Context) -> Changes:
    hospital = context.organisation
    step = keyspace.agreement_step(hospital, operation.holder, operation.number, "signed")
    refuse_repeated(view, step, context, "agreement_exists")
    verify_signer(view, context)
    if organisation(view, hospital).kind != HOSPITAL:
        raise Refused("not_a_hospital")
    own = keyspace.agreement(hospital, operation.holder)
    former = view.get(own, AgreementBody)
    if operation.number != (former.number if former else 0) + 1:
        raise Refused("standing_moved")
    if former is not None and former.state == IN_FORCE:
        raise Refused("agreement_in_force")
    line = line_of(view, operation.line)
    _verify_usable(line, context)
    changes: Changes = {}
    if terms_of(view, operation.line.lender, line).bearer != LENDER and line.hospital != [hospital]:
        if line.hospital:
            raise Refused("line_taken")
        changes[keyspace.line(operation.line.lender, operation.line.line)] = replace(line, hospital=[hospital])
    overdue = is_overdue(view, line, context.time_ms)
    if overdue or is_holder_overdue(view, hospital, operation.holder, context.time_ms):
        raise Refused("account_overdue")
    if operation.cap_fen <= 0:
        raise Refused("amount_not_positive")
    for name in operation.deposit:
        deposit = view.get(keyspace.deposit(hospital, name), DepositBody)
        if deposit is None:
            raise Refused("deposit_unknown")
        if deposit.holder != operation.holder:
            raise Refused("deposit_of_other")
    agreement = AgreementBody(
        operation.number, operation.line, operation.cap_fen, operation.deposit, operation.consent, IN_FORCE, ""
    )
    return changes | {own: agreement, step: ReasonBody("")}


def end_agreement(view: View, operation: EndAgreement, context: Context) -> Changes:
    step = keyspace.agreement_step(context.organisation, operation.holder, operation.number, "ended")
    refuse_repeated(view, step, context, "agreement_ended")
    verify_signer(view, context)
    agreement = _agreement(view, context, operation.holder)
    if agreement.number != operation.number:
        raise Refused("standing_moved")
    own = keyspace.agreement(context.organisation, operation.holder)
    return {
        own: replace(agreement, state=ENDED, reason=operation.reason),
        step: ReasonBody(operation.reason),
    }


def _agreement(view: View, context: Context, holder: bytes) -> AgreementBody:
    agreement = view.get(keyspace.agreement(context.organisation, holder), AgreementBody)
    if agreement is None:
        raise Refused("agreement_unknown")
    return agreement


# ── holds and captures ───────────────────────────────────────────────────────────────────────────────────────────────


def hold_credit(view: View, operation: HoldCredit, context: Context) -> Changes:
    own = keyspace.credit_hold(context.organisation, operation.hold)
    refuse_repeated(view, own, context, "hold_exists")
    verify_signer(view, context)
    agreement = _agreement(view, context, operation.holder)
    if agreement.line != operation.line:
        raise Refused("line_differs")
    if agreement.state == ENDED:
        raise Refused("agreement_ended")
    line = line_of(view, agreement.line)
    _verify_usable(line, context)
    terms = terms_of(view, agreement.line.lender, line)
    if not operation.emergency:
        if is_overdue(view, line, context.time_ms):
            raise Refused("account_overdue")
        if operation.amount_fen > min(terms.visit_cap_fen, agreement.cap_fen):
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
    return books.changes | {
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


def capture_credit(view: View, operation: CaptureCredit, context: Context) -> Changes:
    """What the balance does not pay the line pays: in the order balance, card, credit."""
    refuse_repeated(view, keyspace.payment(context.organisation, operation.payment), context, "payment_exists")
    verify_signer(view, context)
    hold = _credit_hold(view, context, operation.hold, operation.lender)
    agreement = _agreement(view, context, hold.holder)
    if agreement.state == ENDED or agreement.line != hold.line:
        raise Refused("agreement_ended")
    line = line_of(view, hold.line)
    if line.state == ENDED:
        raise Refused("line_ended")
    _, part = part_to_pay(view, context, operation.order, operation.part, "credit")
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
        EMPTY_DIGEST,
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


# ── statements and repayment ─────────────────────────────────────────────────────────────────────────────────────────


def state_line(view: View, operation: StateLine, context: Context) -> Changes:
    own = keyspace.statement(context.organisation, operation.statement)
    refuse_repeated(view, own, context, "statement_exists")
    line, terms = _borne(view, context, operation.line)
    owed = owed_fen(view, line)
    if operation.owed_fen != owed:
        raise Refused("owed_differs")
    if owed == 0:
        raise Refused("nothing_owed")
    if operation.due_ms < context.time_ms + terms.due_days * DAY_MS:
        raise Refused("due_too_soon")
    came_fen = returned_fen(view, line)
    dues = _counting([*line.dues, Due(operation.due_ms, came_fen + owed)], came_fen)
    if len(dues) > DUES_MAX:
        raise Refused("too_many_dues")
    return {
        keyspace.line(operation.line.lender, operation.line.line): replace(line, dues=dues),
        own: StatementBody(owed, operation.due_ms, context.time_ms),
    }


def _counting(dues: list[Due], came_fen: int) -> list[Due]:
    """By date; without those that were met, and without those that an earlier date asks as much for."""
    kept: list[Due] = []
    most_fen = came_fen
    for due in sorted(dues, key=lambda due: (due.due_ms, -due.returned_fen)):
        if due.returned_fen > most_fen:
            kept.append(due)
            most_fen = due.returned_fen
    return kept


def repay_line(view: View, operation: RepayLine, context: Context) -> Changes:
    """What comes pays the line first, and then the emergency line."""
    own = keyspace.repayment(context.organisation, operation.repayment)
    refuse_repeated(view, own, context, "repayment_exists")
    line, terms = _borne(view, context, operation.line)
    verify_amount(operation.amount_fen)
    if operation.amount_fen > owed_fen(view, line):
        raise Refused("exceeds_debt")
    bearer, books = context.organisation, Books(view, context)
    source = money_places.channel(books, bearer, operation.channel)
    if terms.bearer != LENDER:
        into = money_places.collected(books, bearer)
        books.post(source, into, operation.amount_fen, "repayment", operation.line.line)
        money_places.note_closing(view, books, context, bearer)
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
    if owed == 0:
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
        dues.append(Due(date_ms, asked_fen))
    return {
        keyspace.line(operation.line.lender, operation.line.line): replace(line, dues=dues),
        own: StatementBody(owed, dates[-1], context.time_ms),
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
