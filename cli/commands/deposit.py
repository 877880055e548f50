"""`medbill deposit`: patients' money that a hospital keeps for a stay, or as the balance of a card."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import hospital_money, output
from cli.hospital_money import Amount, MaybeToken, Number, PartNumber, PayerFile, Subject, Token, below
from cli.options import Home, Json, Via, Wait

app = typer.Typer(
    no_args_is_help=True, help="Deposits: paid in voucher by voucher, used, settled with the rest going back."
)

PATH = "deposits"
COLUMNS = ("deposit", "deposit_no", "kind", "state", "balance_fen")

Name = Annotated[str, typer.Argument(metavar="DEPOSIT", help="Its name on the ledger: 64 hexadecimal digits.")]
Kind = Annotated[str, typer.Option("--kind", metavar="KIND", help="inpatient for one stay, balance of a card.")]
Channel = Annotated[str, typer.Option("--channel", metavar="CODE", help="cash, card …")]
Receipt = Annotated[str, typer.Option("--receipt", metavar="NO", help="Of the receipt, or of the terminal's slip.")]
Order = Annotated[str, typer.Option("--order", metavar="ORDER", help="Which order it pays a part of.")]


@app.command("open")
@output.reported
def open_deposit(
    number: Number,
    payer: PayerFile,
    home: Home,
    via: Via,
    kind: Kind = "inpatient",
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """Begin to keep a patient's money."""
    from cli.request_file import read_object

    body = {"deposit_no": number, "payer": read_object(payer), "kind": kind}
    hospital_money.ask(home, via, f"/v1/{PATH}", body, wait, as_json)


@app.command()
@output.reported
def show(deposit: Name, home: Home, via: Via, token: MaybeToken = None, as_json: Json = False) -> None:
    """A deposit with its vouchers, and what is left."""
    hospital_money.show(home, via, below(PATH, deposit), as_json, token)


@app.command("list")
@output.reported
def list_deposits(home: Home, via: Via, token: Token, as_json: Json = False) -> None:
    """A patient's deposits at this hospital, the oldest first."""
    hospital_money.list_rows(home, via, f"/v1/me/{PATH}", COLUMNS, as_json, token)


@app.command()
@output.reported
def invite(
    deposit: Name,
    number: Number,
    channel: Channel,
    amount: Amount,
    home: Home,
    via: Via,
    subject: Subject = None,
    token: MaybeToken = None,
    as_json: Json = False,
) -> None:
    """Ask a channel for what the payer opens to pay into it: a QR code's text, an address."""
    from cli.amounts import parse_amount_fen

    body = {"top_up_no": number, "channel": channel, "amount_fen": parse_amount_fen(amount, "--amount")}
    body |= {"subject": subject} if subject else {}
    hospital_money.ask(home, via, below(PATH, deposit, "invitations"), body, 0, as_json, token=token)


@app.command()
@output.reported
def pay(
    deposit: Name,
    channel: Channel,
    receipt: Receipt,
    amount: Amount,
    home: Home,
    via: Via,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """Money comes into it: a voucher."""
    from cli.amounts import parse_amount_fen

    body = {"channel": channel, "channel_no": receipt, "amount_fen": parse_amount_fen(amount, "--amount")}
    hospital_money.ask(home, via, below(PATH, deposit, "payments"), body, wait, as_json)


@app.command()
@output.reported
def use(
    deposit: Name, order: Order, part: PartNumber, home: Home, via: Via, wait: Wait = 10, as_json: Json = False
) -> None:
    """It pays a part of an order."""
    hospital_money.ask(home, via, below(PATH, deposit, "use"), {"order": order, "part": part}, wait, as_json)


@app.command()
@output.reported
def settle(deposit: Name, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """It pays for nothing more; what is left goes back the way it came, in the same step."""
    hospital_money.ask(home, via, below(PATH, deposit, "settlement"), {}, wait, as_json)
