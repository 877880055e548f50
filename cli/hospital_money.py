"""What the commands about a hospital's money and visits share: one thing asked of its gateway, shown, or listed.

A wish goes as one of the hospital's people, or as a patient whose token was brought along; it is answered with the name that the
ledger calls the thing by, which the commands after it take.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output
from cli.money_pages import print_rows, show_page

if TYPE_CHECKING:
    from cli.client import Client

CASHIER, MANAGER = "cashier", "hospital_admin"

Number = Annotated[
    str,
    typer.Option("--number", metavar="NO", help="The hospital's own number of it. The same again is the same thing."),
]
PayerFile = Annotated[
    str,
    typer.Option(
        "--payer",
        metavar="FILE",
        help="Who it is, in the JSON of a bill's payer; '-' reads stdin. In no list of processes.",
    ),
]
Parts = Annotated[
    list[str],
    typer.Option("--part", metavar="CHANNEL=YUAN", help="cash=128.50, fund=80.00 …; once for each part."),
]
Amount = Annotated[str, typer.Option("--amount", metavar="YUAN", help="With both decimals: 128.50.")]
PartNumber = Annotated[int, typer.Option("--part", min=0, max=7, metavar="N", help="Which part, from 0.")]
Policy = Annotated[str, typer.Option("--policy", metavar="NAME", help="proportional, credit_first or last_first.")]
Back = Annotated[
    str | None,
    typer.Option("--amount", metavar="YUAN", help="With both decimals: 50.00; all that was paid if left out."),
]
Subject = Annotated[
    str | None,
    typer.Option("--subject", help="What the payer reads; nothing about a patient. The node's own if left out."),
]
Instalments = Annotated[
    list[str],
    typer.Option(
        "--instalment", metavar="DAY=YUAN", help="By the end of a day, as in 2026-05-01=100.00; once for each."
    ),
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="CODE", help="Why, as a code such as 'mistyped': all can read it.")
]
Token = Annotated[
    Path, typer.Option("--token", metavar="FILE", help="The patient's token: 'token issue --role patient …'.")
]
MaybeToken = Annotated[
    Path | None,
    typer.Option("--token", metavar="FILE", help="Ask as the patient whose token this is, not as the counter."),
]


def open_desk(home: Path, via: str, role: str = CASHIER, token: Path | None = None) -> Client:
    """A client of the gateway: of its people in `role`, or of the patient whose token the file `token` holds."""
    from cli.client import open_client

    if token is None:
        return open_client(home, via, role)
    from cli.patient_client import open_as_patient
    from cli.request_file import read_secret

    return open_as_patient(home, via, read_secret(token))


def ask(
    home: Path,
    via: str,
    path: str,
    body: dict[str, Any],
    wait: int,
    as_json: bool,
    role: str = CASHIER,
    token: Path | None = None,
) -> None:
    """Ask for something, and print what became of it: its `name` on the ledger, its status, its height."""
    with open_desk(home, via, role, token) as client:
        output.show_fields(client.post(path, body, wait), as_json)


def show(home: Path, via: str, path: str, as_json: bool, token: Path | None = None) -> None:
    with open_desk(home, via, CASHIER, token) as client:
        show_page(client.get(path), as_json)


def list_rows(
    home: Path,
    via: str,
    path: str,
    columns: tuple[str, ...],
    as_json: bool,
    token: Path | None = None,
    **parameters: Any,
) -> None:
    """All of a list, a row each; `columns` as REST calls the fields."""
    with open_desk(home, via, CASHIER, token) as client:
        rows = client.get_all(path, **parameters)
    if as_json:
        output.print_json({"data": rows})
    else:
        print_rows(columns, rows)


def below(collection: str, name: str, step: str = "") -> str:
    """The path of a thing, or of what is done to it."""
    from cli.client import quoted

    return f"/v1/{collection}/{quoted(name)}{'/' if step else ''}{step}"


def refund_wish(policy: str, amount: str | None) -> dict[str, Any]:
    """How money goes back, as REST writes it. Raises CommandFailed."""
    from cli.amounts import parse_amount_fen

    return {"policy": policy} | ({"amount_fen": parse_amount_fen(amount, "--amount")} if amount is not None else {})


def instalment_wish(text: str) -> dict[str, Any]:
    """`2026-05-01=100.00` as REST writes it. Raises CommandFailed; whether there is such a day, the node says."""
    from cli.amounts import parse_amount_fen
    from cli.failures import CommandFailed

    due, sign, amount = text.partition("=")
    if not due or not sign:
        raise CommandFailed("argument_refused", f"--instalment '{text}': write a day and yuan, as in 2026-05-01=100.00")
    return {"due": due, "amount_fen": parse_amount_fen(amount, "--instalment")}
