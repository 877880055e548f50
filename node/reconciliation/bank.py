"""The channel's day against the bank: what the bank credited is payments less refunds less fees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from node.reconciliation import classes
from node.reconciliation.row import Row

BANK_KIND = "bank"


class BankLine(msgspec.Struct, frozen=True):
    """One credit of the bank for a channel's day; less than nothing where the channel took money back."""

    day: int  # yyyymmdd: the day of the channel's statement, not of the booking
    channel: str
    amount_fen: int
    bank_no: str  # the bank's own


class BankTally(msgspec.Struct):
    lines: int = 0  # of the channel's day, each counted once
    credited_fen: int = 0


def match_bank(lines: Iterable[BankLine], channel: str, day: int, expected_fen: int, tally: BankTally) -> Iterator[Row]:
    """The rows of one channel's day; lines of others are passed over. A bank credits a day in a few lines, which are held."""
    seen: set[str] = set()
    for line in lines:
        if (line.channel, line.day) != (channel, day):
            continue
        if line.bank_no in seen:
            yield Row(
                classes.DUPLICATE_BANK,
                BANK_KIND,
                number=line.bank_no,
                theirs_fen=line.amount_fen,
                entry=classes.ASK_BANK,
                entry_fen=abs(line.amount_fen),
            )
            continue
        seen.add(line.bank_no)
        tally.lines += 1
        tally.credited_fen += line.amount_fen
    gap = tally.credited_fen - expected_fen
    if gap:
        yield Row(
            classes.BANK_DIFFERS if tally.lines else classes.BANK_MISSING,
            BANK_KIND,
            ours_fen=expected_fen,
            theirs_fen=tally.credited_fen if tally.lines else None,
            gap_fen=gap,
            entry=classes.CLAIM_FROM_CHANNEL if gap < 0 else classes.BOOK_SURPLUS,
            entry_fen=abs(gap),
        )
