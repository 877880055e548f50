"""One channel's day from its four inputs to rows and figures, in bounded memory. The package's heart; reads and writes no named file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

import msgspec

from chain.reconciliation_result import BankDay, Side, Suspended
from node.channels.statement_line import StatementLine
from node.reconciliation.bank import BankLine, BankTally, match_bank
from node.reconciliation.business_day import BusinessDay
from node.reconciliation.errors import FileRefused
from node.reconciliation.external_sort import CHUNK_BYTES, ExternalSort
from node.reconciliation.item import OURS, THEIRS, Item, our_items, read_record, record_of, their_items
from node.reconciliation.matcher import Matcher, SideTally, Suspense
from node.reconciliation.our_line import OurLine
from node.reconciliation.row import OURS as OUR_SIDE
from node.reconciliation.row import THEIRS as THEIR_SIDE
from node.reconciliation.row import Row

GROUP_LINES_MAX = 1_000  # of one order or refund, on both sides together
TELL_EVERY = 20_000  # lines

Told = Callable[[int, str], None]  # steps since, what is being done
Carried = Iterable[tuple[str, Item]]  # side, item in suspense since the day before


class Figures(msgspec.Struct, frozen=True):
    """What a run found, but for the rows."""

    ours: Side
    theirs: Side
    fees_fen: int
    matched: int
    cleared: int
    without_effect: int
    opening: Suspended
    closing: Suspended
    bills: int
    bank: list[BankDay]
    spilled_bytes: int  # to temporary files


def reconcile(
    channel: str,
    day: BusinessDay,
    ours: Iterable[OurLine],
    statement: Iterable[StatementLine],
    bank: Iterable[BankLine] | None,
    carried: Carried,
    write: Callable[[Row], None],
    *,
    temporary: Path | None = None,
    told: Told = lambda _steps, _text: None,
    chunk_bytes: int = CHUNK_BYTES,
) -> Figures:
    """Compare, and give every row to `write`. `bank` None: nobody asked the bank.

    Raises LineRefused, FileRefused, TemporaryFailed, and whatever the iterators raise.
    """
    matcher = Matcher(day)
    with ExternalSort(temporary, chunk_bytes) as sort:
        for count, record in enumerate(_records(channel, day, ours, statement, carried), 1):
            sort.add(record)
            if not count % TELL_EVERY:
                told(TELL_EVERY, "read")
        compared = 0
        for mine, other in _groups(sort.sorted()):
            compared += len(mine) + len(other)
            if compared >= TELL_EVERY:
                told(compared, "compared")
                compared = 0
            for row in matcher.match(mine, other):
                write(row)
        spilled = sort.spilled_bytes
    banks = []
    if bank is not None:
        tally, expected = BankTally(), matcher.net_fen - matcher.fees_fen
        for row in match_bank(bank, channel, day.number, expected, tally):
            write(row)
        banks = [BankDay(tally.lines, expected, tally.credited_fen)]
    return Figures(
        _side(matcher.ours),
        _side(matcher.theirs),
        matcher.fees_fen,
        matcher.matched,
        matcher.cleared,
        matcher.without_effect,
        _suspended(matcher.opening),
        _suspended(matcher.closing),
        matcher.bills,
        banks,
        spilled,
    )


def _records(
    channel: str, day: BusinessDay, ours: Iterable[OurLine], statement: Iterable[StatementLine], carried: Carried
) -> Iterator[bytes]:
    for side, item in carried:
        yield record_of(OURS if side == OUR_SIDE else THEIRS, item)
    for our in our_items(ours, channel, day):
        if our is not None:
            yield record_of(OURS, our)
    for their in their_items(statement, channel, day):
        yield record_of(THEIRS, their)


def _groups(records: Iterable[bytes]) -> Iterator[tuple[list[Item], list[Item]]]:
    """(ours, theirs) of each order or refund."""
    read = map(read_record, records)
    for _key, group in groupby(read, key=lambda entry: entry[0]):
        sides: tuple[list[Item], list[Item]] = ([], [])
        for number, (_same, side, item) in enumerate(group):
            if number == GROUP_LINES_MAX:
                raise FileRefused("input", f"order {item.order_no} stands in it more than {GROUP_LINES_MAX} times")
            sides[side == THEIRS].append(item)
        yield sides


def _side(tally: SideTally) -> Side:
    return Side(tally.lines, tally.payments, tally.payments_fen, tally.refunds, tally.refunds_fen)


def _suspended(sums: dict[str, Suspense]) -> Suspended:
    ours, theirs = sums[OUR_SIDE], sums[THEIR_SIDE]
    return Suspended(ours.count, ours.sum_fen, theirs.count, theirs.sum_fen)
