"""`medbill payee`: who shares in an organisation's orders, what they have and owe, through its gateway."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import hospital_money, output
from cli.failures import CommandFailed
from cli.hospital_money import MANAGER, Amount, Number, Reason, below
from cli.options import Home, Json, Via, Wait

app = typer.Typer(
    no_args_is_help=True, help="Payees: doctors, suppliers, couriers … who share in orders, bound with their consent."
)

PATH = "payees"
COLUMNS = ("payee", "payee_no", "title", "kind", "state", "balance_fen", "owed_fen")

Name = Annotated[str, typer.Argument(metavar="PAYEE", help="Its name on the ledger: 64 hexadecimal digits.")]
Kind = Annotated[
    str,
    typer.Option(
        "--kind", metavar="KIND", help="doctor, hospital, pharmacy, laboratory, supplier, courier or platform."
    ),
]
Consent = Annotated[str, typer.Option("--consent", metavar="NO", help="Of what the payee signed.")]
Title = Annotated[str, typer.Option("--title", help="Who it is; stays with this gateway.")]
Own = Annotated[bool, typer.Option("--own", help="It is the organisation itself, with its own money.")]
Account = Annotated[
    str | None,
    typer.Option("--account", metavar="ORG/NAME", help="An account of another organisation's; else one is kept here."),
]
BankNo = Annotated[str, typer.Option("--bank-no", metavar="NO", help="Of the bank's payment.")]


@app.command()
@output.reported
def bind(
    number: Number,
    kind: Kind,
    consent: Consent,
    home: Home,
    via: Via,
    title: Title = "",
    own: Own = False,
    account: Account = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """Somebody may share in this organisation's orders, and has consented."""
    body: dict[str, Any] = {"payee_no": number, "kind": kind, "consent": consent}
    body |= {"title": title} if title else {}
    body |= {"is_signer": True} if own else {}
    if account is not None:
        organisation, sign, name = account.partition("/")
        if not organisation or not sign or not name:
            raise CommandFailed("argument_refused", f"--account '{account}': write ORGANISATION/NAME")
        body["account"] = {"organisation": organisation, "account": name}
    hospital_money.ask(home, via, f"/v1/{PATH}", body, wait, as_json, MANAGER)


@app.command()
@output.reported
def show(payee: Name, home: Home, via: Via, as_json: Json = False) -> None:
    """A payee: what it has, and what it owes of which order."""
    hospital_money.show(home, via, below(PATH, payee), as_json)


@app.command("list")
@output.reported
def list_payees(home: Home, via: Via, as_json: Json = False) -> None:
    """All that this gateway bound, the oldest first."""
    hospital_money.list_rows(home, via, f"/v1/{PATH}", COLUMNS, as_json)


@app.command()
@output.reported
def history(payee: Name, home: Home, via: Via, as_json: Json = False) -> None:
    """What a payee was paid out, and what it paid of its debts."""
    hospital_money.show(home, via, below(PATH, payee, "history"), as_json)


@app.command()
@output.reported
def suspend(payee: Name, reason: Reason, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """Nothing is split to it until it is resumed; what it has stays its own."""
    hospital_money.ask(home, via, below(PATH, payee, "suspension"), {"reason": reason}, wait, as_json, MANAGER)


@app.command()
@output.reported
def resume(payee: Name, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """It shares again."""
    hospital_money.ask(home, via, below(PATH, payee, "resumption"), {}, wait, as_json, MANAGER)


@app.command("pay-out")
@output.reported
def pay_out(
    payee: Name,
    number: Number,
    amount: Amount,
    bank_no: BankNo,
    home: Home,
    via: Via,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """The bank has paid a payee out."""
    from cli.amounts import parse_amount_fen

    body = {"payout_no": number, "amount_fen": parse_amount_fen(amount, "--amount"), "bank_no": bank_no}
    hospital_money.ask(home, via, below(PATH, payee, "payouts"), body, wait, as_json, MANAGER)


@app.command("pay-debt")
@output.reported
def pay_debt(
    payee: Name, number: Number, amount: Amount, home: Home, via: Via, wait: Wait = 10, as_json: Json = False
) -> None:
    """What a payee owed has come, outside the ledger."""
    from cli.amounts import parse_amount_fen

    body = {"repayment_no": number, "amount_fen": parse_amount_fen(amount, "--amount")}
    hospital_money.ask(home, via, below(PATH, payee, "debt-payments"), body, wait, as_json, MANAGER)
