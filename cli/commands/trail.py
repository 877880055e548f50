"""`medbill audit trail`: the money of one bill, step by step, from its notices to the bank."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.options import CaseNumber, Home, Json, Purpose, ViaMirror

ROLE = "auditor"
STEPS = {
    "bill_and_notices": "notices → bill",
    "notices_and_order": "notices → order",
    "order_and_payments": "order → payments",
    "payments_and_division": "payments → shares, own, back",
    "channel_and_bank": "channel's day → bank",
}

BillId = Annotated[str, typer.Argument(metavar="BILL_ID", help="18 digits: code and number.")]


@output.reported
def trail(
    bill_id: BillId,
    home: Home,
    via: ViaMirror = None,
    purpose: Purpose = None,
    case_number: CaseNumber = None,
    as_json: Json = False,
) -> ExitCode:
    """Follow a bill's money: what goes into each step comes out of it. Exit 3 if one does not balance."""
    from cli.client import open_client, quoted

    with open_client(home, via, ROLE, purpose=purpose, case_number=case_number) as client:
        page = client.get(f"/v1/audit/trails/{quoted(bill_id)}")
    if as_json:
        output.print_json(page)
    else:
        output.print_line(
            f"{page['bill_id']} of {page['issuer']}, {output.yuan(page['total_fen'])}, {page['validity']}"
        )
        lines = [line for step in page["steps"] for line in _lines(step)]
        output.print_table(("step", "in", "out", ""), lines, ("in", "out"))
        output.print_line("balanced" if page["balanced"] else "NOT BALANCED")
    return ExitCode.OK if page["balanced"] else ExitCode.INVALID


def _lines(step: dict[str, Any]) -> list[list[str]]:
    """The step, and below it what it is made of."""
    state = "pending" if step.get("pending") else "ok" if step["balanced"] else "DIFFERS"
    name = STEPS.get(step["step"], step["step"])
    first = [name, output.yuan(step["in_fen"]), output.yuan(step["out_fen"]), state]
    return [first, *([f"  {_said(row)}", "", "", ""] for row in step["rows"])]


def _said(row: dict[str, Any]) -> str:
    """What a row is of and its sums, without names on the ledger that nobody reads."""
    who = [
        str(row[key])[:12] for key in ("channel", "day", "line", "payee", "paper", "notice", "order") if row.get(key)
    ]
    sums = [
        f"{key.removesuffix('_fen').replace('_', ' ')} {output.yuan(value)}"
        for key, value in row.items()
        if key.endswith("_fen") and (value or key in ("amount_fen", "total_fen", "taken_fen"))
    ]
    return ", ".join([*who, *sums])
