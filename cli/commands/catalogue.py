"""`medbill catalogue`: what charges are called, where items belong, how faces are headed, version by version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json, ViaMirror, Wait

app = typer.Typer(no_args_is_help=True, help="Catalogues: publish a version, list, show.")

COLUMNS = ("organisation", "catalogue", "version", "from_date", "published_at")

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="JSON as 'catalogue show --json' prints it, or CSV with the columns code,name (charges) or code,charge (items).",
    ),
]
From = Annotated[
    str, typer.Option("--from", metavar="YYYY-MM-DD", help="First business date that it is for; today at the earliest.")
]
Version = Annotated[
    int | None,
    typer.Option("--version", min=1, metavar="N", help="Its number; the one after the newest if left out."),
]
Publisher = Annotated[
    str | None,
    typer.Option(
        "--organisation",
        metavar="NAME",
        help="Who publishes it, if not the node's own organisation; DIR/organisations/NAME/unit.key signs.",
    ),
]
Persons = Annotated[
    str | None,
    typer.Option(
        "--persons",
        metavar="NAME,NAME",
        help="Who decided, where it is signed here; the ledger has a keyed digest of each.",
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="charges, items or faces.")]
Number = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Its number, from 1 on.")]
Of = Annotated[str | None, typer.Option("--organisation", metavar="NAME", help="Who published it.")]


@app.command()
@output.reported
def publish(
    file: File,
    from_date: From,
    home: Home,
    via: ViaMirror = None,
    version: Version = None,
    organisation: Publisher = None,
    persons: Persons = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """Publish the next version of a catalogue, for business from a day on.

    An office publishes charges and faces through its mirror, a hospital its items through its gateway (--via). Waits for a second person
    where genesis says so: 'approvals agree'.
    """
    from cli.catalogue_file import read_catalogue
    from cli.client import open_client

    document = read_catalogue(file)
    with open_client(home, via, "finance_clerk") as client:
        publisher = organisation or client.organisation
        if version is None:
            rows = client.get("/v1/catalogues", organisation=publisher)["data"]
            version = 1 + max((row["version"] for row in rows if row["catalogue"] == document["catalogue"]), default=0)
        body = {**document, "version": version, "from_date": from_date}
        if publisher == client.organisation:
            standing = client.post("/v1/catalogues", body, wait)
        else:
            both = [name for name in (persons or "").split(",") if name]
            standing = _send_signed(client, home, publisher, body, both, wait)
    output.show_fields({**standing, "catalogue": document["catalogue"], "version": version}, as_json)


@app.command("list")
@output.reported
def list_catalogues(home: Home, via: ViaMirror = None, organisation: Of = None, as_json: Json = False) -> None:
    """What has been published, the newest version of each first; at a gateway what its hospital goes by."""
    from cli.client import open_client

    with open_client(home, via, "finance_clerk") as client:
        rows = client.get("/v1/catalogues", organisation=organisation)["data"]
    if as_json:
        output.print_json({"data": rows})
    else:
        output.print_table(COLUMNS, [[row.get(column) for column in COLUMNS] for row in rows])


@app.command()
@output.reported
def show(
    name: Name, version: Number, home: Home, via: ViaMirror = None, organisation: Of = None, as_json: Json = False
) -> None:
    """One version with its content. What --json prints can be changed and published again."""
    from cli.client import open_client, quoted

    with open_client(home, via, "finance_clerk") as client:
        shown = client.get(f"/v1/catalogues/{quoted(name)}/{version}", organisation=organisation)
    if as_json:
        output.print_json(shown)
        return
    output.print_fields({part: value for part, value in shown.items() if not isinstance(value, list)})
    for part, rows in shown.items():
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            output.print_table(tuple(rows[0]), [list(row.values()) for row in rows])
        elif isinstance(rows, list) and rows:
            output.print_line(f"{part}: {', '.join(rows)}")


def _send_signed(
    client: Any, home: Path, publisher: str, body: dict[str, Any], persons: list[str], wait_s: int
) -> dict[str, Any]:
    import msgspec

    from api.errors import ApiRefused
    from api.intake.catalogue import operation_of
    from api.schemas.requests import CatalogueRequest
    from cli.signing import keyed_name, organisation_key, send_operation

    try:
        operation = operation_of(msgspec.convert(body, CatalogueRequest))
    except msgspec.ValidationError as error:
        raise CommandFailed("catalogue_malformed", str(error)[:200]) from None
    except ApiRefused as refusal:
        raise CommandFailed(refusal.code, f"{refusal.pointer or '/'}: {refusal.detail}", ExitCode.REFUSED) from None
    key = organisation_key(home, publisher)
    operation = msgspec.structs.replace(operation, persons=sorted(keyed_name(key, "person", name) for name in persons))
    return send_operation(client, publisher, key, operation, wait_s)
