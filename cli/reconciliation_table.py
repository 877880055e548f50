"""A result of a reconciliation for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from rich.table import Table

from chain.reconciliation_result import ReconciliationStatement, ShownRow, Suspended
from cli import output
from cli.output import yuan

NOTHING = "–"
FOLDED = ("order", "refund", "number")  # columns of long numbers


def describe(stated: ReconciliationStatement, rows: int) -> dict[str, Any]:
    """As JSON: the statement with names of fields, digests as hex, and at most `rows` of its rows."""
    from chain.codec import plain

    document: dict[str, Any] = plain(stated)
    document["bank"] = document["bank"][0] if stated.bank else None
    document["shown"] = [_shown(entry) for entry in stated.shown[:rows]]
    return document


def _shown(row: ShownRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "order_no": row.order_no,
        "refund_no": row.refund_no,
        "number": row.number,
        "ours_fen": row.ours_fen[0] if row.ours_fen else None,
        "theirs_fen": row.theirs_fen[0] if row.theirs_fen else None,
        "entry": row.entry,
        "entry_fen": row.entry_fen,
    }


def print_result(stated: ReconciliationStatement, rows: int) -> None:
    """Sums, classes and the first differences; amounts in yuan."""
    zone = timezone(timedelta(minutes=stated.utc_offset_minutes))
    made = datetime.fromtimestamp(stated.made_ms // 1000, UTC).astimezone(zone).isoformat(sep=" ", timespec="minutes")
    day = f"{stated.day // 10_000}-{stated.day // 100 % 100:02d}-{stated.day % 100:02d}"
    output.print_line(f"{stated.organisation}, {stated.channel}, {day}; made {made}")
    output.print_line("")
    _print(("", "lines", "paid", "refunded", "fees", "net"), _sides(stated))
    output.print_line("")
    said = f"{stated.matched} matched"
    if stated.cleared:
        said += f", {stated.cleared} of them carried from the day before"
    output.print_line(
        f"{said}; {stated.without_effect} moved no money; {stated.bills} orders looked up among the bills"
    )
    if not stated.rows:
        output.print_line("no differences")
        return
    _print(("difference", "rows", "gap"), ((entry.name, entry.count, yuan(entry.gap_fen)) for entry in stated.classes))
    if rows:
        output.print_line("")
        _print(
            ("difference", "order", "refund", "number", "ours", "theirs", "entry", "amount"),
            (_row(entry) for entry in stated.shown[:rows]),
        )
    left = stated.rows - min(rows, len(stated.shown))
    if left:
        output.print_line(f"and {left} more")


def _sides(stated: ReconciliationStatement) -> Iterator[Sequence[Any]]:
    opening, closing = stated.opening, stated.closing
    for name, side, fees in (("ours", stated.ours, None), ("channel", stated.theirs, stated.fees_fen)):
        kept = NOTHING if fees is None else yuan(fees)
        net = side.net_fen() - (fees or 0)
        yield name, side.lines, yuan(side.payments_fen), yuan(side.refunds_fen), kept, yuan(net)
    for bank in stated.bank:
        yield "bank", bank.lines, NOTHING, NOTHING, NOTHING, yuan(bank.credited_fen)
    for name, held in (("carried here", opening), ("carried on", closing)):
        if _count(held):
            yield name, _count(held), NOTHING, NOTHING, NOTHING, f"{yuan(held.ours_fen)} / {yuan(held.theirs_fen)}"


def _count(held: Suspended) -> int:
    return held.ours + held.theirs


def _row(row: ShownRow) -> Sequence[Any]:
    ours = yuan(row.ours_fen[0]) if row.ours_fen else NOTHING
    theirs = yuan(row.theirs_fen[0]) if row.theirs_fen else NOTHING
    due = yuan(row.entry_fen) if row.entry_fen else NOTHING
    return row.name, row.order_no or row.kind, row.refund_no, row.number, ours, theirs, row.entry, due


def _print(columns: Sequence[str], rows: Iterator[Sequence[Any]] | Any) -> None:
    """Like `output.build_table`, but amounts in yuan stand to the right too."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    kept = [[str(cell) for cell in row] for row in rows]
    for index, column in enumerate(columns):
        is_figure = all(row[index] == NOTHING or row[index].lstrip("-")[:1].isdigit() for row in kept)
        if column in FOLDED:  # where there is little room they break, and figures stay whole
            table.add_column(column, overflow="fold")
        else:
            table.add_column(column, justify="right" if is_figure else "left", no_wrap=True)
    for row in kept:
        table.add_row(*row)
    output.console().print(table)
