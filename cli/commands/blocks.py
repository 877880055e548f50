"""`medbill blocks` and `medbill block show`: the ledger's blocks as a mirror or gateway knows them."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.options import Home, Json, ViaMirror

app = typer.Typer(no_args_is_help=True, help="One block.")

COLUMNS = ("height", "time", "proposer", "transactions", "operations", "digest")
ROLE = "auditor"

Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, metavar="N", help="At most so many.")]
Before = Annotated[int | None, typer.Option("--before", min=1, metavar="HEIGHT", help="Begin below this height.")]
Height = Annotated[int, typer.Argument(min=1, metavar="HEIGHT")]


@output.reported
def blocks(home: Home, via: ViaMirror = None, limit: Limit = 20, before: Before = None, as_json: Json = False) -> None:
    """The newest blocks: height, time, proposer, counts."""
    from cli.client import open_client

    with open_client(home, via, ROLE) as client:
        rows = client.get_all("/v1/blocks", limit, before=before)
    if as_json:
        output.print_json({"data": rows})
    else:
        output.print_table(COLUMNS, [[row.get(column) for column in COLUMNS] for row in rows])


@app.command()
@output.reported
def show(height: Height, home: Home, via: ViaMirror = None, as_json: Json = False) -> None:
    """A block: header, certificate, counts, and as an auditor its transactions."""
    from cli.client import open_client

    with open_client(home, via, ROLE) as client:
        block = client.get(f"/v1/blocks/{height}")
    if as_json:
        output.print_json(block)
    else:
        output.print_fields(block)
