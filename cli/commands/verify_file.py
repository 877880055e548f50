"""`medbill verify-file`: many bills at once, asked as an institution, with an answer that the node signed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json, ViaMirror

COLUMNS = ("bill_id", "check_code", "business_date", "total_fen")
RESULT_COLUMNS = ("verdict", "status", "reversed_by", "reverses")
FILE_BYTES_MAX = 64 << 20
ROLE = "operator"

Rows = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="CSV with the columns bill_id, check_code and perhaps business_date, total_fen."
    ),
]
ResultFile = Annotated[Path, typer.Argument(metavar="FILE", help="What 'verify-file --out' wrote.")]
Organisation = Annotated[
    str | None,
    typer.Option(
        "--organisation", metavar="NAME", help="Who asks, with its token.key; the node's own if none is named."
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="Where rows, results and manifest go, as JSON.")]
Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="The rows with their results, as a table too.")]
GenesisFile = Annotated[
    Path, typer.Option("--genesis", metavar="FILE", help="genesis.json of the ledger: all that is trusted.")
]


@output.reported
def verify_file(
    file: Rows,
    out: Out,
    home: Home,
    via: ViaMirror = None,
    organisation: Organisation = None,
    csv: Csv = None,
    as_json: Json = False,
) -> ExitCode:
    """Ask whether up to 10,000 bills are genuine. Exit 3 if one is not, or if the answer's signature does not hold.

    Keep the file that it writes with its check codes to yourself; 'medbill verify-result' checks it without a network.
    """
    from cli import proof_check
    from cli.client import open_client
    from node.home import NetworkHome

    rows = _read_rows(file)
    genesis = proof_check.read_file(NetworkHome(home).genesis, proof_check.FILE_BYTES_MAX)
    with open_client(home, via, ROLE, organisation=organisation) as client:
        answer = client.post("/v1/verifications:batch", {"rows": rows})
    document = {"rows": rows, **answer}
    _write_json(out, document)
    if csv is not None:
        _write_csv(csv, rows, answer["results"])
    said = _fault(document, genesis)
    counts = answer["counts"]
    if as_json:
        output.print_json({"valid": not said, "detail": said or None, "counts": counts, "file": str(out)})
    else:
        output.print_fields({"rows": len(rows), **counts, "file": str(out)})
        output.print_line(f"INVALID: {said}" if said else "signature holds")
    return ExitCode.INVALID if said or counts.get("no_match") else ExitCode.OK


@output.reported
def verify_result(file: ResultFile, genesis: GenesisFile, as_json: Json = False) -> ExitCode:
    """Check an answer that 'verify-file' kept: who signed it, and that no row or result was changed. Needs no network."""
    import json

    from cli import proof_check

    try:
        document = json.loads(proof_check.read_file(file, FILE_BYTES_MAX))
        if not isinstance(document, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        raise CommandFailed("file_unreadable", f"{file}: {error}") from None
    said = _fault(document, proof_check.read_file(genesis, proof_check.FILE_BYTES_MAX))
    if as_json:
        output.print_json({"valid": not said, "detail": said or None, "counts": document.get("counts")})
    else:
        output.print_line(f"INVALID: {said}" if said else "valid")
    return ExitCode.INVALID if said else ExitCode.OK


def _read_rows(file: Path) -> list[dict[str, Any]]:
    import csv

    rows: list[dict[str, Any]] = []
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        names = reader.fieldnames or []
        if not {"bill_id", "check_code"} <= set(names) or not set(names) <= set(COLUMNS):
            raise CommandFailed(
                "file_unreadable", f"{file}: its columns are {', '.join(COLUMNS)}; the first two are needed"
            )
        for number, line in enumerate(reader, 2):
            row: dict[str, Any] = {name: str(value).strip() for name, value in line.items() if name and value}
            if None in line:
                raise CommandFailed("file_unreadable", f"{file}, line {number}: more values than columns")
            if "total_fen" in row:
                try:
                    row["total_fen"] = int(row["total_fen"])
                except ValueError:
                    raise CommandFailed("file_unreadable", f"{file}, line {number}: total_fen is whole fen") from None
            rows.append(row)
    return rows


def _write_json(path: Path, document: dict[str, Any]) -> None:
    import json

    path.touch(mode=0o600)  # check codes are in it
    path.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_csv(path: Path, rows: list[dict[str, Any]], results: list[dict[str, Any]]) -> None:
    import csv

    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*COLUMNS, *RESULT_COLUMNS], extrasaction="ignore")
        writer.writeheader()
        for row, result in zip(rows, results, strict=True):
            writer.writerow({**row, **result})


def _fault(document: dict[str, Any], genesis: bytes) -> str:
    """Why an answer does not hold, or empty: the manifest, and whether rows, results and counts are what it signs."""
    import base64
    from collections import Counter

    from chain.errors import ChainError
    from chain.verification_manifest import Question, Result, questions_digest, results_digest
    from cli import proof_check

    try:
        data = base64.b64decode(document["manifest"]["file"], validate=True)
        questions = [
            Question(
                row["bill_id"],
                row["check_code"],
                row.get("business_date") or "",
                [row["total_fen"]] if row.get("total_fen") is not None else [],
            )
            for row in document["rows"]
        ]
        results = [
            Result(*(str(result.get(name) or "") for name in Result.__struct_fields__))
            for result in document["results"]
        ]
        said = (len(questions), questions_digest(questions).hex(), results_digest(results).hex())
        counts = dict(Counter(result.verdict for result in results))
        told = document["counts"]
    except (KeyError, TypeError, ValueError, AttributeError, ChainError) as error:
        return f"not an answer: {type(error).__name__}"
    verdict = proof_check.verify_proof_bytes(data, genesis)
    if not verdict.valid:
        last = verdict.checks[-1]
        return f"{last.name}: {last.detail}"
    facts = verdict.bill
    if said != (facts.get("rows"), facts.get("questions"), facts.get("results")) or len(results) != len(questions):
        return "rows or results are others than the node signed"
    return "" if counts == told else "the counts are others than the results'"
