"""`medbill notice`: what patients owe a hospital."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import hospital_money, output
from cli.hospital_money import Back, MaybeToken, Number, Policy, Reason, Token, below
from cli.options import Home, Json, Via, Wait

app = typer.Typer(
    no_args_is_help=True, help="Fee notices: what a patient owes a hospital. Paid, its bill follows by itself."
)

PATH = "fee-notices"
COLUMNS = ("notice", "notice_no", "state", "total_fen", "due", "bill_id")

Name = Annotated[str, typer.Argument(metavar="NOTICE", help="Its name on the ledger: 64 hexadecimal digits.")]
Request = Annotated[
    str, typer.Argument(metavar="FILE", help="The notice in the JSON of POST /v1/fee-notices; '-' reads stdin.")
]


@app.command()
@output.reported
def issue(request: Request, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """Say what a patient owes. The same notice again is the same notice."""
    from cli.request_file import read_object

    hospital_money.ask(home, via, f"/v1/{PATH}", read_object(request), wait, as_json)


@app.command()
@output.reported
def show(notice: Name, home: Home, via: Via, token: MaybeToken = None, as_json: Json = False) -> None:
    """What is owed, and what became of it."""
    hospital_money.show(home, via, below(PATH, notice), as_json, token)


@app.command("list")
@output.reported
def list_notices(home: Home, via: Via, token: Token, as_json: Json = False) -> None:
    """What a patient owes, or has owed, at this hospital, the oldest first."""
    hospital_money.list_rows(home, via, f"/v1/me/{PATH}", COLUMNS, as_json, token)


@app.command()
@output.reported
def withdraw(notice: Name, reason: Reason, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """It is owed no longer, and nothing of it was paid."""
    hospital_money.ask(home, via, below(PATH, notice, "withdrawal"), {"reason": reason}, wait, as_json)


@app.command()
@output.reported
def refund(
    notice: Name,
    number: Number,
    home: Home,
    via: Via,
    policy: Policy = "proportional",
    amount: Back = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """What was paid for a notice that has no bill goes back the way it came; a bill's money by its red bill: 'order refund'."""
    body = {"refund_no": number, **hospital_money.refund_wish(policy, amount)}
    hospital_money.ask(home, via, below(PATH, notice, "refund"), body, wait, as_json)
