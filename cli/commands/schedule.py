"""`medbill schedule`: who sees patients when, and how many numbers each channel has."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import hospital_money, output
from cli.hospital_money import MANAGER, MaybeToken, Reason, below
from cli.options import Home, Json, Via, Wait

app = typer.Typer(no_args_is_help=True, help="Schedules: who sees patients when, and which numbers are free.")

PATH = "schedules"
COLUMNS = ("schedule", "schedule_no", "department", "session", "starts", "fee_fen", "state", "free")

Name = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Its name on the ledger: 64 hexadecimal digits.")]
Request = Annotated[
    str, typer.Argument(metavar="FILE", help="The schedule in the JSON of POST /v1/schedules; '-' reads stdin.")
]
Date = Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="In the ledger's own time zone.")]
Department = Annotated[str | None, typer.Option("--department", metavar="NAME", help="This one alone.")]
Staff = Annotated[
    str, typer.Option("--staff", metavar="NO", help="Who sees them instead, as the hospital knows its people.")
]


@app.command()
@output.reported
def publish(request: Request, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """Somebody sees patients: so many numbers, by channel."""
    from cli.request_file import read_object

    hospital_money.ask(home, via, f"/v1/{PATH}", read_object(request), wait, as_json, MANAGER)


@app.command("list")
@output.reported
def list_schedules(
    date: Date,
    home: Home,
    via: Via,
    department: Department = None,
    token: MaybeToken = None,
    as_json: Json = False,
) -> None:
    """What is given out on a day, as far as it was published at this gateway."""
    hospital_money.list_rows(home, via, f"/v1/{PATH}", COLUMNS, as_json, token, date=date, department=department)


@app.command()
@output.reported
def show(schedule: Name, home: Home, via: Via, token: MaybeToken = None, as_json: Json = False) -> None:
    """A schedule, and which numbers each channel could give out now."""
    hospital_money.show(home, via, below(PATH, schedule), as_json, token)


@app.command()
@output.reported
def stop(schedule: Name, reason: Reason, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """It does not take place; appointments may be cancelled at any time from now on."""
    hospital_money.ask(home, via, below(PATH, schedule, "stop"), {"reason": reason}, wait, as_json, MANAGER)


@app.command()
@output.reported
def substitute(schedule: Name, staff: Staff, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """Somebody else sees the patients."""
    hospital_money.ask(home, via, below(PATH, schedule, "substitution"), {"staff": staff}, wait, as_json, MANAGER)
