"""Dates of statements and instalments: by each so much of all that was ever used has to have come back.

What comes back of a charge that a statement has not counted yet pays nothing that was stated: the statement asks for as much more.
So whoever charges something new and has it refunded has paid no debt by it. No date ever asks for more than was used altogether;
so where more has come back than was used, all dates are met, and what is too much may be paid out: that is a use like any other,
leaves what came back as it is, and what is charged next is owed and stated beyond it. A payment on credit tells its line: its source is the
lender's account, its evidence the line's name.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from chain import keyspace
from chain.codec import FEN_MAX
from chain.records import Due, LineBody, PaymentBody
from chain.rules.accounts import Books
from chain.rules.context import Refused, View

CREDIT = "credit"  # the channel of what a line pays


def due_of(due_ms: int, returned_fen: int, now_ms: int) -> Due:
    """Both accounts of a line together may have given more than a record can hold. Raises Refused `account_full`."""
    if returned_fen > FEN_MAX:
        raise Refused("account_full")
    return Due(due_ms, returned_fen, now_ms)


def counting(dues: Sequence[Due], came_fen: int) -> list[Due]:
    """By date; without those that were met, and without those that an earlier date asks as much for."""
    kept: list[Due] = []
    most_fen = came_fen
    for due in sorted(dues, key=lambda due: (due.due_ms, -due.returned_fen)):
        if due.returned_fen > most_fen:
            kept.append(due)
            most_fen = due.returned_fen
    return kept


def note_back(view: View, books: Books, payment: PaymentBody, amount_fen: int) -> None:
    """So much of a payment has gone back to where it came from."""
    if payment.channel != CREDIT:
        return
    key = keyspace.line(payment.source.owner, payment.evidence)
    line = books.changes.get(key) or view.get(key, LineBody)
    if not isinstance(line, LineBody):  # a payment on credit has one
        raise Refused("line_unknown")
    if any(due.stated_ms < payment.time_ms for due in line.dues):
        books.changes[key] = replace(line, dues=[_raised(due, payment, amount_fen) for due in line.dues])


def _raised(due: Due, payment: PaymentBody, amount_fen: int) -> Due:
    if due.stated_ms >= payment.time_ms:
        return due
    return replace(due, returned_fen=min(FEN_MAX, due.returned_fen + amount_fen))
