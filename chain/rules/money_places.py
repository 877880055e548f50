"""Where the money of an organisation's orders lies: accounts that payments, splits, deposits and credit alone move.

A channel's account says what the channel owes; `suspense` holds the parts of orders that are not complete; `collected` is what
the organisation's bank supervises; `refunds` is to go back; `receivable` was promised by lines at the hospital's risk and is
no money yet: always what is owed on all of them together, so it is below nothing where refunds came after a repayment; `bank`
and `fees` are where a channel's takings end. `own` is the organisation's own part of it all and what was repaid to it, and each
payee that it keeps has an account. What a payee owes stands as a debt of its name against `claims`, and is no money either.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.operation import AccountRef
from chain.records import CREDITS_WITHIN_DEBITS, DEBITS_WITHIN_CREDITS, UNLIMITED, Closing, CustodyBody
from chain.rules.accounts import Books, part_account
from chain.rules.context import Context, View, local_date

PAYMENTS, SPLITS, DEPOSITS, CREDIT = "payments", "splits", "deposits", "credit"  # parts
CLOSINGS_MAX = 40  # days on which a supervised account moved that are remembered


def channel(books: Books, organisation: str, name: str) -> AccountRef:
    return books.own(organisation, PAYMENTS, "channel", UNLIMITED, name.encode())


def suspense(books: Books, organisation: str) -> AccountRef:
    return books.own(organisation, PAYMENTS, "suspense", DEBITS_WITHIN_CREDITS)


def collected(books: Books, organisation: str) -> AccountRef:
    return books.own(organisation, PAYMENTS, "collected", DEBITS_WITHIN_CREDITS)


def refunds(books: Books, organisation: str) -> AccountRef:
    return books.own(organisation, PAYMENTS, "refunds", DEBITS_WITHIN_CREDITS)


def receivable(books: Books, organisation: str) -> AccountRef:
    return books.own(organisation, PAYMENTS, "receivable", UNLIMITED)


def bank(books: Books, organisation: str) -> AccountRef:
    return books.own(organisation, PAYMENTS, "bank", UNLIMITED)


def fees(books: Books, organisation: str) -> AccountRef:
    return books.own(organisation, PAYMENTS, "fees", UNLIMITED)


def own(books: Books, organisation: str) -> AccountRef:
    return books.own(organisation, SPLITS, "own", DEBITS_WITHIN_CREDITS)


def payee(books: Books, organisation: str, name: bytes) -> AccountRef:
    return books.own(organisation, SPLITS, "payee", DEBITS_WITHIN_CREDITS, name)


def owed(books: Books, organisation: str, payee_name: bytes) -> AccountRef:
    return books.own(organisation, SPLITS, "owed", CREDITS_WITHIN_DEBITS, payee_name)


def claims(books: Books, organisation: str) -> AccountRef:
    return books.own(organisation, SPLITS, "claims", UNLIMITED)


def own_account(organisation: str) -> AccountRef:
    """What `own` is called, for who gives orders to it."""
    return part_account(organisation, SPLITS, "own")


def collected_account(organisation: str) -> AccountRef:
    """What `collected` is called, for who reads it."""
    return part_account(organisation, PAYMENTS, "collected")


def note_closing(view: View, books: Books, context: Context, organisation: str) -> None:
    """What lies in `collected` now, if a bank supervises it: the last of a day is what the bank's word is compared with."""
    key = keyspace.custody(organisation)
    custody = books.changes.get(key) or view.get(key, CustodyBody)
    if not isinstance(custody, CustodyBody):
        return
    account = books.account(collected(books, organisation))
    day = local_date(context.time_ms, context.parameters.utc_offset_minutes)
    closings = [closing for closing in custody.closings if closing.day != day]
    closings.append(Closing(day, account.credits_fen - account.debits_fen))
    books.changes[key] = replace(custody, closings=closings[-CLOSINGS_MAX:])
