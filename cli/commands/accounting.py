"""`medbill accounting`: a unit books a bill, or takes it out of its books again, signed with its own key."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.commands.bill import BillId, show_fields
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json, Organisation, ViaMirror, Wait

app = typer.Typer(no_args_is_help=True, help="Accounting: book a bill, or take it out of the books for a reversal.")

ROLE = "operator"
SIDES = {"issuer": 1, "payer": 2}

Side = Annotated[str, typer.Option("--side", metavar="payer|issuer", help="Whose books: who pays, or who issued it.")]
Amount = Annotated[int, typer.Option("--amount-fen", min=1, metavar="FEN", help="How much of it is booked.")]
Voucher = Annotated[
    str, typer.Option("--voucher", metavar="NO", help="The voucher's number; the ledger has a keyed digest of it only.")
]


@app.command()
@output.reported
def book(
    bill_id: BillId,
    organisation: Organisation,
    amount_fen: Amount,
    voucher: Voucher,
    home: Home,
    side: Side = "payer",
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Book a bill. A second unit that pays is refused: already_accounted."""
    from chain.operation import BookBill
    from cli import signing
    from cli.client import open_client

    if side not in SIDES:
        raise CommandFailed("argument_refused", f"--side '{side}': payer or issuer")
    key = signing.organisation_key(home, organisation)
    operation = BookBill(bill_id, SIDES[side], amount_fen, signing.keyed_name(key, "voucher", voucher))
    with open_client(home, via, ROLE) as client:
        outcome = signing.send_operation(client, organisation, key, operation, wait)
    show_fields(outcome, as_json)
    return signing.exit_code(outcome)


@app.command()
@output.reported
def acknowledge(
    bill_id: BillId,
    organisation: Organisation,
    home: Home,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """The unit has taken the bill out of its books: its issuer may reverse it."""
    from chain.operation import AcknowledgeReversal
    from cli import signing
    from cli.client import open_client

    key = signing.organisation_key(home, organisation)
    with open_client(home, via, ROLE) as client:
        outcome = signing.send_operation(client, organisation, key, AcknowledgeReversal(bill_id), wait)
    show_fields(outcome, as_json)
    return signing.exit_code(outcome)
