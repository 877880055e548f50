"""`medbill accounting`: a unit books a bill, or takes it out of its books again, signed with its own key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import output
from cli.commands.bill import BillId
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json, Organisation, ViaMirror, Wait

if TYPE_CHECKING:
    from chain.signature import SigningKey

app = typer.Typer(no_args_is_help=True, help="Accounting: book a bill, or take it out of the books for a reversal.")

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

    if side not in SIDES:
        raise CommandFailed("argument_refused", f"--side '{side}': payer or issuer")

    def make(key: SigningKey) -> BookBill:
        return BookBill(bill_id, SIDES[side], amount_fen, signing.keyed_name(key, "voucher", voucher))

    return signing.act(home, organisation, make, via, wait, as_json)


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

    return signing.act(home, organisation, lambda _key: AcknowledgeReversal(bill_id), via, wait, as_json)
