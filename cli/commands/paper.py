"""`medbill paper`: paper copies on numbered forms, through the hospital's gateway."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.commands.bill import ROLE, BillId
from cli.options import Home, Json, Via, Wait

app = typer.Typer(no_args_is_help=True, help="Paper copies: print, take back, void blank forms.")

Form = Annotated[str, typer.Option("--form", metavar="NUMBER", help="The form's code and running number.")]
Reason = Annotated[str, typer.Option("--reason", metavar="CODE", help="returned, damaged, lost …")]
Forms = Annotated[list[str], typer.Argument(metavar="NUMBER...", help="Forms that were never printed on.")]


@app.command("print")
@output.reported
def print_copy(bill_id: BillId, form: Form, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """Have a paper copy recorded on a form. One is alive at a time, and a bill with a live one cannot be reversed."""
    from cli.client import open_client, quoted

    with open_client(home, via, ROLE) as client:
        output.show_fields(client.post(f"/v1/bills/{quoted(bill_id)}/paper-copies", {"paper": form}, wait), as_json)


@app.command()
@output.reported
def end(
    bill_id: BillId, form: Form, reason: Reason, home: Home, via: Via, wait: Wait = 10, as_json: Json = False
) -> None:
    """The copy is no longer alive: it came back, was spoilt, or is declared lost."""
    from cli.client import open_client, quoted

    with open_client(home, via, ROLE) as client:
        body = {"paper": form, "reason": reason}
        output.show_fields(client.post(f"/v1/bills/{quoted(bill_id)}/paper-copies:end", body, wait), as_json)


@app.command("void-blanks")
@output.reported
def void_blanks(forms: Forms, reason: Reason, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """Void blank forms, all of them or none: nothing can be printed on them any more."""
    from cli.client import open_client

    with open_client(home, via, ROLE) as client:
        output.show_fields(
            client.post("/v1/paper-forms:void", {"papers": sorted(forms), "reason": reason}, wait), as_json
        )
