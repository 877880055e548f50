"""An organisation's own service, asked over REST: by its people with the organisation's key, or with a token that was brought along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec

from cli.client import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, TOKEN_LIFETIME_S, Unreachable, read_json, read_problem
from cli.exit_codes import exit_code_of_status
from cli.failures import CommandFailed
from cli.tokens import make_token

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class ServiceClient:
    """Use as a context manager. `token` is asked for once."""

    def __init__(self, url: str, token: Callable[[], str], authority: Path | None = None) -> None:
        """`url` as `serve` printed it; `authority`: whose certificates are believed, the system's if none is named. Raises
        CommandFailed `argument_refused`: a token travels over TLS only, but on loopback."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CommandFailed("argument_refused", f"{url}: not the address of a service")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise CommandFailed("argument_refused", f"{url}: tokens travel over TLS only")
        verify: Any = False
        if parts.scheme == "https":
            import ssl

            verify = ssl.create_default_context(cafile=str(authority) if authority else None)
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token()}", "Accept-Language": "en"}
        timeout = httpx2.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        self._http = httpx2.Client(
            base_url=self._url, headers=headers, timeout=timeout, verify=verify, trust_env=False, follow_redirects=False
        )

    def __enter__(self) -> ServiceClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str) -> Any:
        """The JSON answer. Raises CommandFailed with the service's problem, or Unreachable."""
        return self._send("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        """As `get`; nothing is sent where `body` is None."""
        if body is None:
            return self._send("POST", path)
        headers = {"Content-Type": "application/json"}
        return self._send("POST", path, content=msgspec.json.encode(body), headers=headers)

    def _send(self, method: str, path: str, **more: Any) -> Any:
        try:
            response = self._http.request(method, path, **more)
        except httpx2.HTTPError as error:
            raise Unreachable("the service", self._url, error) from None
        if response.is_success:
            return read_json(response)
        raise CommandFailed.of_problem(read_problem(response), exit_code_of_status(response.status_code))


def staff_token(home: Path, organisation: str) -> str:
    """Of an organisation's own people at its own service."""
    from api.auth import service_audience
    from node.home import NetworkHome
    from node.network_file import load_network_file

    audience = service_audience(load_network_file(home).chain_id, organisation)
    key_file = NetworkHome(home).organisation(organisation).token_key
    return make_token(key_file, audience, organisation, "medbill-cli", "operator", TOKEN_LIFETIME_S)
