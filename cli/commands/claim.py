"""`medbill claim`: an insurer locks a bill, decides, pays or releases, signed with its own key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output
from cli.commands.bill import BillId
from cli.exit_codes import ExitCode
from cli.options import Home, Json, Organisation, ViaMirror, Wait

if TYPE_CHECKING:
    from chain.signature import SigningKey

app = typer.Typer(no_args_is_help=True, help="Claims: lock a bill, decide, pay, release; each bill once.")

HOURS_MAX = 168
CLAIM_NAME = re.compile(r"[0-9a-f]{64}", re.ASCII)
CLAIM_COLUMNS = ("claim", "bill_id", "state", "locked_fen", "approved_fen", "locked_until", "height")

Number = Annotated[
    str,
    typer.Option(
        "--claim",
        metavar="NO",
        help="The insurer's own number, of which the ledger has a keyed digest only; or that, 64 hex digits.",
    ),
]
Amount = Annotated[
    int, typer.Option("--amount-fen", min=1, metavar="FEN", help="How much of the own part is reserved.")
]
Hours = Annotated[
    int, typer.Option("--hours", min=1, max=HOURS_MAX, help="After so long the lock is as if it had never been.")
]
Approved = Annotated[int, typer.Option("--approved-fen", min=0, metavar="FEN", help="What is granted; 0 rejects.")]
Payment = Annotated[
    str, typer.Option("--payment", metavar="NO", help="The payment's number; the ledger has a keyed digest of it only.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="CODE", help="withdrawn, paid_back …")]
State = Annotated[
    str | None,
    typer.Option("--state", help="locked waits for a decision, approved for payment; paid, released, rejected."),
]
Limit = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="At most so many rows.")]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to keep it.")]


@app.command()
@output.reported
def lock(
    bill_id: BillId,
    organisation: Organisation,
    claim: Number,
    amount_fen: Amount,
    home: Home,
    hours: Hours = 24,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Reserve a part of a bill's own part. Who comes second is refused: claim_locked."""
    import time

    from chain.operation import LockClaim
    from cli import signing

    until_ms = time.time_ns() // 1_000_000 + hours * 3_600_000

    def make(key: SigningKey) -> LockClaim:
        return LockClaim(claim_name(key, claim), bill_id, amount_fen, until_ms)

    return signing.act(home, organisation, make, via, wait, as_json)


@app.command()
@output.reported
def decide(
    organisation: Organisation,
    claim: Number,
    approved_fen: Approved,
    home: Home,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Grant a part of what was locked, or nothing; what is left is free for others."""
    from chain.operation import DecideClaim
    from cli import signing

    def make(key: SigningKey) -> DecideClaim:
        return DecideClaim(claim_name(key, claim), approved_fen)

    return signing.act(home, organisation, make, via, wait, as_json)


@app.command()
@output.reported
def pay(
    organisation: Organisation,
    claim: Number,
    payment: Payment,
    home: Home,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """What was granted is paid: the bill cannot be reversed until the claim is released."""
    from chain.operation import PayClaim
    from cli import signing

    def make(key: SigningKey) -> PayClaim:
        return PayClaim(claim_name(key, claim), signing.keyed_name(key, "payment", payment))

    return signing.act(home, organisation, make, via, wait, as_json)


@app.command()
@output.reported
def release(
    organisation: Organisation,
    claim: Number,
    reason: Reason,
    home: Home,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Give a claim up, or say that its payment came back."""
    from chain.operation import ReleaseClaim
    from cli import signing

    def make(key: SigningKey) -> ReleaseClaim:
        return ReleaseClaim(claim_name(key, claim), reason)

    return signing.act(home, organisation, make, via, wait, as_json)


@app.command("list")
@output.reported
def list_claims(
    organisation: Organisation,
    home: Home,
    state: State = None,
    limit: Limit = 100,
    via: ViaMirror = None,
    as_json: Json = False,
) -> None:
    """The organisation's claims as the ledger has them, by their names there."""
    from cli.client import open_client

    with open_client(home, via, "operator", organisation=organisation) as client:
        rows = client.get_all("/v1/claims", limit, state=state)
    if as_json:
        output.print_json({"data": rows})
    else:
        output.print_table(CLAIM_COLUMNS, [[row[column] for column in CLAIM_COLUMNS] for row in rows])


def claim_name(key: SigningKey, text: str) -> bytes:
    """What a claim is called on the ledger: of the insurer's own number, or as it stands there."""
    from cli import signing

    return bytes.fromhex(text) if CLAIM_NAME.fullmatch(text) else signing.keyed_name(key, "claim", text)


@app.command()
@output.reported
def evidence(
    organisation: Organisation, claim: Number, out: Out, home: Home, via: ViaMirror = None, as_json: Json = False
) -> ExitCode:
    """Keep what proves that the bill was normal, and claimed by nobody beyond its own part, when a claim was decided.

    Checked here before it is written; later 'proof verify --at HEIGHT' does so without any network. Exit 3 if it does not hold.
    """
    from cli import proof_check, signing
    from cli.client import open_client
    from node.home import NetworkHome

    name = claim_name(signing.organisation_key(home, organisation), claim)
    genesis = proof_check.read_file(NetworkHome(home).genesis, proof_check.FILE_BYTES_MAX)
    with open_client(home, via, "operator", organisation=organisation) as client:
        data = client.get_bytes(f"/v1/claims/{name.hex()}/evidence")
    verdict = proof_check.verify_proof_bytes(data, genesis)
    if verdict.valid:
        out.write_bytes(data)
    return proof_check.show_verdict(verdict, as_json)
