"""`medbill appointment`: numbers of a schedule, for patients who ask or whom the counter names."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import hospital_money, output
from cli.failures import CommandFailed
from cli.hospital_money import MaybeToken, Number, Parts, Token, below
from cli.options import Home, Json, Via, Wait

app = typer.Typer(no_args_is_help=True, help="Appointments: a number of a schedule, its fee, arriving or not.")

PATH = "appointments"
COLUMNS = ("appointment", "department", "date", "session", "number", "state", "fee_fen", "pay_until", "visit")

Name = Annotated[str, typer.Argument(metavar="APPOINTMENT", help="Its name on the ledger: 64 hexadecimal digits.")]
Schedule = Annotated[str, typer.Option("--schedule", metavar="SCHEDULE", help="Of which schedule.")]
Channel = Annotated[str, typer.Option("--channel", metavar="CODE", help="Whose numbers: window, app …")]
MaybePayer = Annotated[
    str | None,
    typer.Option(
        "--payer", metavar="FILE", help="For whom, in the JSON of a bill's payer; not with --token, which says it."
    ),
]
Order = Annotated[
    str | None, typer.Option("--order", metavar="ORDER", help="Which paid the fee; none where there is no fee.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="CODE", help="Why, as a code: all can read it.")]


@app.command()
@output.reported
def book(
    number: Number,
    schedule: Schedule,
    channel: Channel,
    home: Home,
    via: Via,
    payer: MaybePayer = None,
    token: MaybeToken = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """The next free number of a channel, for the payer of a file or for the patient of a token."""
    from cli.request_file import read_object

    if (payer is None) is (token is None):
        raise CommandFailed("argument_refused", "name --payer or --token, one of the two")
    body: dict[str, Any] = {"appointment_no": number, "schedule": schedule, "channel": channel}
    if payer is not None:
        body["payer"] = read_object(payer)
    hospital_money.ask(home, via, f"/v1/{PATH}", body, wait, as_json, token=token)


@app.command()
@output.reported
def show(appointment: Name, home: Home, via: Via, token: MaybeToken = None, as_json: Json = False) -> None:
    """An appointment, and what became of it."""
    hospital_money.show(home, via, below(PATH, appointment), as_json, token)


@app.command("list")
@output.reported
def list_appointments(home: Home, via: Via, token: Token, as_json: Json = False) -> None:
    """A patient's appointments that were made at this gateway, the oldest first."""
    hospital_money.list_rows(home, via, f"/v1/me/{PATH}", COLUMNS, as_json, token)


@app.command()
@output.reported
def fee(
    appointment: Name,
    part: Parts,
    home: Home,
    via: Via,
    token: MaybeToken = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """An order over its fee; once that is paid ('order pay'), the appointment is confirmed by itself."""
    from cli.amounts import parse_part

    body = {"parts": [parse_part(text, "--part") for text in part]}
    hospital_money.ask(home, via, below(PATH, appointment, "fee"), body, wait, as_json, token=token)


@app.command()
@output.reported
def confirm(
    appointment: Name,
    home: Home,
    via: Via,
    order: Order = None,
    token: MaybeToken = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """It has no fee, or another order has paid it."""
    body = {"order": order} if order else {}
    hospital_money.ask(home, via, below(PATH, appointment, "confirmation"), body, wait, as_json, token=token)


@app.command()
@output.reported
def cancel(
    appointment: Name,
    home: Home,
    via: Via,
    reason: Reason = "patient_asked",
    token: MaybeToken = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """The number goes back into its pool."""
    body = {"reason": reason}
    hospital_money.ask(home, via, below(PATH, appointment, "cancellation"), body, wait, as_json, token=token)


@app.command("check-in")
@output.reported
def check_in(
    appointment: Name, home: Home, via: Via, token: MaybeToken = None, wait: Wait = 10, as_json: Json = False
) -> None:
    """They are there."""
    hospital_money.ask(home, via, below(PATH, appointment, "check-in"), {}, wait, as_json, token=token)


@app.command()
@output.reported
def miss(appointment: Name, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """They did not come; three times within half a year, and no number is given for a while."""
    hospital_money.ask(home, via, below(PATH, appointment, "miss"), {}, wait, as_json)
