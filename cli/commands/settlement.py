"""`medbill settlement`: the insurance bureau joins its settlements to bills and says what the fund paid, signed with its own key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json, Organisation, ViaMirror, Wait

if TYPE_CHECKING:
    from chain.operation import JoinSettlement, PayFund
    from chain.signature import SigningKey
    from cli.formats.csv_columns import Column
    from cli.formats.csv_file import Row

app = typer.Typer(
    no_args_is_help=True, help="Medical-insurance settlements: join them to bills, say what the fund paid."
)

File = Annotated[Path, typer.Argument(metavar="FILE.csv", help="Columns: docs/settlements.md.")]
Number = Annotated[
    str,
    typer.Option(
        "--settlement", metavar="NO", help="The bureau's own number; the ledger has a keyed digest of it only."
    ),
]
Reason = Annotated[str, typer.Option("--reason", metavar="CODE", help="bill_reversed, mistyped, paid_back …")]


@app.command()
@output.reported
def join(
    file: File, organisation: Organisation, home: Home, via: ViaMirror = None, wait: Wait = 15, as_json: Json = False
) -> ExitCode:
    """Join the settlements of a file to the bills that they are of; FILE.outcome.csv tells row by row.

    What differs from the bill is recorded as it is, and found by 'audit settlements'. Exit 6 if a row is refused.
    """
    from cli.formats.settlement_columns import JOIN_COLUMNS

    def make(key: SigningKey, row: Row) -> JoinSettlement:
        from chain.operation import JoinSettlement, Payments
        from cli.formats.settlement_columns import BILL_ID, fen_of, text_of
        from cli.signing import keyed_name

        return JoinSettlement(
            keyed_name(key, "settlement", text_of(row, "settlement_no")),
            text_of(row, "bill_id", BILL_ID),
            Payments(
                fen_of(row, "insurance_fund", needed=True),
                fen_of(row, "personal_account"),
                fen_of(row, "other"),
                fen_of(row, "cash"),
            ),
        )

    return _send(file, JOIN_COLUMNS, make, home, organisation, via, wait, as_json)


@app.command()
@output.reported
def pay(
    file: File, organisation: Organisation, home: Home, via: ViaMirror = None, wait: Wait = 15, as_json: Json = False
) -> ExitCode:
    """Say what the fund paid hospitals for settlements, once for each; FILE.outcome.csv tells row by row. Exit 6 if one is refused."""
    from cli.formats.settlement_columns import PAY_COLUMNS

    def make(key: SigningKey, row: Row) -> PayFund:
        from chain.operation import PayFund
        from cli.formats.settlement_columns import HOSPITAL, date_of, fen_of, text_of
        from cli.signing import keyed_name

        return PayFund(
            keyed_name(key, "settlement", text_of(row, "settlement_no")),
            text_of(row, "hospital", HOSPITAL),
            fen_of(row, "amount", needed=True),
            date_of(row, "paid_date"),
            keyed_name(key, "payment", text_of(row, "payment_no")),
        )

    return _send(file, PAY_COLUMNS, make, home, organisation, via, wait, as_json)


@app.command()
@output.reported
def withdraw(
    organisation: Organisation,
    settlement: Number,
    reason: Reason,
    home: Home,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """A settlement holds no longer, and what was paid for it came back: its bills may be settled under another number."""
    from chain.operation import WithdrawSettlement
    from cli import signing

    def make(key: SigningKey) -> WithdrawSettlement:
        return WithdrawSettlement(signing.keyed_name(key, "settlement", settlement), reason)

    return signing.act(home, organisation, make, via, wait, as_json)


def _send(
    file: Path,
    columns: Sequence[Column],
    make: Callable[[SigningKey, Row], JoinSettlement | PayFund],
    home: Path,
    organisation: str,
    via: str | None,
    wait_s: int,
    as_json: bool,
) -> ExitCode:
    import msgspec

    from api.intake.errors import FormatRefused
    from cli import signing
    from cli.client import open_client
    from cli.settlement_file import send_file

    key = signing.organisation_key(home, organisation)
    with open_client(home, via, signing.ROLE) as client, output.progress(file.name, None) as told:

        def send(operations: Sequence[Any]) -> tuple[list[dict[str, Any]], int]:
            return signing.send_operations(client, organisation, key, operations, wait_s)

        try:
            report = send_file(file, columns, lambda row: make(key, row), send, told)
        except FormatRefused as refusal:
            raise CommandFailed(refusal.code, f"{file.name}: {refusal}", ExitCode.USAGE) from None
    document = msgspec.to_builtins(report)
    if as_json:
        output.print_json(document)
    else:
        for refused in report.refused:
            output.print_line(f"line {refused['line']}: {refused['code']} {refused['detail']}".rstrip())
        output.print_line(
            f"{report.rows} rows: {report.recorded} recorded, {report.same} there before, {report.queued} on their way,"
            f" {len(report.refused)} refused; {report.outcome_file}"
        )
    if report.refused:
        return ExitCode.REFUSED
    return ExitCode.UNREACHABLE if report.queued else ExitCode.OK
