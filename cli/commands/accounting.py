"""`medbill accounting`: a unit books a bill, or takes it out of its books again, signed with its own key."""

from __future__ import annotations

from pathlib import Path
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
Amount = Annotated[
    int | None,
    typer.Option("--amount-fen", min=1, metavar="FEN", help="How much of it is booked; all of it with --proof."),
]
ProofFile = Annotated[
    Path | None,
    typer.Option("--proof", metavar="FILE", help="The bill's proof, as its payer handed it in: checked first, exit 3."),
]
Voucher = Annotated[
    str, typer.Option("--voucher", metavar="NO", help="The voucher's number; the ledger has a keyed digest of it only.")
]


@app.command()
@output.reported
def book(
    bill_id: BillId,
    organisation: Organisation,
    voucher: Voucher,
    home: Home,
    amount_fen: Amount = None,
    proof: ProofFile = None,
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

    if proof is not None:
        total_fen = _proven_total_fen(bill_id, proof, home)
        amount_fen = total_fen if amount_fen is None else amount_fen
    if amount_fen is None:
        raise CommandFailed("argument_refused", "name --amount-fen, or a --proof whose total is booked")
    booked_fen = amount_fen

    def make(key: SigningKey) -> BookBill:
        return BookBill(bill_id, SIDES[side], booked_fen, signing.keyed_name(key, "voucher", voucher))

    return signing.act(home, organisation, make, via, wait, as_json)


def _proven_total_fen(bill_id: str, proof: Path, home: Path) -> int:
    """Of a sealed, normal bill. Raises CommandFailed with exit code 3 if the file does not prove one."""
    from chain.proof_file import PROOF_BYTES_MAX
    from cli import proof_check
    from node.home import NetworkHome

    genesis = proof_check.read_file(NetworkHome(home).genesis, proof_check.FILE_BYTES_MAX)
    verdict = proof_check.verify_proof_bytes(proof_check.read_file(proof, PROOF_BYTES_MAX), genesis)
    bill = verdict.bill
    if not verdict.valid or bill.get("bill_id") != bill_id:
        raise CommandFailed("proof_refused", "the file proves nothing of this bill; 'medbill proof verify' says why")
    if (bill.get("sealed"), bill.get("status")) != (True, "normal"):
        raise CommandFailed("proof_refused", "the bill is not sealed, or not normal any more")
    return int(bill["total_fen"])


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
