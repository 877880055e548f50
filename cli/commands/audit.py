"""`medbill audit`: day books and bills over all hospitals, asked of a mirror."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.commands import custody, trail, waiting
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import CaseNumber, FromDate, Home, Json, Purpose, ToDate, ViaMirror

app = typer.Typer(no_args_is_help=True, help="What auditors and finance read.")
app.command("waiting")(waiting.waiting)
app.command("trail")(trail.trail)
app.command("supervised")(custody.audit)

CHINA = timezone(timedelta(hours=8))
DAYS_SHOWN = 7  # before today, where no first date is named: as far back as bills may come
ROLE = "auditor"

Issuer = Annotated[str | None, typer.Option("--issuer", metavar="NAME", help="Only this hospital.")]
RequiredIssuer = Annotated[str, typer.Option("--issuer", metavar="NAME", help="The hospital.")]
Kind = Annotated[str | None, typer.Option("--kind", help="outpatient, inpatient, registration or checkup.")]
Place = Annotated[str | None, typer.Option("--place", metavar="CODE", help="Issuing point.")]
Validity = Annotated[str | None, typer.Option("--validity", help="normal, reversed or red.")]
Limit = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="At most so many rows.")]
Unmatched = Annotated[bool, typer.Option("--unmatched", help="Only where something differs.")]
Difference = Annotated[
    str | None, typer.Option("--difference", metavar="CODE", help="Only with this one, such as fund_differs.")
]

KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="64 hex digits; 'medbill keys show' tells them.")]
FromHeight = Annotated[int, typer.Option("--from", min=1, metavar="HEIGHT", help="First block to look at.")]
SIGNED_COLUMNS = ("height", "time", "organisation", "kind", "bill_id", "code")
BillId = Annotated[str, typer.Argument(metavar="BILL_ID", help="18 digits: code and number.")]
AtTime = Annotated[str, typer.Option("--at", metavar="TIME", help="The moment, as in 2026-03-01T10:00+08:00.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Keep the file that proves it.")]

DAY_COLUMNS = (
    "issuer",
    "place",
    "date",
    "kind",
    "count",
    "sum_fen",
    "red_count",
    "red_sum_fen",
    "void_count",
    "void_sum_fen",
)
HISTORY_COLUMNS = ("at", "event", "organisation", "role", "height", "operation")
SETTLEMENT_COLUMNS = (
    "bill_id",
    "issuer",
    "business_date",
    "validity",
    "due_fen",
    "paid_fen",
    "paid_date",
    "differences",
)
BILL_COLUMNS = ("bill_id", "kind", "place_code", "business_date", "total_fen", "validity", "status", "height")


@app.command("day-totals")
@output.reported
def day_totals(
    home: Home,
    via: ViaMirror = None,
    from_date: FromDate = None,
    to_date: ToDate = None,
    issuer: Issuer = None,
    as_json: Json = False,
) -> None:
    """Day books: per hospital, place, date and kind the counts and sums, and the sum of all.

    total_fen adds the sums of red bills too: they are negative.
    """
    from cli.client import open_client

    first, last = _span(from_date, to_date)
    with open_client(home, via, ROLE) as client:
        rows = client.get("/v1/audit/day-totals", issuer=issuer, **{"from": first, "to": last})["data"]
    sums = _sums(rows)
    if as_json:
        output.print_json({"from": first, "to": last, **sums, "data": rows})
        return
    output.print_table(DAY_COLUMNS, [[row.get(column) for column in DAY_COLUMNS] for row in rows])
    output.print_line(f"{sums['count']} bills, {sums['red_count']} red, total {output.yuan(sums['total_fen'])} yuan")


@app.command()
@output.reported
def bills(
    issuer: RequiredIssuer,
    home: Home,
    via: ViaMirror = None,
    from_date: FromDate = None,
    to_date: ToDate = None,
    kind: Kind = None,
    place: Place = None,
    validity: Validity = None,
    limit: Limit = 1000,
    purpose: Purpose = None,
    case_number: CaseNumber = None,
    as_json: Json = False,
) -> None:
    """Public parts of a hospital's bills."""
    from cli.client import open_client

    first, last = _span(from_date, to_date)
    filters = {"issuer": issuer, "from": first, "to": last, "kind": kind, "place": place, "validity": validity}
    with open_client(home, via, ROLE, purpose=purpose, case_number=case_number) as client:
        rows = client.get_all("/v1/audit/bills", limit, **filters)
    if as_json:
        output.print_json({"from": first, "to": last, "data": rows})
    else:
        output.print_table(BILL_COLUMNS, [[row.get(column) for column in BILL_COLUMNS] for row in rows])


@app.command()
@output.reported
def settlements(
    home: Home,
    unmatched: Unmatched = False,
    issuer: Issuer = None,
    from_date: FromDate = None,
    to_date: ToDate = None,
    difference: Difference = None,
    via: ViaMirror = None,
    limit: Limit = 10_000,
    as_json: Json = False,
) -> ExitCode:
    """The three-way match of bills, medical-insurance settlements and the fund's payments (docs/settlements.md).

    Exit 3 if anything that is listed does not match.
    """
    from cli.client import open_client

    first, last = _span(from_date, to_date)
    filters = {"issuer": issuer, "from": first, "to": last, "difference": difference}
    with open_client(home, via, ROLE) as client:
        rows = client.get_all("/v1/audit/settlements", limit, unmatched=str(unmatched).lower(), **filters)
    differing = sum(bool(row["differences"]) for row in rows)
    if as_json:
        output.print_json({"from": first, "to": last, "differing": differing, "data": rows})
    else:
        shown = [{**row, "differences": " ".join(row["differences"])} for row in rows]
        output.print_table(SETTLEMENT_COLUMNS, [[row.get(column) for column in SETTLEMENT_COLUMNS] for row in shown])
        output.print_line(f"{len(rows)} listed, {differing} do not match")
    return ExitCode.INVALID if differing else ExitCode.OK


@app.command()
@output.reported
def show(
    bill_id: BillId, at: AtTime, home: Home, via: ViaMirror = None, out: Out = None, as_json: Json = False
) -> ExitCode:
    """What the ledger said of a bill at an earlier moment, checked here against genesis. Exit 3 if it does not hold.

    The version of its record that was in force, the operation that made it, and the path from the current record to it.
    """
    from cli import proof_check
    from cli.client import open_client, quoted
    from cli.durations import parse_time_ms
    from node.home import NetworkHome

    at_ms = parse_time_ms(at)
    genesis = proof_check.read_file(NetworkHome(home).genesis, proof_check.FILE_BYTES_MAX)
    with open_client(home, via, ROLE) as client:
        data = client.get_bytes(f"/v1/bills/{quoted(bill_id)}/version", at=at)
    if out is not None:
        out.write_bytes(data)
    verdict = proof_check.verify_proof_bytes(data, genesis, at_ms=at_ms)
    if verdict.valid and verdict.bill.get("bill_id") != bill_id:
        raise CommandFailed("proof_refused", "the node sent the file of another bill")
    return proof_check.show_verdict(verdict, as_json)


@app.command()
@output.reported
def history(bill_id: BillId, home: Home, via: ViaMirror = None, as_json: Json = False) -> None:
    """Everything that happened to a bill: when, who, in which role; each leads to a proof of its own."""
    from cli.client import open_client, quoted

    with open_client(home, via, ROLE) as client:
        rows = client.get(f"/v1/bills/{quoted(bill_id)}/history")["data"]
    if as_json:
        output.print_json({"data": rows})
    else:
        output.print_table(HISTORY_COLUMNS, [[row.get(column) for column in HISTORY_COLUMNS] for row in rows])


def _sums(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {
        "count": sum(row["count"] for row in rows),
        "red_count": sum(row["red_count"] for row in rows),
        "void_count": sum(row["void_count"] for row in rows),
        "total_fen": sum(row["sum_fen"] + row["red_sum_fen"] - row["void_sum_fen"] for row in rows),
    }


@app.command("signed-by")
@output.reported
def signed_by(
    key_id: KeyId,
    home: Home,
    from_height: FromHeight = 1,
    via: ViaMirror = None,
    limit: Limit = 10_000,
    as_json: Json = False,
) -> None:
    """What a key signed in the blocks from a height on: after a theft, exactly what has to be looked at."""
    from cli.client import open_client

    with open_client(home, via, ROLE) as client:
        rows = client.get_all("/v1/audit/signed-by", limit, key_id=key_id, from_height=str(from_height))
    if as_json:
        output.print_json({"key_id": key_id, "from_height": from_height, "count": len(rows), "data": rows})
        return
    output.print_table(SIGNED_COLUMNS, [[row.get(column) for column in SIGNED_COLUMNS] for row in rows])
    output.print_line(f"{len(rows)} operations")


def _span(first: str | None, last: str | None) -> tuple[str, str]:
    """First and last business date; local, since business dates are."""
    today = datetime.now(CHINA).date()
    try:
        until = date.fromisoformat(last) if last else today
        since = date.fromisoformat(first) if first else min(until, today) - timedelta(days=DAYS_SHOWN)
    except ValueError:
        raise CommandFailed("argument_refused", "--from, --to: write a day as 2026-03-01") from None
    if since > until:
        raise CommandFailed("argument_refused", "--from: must not lie after --to")
    return since.isoformat(), until.isoformat()
