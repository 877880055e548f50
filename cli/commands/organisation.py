"""`medbill organisation`: who takes part, and what an office does about those that it supervises."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from cli import output
from cli.failures import CommandFailed
from cli.options import Home, Json, ViaMirror, Wait

app = typer.Typer(no_args_is_help=True, help="Organisations: list, take in, suspend, resume, close.")

CLERK = "finance_clerk"
COLUMNS = ("organisation", "name", "kind", "supervisor", "state", "reason", "height")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The organisation's id.")]
Reason = Annotated[
    str, typer.Option("--reason", metavar="CODE", help="Why, as a code such as 'key_lost': all can read it.")
]
Title = Annotated[str, typer.Option("--title", metavar="TEXT", help="Its name as people write it.")]
Region = Annotated[str, typer.Option("--region", metavar="CODE", help="GB/T 2260, six digits.")]
Places = Annotated[
    list[str] | None, typer.Option("--place", metavar="CODE", help="An issuing point of a hospital; may stand again.")
]
Kind = Annotated[str, typer.Option("--kind", help="hospital, insurer, employer, bank, lender, platform or channel.")]
Request = Annotated[Path, typer.Argument(metavar="FILE", help="The request that 'organisation init' made.")]


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
def init(
    name: Name,
    title: Title,
    region: Region,
    home: Home,
    places: Places = None,
    kind: Kind = "hospital",
    as_json: Json = False,
) -> None:
    """Draw an organisation's own keys, and write the request to be taken in, which is public.

    For an organisation that genesis does not name. DIR/organisations/NAME gets both; its office is given the request.
    """
    from node.home import NetworkHome
    from node.provision_gateway import provision_organisation

    made = provision_organisation(home, name, title, kind, region, places or [])
    where = NetworkHome(home).organisation(name).admission
    if as_json:
        output.print_json({"request": str(where), **msgspec.to_builtins(made)})
    else:
        output.print_line(f"made {where}")
        output.note(f"its office takes it in: medbill organisation admit {where} --home {home}")


@app.command()
@output.reported
def admit(request: Request, home: Home, via: ViaMirror = None, wait: Wait = 10, as_json: Json = False) -> None:
    """Take in an organisation below the mirror's office. Waits for a second person where genesis says so: 'approvals agree'."""
    from cli.client import open_client

    try:
        body = msgspec.json.decode(request.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError, UnicodeError) as error:
        raise CommandFailed("argument_refused", f"{request}: {error}") from None
    with open_client(home, via, CLERK) as client:
        output.show_fields(client.post("/v1/organisations", body, wait), as_json)


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
