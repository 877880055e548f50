"""`medbill approvals`: what waits for a second person of an organisation, and agreeing to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli import output
from cli.options import Home, Json, Via, Wait

app = typer.Typer(no_args_is_help=True, help="Steps that two people have to agree on.")

ROLE = "finance_clerk"  # at a gateway: the hospital's administrator
COLUMNS = ("approval", "kind", "target", "asked_by", "asked")

Approval = Annotated[str, typer.Argument(metavar="APPROVAL", help="Its name, as the one who asked was told.")]
Person = Annotated[
    str, typer.Option("--person", metavar="NAME", help="Who agrees: somebody else than who asked. Stands in the token.")
]


@app.command("list")
@output.reported
def list_approvals(home: Home, via: Via, as_json: Json = False) -> None:
    """What waits at a node."""
    from cli.client import open_client

    with open_client(home, via, ROLE) as client:
        rows = client.get("/v1/approvals")["data"]
    if as_json:
        output.print_json({"data": rows})
        return
    for row in rows:
        row["asked"] = datetime.fromtimestamp(row["asked_ms"] / 1000, UTC).isoformat(timespec="seconds")
    output.print_table(COLUMNS, [[row.get(column) for column in COLUMNS] for row in rows])


@app.command()
@output.reported
def agree(approval: Approval, person: Person, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """Agree as a second person: exactly what was asked is done. Whoever asked is refused: same_person."""
    from cli.client import open_client, quoted

    with open_client(home, via, ROLE, person) as client:
        answer = client.post(f"/v1/approvals/{quoted(approval)}", {}, wait)
    output.show_fields(answer, as_json)


@app.command()
@output.reported
def withdraw(approval: Approval, home: Home, via: Via, as_json: Json = False) -> None:
    """Let it wait no more; nothing was done."""
    from cli.client import open_client, quoted

    with open_client(home, via, ROLE) as client:
        output.show_fields(client.post(f"/v1/approvals/{quoted(approval)}/withdrawal", {}), as_json)
