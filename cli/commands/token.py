"""`medbill token`: bearer tokens for development, made with an organisation's own token key."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json

app = typer.Typer(no_args_is_help=True, help="Bearer tokens, as a province's own sign-on would make them.")

Organisation = Annotated[
    str, typer.Option("--organisation", metavar="NAME", help="For whom it speaks; its token.key signs.")
]
Role = Annotated[
    str,
    typer.Option(
        "--role",
        help="cashier, hospital_admin, finance_clerk, auditor, patient, insurer_clerk, employer_clerk, operator.",
    ),
]
Subject = Annotated[str, typer.Option("--subject", help="Who it is: a staff number, never a name.")]
Lifetime = Annotated[str, typer.Option("--lifetime", metavar="AGE", help="How long it holds, at most 12h.")]

IdType = Annotated[str, typer.Option("--id-type", help="A patient's: kind of identity document, as on bills.")]
IdNumber = Annotated[str, typer.Option("--id-number", help="A patient's: number of the document, as on bills.")]
PersonName = Annotated[str, typer.Option("--name", help="A patient's: name, as on bills.")]
At = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="NAME", help="For the own service of this organisation, such as an insurer's; no node takes it."
    ),
]


@app.command()
@output.reported
def issue(
    home: Home,
    organisation: Organisation,
    role: Role,
    subject: Subject,
    lifetime: Lifetime = "1h",
    id_type: IdType = "01",
    id_number: IdNumber = "",
    name: PersonName = "",
    at: At = None,
    as_json: Json = False,
) -> None:
    """Print a token. Send it as 'Authorization: Bearer TOKEN'."""
    from api.auth import service_audience
    from cli.durations import parse_duration_ms
    from cli.tokens import make_token
    from node.home import NetworkHome
    from node.identity import Identity
    from node.network_file import load_network_file

    network = load_network_file(home)
    lifetime_s = parse_duration_ms(lifetime) // 1000
    if bool(id_number) != bool(name) or (id_number and role != "patient"):
        raise CommandFailed(
            "argument_refused", "--id-number and --name go together, and are a patient's", ExitCode.USAGE
        )
    token = make_token(
        NetworkHome(home).organisation(organisation).token_key,
        network.chain_id if at is None else service_audience(network.chain_id, at),
        organisation,
        subject,
        role,
        lifetime_s,
        Identity(id_type, id_number, name) if id_number else None,
    )
    if as_json:
        output.print_json(
            {"token": token, "organisation": organisation, "role": role, "subject": subject, "lifetime_s": lifetime_s}
        )
    else:
        output.print_line(token)
