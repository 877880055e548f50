"""The comparison again, from the page's words: dictionaries of everything, no sorting, nothing shared with the program but its structs.

Its answer is a bag of (class, order, refund, gap): how a row is told is the stories' to say.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from node.channels.statement_line import StatementLine
from node.reconciliation.our_line import OurLine

Found = Counter[tuple[str, str, str, int]]
Line = OurLine | StatementLine
Held = tuple[str, Line, bool]  # side, line, whether it was carried from the day before

HALF_AN_HOUR_MS = 1_800_000


def moved(line: Line) -> int:
    if line.state != "success":
        return 0
    return line.amount_fen if line.kind == "payment" else -line.amount_fen


def reference(
    day_end_ms: int, held: Iterable[Held], credited_fen: int | None
) -> tuple[Found, int, list[tuple[str, Line]]]:
    """(differences, how many pairs agree, what is carried on)."""
    found: Found = Counter()
    agree = 0
    carried_on: list[tuple[str, Line]] = []
    orders: dict[tuple[str, str, str], dict[str, list[tuple[Line, bool]]]] = defaultdict(
        lambda: {"ours": [], "theirs": []}
    )
    for side, line, was_carried in held:
        orders[line.kind, line.order_no, line.refund_no][side].append((line, was_carried))

    def note(name: str, line: Line, gap: int) -> None:
        found[name, line.order_no, line.refund_no, gap] += 1

    def alone(side: str, line: Line, was_carried: bool) -> None:
        sign = 1 if side == "theirs" else -1
        if moved(line) == 0:
            return
        if not was_carried and abs(line.time_ms - day_end_ms) <= HALF_AN_HOUR_MS:
            carried_on.append((side, line))
            note("suspense", line, sign * moved(line))
        else:
            note(f"only_{side}", line, sign * moved(line))

    expected_fen = 0
    for sides in orders.values():
        ours, theirs = sides["ours"], sides["theirs"]
        first = next((entry for entry in ours if moved(entry[0])), ours[0] if ours else None)
        for entry in ours:
            if entry is not first and moved(entry[0]):
                note("duplicate_ours", entry[0], -moved(entry[0]))
        trades: dict[str, tuple[Line, bool]] = {}
        for entry in [*(e for e in theirs if moved(e[0])), *(e for e in theirs if not moved(e[0]))]:
            if entry[0].trade_no not in trades:
                trades[entry[0].trade_no] = entry
            elif moved(entry[0]):
                note("duplicate_theirs", entry[0], moved(entry[0]))
        for line, was_carried in trades.values():
            if not was_carried and isinstance(line, StatementLine) and line.state == "success":
                expected_fen += moved(line) - line.fee_fen
        if first is not None:
            mine, was_carried = first
            pick = mine.trade_no if mine.trade_no in trades else next(iter(trades), None)
            if pick is None:
                alone("ours", mine, was_carried)
            else:
                other, _ = trades.pop(pick)
                gap = moved(other) - moved(mine)
                if (mine.state == "success") is not (other.state == "success"):
                    note("status_differs", mine, gap)
                elif mine.state == "success" and gap:
                    note("amount_differs", mine, gap)
                elif mine.state == "success" and mine.trade_no not in ("", other.trade_no):
                    note("trade_differs", mine, 0)
                elif mine.state == "success":
                    agree += 1
            if isinstance(mine, OurLine) and not was_carried and mine.kind == "payment" and mine.state == "success":
                gap = mine.bill_total_fen - mine.order_total_fen
                if mine.is_bill_due and mine.bill_id == "":
                    note("bill_missing", mine, gap)
                elif mine.is_bill_due and gap:
                    note("bill_differs", mine, gap)
        for line, was_carried in trades.values():
            alone("theirs", line, was_carried)
    if credited_fen is not None and credited_fen != expected_fen:
        found["bank_differs", "", "", credited_fen - expected_fen] += 1
    return found, agree, carried_on
