"""`medbill custody`: the bank that keeps the money of an organisation's orders, and says each day what lies there."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import hospital_money, output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.hospital_money import MANAGER
from cli.options import FromDate, Home, Json, Organisation, ToDate, Via, ViaMirror, Wait

if TYPE_CHECKING:
    from chain.operation import AttestBalance
    from chain.signature import SigningKey

app = typer.Typer(
    no_args_is_help=True, help="Supervised accounts: who keeps the money, and what the bank attests daily."
)

PATH = "/v1/supervised-account"
AUDIT_COLUMNS = ("organisation", "bank", "day", "state", "ledger_fen", "attested_fen", "difference_fen", "finding")
MISMATCH = "supervised_balance_mismatch"

Bank = Annotated[str, typer.Option("--bank", metavar="NAME", help="Which bank keeps it.")]
Of = Annotated[str, typer.Option("--of", metavar="NAME", help="Whose money it keeps.")]
Day = Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="A local day that is over.")]
Balance = Annotated[str, typer.Option("--balance", metavar="YUAN", help="At its end, with both decimals: 336.30.")]
Statement = Annotated[
    str, typer.Option("--statement", metavar="NO", help="The bank's own statement; the ledger has a keyed digest only.")
]
Whose = Annotated[str | None, typer.Option("--organisation", metavar="NAME", help="Only this one's money.")]
Findings = Annotated[bool, typer.Option("--findings", help="Only days on which the two differ.")]


@app.command()
@output.reported
def supervise(bank: Bank, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """The money of all orders lies with this bank from now on."""
    hospital_money.ask(home, via, PATH, {"bank": bank}, wait, as_json, MANAGER)


@app.command()
@output.reported
def show(home: Home, via: Via, as_json: Json = False) -> None:
    """What lies there now, and what the bank attested of the newest days."""
    hospital_money.show(home, via, PATH, as_json)


@app.command()
@output.reported
def attest(
    organisation: Organisation,
    of: Of,
    day: Day,
    balance: Balance,
    statement: Statement,
    home: Home,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """As the bank: what lay in an organisation's account at the end of a day, signed here; once for each day."""
    from cli import signing
    from cli.amounts import parse_amount_fen

    balance_fen = parse_amount_fen(balance, "--balance")
    try:
        number = int(date.fromisoformat(day).strftime("%Y%m%d"))
    except ValueError:
        raise CommandFailed("argument_refused", f"--day '{day}': write a day as 2026-03-01") from None

    def make(key: SigningKey) -> AttestBalance:
        from chain.operation import AttestBalance

        return AttestBalance(of, number, balance_fen, signing.keyed_name(key, "bank_statement", statement))

    return signing.act(home, organisation, make, via, wait, as_json)


@output.reported
def audit(
    home: Home,
    organisation: Whose = None,
    from_date: FromDate = None,
    to_date: ToDate = None,
    findings: Findings = False,
    via: ViaMirror = None,
    as_json: Json = False,
) -> ExitCode:
    """Supervised accounts day by day: the ledger's balance beside the bank's. Exit 3 if they differ by a fen anywhere."""
    from cli.client import open_client
    from cli.money_pages import print_rows

    asked: dict[str, Any] = {"organisation": organisation, "from": from_date, "to": to_date}
    with open_client(home, via, "auditor") as client:
        rows = client.get("/v1/audit/supervised", **asked, finding=MISMATCH if findings else None)["data"]
    if as_json:
        output.print_json({"data": rows})
    else:
        print_rows(AUDIT_COLUMNS, rows)
    return ExitCode.INVALID if any(row["finding"] for row in rows) else ExitCode.OK
