"""`medbill credit agreement`: patients who let a hospital deduct from a line of theirs, through its gateway."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import hospital_money, output
from cli.hospital_money import Amount, Instalments, MaybeToken, Number, PayerFile, Token, below, instalment_wish
from cli.options import Home, Json, Via, Wait

app = typer.Typer(no_args_is_help=True, help="A patient lets a hospital deduct from their line, step by step.")

PATH = "credit-agreements"
COLUMNS = ("agreement", "lender", "state", "cap_fen", "left_fen", "owed_fen", "overdue", "until")

Name = Annotated[str, typer.Argument(metavar="AGREEMENT", help="Its name on the ledger: 64 hexadecimal digits.")]
Lender = Annotated[str, typer.Option("--lender", metavar="NAME", help="Whose line it is.")]
Line = Annotated[
    str, typer.Option("--line", metavar="NAME", help="As the lender told the patient: 64 hexadecimal digits.")
]
Cap = Annotated[
    str, typer.Option("--cap", metavar="YUAN", help="The patient's own for one visit, with both decimals: 1,000.00.")
]
Consent = Annotated[str, typer.Option("--consent", metavar="NO", help="Of what the patient signed.")]
Deposit = Annotated[
    str | None, typer.Option("--deposit", metavar="DEPOSIT", help="The balance that is used before the line.")
]
Channel = Annotated[str, typer.Option("--channel", metavar="CODE", help="alipay, bank, cash …")]
Reason = Annotated[str, typer.Option("--reason", metavar="CODE", help="Why, as a code: all can read it.")]


@app.command()
@output.reported
def sign(
    number: Number,
    payer: PayerFile,
    lender: Lender,
    line: Line,
    cap: Cap,
    consent: Consent,
    home: Home,
    via: Via,
    deposit: Deposit = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """A patient has signed: the hospital may deduct from a line of theirs."""
    from cli.amounts import parse_amount_fen
    from cli.request_file import read_object

    body: dict[str, Any] = {"agreement_no": number, "payer": read_object(payer), "lender": lender, "line": line}
    body |= {"cap_fen": parse_amount_fen(cap, "--cap"), "consent": consent} | ({"deposit": deposit} if deposit else {})
    hospital_money.ask(home, via, f"/v1/{PATH}", body, wait, as_json)


@app.command("show")
@output.reported
def show_agreement(agreement: Name, home: Home, via: Via, token: MaybeToken = None, as_json: Json = False) -> None:
    """An agreement, with what is left of its line; to the patient also what is owed on it."""
    hospital_money.show(home, via, below(PATH, agreement), as_json, token)


@app.command("list")
@output.reported
def list_agreements(home: Home, via: Via, token: Token, as_json: Json = False) -> None:
    """A patient's agreements at this hospital, with line and debt."""
    hospital_money.list_rows(home, via, "/v1/me/credit-accounts", COLUMNS, as_json, token)


@app.command()
@output.reported
def end(
    agreement: Name, home: Home, via: Via, reason: Reason = "patient_asked", wait: Wait = 10, as_json: Json = False
) -> None:
    """Nothing more is deducted; what is owed stays owed."""
    hospital_money.ask(home, via, below(PATH, agreement, "end"), {"reason": reason}, wait, as_json)


@app.command()
@output.reported
def repay(
    agreement: Name,
    number: Number,
    channel: Channel,
    amount: Amount,
    home: Home,
    via: Via,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """At the hospital's risk: what a patient paid of a debt restores the line by as much."""
    from cli.amounts import parse_amount_fen

    body = {"repayment_no": number, "channel": channel, "amount_fen": parse_amount_fen(amount, "--amount")}
    hospital_money.ask(home, via, below(PATH, agreement, "repayments"), body, wait, as_json)


@app.command()
@output.reported
def payback(
    agreement: Name,
    number: Number,
    channel: Channel,
    amount: Amount,
    home: Home,
    via: Via,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """At the hospital's risk: what a line has too much, repaid first and refunded afterwards, goes back to the patient."""
    from cli.amounts import parse_amount_fen

    body = {"payback_no": number, "channel": channel, "amount_fen": parse_amount_fen(amount, "--amount")}
    hospital_money.ask(home, via, below(PATH, agreement, "paybacks"), body, wait, as_json)


@app.command()
@output.reported
def state(agreement: Name, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """At the hospital's risk: what is owed now, once a day; the gateway does so by itself at the product's time."""
    hospital_money.ask(home, via, below(PATH, agreement, "statements"), {}, wait, as_json)


@app.command()
@output.reported
def instalments(
    agreement: Name,
    number: Number,
    instalment: Instalments,
    home: Home,
    via: Via,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """At the hospital's risk: dates in the place of all before; together they are what is owed now."""
    body = {"plan_no": number, "instalments": [instalment_wish(text) for text in instalment]}
    hospital_money.ask(home, via, below(PATH, agreement, "instalments"), body, wait, as_json)
