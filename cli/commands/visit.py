"""`medbill visit`: a visit from check-in to its one bill, without a cashier."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import hospital_money, output
from cli.hospital_money import MaybeToken, Number, PayerFile, Token, below
from cli.options import Home, Json, Via, Wait

app = typer.Typer(no_args_is_help=True, help="Visits: opened, stamped, charged within a cap, closed with one bill.")

PATH = "visits"
COLUMNS = ("visit", "visit_no", "kind", "state", "cap_fen", "charged_fen", "left_fen", "bill_id")

Name = Annotated[str, typer.Argument(metavar="VISIT", help="Its name on the ledger: 64 hexadecimal digits.")]
Kind = Annotated[str, typer.Option("--kind", metavar="KIND", help="outpatient, inpatient or emergency.")]
Cap = Annotated[
    str, typer.Option("--cap", metavar="YUAN", help="What the patient agrees to at most, with both decimals: 600.00.")
]
Appointment = Annotated[str | None, typer.Option("--appointment", metavar="APPOINTMENT", help="Which it follows from.")]
Agreement = Annotated[
    str | None, typer.Option("--agreement", metavar="AGREEMENT", help="Then as much as the cap is held of its line.")
]
DeclaredBy = Annotated[
    str | None, typer.Option("--declared-by", metavar="NO", help="Of an emergency: who says that it is one.")
]
Hours = Annotated[int, typer.Option("--hours", min=1, max=4320, help="How long the line's part is held.")]
At = Annotated[str | None, typer.Option("--at", metavar="TIME", help="2026-03-02T08:10:00+08:00; now if left out.")]
Step = Annotated[str, typer.Option("--step", metavar="CODE", help="queued, called, treated, tested, dispensed …")]
Place = Annotated[
    int | None, typer.Option("--place", min=1, max=100, help="Its place among the stamps; the next if left out.")
]
Charge = Annotated[
    str, typer.Argument(metavar="FILE", help="The step in the JSON of POST /v1/visits/VISIT/charges; '-' reads stdin.")
]
Bill = Annotated[
    str | None,
    typer.Option(
        "--bill",
        metavar="FILE",
        help="The bill over all charges, as in the JSON of a notice; none if nothing was charged.",
    ),
]


@app.command("open")
@output.reported
def open_visit(
    number: Number,
    kind: Kind,
    payer: PayerFile,
    cap: Cap,
    home: Home,
    via: Via,
    appointment: Appointment = None,
    agreement: Agreement = None,
    declared_by: DeclaredBy = None,
    hours: Hours = 24,
    at: At = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """A patient is there, and has agreed to a cap; with --agreement as much is held of their line in the same step."""
    from cli.amounts import parse_amount_fen
    from cli.request_file import read_object

    body: dict[str, Any] = {"visit_no": number, "kind": kind, "payer": read_object(payer), "hours": hours}
    body["cap_fen"] = parse_amount_fen(cap, "--cap")
    more = {"appointment": appointment, "agreement": agreement, "declared_by": declared_by, "at": at}
    body |= {key: value for key, value in more.items() if value is not None}
    hospital_money.ask(home, via, f"/v1/{PATH}", body, wait, as_json)


@app.command()
@output.reported
def show(visit: Name, home: Home, via: Via, token: MaybeToken = None, as_json: Json = False) -> None:
    """A visit with its stamps, each charge and what paid it, and what is left of its cap."""
    hospital_money.show(home, via, below(PATH, visit), as_json, token)


@app.command("list")
@output.reported
def list_visits(home: Home, via: Via, token: Token, as_json: Json = False) -> None:
    """A patient's visits that were opened at this gateway, the oldest first."""
    hospital_money.list_rows(home, via, f"/v1/me/{PATH}", COLUMNS, as_json, token)


@app.command()
@output.reported
def timeline(visit: Name, home: Home, via: Via, token: MaybeToken = None, as_json: Json = False) -> None:
    """Minutes queued, treated, tested, dispensed, from the stamps that the hospital signed."""
    hospital_money.show(home, via, below(PATH, visit, "timeline"), as_json, token)


@app.command()
@output.reported
def stamp(
    visit: Name,
    step: Step,
    home: Home,
    via: Via,
    at: At = None,
    place: Place = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """A step of it begins."""
    body: dict[str, Any] = {"step": step} | ({"at": at} if at else {}) | ({"number": place} if place else {})
    hospital_money.ask(home, via, below(PATH, visit, "stamps"), body, wait, as_json)


@app.command()
@output.reported
def charge(visit: Name, request: Charge, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """A step of it, paid at once within the cap: of what is held, or by deposit and card where nothing is."""
    from cli.request_file import read_object

    hospital_money.ask(home, via, below(PATH, visit, "charges"), read_object(request), wait, as_json)


@app.command()
@output.reported
def close(
    visit: Name, home: Home, via: Via, bill: Bill = None, at: At = None, wait: Wait = 10, as_json: Json = False
) -> None:
    """It is over: what is held is free, and one bill over all its charges follows by itself."""
    from cli.request_file import read_object

    body: dict[str, Any] = ({"bill": read_object(bill)} if bill else {}) | ({"at": at} if at else {})
    hospital_money.ask(home, via, below(PATH, visit, "close"), body, wait, as_json)
