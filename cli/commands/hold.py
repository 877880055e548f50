"""`medbill credit hold`: what of a patient's line is kept for a visit at a hospital, and paid from step by step."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import hospital_money, output
from cli.hospital_money import MANAGER, MaybeToken, Number, below
from cli.options import Home, Json, Via, Wait

app = typer.Typer(no_args_is_help=True, help="So much of a line, kept for a visit; its steps are paid from it.")

PATH = "credit-holds"

Name = Annotated[str, typer.Argument(metavar="HOLD", help="Its name on the ledger: 64 hexadecimal digits.")]
OfAgreement = Annotated[str, typer.Option("--agreement", metavar="AGREEMENT", help="Of whose line.")]
Amount = Annotated[str, typer.Option("--amount", metavar="YUAN", help="With both decimals: 1,000.00.")]
Hours = Annotated[int, typer.Option("--hours", min=1, max=4320, help="How long it is held.")]
DeclaredBy = Annotated[
    str | None, typer.Option("--declared-by", metavar="NO", help="Of an emergency: who says that it is one.")
]
Charge = Annotated[
    str,
    typer.Argument(metavar="FILE", help="The step in the JSON of POST /v1/credit-holds/HOLD/charges; '-' reads stdin."),
]
Outcome = Annotated[str, typer.Option("--outcome", metavar="WORD", help="upheld or dismissed.")]
Person = Annotated[
    str,
    typer.Option("--person", metavar="NO", help="Who looks: somebody else than who declared it. Stands in the token."),
]
Reason = Annotated[str, typer.Option("--reason", metavar="CODE", help="Why, as a code: all can read it.")]


@app.command()
@output.reported
def place(
    number: Number,
    agreement: OfAgreement,
    amount: Amount,
    home: Home,
    via: Via,
    hours: Hours = 24,
    declared_by: DeclaredBy = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """At check-in: keep so much of the line for this visit."""
    from cli.amounts import parse_amount_fen

    body: dict[str, Any] = {"hold_no": number, "agreement": agreement, "hours": hours}
    body |= {"amount_fen": parse_amount_fen(amount, "--amount")} | ({"declared_by": declared_by} if declared_by else {})
    hospital_money.ask(home, via, f"/v1/{PATH}", body, wait, as_json)


@app.command("show")
@output.reported
def show_hold(hold: Name, home: Home, via: Via, token: MaybeToken = None, as_json: Json = False) -> None:
    """A hold: how much of it was captured, and what is left."""
    hospital_money.show(home, via, below(PATH, hold), as_json, token)


@app.command()
@output.reported
def charge(hold: Name, request: Charge, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """A step of the visit, paid at once: by the balance, then the card, then the line."""
    from cli.request_file import read_object

    hospital_money.ask(home, via, below(PATH, hold, "charges"), read_object(request), wait, as_json)


@app.command()
@output.reported
def release(hold: Name, home: Home, via: Via, reason: Reason = "done", wait: Wait = 10, as_json: Json = False) -> None:
    """The visit needs no more of it."""
    hospital_money.ask(home, via, below(PATH, hold, "release"), {"reason": reason}, wait, as_json)


@app.command()
@output.reported
def review(
    hold: Name, outcome: Outcome, person: Person, home: Home, via: Via, wait: Wait = 10, as_json: Json = False
) -> None:
    """Somebody else than who declared an emergency says whether it was one; what was paid stays paid."""
    from cli.client import open_client

    with open_client(home, via, MANAGER, person) as client:
        output.show_fields(client.post(below(PATH, hold, "review"), {"outcome": outcome}, wait), as_json)
