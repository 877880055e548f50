"""Where the money of an organisation's orders lies: accounts that payments, splits, deposits and credit alone move.

A channel's account says what the channel owes; `suspense` holds the parts of orders that are not complete; `collected` is what
the organisation's bank supervises; `refunds` is to go back; `receivable` was promised by lines at the hospital's risk and is
no money yet: always what is owed on all of them together, so it is below nothing where refunds came after a repayment; `bank`
and `fees` are where a channel's takings end.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.operation import AccountRef
from chain.records import DEBITS_WITHIN_CREDITS, UNLIMITED, Closing, CustodyBody
from chain.rules.accounts import Books
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


def note_closing(view: View, books: Books, context: Context, organisation: str) -> None:
    """What lies in `collected` now, if a bank supervises it: the last of a day is what the bank's word is compared with."""
    key = keyspace.custody(organisation)
    custody = view.get(key, CustodyBody)
    if custody is None:
        return
    account = books.account(collected(books, organisation))
    day = local_date(context.time_ms, context.parameters.utc_offset_minutes)
    closings = [closing for closing in custody.closings if closing.day != day]
    closings.append(Closing(day, account.credits_fen - account.debits_fen))
    books.changes[key] = replace(custody, closings=closings[-CLOSINGS_MAX:])
