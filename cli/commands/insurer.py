"""`medbill insurer`: an insurer's own service, where the people whom it insures claim their bills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import output
from cli.commands.claim import HOURS_MAX
from cli.options import Home, Json, Organisation, ViaMirror
from cli.services import Certificate, Host, Issuers, Port, TlsKey

if TYPE_CHECKING:
    from chain.signature import SigningKey
    from node.services.desks import Service
    from node.services.mirror_link import MirrorLink

app = typer.Typer(no_args_is_help=True, help="An insurer's own service: people claim several bills at once.")

HOUR_MS = 3_600_000

SmallClaim = Annotated[
    int,
    typer.Option(
        "--small-claim-fen", min=0, metavar="FEN", help="Claims up to so much are granted at once; others wait locked."
    ),
]
Hours = Annotated[
    int, typer.Option("--hours", min=1, max=HOURS_MAX, help="How long a lock waits for a person's decision.")
]


@app.callback()
def insurer() -> None:
    """Keeps `serve` a verb, while it is the only one."""


@app.command()
@output.reported
def serve(
    organisation: Organisation,
    home: Home,
    host: Host = "127.0.0.1",
    port: Port = 8700,
    small_claim_fen: SmallClaim = 50_000,
    hours: Hours = 72,
    via: ViaMirror = None,
    certificate: Certificate = None,
    tls_key: TlsKey = None,
    token_issuers: Issuers = None,
    as_json: Json = False,
) -> None:
    """Serve in the foreground, the log on stderr, until SIGTERM. Needs the insurer's keys and a mirror, and no node.

    Patients show a token of the bureau's sign-on that was made for this insurer: 'token issue --at NAME'.
    """
    from cli.services import run_service

    def make(mirror: MirrorLink, key: SigningKey) -> Service:
        from node.services.insurer import InsurerDesk, InsurerTerms
        from node.services.mirror_link import now_ms

        terms = InsurerTerms(small_claim_fen=small_claim_fen, lock_ms=hours * HOUR_MS)
        return InsurerDesk(mirror, key, terms, now_ms)

    def ready(url: str) -> None:
        if as_json:
            output.print_json({"organisation": organisation, "url": url})
        else:
            output.print_line(f"{organisation} serves at {url}")

    run_service(home, organisation, via, make, host, port, certificate, tls_key, token_issuers, ready)
