"""`medbill evidence`: validators that signed two votes where an honest one signs one, and what proves it.

All of it works offline: from a node's home, beside the running node or not, or from a file and the genesis alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Json, NodeHome, OptionalNodeHome

if TYPE_CHECKING:
    from node.evidence_store import EvidenceStore

app = typer.Typer(no_args_is_help=True, help="Validators that contradicted themselves, and the proof of it.")

EvidenceFile = Annotated[Path | None, typer.Argument(metavar="FILE", help="An *.evidence file, instead of a home.")]
GenesisFile = Annotated[
    Path | None, typer.Option("--genesis", metavar="FILE", help="genesis.json of the ledger; a home has its own.")
]
To = Annotated[Path, typer.Option("--to", metavar="DIR", help="Directory for the files; made if it is not there.")]


@app.command("list")
@output.reported
def list_evidence(home: NodeHome, as_json: Json = False) -> ExitCode:
    """List what a validator or archive keeps: organisation, key, and the slot that was voted in twice."""
    from node.evidence_store import evidence_rows

    store = _read(home)
    rows = evidence_rows([piece.conviction for piece in store.pieces])
    if as_json:
        output.print_json({"data": rows, "damaged": store.is_damaged})
    else:
        _print_rows(rows, store.is_damaged)
    return ExitCode.OK


@app.command()
@output.reported
def verify(
    file: EvidenceFile = None,
    home: OptionalNodeHome = None,
    genesis: GenesisFile = None,
    as_json: Json = False,
) -> ExitCode:
    """Check evidence from its two votes and the genesis alone. Exit 3 if it convicts nobody or does not read."""
    if (file is None) == (home is None):
        raise CommandFailed("argument_refused", "name a FILE with --genesis, or a --home")
    rows: list[dict[str, Any]]
    detail = ""
    if file is not None:
        rows, detail = _check_file(file, genesis)
    else:
        from node.evidence_store import evidence_rows

        store = _read(home or Path())
        rows = evidence_rows([piece.conviction for piece in store.pieces])
        detail = f"{store.path} is damaged" if store.is_damaged else ""
    if as_json:
        output.print_json({"valid": not detail, "detail": detail or None, "data": rows})
    else:
        _print_rows(rows, False)
        output.print_line(f"INVALID: {detail}" if detail else "valid")
    return ExitCode.INVALID if detail else ExitCode.OK


@app.command()
@output.reported
def export(home: NodeHome, to: To, as_json: Json = False) -> ExitCode:
    """Write a file for each piece that a node keeps, which anybody can check with 'evidence verify'."""
    store = _read(home)
    to.mkdir(parents=True, exist_ok=True)
    names = []
    for piece in store.pieces:
        found = piece.conviction
        name = f"{found.organisation}-{found.epoch}-{found.height}-{found.view}-{found.kind.lower()}.evidence"
        (to / name).write_bytes(piece.data)
        names.append(name)
    if as_json:
        output.print_json({"path": str(to), "files": names})
    else:
        for name in names:
            output.print_line(str(to / name))
    return ExitCode.OK


def _read(home: Path) -> EvidenceStore:
    """What lies in a node's home; all of it has been checked. Raises ConfigRefused, GenesisRefused."""
    from chain.genesis import genesis_from_json
    from node.config import load_node_config
    from node.evidence_store import EvidenceStore
    from node.home import NodeHome as Place

    config = load_node_config(home)
    genesis = genesis_from_json(Place(home).genesis.read_bytes())
    return EvidenceStore.read(config.data_dir, genesis)


def _check_file(file: Path, genesis: Path | None) -> tuple[list[dict[str, Any]], str]:
    """(what it proves, why it does not)."""
    from chain.genesis import genesis_from_json
    from cli.proof_check import FILE_BYTES_MAX, read_file
    from consensus.errors import ConsensusError
    from consensus.evidence import EVIDENCE_BYTES_MAX, check_evidence
    from node.evidence_store import evidence_rows

    if genesis is None:
        raise CommandFailed("argument_refused", "a file is checked against --genesis FILE")
    trusted = genesis_from_json(read_file(genesis, FILE_BYTES_MAX))
    try:
        return evidence_rows([check_evidence(read_file(file, EVIDENCE_BYTES_MAX), trusted)]), ""
    except ConsensusError as error:
        return [], str(error)


def _print_rows(rows: list[dict[str, Any]], is_damaged: bool) -> None:
    if not rows:
        output.print_line("no contradicting votes are kept")
    for row in rows:
        output.print_fields(row)
        output.print_line("")
    if is_damaged:
        output.note("something in the file does not read; the node puts it aside at its next start")
