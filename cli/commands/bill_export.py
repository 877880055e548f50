"""`medbill bill export`: a bill in the form that another system reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.failures import CommandFailed
from cli.options import Home, Json, Via

ROLE = "auditor"  # at a gateway its hospital's administrator
FORMATS = ("fhir", "dat95")

BillId = Annotated[str, typer.Argument(metavar="BILL_ID", help="18 digits: code and number.")]
Format = Annotated[
    str,
    typer.Option("--format", metavar="fhir|dat95", help="A FHIR R4 bundle, or the XML of DA/T 95-2022, table B.10."),
]
Kind = Annotated[
    str,
    typer.Option(
        "--kind", metavar="KIND", help="fhir: Invoice; Claim and ExplanationOfBenefit where the ledger knows a claim."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; stdout if left out.")]


@output.reported
def export(
    bill_id: BillId,
    home: Home,
    via: Via,
    format_name: Format = "fhir",
    kind: Kind = "Invoice",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Write a bill as FHIR, with its proof and where it comes from, or as XML after DA/T 95. Its details are in it."""
    from cli.client import open_client, quoted

    if format_name not in FORMATS:
        raise CommandFailed("argument_refused", f"--format: write {' or '.join(FORMATS)}")
    with open_client(home, via, ROLE) as client:
        if format_name == "fhir":
            data = client.get_bytes(f"/v1/bills/{quoted(bill_id)}/fhir", kind=kind)
        else:
            data = _dat95(client, f"/v1/bills/{quoted(bill_id)}/proof")
    if out is not None:
        out.write_bytes(data)
        if as_json:
            output.print_json({"bill_id": bill_id, "format": format_name, "file": str(out), "bytes": len(data)})
        else:
            output.print_line(f"{out}: {len(data)} bytes")
    elif as_json and format_name != "fhir":
        output.print_json({"bill_id": bill_id, "format": format_name, "text": data.decode()})
    else:
        output.print_line(data.decode().rstrip("\n"))


def _dat95(client: Any, path: str) -> bytes:
    from exports.dat95.document import OPENED, xml_of
    from exports.proven_bill import read_proven

    proof, network = client.get_bytes(path, fields=",".join(OPENED)), client.get("/v1/network")
    titles = {entry["name"]: entry["title"] for entry in network["organisations"]}
    return xml_of(read_proven(proof, titles, network["parameters"]["utc_offset_minutes"]))
