"""`medbill lender`: a lender's own service, where people enrol for treatment on credit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output
from cli.failures import CommandFailed
from cli.options import Home, Json, Organisation, ViaMirror
from cli.services import Certificate, Host, Issuers, Port, TlsKey

if TYPE_CHECKING:
    from chain.signature import SigningKey
    from node.services.attestation import AttestationVerifier
    from node.services.desks import Service
    from node.services.mirror_link import MirrorLink

app = typer.Typer(no_args_is_help=True, help="A lender's own service: people enrol, see and end their line.")

LINE_DAYS_MAX = 3_660

Providers = Annotated[
    Path | None,
    typer.Option(
        "--score-providers",
        metavar="FILE",
        help="Whose attestations it believes: a JSON list of name and public JWK; DIR/organisations/NAME/score-providers.json if none is named.",
    ),
]
LineDays = Annotated[
    int, typer.Option("--line-days", min=1, max=LINE_DAYS_MAX, help="How long a line is good for something new.")
]


@app.callback()
def lender() -> None:
    """Keeps `serve` a verb, while it is the only one."""


@app.command()
@output.reported
def serve(
    organisation: Organisation,
    home: Home,
    host: Host = "127.0.0.1",
    port: Port = 8710,
    score_providers: Providers = None,
    line_days: LineDays = 365,
    via: ViaMirror = None,
    certificate: Certificate = None,
    tls_key: TlsKey = None,
    token_issuers: Issuers = None,
    as_json: Json = False,
) -> None:
    """Serve in the foreground, the log on stderr, until SIGTERM. Needs the lender's keys and a mirror, and no node.

    Patients show a token of the bureau's sign-on that was made for this lender: 'token issue --at NAME'.
    """
    from cli.services import run_service
    from node.home import NetworkHome
    from node.services.credit_book import CreditBook

    place = NetworkHome(home).organisation(organisation)
    attestations = _attestations(score_providers or place.score_providers, organisation)
    book = CreditBook.open(place.credit_book)

    def make(mirror: MirrorLink, key: SigningKey) -> Service:
        from node.services.lender import LenderDesk
        from node.services.mirror_link import now_ms

        return LenderDesk(mirror, key, book, attestations, line_days, now_ms)

    def ready(url: str) -> None:
        if as_json:
            output.print_json({"organisation": organisation, "url": url})
        else:
            output.print_line(f"{organisation} serves at {url}")

    try:
        run_service(home, organisation, via, make, host, port, certificate, tls_key, token_issuers, ready)
    finally:
        book.close()


def _attestations(path: Path, organisation: str) -> AttestationVerifier:
    """Raises CommandFailed."""
    from node.services.attestation import AttestationVerifier, ProvidersRefused, load_providers

    try:
        return AttestationVerifier(load_providers(path.read_bytes()), organisation)
    except OSError:
        raise CommandFailed(
            "file_unreadable", f"{path}: whose attestations are to be believed? Name a file of score providers"
        ) from None
    except ProvidersRefused as refusal:
        raise CommandFailed("config_refused", f"{path}: {refusal}") from None
