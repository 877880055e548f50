"""The bank that keeps the money of an organisation's orders, and what it attests day by day.

The ledger remembers what lay in `collected` at the end of each day on which it moved; the bank signs what it has for a day that is
over. Both figures stay side by side on record. That they differ is no reason to refuse the bank's word: a rule that did would keep
the difference off the record. Whoever reads it finds `supervised_balance_mismatch` (`difference_fen`).
Codes in their order of precedence:
  SuperviseMoney  the signer's, custody_moved, bank_not_entitled
  AttestBalance   already_recorded, already_attested, then the signer's, not_the_bank, date_unknown, day_not_over, day_unknown
`bank_not_entitled`: there is no such organisation, it is no bank, or it is not in force. `day_unknown`: before this bank began, or
so long ago that the ledger's days have gone (`money_places.CLOSINGS_MAX` on which money moved). The signer's codes stand in
`accounts.py`. The same bank again, with the number of before, is `custody_moved`: no record of its own is kept of the step.
Source: DOMAIN section 6 (daily balance, fund-safety rule).
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import AttestBalance, SuperviseMoney
from chain.records import ACTIVE, AttestedBody, CustodyBody, OrganisationBody
from chain.rules import money_places
from chain.rules.accounts import Books, verify_signer
from chain.rules.context import Changes, Context, Refused, View, days_between, local_date, refuse_repeated

BANK = "bank"


def supervise_money(view: View, operation: SuperviseMoney, context: Context) -> Changes:
    """It begins with what lies there now. Days that were not attested yet stay, also where another bank takes over: it attests
    them, or they are missed by whoever looks."""
    verify_signer(view, context)
    key = keyspace.custody(context.organisation)
    custody = view.get(key, CustodyBody)
    number = custody.number if custody else 0
    if operation.number != number:
        raise Refused("custody_moved")
    bank = view.get(keyspace.organisation(operation.bank), OrganisationBody)
    if bank is None or bank.kind != BANK or bank.state != ACTIVE:
        raise Refused("bank_not_entitled")
    books = Books(view, context)
    closings = custody.closings if custody else []
    books.changes[key] = CustodyBody(operation.bank, number + 1, closings)
    money_places.note_closing(view, books, context, context.organisation)
    return books.changes


def attest_balance(view: View, operation: AttestBalance, context: Context) -> Changes:
    own = keyspace.attested(operation.organisation, operation.day)
    refuse_repeated(view, own, context, "already_attested")
    verify_signer(view, context)
    custody = view.get(keyspace.custody(operation.organisation), CustodyBody)
    if custody is None or custody.bank != context.organisation:
        raise Refused("not_the_bank")
    today = local_date(context.time_ms, context.parameters.utc_offset_minutes)
    if days_between(operation.day, today) <= 0:
        raise Refused("day_not_over")
    before = [closing for closing in custody.closings if closing.day <= operation.day]
    if not before:
        raise Refused("day_unknown")
    return {own: AttestedBody(custody.bank, operation.balance_fen, before[-1].balance_fen, operation.statement)}


def difference_fen(attested: AttestedBody) -> int:
    """What the bank has more than the ledger; anything but 0 is a `supervised_balance_mismatch`."""
    return attested.balance_fen - attested.ledger_fen
