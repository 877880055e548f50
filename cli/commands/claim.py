"""`medbill claim`: an insurer locks a bill, decides, pays or releases, signed with its own key."""

from __future__ import annotations

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

Number = Annotated[
    str,
    typer.Option("--claim", metavar="NO", help="The insurer's own number; the ledger has a keyed digest of it only."),
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
        return LockClaim(signing.keyed_name(key, "claim", claim), bill_id, amount_fen, until_ms)

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
        return DecideClaim(signing.keyed_name(key, "claim", claim), approved_fen)

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
        return PayClaim(signing.keyed_name(key, "claim", claim), signing.keyed_name(key, "payment", payment))

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
        return ReleaseClaim(signing.keyed_name(key, "claim", claim), reason)

    return signing.act(home, organisation, make, via, wait, as_json)


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

    name = signing.keyed_name(signing.organisation_key(home, organisation), "claim", claim)
    genesis = proof_check.read_file(NetworkHome(home).genesis, proof_check.FILE_BYTES_MAX)
    with open_client(home, via, "operator", organisation=organisation) as client:
        data = client.get_bytes(f"/v1/claims/{name.hex()}/evidence")
    verdict = proof_check.verify_proof_bytes(data, genesis)
    if verdict.valid:
        out.write_bytes(data)
    return proof_check.show_verdict(verdict, as_json)
