"""Who shares in an organisation's orders: bound with kind and consent, suspended and resumed, paid out; what it owes.

A payee is kept by the organisation that binds it, in an account that splits alone move, unless it has one of another organisation's,
to which nobody but that organisation gives orders. The binding organisation may be a payee itself, of its own kind and with its own
money as the account; another account of its own is nobody else's, so it cannot stand for one (else a platform would bind "a
doctor" and take the money out).
What a payee could not give back of a share is a debt of its name to the order that it came from. Its further shares pay the oldest
debt first, whoever they are from: into that order's money, which then only goes back to the patient, or to the organisation as far
as that has advanced it. The debt also stands as a balance of an account of the payee's (`owed`, never below zero) against `claims`.
Codes in their order of precedence:
  BindPayee     already_recorded, payee_exists, then the signer's, payee_kind_unknown, consent_missing, then of its own money
                payee_kind_differs, of another account account_not_the_payees, account_unknown, account_closed, account_guarded,
                not_taken_from_others
  SuspendPayee  the signer's, payee_not_bound, standing_moved, already_suspended
  ResumePayee   the signer's, payee_not_bound, standing_moved, not_suspended
  PayOut        already_recorded, payout_exists, then the signer's, payee_not_bound, not_the_owner, amount_not_positive,
                amount_too_large, exceeds_credits
  PayOwed       already_recorded, repayment_exists, then the signer's, payee_not_bound, not_the_owner, source_not_own,
                account_guarded, amount_not_positive, amount_too_large, exceeds_debt, then the money's, the limits'
The signer's, the money's and the limits' codes stand in `accounts.py`. A step of standing that is asked twice is refused as what it
is: no record of its own is kept of it. What a suspended payee has is paid out all the same.
Source: DOMAIN section 6 (receivers are added first, with a kind; return orders).
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.digest import EMPTY_DIGEST
from chain.operation import AccountRef, BindPayee, PayOut, PayOwed, ResumePayee, SuspendPayee
from chain.records import (
    ACTIVE,
    SUSPENDED,
    Debt,
    OrderBody,
    OrderSplitBody,
    OwedPaidBody,
    PayeeBody,
    PayOutBody,
)
from chain.rules import money_places
from chain.rules.accounts import Books, verify_free, verify_signer
from chain.rules.context import HOSPITAL, Changes, Context, Refused, View, organisation, refuse_repeated
from chain.rules.division import PAYEE_KINDS
from chain.rules.payments import verify_amount

DEBTS_MAX = 64  # orders that one payee owes to at once


def bind_payee(view: View, operation: BindPayee, context: Context) -> Changes:
    key = keyspace.payee(context.organisation, operation.payee)
    refuse_repeated(view, key, context, "payee_exists")
    verify_signer(view, context)
    if operation.kind not in PAYEE_KINDS:
        raise Refused("payee_kind_unknown")
    if operation.consent == EMPTY_DIGEST:
        raise Refused("consent_missing")
    books = Books(view, context)
    own = money_places.own(books, context.organisation)
    if not operation.account:
        account = money_places.payee(books, context.organisation, operation.payee)
    elif operation.account == [own]:
        account = own
        if operation.kind != organisation(view, context.organisation).kind:
            raise Refused("payee_kind_differs")
    else:
        account = _of_another(books, operation.account[0], context)
    return books.changes | {key: PayeeBody(operation.kind, account, operation.consent, ACTIVE, "", 0, [])}


def _of_another(books: Books, account: AccountRef, context: Context) -> AccountRef:
    if account.owner == context.organisation:
        raise Refused("account_not_the_payees")
    body = books.account(account)
    if body.closed:
        raise Refused("account_closed")
    if body.part:
        raise Refused("account_guarded")
    if not body.takes_from_others:
        raise Refused("not_taken_from_others")
    return account


def suspend_payee(view: View, operation: SuspendPayee, context: Context) -> Changes:
    payee = _standing(view, operation, context)
    if payee.state == SUSPENDED:
        raise Refused("already_suspended")
    key = keyspace.payee(context.organisation, operation.payee)
    return {key: replace(payee, state=SUSPENDED, reason=operation.reason, changes=payee.changes + 1)}


def resume_payee(view: View, operation: ResumePayee, context: Context) -> Changes:
    payee = _standing(view, operation, context)
    if payee.state != SUSPENDED:
        raise Refused("not_suspended")
    key = keyspace.payee(context.organisation, operation.payee)
    return {key: replace(payee, state=ACTIVE, reason="", changes=payee.changes + 1)}


def _standing(view: View, operation: SuspendPayee | ResumePayee, context: Context) -> PayeeBody:
    verify_signer(view, context)
    payee = payee_of(view, Books(view, context), context.organisation, operation.payee)
    if operation.changes != payee.changes:
        raise Refused("standing_moved")
    return payee


def payee_of(view: View, books: Books, organisation_name: str, name: bytes) -> PayeeBody:
    """As the books have it. Raises Refused `payee_not_bound`."""
    key = keyspace.payee(organisation_name, name)
    payee = books.changes.get(key) or view.get(key, PayeeBody)
    if not isinstance(payee, PayeeBody):
        raise Refused("payee_not_bound")
    return payee


def pay_out(view: View, operation: PayOut, context: Context) -> Changes:
    """Its money has left by the bank."""
    own = keyspace.payout(context.organisation, operation.payout)
    refuse_repeated(view, own, context, "payout_exists")
    verify_signer(view, context)
    books = Books(view, context)
    payee = payee_of(view, books, context.organisation, operation.payee)
    if payee.account.owner != context.organisation:
        raise Refused("not_the_owner")
    verify_amount(operation.amount_fen)
    bank = money_places.bank(books, context.organisation)
    books.post(payee.account, bank, operation.amount_fen, "paid_out", operation.payee)
    return books.changes | {
        own: PayOutBody(operation.payee, operation.amount_fen, operation.payment_mac, context.time_ms)
    }


# ── shares, and what is owed of them ─────────────────────────────────────────────────────────────────────────────────


def pay_share(view: View, books: Books, context: Context, name: bytes, amount_fen: int, order: bytes) -> None:
    """A share leaves `collected`: what the payee owes is paid of it first. Raises as the money's and the limits' codes say."""
    source = money_places.collected(books, context.organisation)
    paid_fen = _pay_debts(view, books, context.organisation, name, source, amount_fen)
    if amount_fen > paid_fen:
        account = payee_of(view, books, context.organisation, name).account
        books.post(source, account, amount_fen - paid_fen, "split", order)


def owe(view: View, books: Books, context: Context, name: bytes, order: bytes, amount_fen: int) -> None:
    """A payee could not give so much back to an order. Raises Refused `too_many_debts`."""
    payee = payee_of(view, books, context.organisation, name)
    owed = {debt.order: debt.amount_fen for debt in payee.owed}
    owed[order] = owed.get(order, 0) + amount_fen
    if len(owed) > DEBTS_MAX:
        raise Refused("too_many_debts")
    debts = [Debt(of, fen) for of, fen in owed.items()]
    books.changes[keyspace.payee(context.organisation, name)] = replace(payee, owed=debts)
    split = order_split_of(view, books, context.organisation, order)
    split = replace(split, owed_fen=split.owed_fen + amount_fen)
    books.changes[keyspace.order_split(context.organisation, order)] = split
    debt = money_places.owed(books, context.organisation, name)
    books.post(debt, money_places.claims(books, context.organisation), amount_fen, "owed", order)


def pay_owed(view: View, operation: PayOwed, context: Context) -> Changes:
    """By who bound the payee, or by who answers for its account: nobody else pays somebody's debts off."""
    own = keyspace.owed_paid(context.organisation, operation.repayment)
    refuse_repeated(view, own, context, "repayment_exists")
    verify_signer(view, context)
    books = Books(view, context)
    payee = payee_of(view, books, operation.organisation, operation.payee)
    may = context.organisation in (operation.organisation, payee.account.owner)
    if not may or operation.source.owner != context.organisation:
        raise Refused("not_the_owner")
    if context.organisation == operation.organisation:
        verify_counter(view, context)
    verify_free(view, operation.source)
    verify_amount(operation.amount_fen)
    if operation.amount_fen > sum(debt.amount_fen for debt in payee.owed):
        raise Refused("exceeds_debt")
    _pay_debts(view, books, operation.organisation, operation.payee, operation.source, operation.amount_fen)
    money_places.note_closing(view, books, context, operation.organisation)
    return books.changes | {own: OwedPaidBody(operation.payee, operation.source, operation.amount_fen, context.time_ms)}


def verify_counter(view: View, context: Context) -> None:
    """Money may come from outside the ledger to a hospital's counter; to a platform's it would be money out of nothing, which its
    payees' next shares would turn into its own. Raises Refused `source_not_own`."""
    if organisation(view, context.organisation).kind != HOSPITAL:
        raise Refused("source_not_own")


def _pay_debts(
    view: View, books: Books, organisation_name: str, name: bytes, source: AccountRef, amount_fen: int
) -> int:
    """The oldest first, as far as the sum goes; what of it was paid."""
    payee = payee_of(view, books, organisation_name, name)
    left_fen, debts = amount_fen, []
    for debt in payee.owed:
        paid_fen = min(debt.amount_fen, left_fen)
        left_fen -= paid_fen
        if paid_fen:
            _pay_debt(view, books, organisation_name, name, debt.order, source, paid_fen)
        if debt.amount_fen > paid_fen:
            debts.append(Debt(debt.order, debt.amount_fen - paid_fen))
    if left_fen < amount_fen:
        books.changes[keyspace.payee(organisation_name, name)] = replace(payee, owed=debts)
    return amount_fen - left_fen


def _pay_debt(
    view: View, books: Books, organisation_name: str, name: bytes, order_name: bytes, source: AccountRef, fen: int
) -> None:
    """What the organisation has advanced is its own again; the rest is the order's, to go back to the patient."""
    split_key, order_key = (
        keyspace.order_split(organisation_name, order_name),
        keyspace.order(organisation_name, order_name),
    )
    split = order_split_of(view, books, organisation_name, order_name)
    own_fen = min(fen, split.advanced_fen)
    books.changes[split_key] = replace(split, owed_fen=split.owed_fen - fen, advanced_fen=split.advanced_fen - own_fen)
    if own_fen:
        books.post(source, money_places.own(books, organisation_name), own_fen, "owed_paid", order_name)
    if fen > own_fen:
        into = money_places.collected(books, organisation_name)
        if source != into:
            books.post(source, into, fen - own_fen, "owed_paid", order_name)
        order = books.changes.get(order_key) or view.get(order_key, OrderBody)
        if not isinstance(order, OrderBody):
            raise Refused("order_unknown")
        books.changes[order_key] = came_back(order, fen - own_fen)
    debt = money_places.owed(books, organisation_name, name)
    books.post(money_places.claims(books, organisation_name), debt, fen, "owed_paid", order_name)


def came_back(order: OrderBody, amount_fen: int) -> OrderBody:
    """It is there for the patient."""
    return replace(order, free_fen=order.free_fen + amount_fen, back_fen=order.back_fen + amount_fen)


def order_split_of(view: View, books: Books, organisation_name: str, order: bytes) -> OrderSplitBody:
    """As the books have it."""
    key = keyspace.order_split(organisation_name, order)
    split = books.changes.get(key) or view.get(key, OrderSplitBody)
    return split if isinstance(split, OrderSplitBody) else OrderSplitBody([], 0, 0, 0, [])
