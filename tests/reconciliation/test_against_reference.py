"""Two days with faults drawn at random, in a drawn order, against the reference; and the sums that must hold of any of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from node.reconciliation.bank import BankLine
from node.reconciliation.reconcile import Figures
from node.reconciliation.row import Row
from tests.reconciliation.making import CHANNEL, MONDAY, TUESDAY, Day, at, carried_from, replace
from tests.reconciliation.reference import Found, Held, reference

EXAMPLES = 300
CHUNK_BYTES = 2_000  # some six lines: every example is sorted through files
LINE_CLASSES = frozenset(
    ("duplicate_ours", "duplicate_theirs", "suspense", "only_ours", "only_theirs", "status_differs", "amount_differs")
)
STATES = ("success", "pending", "failed", "closed")
FAULTS = (
    "none", "none", "amount", "only ours", "only theirs", "our state", "their state", "twice ours", "twice theirs",
    "second trade", "other trade", "trade unknown", "no bill", "other bill", "midnight ours", "midnight theirs",
)  # fmt: skip

orders = st.lists(
    st.tuples(
        st.sampled_from(FAULTS),
        st.booleans(),  # a refund of it too
        st.integers(1, 5_000),
        st.sampled_from(STATES),
        st.sampled_from(["same", "less", "never"]),  # how the other side has it on the next day, of what is carried
    ),
    max_size=12,
)


def add(day: Day, next_day: Day, number: int, fault: str, amount_fen: int, state: str, later: str) -> None:
    sides = {"only ours": "ours", "only theirs": "theirs", "midnight ours": "ours", "midnight theirs": "theirs"}
    clock = "23:45:00" if fault.startswith("midnight") else "10:00:00"
    day.pay(number, amount_fen, clock, sides.get(fault, "both"))
    match fault:
        case "amount":
            day.theirs[-1] = replace(day.theirs[-1], amount_fen=amount_fen + 3)
        case "our state":
            day.ours[-1] = replace(day.ours[-1], state=state)
        case "their state":
            day.theirs[-1] = replace(day.theirs[-1], state=state)
        case "twice ours":
            day.ours.append(day.ours[-1])
        case "twice theirs":
            day.theirs.append(day.theirs[-1])
        case "second trade":
            day.theirs.append(replace(day.theirs[-1], trade_no=f"1999T{number}", state=state))
        case "other trade":
            day.theirs[-1] = replace(day.theirs[-1], trade_no=f"1999T{number}")
        case "trade unknown":
            day.ours[-1] = replace(day.ours[-1], trade_no="")
        case "no bill":
            day.ours[-1] = replace(day.ours[-1], bill_id="", bill_total_fen=0)
        case "other bill":
            day.ours[-1] = replace(day.ours[-1], bill_total_fen=amount_fen + 1)
        case "midnight ours" | "midnight theirs" if later != "never":
            other = "theirs" if fault == "midnight ours" else "ours"
            next_day.pay(number, amount_fen + (later == "less"), "00:05:00", other)


def bag(rows: list[Row]) -> Found:
    return Counter((row.name, row.order_no, row.refund_no, row.gap_fen) for row in rows)


def verify_sums(rows: list[Row], figures: Figures) -> None:
    """Ours, the gaps and theirs add up, and what is carried on is in class suspense."""
    gap = sum(row.gap_fen for row in rows if row.name in LINE_CLASSES)
    ours = figures.ours.net_fen() + figures.opening.ours_fen
    assert ours + gap == figures.theirs.net_fen() + figures.opening.theirs_fen
    assert figures.closing.ours + figures.closing.theirs == sum(row.name == "suspense" for row in rows)
    assert all(row.entry_fen == abs(row.gap_fen) and row.entry for row in rows)


@settings(max_examples=EXAMPLES, deadline=None)
@given(orders, st.integers(-5, 5), st.randoms(use_true_random=False))
def test_any_two_days_are_told_as_the_reference_tells_them(drawn: list[Any], bank_off_fen: int, draw: Any) -> None:
    monday, tuesday = Day(MONDAY), Day(TUESDAY)
    for number, (fault, has_refund, amount_fen, state, later) in enumerate(drawn):
        add(monday, tuesday, number, fault, amount_fen, state, later)
        if has_refund:
            monday.give_back(number, amount_fen, sides=draw.choice(["both", "both", "ours", "theirs"]))
    held: list[Held] = [("ours", line, False) for line in monday.ours]
    held += [("theirs", line, False) for line in monday.theirs]
    shuffled = [*monday.ours], [*monday.theirs]
    for lines in shuffled:
        draw.shuffle(lines)
    monday.ours, monday.theirs = shuffled
    credited = 10_000 + bank_off_fen
    monday.bank = [BankLine(MONDAY.number, CHANNEL, credited, "B-1")]
    expected, agree, carried_on = reference(at(TUESDAY, "00:00:00"), held, credited)
    rows, figures = monday.run(chunk_bytes=CHUNK_BYTES)
    assert bag(rows) == expected
    assert figures.matched == agree
    verify_sums(rows, figures)

    held = [(side, line, True) for side, line in carried_on]
    held += [("ours", line, False) for line in tuesday.ours]
    held += [("theirs", line, False) for line in tuesday.theirs]
    expected, agree, carried_on = reference(at(TUESDAY, "23:59:59") + 1_000, held, None)
    assert carried_on == []
    found, after = tuesday.run(carried_from(rows), chunk_bytes=CHUNK_BYTES)
    assert bag(found) == expected
    assert after.matched == after.cleared == agree
    verify_sums(found, after)
    assert (after.opening.ours, after.opening.theirs) == (figures.closing.ours, figures.closing.theirs)


@settings(max_examples=50, deadline=None)
@given(orders, st.randoms(use_true_random=False))
def test_rows_do_not_depend_on_the_order_of_the_files_nor_on_the_size_of_chunks(drawn: list[Any], draw: Any) -> None:
    day, other = Day(MONDAY), Day(TUESDAY)
    for number, (fault, _has_refund, amount_fen, state, later) in enumerate(drawn):
        add(day, other, number, fault, amount_fen, state, later)
    rows, figures = day.run()
    draw.shuffle(day.ours)
    draw.shuffle(day.theirs)
    again, same = day.run(chunk_bytes=CHUNK_BYTES)
    assert again == rows
    assert msgspec.structs.replace(same, spilled_bytes=0) == msgspec.structs.replace(figures, spilled_bytes=0)
