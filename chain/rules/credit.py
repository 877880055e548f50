"""Treatment on credit: a lender's line, a hospital's agreement to deduct from it, holds that charges are captured from.

A line is an account that was granted a sum; what left it is owed, until it comes back. So what is owed needs no record of its
own, and a refund, a repayment and a released hold all restore the line by what they are. Who bears the risk is a field of the
product: the lender, who pays the hospital in the block of the capture; or the hospital, which has a receivable until the patient
pays. Overdue is derived: a statement's date has passed, and less has come back than it asked for. It stops what is new, never
an emergency, which has a line of its own and a name behind it.
Codes in their order of precedence:
  PublishProduct    already_recorded, version_moved, then the signer's, lender_not_entitled, version_moved, terms_malformed
  OpenLine          already_recorded, line_exists, then the signer's, product_unknown, line_expired,
                    hospitals_malformed
  EndLine           already_recorded, line_ended, then the signer's, line_unknown
  NameHospitals     already_recorded, standing_moved, then the signer's, the line's, standing_moved, hospitals_malformed
  SignAgreement     already_recorded, agreement_exists, then the signer's, not_a_hospital, standing_moved, agreement_in_force, then
                    the line's, hospital_not_named, former_line_owed, line_taken, account_overdue, amount_not_positive,
                    deposit_unknown, deposit_of_other
  EndAgreement      already_recorded, agreement_ended, then the signer's, agreement_unknown, standing_moved
  the line's        line_unknown, line_ended, line_expired, lender_not_entitled
Source: DOMAIN section 5; the seeds' score 650 and CNY 1,000 are terms of a product.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.operation import (
    HOSPITALS_MAX,
    CreditTerms,
    EndAgreement,
    EndLine,
    LineRef,
    NameHospitals,
    OpenLine,
    PublishProduct,
    SignAgreement,
)
from chain.records import (
    ACTIVE,
    DEBITS_WITHIN_CREDITS,
    ENDED,
    IN_FORCE,
    LENDER,
    UNLIMITED,
    AccountBody,
    AgreementBody,
    DepositBody,
    LineBody,
    ProductBody,
    ProductVersions,
    ReasonBody,
)
from chain.rules import money_places
from chain.rules.accounts import AMOUNT_FEN_MAX, HOLD_MS_MAX, Books, verify_signer
from chain.rules.context import HOSPITAL, Changes, Context, Refused, View, organisation, refuse_repeated

LENDERS = ("lender", "bank", HOSPITAL)


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
    if operation.hospitals != sorted(set(operation.hospitals)):
        raise Refused("hospitals_malformed")
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
            operation.hospitals,
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


def name_hospitals(view: View, operation: NameHospitals, context: Context) -> Changes:
    """None is ever taken away: a line that is not to be used any more is ended."""
    step = keyspace.line_hospitals(context.organisation, operation.line, operation.number)
    refuse_repeated(view, step, context, "standing_moved")
    verify_signer(view, context)
    line = line_of(view, LineRef(context.organisation, operation.line))
    verify_usable(view, context.organisation, line, context)
    if operation.number != len(line.hospitals):
        raise Refused("standing_moved")
    named = sorted([*line.hospitals, *operation.hospitals])
    is_sorted = operation.hospitals == sorted(operation.hospitals)
    if not is_sorted or len(set(named)) != len(named) or len(named) > HOSPITALS_MAX:
        raise Refused("hospitals_malformed")
    return {
        keyspace.line(context.organisation, operation.line): replace(line, hospitals=named),
        step: ReasonBody(""),
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


def verify_usable(view: View, lender: str, line: LineBody, context: Context) -> None:
    """For something new. Raises Refused, the line's codes, `lender_not_entitled` of a lender that is not in force."""
    if line.state == ENDED:
        raise Refused("line_ended")
    if line.until_ms <= context.time_ms:
        raise Refused("line_expired")
    if organisation(view, lender).state != ACTIVE:
        raise Refused("lender_not_entitled")


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
    verify_usable(view, operation.line.lender, line, context)
    if hospital not in line.hospitals:
        raise Refused("hospital_not_named")
    if former is not None and former.line != operation.line and owed_fen(view, line_of(view, former.line)) > 0:
        raise Refused("former_line_owed")
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
    agreement = agreement_of(view, context, operation.holder)
    if agreement.number != operation.number:
        raise Refused("standing_moved")
    own = keyspace.agreement(context.organisation, operation.holder)
    return {
        own: replace(agreement, state=ENDED, reason=operation.reason),
        step: ReasonBody(operation.reason),
    }


def agreement_of(view: View, context: Context, holder: bytes) -> AgreementBody:
    agreement = view.get(keyspace.agreement(context.organisation, holder), AgreementBody)
    if agreement is None:
        raise Refused("agreement_unknown")
    return agreement
