"""What the commands that run an organisation's own service have in common: its mirror, its tokens, whom it believes, its port."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.failures import CommandFailed

if TYPE_CHECKING:
    from chain.signature import SigningKey
    from node.network_file import NodeEntry
    from node.services.desks import Service
    from node.services.mirror_link import MirrorLink
    from node.services.serving import Parts
    from node.web import App

LOOPBACK = ("127.0.0.1", "::1", "localhost")

Host = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Where it listens; beyond loopback with TLS alone.")
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Its REST port; 0 takes a free one.")]
Certificate = Annotated[
    Path | None, typer.Option("--certificate", metavar="FILE", help="Of TLS, in PEM; goes with --tls-key.")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key, in PEM.")]
Issuers = Annotated[
    Path | None,
    typer.Option(
        "--token-issuers",
        metavar="FILE",
        help="Whose tokens it believes; DIR/organisations/NAME/token-issuers.json if none is named.",
    ),
]


class OwnTokens:
    """Bearer tokens of an organisation's own, one per role, made anew well before they end."""

    def __init__(self, key_file: Path, chain_id: str, organisation: str) -> None:
        self._key_file, self._chain_id, self._organisation = key_file, chain_id, organisation
        self._made: dict[str, tuple[str, float]] = {}  # role -> token, when it was made

    def __call__(self, role: str) -> str:
        from cli.client import TOKEN_LIFETIME_S, TOKEN_RENEWED_S
        from cli.tokens import make_token

        token, made_at = self._made.get(role, ("", float("-inf")))
        if time.monotonic() - made_at > TOKEN_RENEWED_S:
            token = make_token(self._key_file, self._chain_id, self._organisation, "service", role, TOKEN_LIFETIME_S)
            self._made[role] = token, time.monotonic()
        return token


def run_service(
    home: Path,
    organisation: str,
    via: str | None,
    make_desk: Callable[[MirrorLink, SigningKey], Service],
    host: str,
    port: int,
    certificate: Path | None,
    tls_key: Path | None,
    issuers: Path | None,
    ready: Callable[[str], None],
) -> None:
    """Serve until a signal; `ready` is told the address. Raises CommandFailed, KeyFileRefused, AddressTaken."""
    from api.app import build_app
    from api.auth import TokenVerifier, load_issuers, service_audience
    from api.errors import ConfigRefused
    from cli.client import mirrors
    from cli.signing import organisation_key
    from node.home import NetworkHome
    from node.network_file import load_network_file
    from node.service import ServiceRefused
    from node.services.mirror_link import MirrorLink
    from node.services.serving import serve

    _verify_tls(host, certificate, tls_key)
    network, place = load_network_file(home), NetworkHome(home).organisation(organisation)
    entry = network.node(via) if via else mirrors(network)[0]
    key, path = organisation_key(home, organisation), issuers or place.token_issuers
    tokens = OwnTokens(place.token_key, network.chain_id, organisation)
    tokens("operator")  # refused now, not when the first patient comes
    try:
        audience = service_audience(network.chain_id, organisation)
        verifier = TokenVerifier(load_issuers(path.read_bytes()), audience)
    except OSError:
        raise CommandFailed(
            "file_unreadable", f"{path}: whose tokens are to be believed? Name a file of issuers"
        ) from None
    except ConfigRefused as refusal:
        raise CommandFailed("config_refused", f"{path}: {refusal}") from None

    def link() -> MirrorLink:
        return MirrorLink(_url(entry), organisation, network.chain_id, key, tokens, _trust(home, entry))

    def make(mirror: MirrorLink) -> tuple[App, Parts]:
        desk: Any = make_desk(mirror, key)
        return build_app(desk, verifier), desk.parts()

    def told(chosen: int) -> None:
        bare = f"[{host}]" if ":" in host else host
        ready(f"{'https' if certificate else 'http'}://{bare}:{chosen}")

    try:
        serve(link, make, host, port, certificate, tls_key, told)
    except ServiceRefused as refusal:
        raise CommandFailed("unreachable", f"{entry.name} at {_url(entry)}: {refusal.detail}") from None


def _verify_tls(host: str, certificate: Path | None, tls_key: Path | None) -> None:
    if (certificate is None) != (tls_key is None):
        raise CommandFailed("argument_refused", "--certificate and --tls-key go together")
    if certificate is None and host not in LOOPBACK:
        raise CommandFailed("argument_refused", f"{host}: people's tokens travel over TLS only; name --certificate")


def _url(entry: NodeEntry) -> str:
    if entry.api_port is None:
        raise CommandFailed("argument_refused", f"{entry.name} is a {entry.kind} without REST; name a mirror")
    host = f"[{entry.host}]" if ":" in entry.host else entry.host
    return f"{'https' if entry.api_tls else 'http'}://{host}:{entry.api_port}"


def _trust(home: Path, entry: NodeEntry) -> Any:
    """As httpx2 takes it: the authority of whose node it is, or nothing where there is no TLS."""
    if not entry.api_tls:
        return False
    import ssl

    from node.home import NetworkHome

    return ssl.create_default_context(cafile=str(NetworkHome(home).organisation(entry.organisation).ca_certificate))
