"""`medbill verify`: whether a bill in hand is genuine, asked as any member of the public."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.options import Home, Json, ViaMirror

EXIT_CODES = {
    "genuine": ExitCode.OK,
    "genuine_reversed": ExitCode.OK,
    "genuine_void": ExitCode.OK,
    "no_match": ExitCode.INVALID,
    "try_later": ExitCode.UNREACHABLE,
}

BillId = Annotated[str, typer.Argument(metavar="BILL_ID", help="18 digits: code and number.")]
CheckCode = Annotated[str, typer.Option("--check-code", metavar="CODE", help="The check code on the bill.")]
BusinessDate = Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="The date on the bill.")]
Total = Annotated[int | None, typer.Option("--total-fen", metavar="FEN", help="The total on the bill, in fen.")]


@output.reported
def verify(
    bill_id: BillId,
    check_code: CheckCode,
    home: Home,
    via: ViaMirror = None,
    date: BusinessDate = None,
    total_fen: Total = None,
    as_json: Json = False,
) -> ExitCode:
    """Ask whether a bill in hand is genuine. Exit 3 for no_match; a reversed bill is genuine_reversed, a withdrawn one genuine_void, exit 0.

    Needs no right. Who has the proof file needs no server either: medbill proof verify.
    """
    from cli.client import open_client

    body: dict[str, Any] = {"bill_id": bill_id, "check_code": check_code}
    if date is not None:
        body["business_date"] = date
    if total_fen is not None:
        body["total_fen"] = total_fen
    with open_client(home, via, "auditor") as client:
        answer = client.post("/v1/verifications", body)
    if as_json:
        output.print_json(answer)
    else:
        output.print_fields(answer)
    return EXIT_CODES.get(str(answer.get("verdict")), ExitCode.FAILED)
