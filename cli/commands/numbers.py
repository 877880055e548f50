"""`medbill numbers`: ranges as they nest, allotting a piece of one, a gateway's leases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json, Via, ViaMirror, Wait

app = typer.Typer(no_args_is_help=True, help="Number ranges and leases.")

Holder = Annotated[str | None, typer.Option("--holder", metavar="NAME", help="Only this organisation's ranges.")]
Parent = Annotated[
    str, typer.Argument(metavar="HOLDER/CODE/FIRST", help="The range to cut from, as 'numbers tree' names it.")
]
To = Annotated[
    str, typer.Option("--to", metavar="NAME", help="The organisation that gets it: supervised by the holder.")
]
Amount = Annotated[int, typer.Option("--count", min=1, metavar="N", help="How many numbers.")]
First = Annotated[
    int | None,
    typer.Option("--first", metavar="N", help="From which number on; the range's next free one if left out."),
]


@app.command()
@output.reported
def tree(home: Home, via: ViaMirror = None, holder: Holder = None, as_json: Json = False) -> None:
    """All ranges, each below the one that it was cut from."""
    from cli.client import open_client

    with open_client(home, via, "finance_clerk") as client:
        rows = client.get("/v1/number-ranges", holder=holder)["data"]
    if as_json:
        output.print_json({"data": rows})
        return
    from cli.range_tree import build_range_tree

    for branch in build_range_tree(rows):
        output.console().print(branch)


Persons = Annotated[
    str | None,
    typer.Option(
        "--persons",
        metavar="NAME,NAME",
        help="Who decided, where it is signed here; the ledger has a keyed digest of each.",
    ),
]


@app.command()
@output.reported
def allot(
    parent: Parent,
    to: To,
    count: Amount,
    home: Home,
    via: ViaMirror = None,
    first: First = None,
    persons: Persons = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Cut the front of a range for a supervised organisation.

    Signed by the mirror for its own office, or here with DIR/organisations/HOLDER/unit.key for another holder.
    """
    from cli.client import open_client

    holder, code, range_first = _parse_parent(parent)
    with open_client(home, via, "finance_clerk") as client:
        if first is None:
            first = _next_free(client.get("/v1/number-ranges", holder=holder)["data"], code, range_first)
        if holder == client.organisation:
            body = {"parent": f"{holder}/{code}/{range_first}", "first": first, "count": count, "holder": to}
            standing = client.post("/v1/number-ranges", body, wait)
        else:
            both = [name for name in (persons or "").split(",") if name]
            standing = _send_signed(client, home, (holder, code, range_first), first, count, to, both, wait)
    standing = {**standing, "range": f"{to}/{code}/{first}", "first": first, "count": count, "holder": to}
    if as_json:
        output.print_json(standing)
    else:
        output.print_fields({key: value for key, value in standing.items() if key != "links"})
    return ExitCode.OK


@app.command()
@output.reported
def leases(home: Home, via: Via, as_json: Json = False) -> None:
    """A gateway's leases, and how many numbers are left in each."""
    from cli.client import open_client

    with open_client(home, via, "hospital_admin") as client:
        rows = client.get("/v1/number-leases")["data"]
    if as_json:
        output.print_json({"data": rows})
    else:
        columns = ("lease", "kind", "place", "gateway", "next", "left")
        output.print_table(columns, [[row.get(column) for column in columns] for row in rows])


Year = Annotated[int, typer.Option("--year", min=2000, max=2099, metavar="YYYY", help="Of the bills' numbers.")]
Issuer = Annotated[str | None, typer.Option("--issuer", metavar="NAME", help="Only this hospital's.")]
GAP_COLUMNS = ("issuer", "code", "place", "gateway", "first", "highest", "used", "unused", "missing")


@app.command()
@output.reported
def gaps(year: Year, home: Home, issuer: Issuer = None, via: ViaMirror = None, as_json: Json = False) -> ExitCode:
    """Numbers below the highest used of each lease that neither a bill nor a report of an unused one explains.

    Exit 3 if there are any: a bill may be on its way, or somebody has to say what the number was spent on.
    """
    from cli.client import open_client

    with open_client(home, via, "auditor") as client:
        rows = client.get("/v1/audit/number-gaps", issuer=issuer, year=str(year))["data"]
    missing = sum(row["missing"] for row in rows)
    if as_json:
        output.print_json({"year": year, "missing": missing, "data": rows})
    else:
        output.print_table(GAP_COLUMNS, [[row.get(column) for column in GAP_COLUMNS] for row in rows])
        for row in rows:
            for first, last in row["gaps"]:
                output.print_line(f"{row['issuer']} {row['code']}: {first:010d} to {last:010d} unexplained")
        output.print_line(f"{missing} numbers unexplained")
    return ExitCode.INVALID if missing else ExitCode.OK


Lease = Annotated[str, typer.Argument(metavar="ISSUER/CODE/FIRST", help="The lease, as in hospital-a/33060126/1.")]


@app.command()
@output.reported
def clear(lease: Lease, home: Home, via: ViaMirror = None, wait: Wait = 10, as_json: Json = False) -> None:
    """Clear a lease (核销): what became of each number is counted from the ledger, and none can be used any more.

    Refused while a number is unexplained (numbers_unexplained; 'numbers gaps' lists them) or may still be given (lease_in_use).
    """
    from cli.client import open_client

    issuer, code, first = _parse_parent(lease)
    with open_client(home, via, "finance_clerk") as client:
        standing = client.post("/v1/clearances", {"issuer": issuer, "code": code, "first": first}, wait)
        rows = client.get("/v1/clearances", issuer=issuer)["data"]
    found: dict[str, Any] = next((row for row in rows if (row["code"], row["first"]) == (code, first)), {})
    output.show_fields({**standing, **found}, as_json)


def _parse_parent(text: str) -> tuple[str, str, int]:
    holder, _, rest = text.partition("/")
    code, _, first = rest.partition("/")
    if not (
        holder
        and len(code) == 8
        and code.isascii()
        and code.isdigit()
        and first.isascii()
        and first.isdigit()
        and len(first) <= 10
    ):
        raise CommandFailed("argument_refused", f"'{text}': write HOLDER/CODE/FIRST, as in finance-city/33060126/1")
    return holder, code, int(first)


def _next_free(rows: list[dict[str, Any]], code: str, first: int) -> int:
    for row in rows:
        if row["code"] == code and row["first"] == first:
            return int(row["next"])
    raise CommandFailed("not_found", "no such range; 'medbill numbers tree' shows them")


def _send_signed(
    client: Any,
    home: Path,
    parent: tuple[str, str, int],
    first: int,
    count: int,
    to: str,
    persons: list[str],
    wait_s: int,
) -> dict[str, Any]:
    from chain.operation import AllotRange, RangeRef
    from cli.signing import keyed_name, organisation_key, send_operation

    key = organisation_key(home, parent[0])
    marks = sorted(keyed_name(key, "person", name) for name in persons)
    operation = AllotRange(RangeRef(*parent), first, count, to, marks)
    return send_operation(client, parent[0], key, operation, wait_s)
