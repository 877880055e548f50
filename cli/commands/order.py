"""`medbill order`: payment orders over a hospital's notices, what the counter takes for them, what goes back."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import hospital_money, output
from cli.failures import CommandFailed
from cli.hospital_money import Amount, Back, MaybeToken, Number, PartNumber, Parts, Policy, Reason, Subject, below
from cli.options import Home, Json, Via, Wait

app = typer.Typer(
    no_args_is_help=True, help="Payment orders: notices paid over several channels, all parts or nothing."
)

PATH = "payment-orders"

Name = Annotated[str, typer.Argument(metavar="ORDER", help="Its name on the ledger: 64 hexadecimal digits.")]
Notices = Annotated[list[str], typer.Option("--notice", metavar="NOTICE", help="What it pays; once for each notice.")]
Minutes = Annotated[int, typer.Option("--minutes", min=1, max=259_200, help="How long it may be paid.")]
Receipt = Annotated[
    str,
    typer.Option("--receipt", metavar="NO", help="Of the receipt, the terminal's slip, the insurance's settlement."),
]
Details = Annotated[
    list[str] | None,
    typer.Option(
        "--detail", metavar="KEY=VALUE", help="What this channel alone wants to know, such as an insured's psn_no."
    ),
]
RedBill = Annotated[str, typer.Argument(metavar="RED_BILL_ID", help="The red bill: 18 digits.")]


@app.command()
@output.reported
def place(
    number: Number,
    notice: Notices,
    part: Parts,
    home: Home,
    via: Via,
    minutes: Minutes = 30,
    token: MaybeToken = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """Ask for payment of notices: by all parts together, or not at all; a patient of their own, by channels that ask them."""
    from cli.amounts import parse_part

    body = {"order_no": number, "notices": notice, "parts": [parse_part(text, "--part") for text in part]}
    hospital_money.ask(home, via, f"/v1/{PATH}", {**body, "minutes": minutes}, wait, as_json, token=token)


@app.command()
@output.reported
def show(order: Name, home: Home, via: Via, token: MaybeToken = None, as_json: Json = False) -> None:
    """An order with its parts, and which are paid."""
    hospital_money.show(home, via, below(PATH, order), as_json, token)


@app.command()
@output.reported
def pay(
    order: Name,
    part: PartNumber,
    receipt: Receipt,
    amount: Amount,
    home: Home,
    via: Via,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """The counter has a part's money: cash, a card at its terminal, a settlement with the insurance."""
    from cli.amounts import parse_amount_fen

    body = {"part": part, "channel_no": receipt, "amount_fen": parse_amount_fen(amount, "--amount")}
    hospital_money.ask(home, via, below(PATH, order, "payments"), body, wait, as_json)


def parse_detail(text: str) -> tuple[str, str]:
    """KEY=VALUE. Raises CommandFailed `argument_refused`."""
    key, found, value = text.partition("=")
    if not key or not found:
        raise CommandFailed("argument_refused", f"--detail: {text!r} is not KEY=VALUE")
    return key, value


@app.command()
@output.reported
def invite(
    order: Name,
    part: PartNumber,
    home: Home,
    via: Via,
    subject: Subject = None,
    detail: Details = None,
    token: MaybeToken = None,
    as_json: Json = False,
) -> None:
    """Ask a part's channel for what the payer opens: a QR code's text, an address."""
    body: dict[str, Any] = {"part": part} | ({"subject": subject} if subject else {})
    body |= {"details": dict(parse_detail(text) for text in detail)} if detail else {}
    hospital_money.ask(home, via, below(PATH, order, "invitations"), body, 0, as_json, token=token)


@app.command()
@output.reported
def close(
    order: Name,
    reason: Reason,
    home: Home,
    via: Via,
    token: MaybeToken = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """It comes to nothing: its notices are owed again, and what was paid goes back. A patient closes what they placed."""
    hospital_money.ask(home, via, below(PATH, order, "closure"), {"reason": reason}, wait, as_json, token=token)


@app.command()
@output.reported
def refund(
    bill_id: RedBill,
    home: Home,
    via: Via,
    policy: Policy = "proportional",
    amount: Back = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """What a red bill leaves over goes back the way it came, never more than each channel paid."""
    body = hospital_money.refund_wish(policy, amount)
    hospital_money.ask(home, via, below("bills", bill_id, "refund"), body, wait, as_json)


@app.command("show-refund")
@output.reported
def show_refund(bill_id: RedBill, home: Home, via: Via, as_json: Json = False) -> None:
    """What went back for a red bill, by channel."""
    hospital_money.show(home, via, below("bills", bill_id, "refund"), as_json)
