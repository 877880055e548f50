"""`medbill archive`: a year's bills as files that need no node to be read or checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json, ViaMirror

app = typer.Typer(no_args_is_help=True, help="Make a year's archive, and check one without any node.")

ROLE = "auditor"
ZIP = ".zip"
MAKING = ".making"  # beside a ZIP file: the folder that it is packed from

Year = Annotated[int, typer.Option("--year", min=2000, max=2099, metavar="YEAR", help="Of the bills' business dates.")]
Out = Annotated[
    Path,
    typer.Option(
        "--out", metavar="FILE_OR_DIR", help="Ends in .zip: one file. Else a folder, to be made or gone on with."
    ),
]
Issuers = Annotated[
    list[str] | None,
    typer.Option(
        "--issuer", metavar="NAME", help="A hospital, more than once; those of the mirror's office if left out."
    ),
]
ArchivePath = Annotated[Path, typer.Argument(metavar="FILE_OR_DIR", help="The archive.")]
GenesisFile = Annotated[
    Path,
    typer.Option(
        "--genesis", metavar="FILE", help="genesis.json of the ledger, kept by yourself: all that is trusted."
    ),
]


@app.command()
@output.reported
def make(
    year: Year, out: Out, home: Home, via: ViaMirror = None, issuer: Issuers = None, as_json: Json = False
) -> None:
    """Write the bills of a year as XML (DA/T 95-2022, B.10) with their proofs, and the day books that show none is missing.

    Broken off, the same command goes on where it was. Keep the file as what it is: names and numbers of payers stand in it.
    """
    import shutil

    import msgspec

    from archives.making import Archivist
    from archives.packing import pack, write_manifest
    from cli.archiving import MirrorRead
    from cli.client import open_client
    from node.home import NetworkHome

    is_zip = out.name.endswith(ZIP)
    if is_zip and out.exists():
        raise CommandFailed("archive_exists", f"{out}: is there already; name another file")
    folder = out.with_name(out.name + MAKING) if is_zip else out
    genesis = NetworkHome(home).genesis.read_bytes()
    with (
        open_client(home, via, ROLE, "medbill-archive", purpose="archiving") as client,
        output.progress("archiving days", None) as bar,
    ):
        report = Archivist(MirrorRead(client), genesis, year, folder, bar).make(issuer)
    files = write_manifest(folder)
    if is_zip:
        with output.progress("packing files", files + 2) as bar:
            pack(folder, out, bar)
        shutil.rmtree(folder)
    if as_json:
        output.print_json({"archive": str(out), "year": year, "files": files, **msgspec.to_builtins(report)})
        return
    output.print_line(
        f"{out}: {report.bills} bills of {report.days} days; {report.days_kept} days were there; {files} files"
    )
    if report.unsealed or report.without_details:
        output.note(
            f"{report.unsealed} bills are not sealed; of {report.without_details} only the public part is there"
        )


@app.command()
@output.reported
def verify(archive: ArchivePath, genesis: GenesisFile, as_json: Json = False) -> ExitCode:
    """Check an archive against the genesis file alone, without any node or network. Exit 3 if anything is at fault."""
    from archives.checker import check_archive
    from chain.errors import GenesisRefused

    with output.progress("checking files", None) as bar:
        try:
            verdict = check_archive(archive, genesis.read_bytes(), bar)
        except GenesisRefused as refusal:
            raise CommandFailed(
                "genesis_refused", f"genesis: {refusal}; take it from where the network was made"
            ) from None
    lowest, highest = verdict.as_of
    if as_json:
        output.print_json(
            {
                "valid": verdict.valid,
                "year": verdict.head.get("year"),
                "issuers": verdict.head.get("issuers", []),
                "files": verdict.files,
                "bills": verdict.bills,
                "total_fen": verdict.total_fen,
                "days": verdict.days,
                "unsealed": verdict.unsealed,
                "without_details": verdict.without_details,
                "numbers_open": verdict.numbers_open,
                "as_of": {"lowest": lowest, "highest": highest},
                "faults": [fault._asdict() for fault in verdict.faults],
                "faults_count": verdict.faults_count,
            }
        )
    else:
        for fault in verdict.faults:
            output.print_line(f"FAILED  {fault.file}: {fault.detail}")
        if verdict.faults_count > len(verdict.faults):
            output.print_line(f"and {verdict.faults_count - len(verdict.faults)} more")
        hospitals = ", ".join(verdict.head.get("issuers", []))
        output.print_line(
            f"{verdict.head.get('year', '-')}: {verdict.bills} bills over {output.yuan(verdict.total_fen)} yuan, "
            f"{verdict.days} days of {hospitals or 'no hospital'}; day books as of blocks {lowest} to {highest}"
        )
        if verdict.unsealed or verdict.without_details or verdict.numbers_open:
            output.print_line(
                f"{verdict.unsealed} not sealed, {verdict.without_details} with their public part only, "
                f"{verdict.numbers_open} numbers below the highest of their lease without a bill"
            )
        output.print_line("valid" if verdict.valid else "INVALID")
    return ExitCode.OK if verdict.valid else ExitCode.INVALID
