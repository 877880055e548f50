"""`medbill proof`: the file that a holder keeps, fetched and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json, Via

app = typer.Typer(
    no_args_is_help=True, help="Fetch a bill's proof, show a part of it on, and check one without any network."
)

BillId = Annotated[str, typer.Argument(metavar="BILL_ID", help="18 digits: code and number.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; BILL_ID.proof if left out.")
]
Show = Annotated[
    str | None, typer.Option("--show", metavar="FIELD,...", help="Details to open in it; all others stay hidden.")
]
ProofFile = Annotated[Path, typer.Argument(metavar="FILE", help="The *.proof file.")]
GenesisFile = Annotated[
    Path, typer.Option("--genesis", metavar="FILE", help="genesis.json of the ledger: all that is trusted.")
]
Trust = Annotated[
    Path | None,
    typer.Option(
        "--trust", metavar="FILE", help="What earlier checks have proven: nothing may contradict it; kept up to date."
    ),
]
Shown = Annotated[
    str, typer.Option("--show", metavar="FIELD,...", help="What the reader may see: total,date,issuer, payer_name …")
]
Presented = Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write the file that is handed on.")]
At = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="HEIGHT|TIME", help="Invalid unless it shows how things stood then: a block, or RFC 3339."
    ),
]
MaxAge = Annotated[
    str | None, typer.Option("--max-age", metavar="AGE", help="Invalid if its newest block is older, as in 24h.")
]


@app.command()
@output.reported
def fetch(bill_id: BillId, home: Home, via: Via, out: Out = None, show: Show = None, as_json: Json = False) -> None:
    """Fetch the proof of a bill, as its hospital."""
    from cli.client import open_client, quoted

    with open_client(home, via, "cashier") as client:
        data = client.get_bytes(f"/v1/bills/{quoted(bill_id)}/proof", fields=show)
    if out is None:
        if not (len(bill_id) == 18 and bill_id.isascii() and bill_id.isdigit()):
            raise CommandFailed("argument_refused", "a bill has 18 digits; name a file with --out")
        out = Path(f"{bill_id}.proof")
    out.write_bytes(data)
    if as_json:
        output.print_json({"bill_id": bill_id, "file": str(out), "bytes": len(data)})
    else:
        output.print_line(f"{out}: {len(data)} bytes")


@app.command()
@output.reported
def present(file: ProofFile, show: Shown, out: Presented, as_json: Json = False) -> None:
    """Keep only the fields that a reader may see, offline. What is on the chain, as total, date and issuer, is always shown.

    Of what is left out nothing is in the new file, neither the value nor a hash that could be found by trying.
    """
    from chain.presenting import presented
    from chain.proof_file import PROOF_BYTES_MAX
    from cli import proof_check

    data = presented(proof_check.read_file(file, PROOF_BYTES_MAX), [name.strip() for name in show.split(",")])
    out.write_bytes(data)
    if as_json:
        output.print_json({"file": str(out), "bytes": len(data)})
    else:
        output.print_line(f"{out}: {len(data)} bytes")


@app.command()
@output.reported
def verify(
    file: ProofFile,
    genesis: GenesisFile,
    trust: Trust = None,
    max_age: MaxAge = None,
    at: At = None,
    as_json: Json = False,
) -> ExitCode:
    """Check a proof against the genesis file alone, without any network. Exit 3 if a check fails.

    Of a bill, of an operation in its history, of an earlier version of its record, or a claim's evidence.
    """
    from chain.proof_file import PROOF_BYTES_MAX
    from cli import proof_check
    from cli.durations import parse_duration_ms, parse_moment

    max_age_ms = None if max_age is None else parse_duration_ms(max_age)
    at_height, at_ms = (None, None) if at is None else parse_moment(at)
    trusted = proof_check.read_file(trust, proof_check.FILE_BYTES_MAX) if trust is not None and trust.exists() else None
    verdict = proof_check.verify_proof_bytes(
        proof_check.read_file(file, PROOF_BYTES_MAX),
        proof_check.read_file(genesis, proof_check.FILE_BYTES_MAX),
        trusted,
        max_age_ms,
        at_height=at_height,
        at_ms=at_ms,
    )
    if verdict.valid and trust is not None and verdict.newest is not None:
        proof_check.keep_checkpoint(trust, trusted, verdict.newest)
    return proof_check.show_verdict(verdict, as_json)
