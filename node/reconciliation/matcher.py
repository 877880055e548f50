"""Ours against the channel's, one order or refund after the other; and orders against their bills.

What belongs together has the same kind, order number and refund number. The steps, for each such group:
 1 of lines that say the same payment or refund again on one side, the first counts (one that succeeded, if there is one); the rest
   are duplicates. On their side the same is the same trade number: another trade of the order is another taking of money
 2 our line meets their line with its trade number, else their first
 3 a pair is compared: what it moved, amount, trade number
 4 what met nobody is carried if its time is near the day's end and it was not carried before; else only one side has it
 5 the order of a payment of ours is compared with its bill
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from node.channels.statement_line import PAYMENT, PENDING, REFUND, SUCCESS
from node.reconciliation import classes
from node.reconciliation.business_day import BusinessDay
from node.reconciliation.item import Item
from node.reconciliation.row import OURS, THEIRS, Row

BOOK = {PAYMENT: classes.BOOK_PAYMENT, REFUND: classes.BOOK_REFUND}
TAKE_BACK = {PAYMENT: classes.TAKE_BACK_PAYMENT, REFUND: classes.TAKE_BACK_REFUND}


class SideTally(msgspec.Struct):
    lines: int = 0
    payments: int = 0
    payments_fen: int = 0
    refunds: int = 0
    refunds_fen: int = 0

    def count(self, item: Item) -> None:
        self.lines += 1
        if item.state == SUCCESS and item.kind == PAYMENT:
            self.payments += 1
            self.payments_fen += item.amount_fen
        elif item.state == SUCCESS:
            self.refunds += 1
            self.refunds_fen += item.amount_fen


class Suspense(msgspec.Struct):
    count: int = 0
    sum_fen: int = 0

    def add(self, item: Item) -> None:
        self.count += 1
        self.sum_fen += item.effect_fen


class Matcher:
    """Of one channel's day. `match` is called once for each group, in any order."""

    def __init__(self, day: BusinessDay) -> None:
        self._end_ms, self._near_ms, self._day = day.end_ms, day.near_midnight_ms, day.number
        self.ours, self.theirs = SideTally(), SideTally()
        self.opening = {OURS: Suspense(), THEIRS: Suspense()}
        self.closing = {OURS: Suspense(), THEIRS: Suspense()}
        self.net_fen = 0  # of their lines of the day, each counted once
        self.fees_fen = 0
        self.matched = self.cleared = self.without_effect = self.bills = 0

    def match(self, ours: Sequence[Item], theirs: Sequence[Item]) -> Iterator[Row]:
        """The rows of one group; its lines are in the order of their bytes."""
        self._count(ours, self.ours, OURS)
        self._count(theirs, self.theirs, THEIRS)
        our = None
        if ours:
            our, *again = _succeeded_first(ours)
            for item in again:
                yield from self._duplicate(item, OURS)
        trades: dict[str, Item] = {}
        for item in _succeeded_first(theirs):
            if trades.setdefault(item.trade_no, item) is not item:
                yield from self._duplicate(item, THEIRS)
        for item in trades.values():
            if not item.since:
                self.net_fen += item.effect_fen
                self.fees_fen += item.fee_fen if item.state == SUCCESS else 0
        if our is not None:
            met = trades.pop(our.trade_no, None)
            if met is None and trades:
                met = trades.pop(next(iter(trades)))
            yield from self._alone(our, OURS) if met is None else self._pair(our, met)
            yield from self._bill(our)
        for item in trades.values():
            yield from self._alone(item, THEIRS)

    def _count(self, items: Sequence[Item], tally: SideTally, side: str) -> None:
        for item in items:
            if item.since:
                self.opening[side].add(item)
            else:
                tally.count(item)

    def _duplicate(self, item: Item, side: str) -> Iterator[Row]:
        """Step 1."""
        gap = item.effect_fen if side == THEIRS else -item.effect_fen
        if not gap:
            self.without_effect += 1
        elif side == OURS:
            yield _row(classes.DUPLICATE_OURS, gap, TAKE_BACK[item.kind], item, None)
        else:
            yield _row(classes.DUPLICATE_THEIRS, gap, classes.ASK_CHANNEL, None, item)

    def _alone(self, item: Item, side: str) -> Iterator[Row]:
        """Step 4."""
        ours, theirs = (item, None) if side == OURS else (None, item)
        gap = item.effect_fen if side == THEIRS else -item.effect_fen
        if not gap:
            self.without_effect += 1
        elif not item.since and abs(item.time_ms - self._end_ms) <= self._near_ms:
            self.closing[side].add(item)
            carried = msgspec.structs.replace(item, since=self._day)
            yield _row(classes.SUSPENSE, gap, classes.CARRY, ours, theirs, side=side, item=carried)
        elif side == OURS:
            yield _row(classes.ONLY_OURS, gap, TAKE_BACK[item.kind], ours, theirs)
        else:
            yield _row(classes.ONLY_THEIRS, gap, BOOK[item.kind], ours, theirs)

    def _pair(self, our: Item, their: Item) -> Iterator[Row]:
        """Step 3."""
        gap = their.effect_fen - our.effect_fen
        if (our.state == SUCCESS) != (their.state == SUCCESS):
            entry = BOOK[our.kind]
            if our.state == SUCCESS:
                entry = classes.ASK_CHANNEL if their.state == PENDING else TAKE_BACK[our.kind]
            yield _row(classes.STATUS_DIFFERS, gap, entry, our, their)
        elif our.state != SUCCESS:
            self.without_effect += 1
        elif our.amount_fen != their.amount_fen:
            entry = BOOK[our.kind] if their.amount_fen > our.amount_fen else TAKE_BACK[our.kind]
            yield _row(classes.AMOUNT_DIFFERS, gap, entry, our, their)
        elif our.trade_no and our.trade_no != their.trade_no:
            yield _row(classes.TRADE_DIFFERS, gap, classes.ASK_CHANNEL, our, their)
        else:
            self.matched += 1
            self.cleared += bool(our.since or their.since)

    def _bill(self, our: Item) -> Iterator[Row]:
        """Step 5. What was carried had its bill looked at the day before."""
        if our.since or our.kind != PAYMENT or our.state != SUCCESS or not our.is_bill_due:
            return
        self.bills += 1
        gap = our.bill_total_fen - our.order_total_fen
        if not our.bill_id:
            yield _bill_row(classes.BILL_MISSING, our, gap, classes.ISSUE_BILL)
        elif gap:
            yield _bill_row(classes.BILL_DIFFERS, our, gap, classes.CORRECT_BILL)


def _succeeded_first(items: Sequence[Item]) -> list[Item]:
    return sorted(items, key=lambda item: item.state != SUCCESS) if len(items) > 1 else list(items)


def _row(name: str, gap_fen: int, entry: str, our: Item | None, their: Item | None, **more: Any) -> Row:
    one = our or their
    if one is None:
        raise ValueError("a row is of a line")
    return Row(
        name,
        one.kind,
        one.order_no,
        one.refund_no,
        (their.trade_no if their else "") or one.trade_no,
        our.amount_fen if our else None,
        their.amount_fen if their else None,
        our.state if our else "",
        their.state if their else "",
        one.time_ms,
        (our.since if our else 0) or (their.since if their else 0),
        our.order if our else "",
        our.notice if our else "",
        our.bill_id if our else "",
        gap_fen,
        entry,
        abs(gap_fen),
        **more,
    )


def _bill_row(name: str, our: Item, gap_fen: int, entry: str) -> Row:
    return Row(
        name,
        our.kind,
        our.order_no,
        number=our.trade_no,
        ours_fen=our.order_total_fen,
        theirs_fen=our.bill_total_fen if our.bill_id else None,
        time_ms=our.time_ms,
        order=our.order,
        notice=our.notice,
        bill_id=our.bill_id,
        gap_fen=gap_fen,
        entry=entry,
        entry_fen=abs(gap_fen),
    )
