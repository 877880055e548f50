"""`medbill day`: the close of a shift or day."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.options import Home, Json, Via

if TYPE_CHECKING:
    from cli.day_close import Closing

app = typer.Typer(no_args_is_help=True, help="The close of a shift or day.")

CHINA = timezone(timedelta(hours=8))
ROLE = "hospital_admin"
COLUMNS = ("business_no", "code", "his_fen", "ledger_fen", "bill_id", "repair")

His = Annotated[
    Path,
    typer.Option(
        "--his", metavar="FILE.csv", help="What the hospital's own system billed: columns business_no and total (yuan)."
    ),
]
Day = Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="Business date; today if left out.")]
Place = Annotated[str | None, typer.Option("--place", metavar="CODE", help="Only this issuing point.")]
Mirror = Annotated[
    str | None, typer.Option("--mirror", metavar="NODE", help="Who gives the day books; the network's first mirror.")
]


@app.command()
@output.reported
def close(
    his: His,
    home: Home,
    via: Via,
    date: Day = None,
    place: Place = None,
    mirror: Mirror = None,
    as_json: Json = False,
) -> ExitCode:
    """Compare a day's totals line by line with the ledger, and offer the repair. Exit 3 if they differ.

    The ledger's side is its certified day books, checked here against genesis.json, as of a block that is named.
    """
    from chain.day_book_proof import check_day_books
    from chain.genesis import genesis_from_json
    from cli.client import open_client
    from cli.day_close import close_day, read_lines
    from node.home import NetworkHome

    day = date or datetime.now(CHINA).date().isoformat()
    lines = read_lines(his)
    genesis = genesis_from_json(NetworkHome(home).genesis.read_bytes())
    with open_client(home, via, ROLE) as client:
        issuer = client.organisation

        def find(number: str) -> dict[str, Any] | None:
            rows = client.get("/v1/bills", issuer=issuer, business_no=number)["data"]
            return rows[0] if rows else None

        with open_client(home, mirror, ROLE, organisation=issuer) as archive:
            data = archive.get_bytes("/v1/audit/day-books", issuer=issuer, **{"from": day})
        with output.progress("bills", len(lines)) as bar:
            books = check_day_books(data, genesis)
            closing = close_day(day, place, lines, find, books, lambda _done: bar(1, ""))
    if as_json:
        output.print_json({"agrees": closing.agrees, **msgspec.to_builtins(closing)})
    else:
        _print(closing)
    return ExitCode.OK if closing.agrees else ExitCode.INVALID


def _print(closing: Closing) -> None:
    rows = [
        (name, side.count, output.yuan(side.total_fen))
        for name, side in (
            ("hospital's system", closing.his),
            ("ledger's day books", closing.ledger),
            ("  of them void", closing.void),
            ("red bills", closing.red),
            ("only on the ledger", closing.surplus),
        )
    ]
    output.print_table((f"{closing.date} {closing.place or ''}".rstrip(), "bills", "yuan"), rows)
    if closing.differences:
        output.print_table(COLUMNS, [[getattr(one, column) for column in COLUMNS] for one in closing.differences])
    if closing.surplus.count:
        output.print_line("bills that the file does not have: medbill audit bills --issuer … --from DAY --to DAY")
    said = "agrees" if closing.agrees else "DIFFERS"
    output.print_line(f"{said}, as of block {closing.as_of['height']}")
