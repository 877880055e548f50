"""`medbill organisation`: who takes part, and what an office does about those that it supervises."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.options import Home, Json, ViaMirror, Wait

app = typer.Typer(no_args_is_help=True, help="Organisations: list, suspend, resume, close.")

CLERK = "finance_clerk"
COLUMNS = ("organisation", "name", "kind", "supervisor", "state", "reason", "height")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The organisation's id.")]
Reason = Annotated[
    str, typer.Option("--reason", metavar="CODE", help="Why, as a code such as 'key_lost': all can read it.")
]


@app.command("list")
@output.reported
def list_organisations(home: Home, via: ViaMirror = None, as_json: Json = False) -> None:
    """All of the ledger, with who is suspended or closed."""
    from cli.client import open_client

    with open_client(home, via, "auditor") as client:
        rows = client.get("/v1/organisations")["data"]
    if as_json:
        output.print_json({"data": rows})
    else:
        output.print_table(COLUMNS, [[row.get(column) for column in COLUMNS] for row in rows])


@app.command()
@output.reported
def suspend(
    name: Name, reason: Reason, home: Home, via: ViaMirror = None, wait: Wait = 10, as_json: Json = False
) -> None:
    """It issues nothing until it is resumed. Waits for a second person where genesis says so: 'approvals agree'."""
    _step(home, via, name, "suspension", {"reason": reason}, wait, as_json)


@app.command()
@output.reported
def resume(name: Name, home: Home, via: ViaMirror = None, wait: Wait = 10, as_json: Json = False) -> None:
    """A suspended organisation goes on."""
    _step(home, via, name, "resumption", {}, wait, as_json)


@app.command()
@output.reported
def close(
    name: Name, reason: Reason, home: Home, via: ViaMirror = None, wait: Wait = 10, as_json: Json = False
) -> None:
    """It issues nothing any more, for ever."""
    _step(home, via, name, "closure", {"reason": reason}, wait, as_json)


def _step(
    home: Path, via: str | None, name: str, step: str, body: dict[str, object], wait_s: int, as_json: bool
) -> None:
    from cli.client import open_client, quoted

    with open_client(home, via, CLERK) as client:
        output.show_fields(client.post(f"/v1/organisations/{quoted(name)}/{step}", body, wait_s), as_json)
