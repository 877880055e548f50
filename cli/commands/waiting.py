"""`medbill audit waiting`: how long visits took before a day and since, as a table and a picture."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any

import typer

from cli import output
from cli.failures import CommandFailed
from cli.options import Home, Json, ViaMirror

ROLE = "auditor"
FIGURES = ("queued", "treated", "tested", "dispensed", "total")
SIDES = ("before", "since")
ALL = "all shown"  # hospitals together
FEW = "too few"  # visits for a figure
BAR_COLUMNS = 40

Split = Annotated[str, typer.Option("--split", metavar="YYYY-MM-DD", help="The first day of the time since.")]
First = Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="First day of opened visits.")]
Last = Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Last day of opened visits.")]
Hospital = Annotated[str | None, typer.Option("--hospital", metavar="NAME", help="Only this hospital.")]
Kind = Annotated[str, typer.Option("--kind", help="outpatient, inpatient or emergency.")]


@output.reported
def waiting(
    split: Split,
    home: Home,
    from_date: First = None,
    to_date: Last = None,
    hospital: Hospital = None,
    kind: Kind = "outpatient",
    via: ViaMirror = None,
    as_json: Json = False,
) -> None:
    """Medians of minutes that visits took before a day and since. Of fewer than five visits nothing is shown."""
    from cli.client import open_client

    for option, text in (("--split", split), ("--from", from_date), ("--to", to_date)):
        _verify_day(option, text)
    asked = {"split": split, "from": from_date, "to": to_date, "hospital": hospital, "kind": kind}
    with open_client(home, via, ROLE) as client:
        rows = client.get("/v1/audit/waiting", **asked)["data"]
    if as_json:
        output.print_json({**asked, "data": rows})
        return
    output.print_table(("hospital", "", "visits", *FIGURES), _lines(rows, split))
    _draw(rows, split)


def _verify_day(option: str, text: str | None) -> None:
    try:
        date.fromisoformat(text or "2026-03-01")
    except ValueError:
        raise CommandFailed("argument_refused", f"{option}: write a day as 2026-03-01") from None


def _lines(rows: list[dict[str, Any]], split: str) -> Iterator[list[Any]]:
    for row in rows:
        for side in SIDES:
            figures = row[side]
            shown = [FEW, *("" for _ in FIGURES)] if figures["visits"] is None else _figures(figures)
            yield [row["hospital"] or ALL, f"{side} {split}", *shown]


def _figures(side: dict[str, Any]) -> list[str]:
    return [str(side["visits"]), *("-" if side[name] is None else str(side[name]) for name in FIGURES)]


def _draw(rows: list[dict[str, Any]], split: str) -> None:
    """Bars of the minutes queued and of the whole visit; what is left out in the table is left out here."""
    from rich.bar import Bar
    from rich.table import Table

    longest = max((row[side]["total"] or 0 for row in rows for side in SIDES), default=0)
    if not longest:
        return
    grid = Table.grid(padding=(0, 1))
    for row in rows:
        for figure in ("queued", "total"):
            for side in SIDES:
                minutes = row[side][figure]
                if minutes is not None:
                    bar = Bar(longest, 0, minutes, width=BAR_COLUMNS)
                    grid.add_row(row["hospital"] or ALL, figure, f"{side} {split}", bar, f"{minutes} min")
    output.console().print()
    output.console().print(grid)
