"""`medbill bill import`: bills of files, through a hospital's gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json, Via

ROLE = "cashier"

Format = Annotated[
    str | None,
    typer.Option("--format", metavar="csv|fhir|his", help="How the files are written; csv for *.csv if left out."),
]
Folder = Annotated[
    Path | None,
    typer.Option("--folder", metavar="DIR", help="csv: every *.csv in DIR that is whole; outcome files beside them."),
]
AsCny = Annotated[bool, typer.Option("--as-cny", help="fhir: read figures of another currency as yuan.")]
ImportPlace = Annotated[
    str | None,
    typer.Option(
        "--place", metavar="CODE", help="Issuing point for bills that name none; the gateway's first if left out."
    ),
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="End when everything is kept, not when everything is sealed.")]
SealDeadline = Annotated[
    int,
    typer.Option(
        "--deadline", min=1, metavar="SECONDS", help="Wait so long for seals while nothing moves; then exit 5."
    ),
]
Files = Annotated[
    list[Path] | None, typer.Argument(metavar="FILE...", help="Files to import.", exists=True, dir_okay=False)
]


@output.reported
def import_bills(
    home: Home,
    via: Via,
    files: Files = None,
    format_name: Format = None,
    folder: Folder = None,
    as_cny: AsCny = False,
    place: ImportPlace = None,
    no_wait: NoWait = False,
    deadline: SealDeadline = 120,
    as_json: Json = False,
) -> ExitCode:
    """Issue the bills of files. Running it again issues nothing twice.

    total_fen is the sum over the bills of these files that are issued, now or before; each business number counts once.
    A CSV file gets FILE.outcome.csv beside it: its rows, and what came of each. Exit 6 if bills were refused, 5 if not all
    were sealed in time.
    """
    from cli.client import open_client
    from cli.csv_import import import_csv, whole_files
    from cli.formats import READERS
    from cli.importing import Importer

    chosen, format_name = _chosen(files or [], format_name, folder)
    left: list[dict[str, str]] = []
    if folder is not None:
        chosen, left = whole_files(folder)
    place = place or _first_place(home, via)
    wait_s = 0 if no_wait else deadline
    with open_client(home, via, ROLE, "medbill-import") as client, output.progress("importing", len(chosen)) as bar:
        if format_name == "csv":
            from_csv = import_csv(chosen, client, place, wait_s, bar)
            from_csv.left = left
            report, document = from_csv.report, from_csv.document()
            for file in from_csv.files:
                output.note(f"{file.file}: {file.rows} rows in {file.encoding}; {file.outcome_file}")
        else:
            importer = Importer(client, bar)
            for path in chosen:
                importer.import_file(path, READERS[format_name], as_cny=as_cny, place_code=place)
            report = importer.finish(wait_s)
            document = report.document()
    for entry in left:
        output.note(f"{entry['file']}: left for the next run ({entry['reason']})")
    if as_json:
        output.print_json(document)
    else:
        output.print_line(
            f"issued {report.issued}, already issued {report.already_issued}, refused {len(report.refused)}, "
            f"total {output.yuan(report.total_fen)} yuan"
        )
        if report.refused:
            output.print_table(("file", "business no", "code"), [list(entry.values()) for entry in report.refused])
    if report.unsealed and not no_wait:
        output.note(f"{report.unsealed} bills are not sealed yet; they will be, or run the same command again to look")
        return ExitCode.UNREACHABLE
    return ExitCode.REFUSED if report.refused else ExitCode.OK


def _chosen(files: list[Path], format_name: str | None, folder: Path | None) -> tuple[list[Path], str]:
    """What to import, and how it is written. Raises CommandFailed."""
    from cli.formats import READERS

    if bool(files) == (folder is not None):
        raise CommandFailed("argument_refused", "name files, or one --folder")
    if format_name is None and all(file.suffix == ".csv" for file in files):
        format_name = "csv"
    if format_name not in READERS:
        raise CommandFailed("argument_refused", f"--format: write {' or '.join(sorted(READERS))}")
    if folder is not None and format_name != "csv":
        raise CommandFailed("argument_refused", "--folder: of CSV files only")
    return files, format_name


def _first_place(home: Path, via: str) -> str:
    from node.config import load_node_config
    from node.home import NetworkHome

    places = load_node_config(NetworkHome(home).node(via).root).places
    if not places:
        raise CommandFailed("argument_refused", f"{via} has no issuing points; name a gateway")
    return places[0]
