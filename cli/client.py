"""Talking to a node: REST with a token of one's own organisation, and the operations port without one.

The token is made on the spot from DIR/organisations/NAME/token.key: whoever holds that file may speak for the
organisation. It is renewed well before it ends, so that a long import is not cut short.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from cli.exit_codes import ExitCode, exit_code_of_status
from cli.failures import CommandFailed
from cli.tokens import make_token
from node.home import NetworkHome
from node.network_file import NetworkFile, NodeEntry, load_network_file

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 60.0  # longer than any `Prefer: wait`
OPERATIONS_TIMEOUT_S = 2.0
TOKEN_LIFETIME_S = 3600
TOKEN_RENEWED_S = 1800  # after so long a new one is made
PAGE_ROWS = 100  # of lists: the most that a node gives at once
ROWS_MAX = 1_000_000  # of one list put together here

MIRROR, GATEWAY = "mirror", "gateway"
T = TypeVar("T")
OFFICE_ROLES = ("auditor", "finance_clerk")
PURPOSES = {"auditor": "audit", "finance_clerk": "supervision"}  # of roles that have to name one


class Unreachable(CommandFailed):
    """Nobody answers, or the answer broke off: what was sent may or may not have arrived."""

    def __init__(self, node: str, url: str, error: Exception) -> None:
        is_late = isinstance(error, httpx2.TimeoutException)
        super().__init__(
            "timed_out" if is_late else "unreachable",
            f"{node} at {url}: {'no answer in time' if is_late else 'nobody answers'}; see 'medbill network status'",
        )


class Client:
    """A node's REST service, asked in one role. Use as a context manager."""

    def __init__(
        self,
        home: Path,
        entry: NodeEntry,
        chain_id: str,
        role: str,
        subject: str,
        organisation: str | None = None,
        purpose: str | None = None,
        case_number: str | None = None,
    ) -> None:
        """`organisation`: for whom it asks, the node's own if none is named. `purpose`: what is read for; its role's own if none
        is named."""
        if entry.api_port is None:
            raise CommandFailed(
                "argument_refused", f"{entry.name} is a {entry.kind} without REST; name a gateway or mirror"
            )
        self.node, self.organisation = entry.name, organisation or entry.organisation
        self.office = entry.organisation  # whose node it is
        self.url = f"{'https' if entry.api_tls else 'http'}://{_bracketed(entry.host)}:{entry.api_port}"
        self._token_key = NetworkHome(home).organisation(self.organisation).token_key
        self._chain_id, self._role, self._subject = chain_id, role, subject
        self._token, self._token_at = "", float("-inf")
        named = {"Purpose": purpose or PURPOSES.get(role), "Case-Number": case_number}
        self._read_for = {name: value for name, value in named.items() if value}
        verify: Any = False  # plain HTTP on loopback: there is nothing to verify, and loading authorities takes 0.1 s
        if entry.api_tls:
            import ssl

            authority = NetworkHome(home).organisation(entry.organisation).ca_certificate
            verify = ssl.create_default_context(cafile=str(authority))
        timeout = httpx2.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        self._http = httpx2.Client(base_url=self.url, timeout=timeout, verify=verify, trust_env=False)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON answer. Raises CommandFailed with the node's problem, or Unreachable."""
        return read_json(
            self.send("GET", path, params={key: value for key, value in parameters.items() if value is not None})
        )

    def get_bytes(self, path: str, **parameters: Any) -> bytes:
        parameters = {key: value for key, value in parameters.items() if value is not None}
        return bytes(self.send("GET", path, params=parameters).content)

    def get_all(self, path: str, rows_max: int = ROWS_MAX, **parameters: Any) -> list[dict[str, Any]]:
        """All rows of a list, part by part."""
        rows: list[dict[str, Any]] = []
        parameters = {**parameters, "limit": min(PAGE_ROWS, rows_max)}
        while True:
            page = self.get(path, **parameters)
            rows.extend(page["data"])
            if not page.get("next") or len(rows) >= rows_max:
                return rows[:rows_max]
            parameters["cursor"] = page["next"]

    def post(self, path: str, body: bytes | dict[str, Any], wait_s: int = 0) -> Any:
        """Send JSON; `wait_s` asks the node to answer when sealed, or after so long."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"}
        if wait_s:
            headers["Prefer"] = f"wait={wait_s}"
        return read_json(self.send("POST", path, content=content, headers=headers))

    def send(self, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self._bearer()}", "Accept-Language": "en", **more.pop("headers", {})}
        if method == "GET":
            headers |= self._read_for
        try:
            response = self._http.request(method, path, headers=headers, **more)
        except httpx2.HTTPError as error:
            raise Unreachable(self.node, self.url, error) from None
        if response.is_success:
            return response
        raise CommandFailed.of_problem(read_problem(response), exit_code_of_status(response.status_code))

    def _bearer(self) -> str:
        if time.monotonic() - self._token_at > TOKEN_RENEWED_S:
            self._token = make_token(
                self._token_key, self._chain_id, self.organisation, self._subject, self._role, TOKEN_LIFETIME_S
            )
            self._token_at = time.monotonic()
        return self._token


def open_client(
    home: Path,
    via: str | None,
    role: str,
    subject: str = "medbill-cli",
    organisation: str | None = None,
    purpose: str | None = None,
    case_number: str | None = None,
) -> Client:
    """A client of the node `via`, or of the network's first mirror, that asks for `organisation`, the node's own if none is
    named. A hospital's key makes no auditors or clerks of the
    finance bureau: at its gateway one asks as the hospital's administrator instead."""
    network = load_network_file(home)
    entry = network.node(via) if via else mirrors(network)[0]
    if organisation is not None and organisation != entry.organisation:
        return Client(home, entry, network.chain_id, role, subject, organisation, purpose, case_number)
    return _client(home, network, entry, role, subject, purpose, case_number)


def _client(
    home: Path,
    network: NetworkFile,
    entry: NodeEntry,
    role: str,
    subject: str,
    purpose: str | None = None,
    case_number: str | None = None,
) -> Client:
    if entry.kind == GATEWAY and role in OFFICE_ROLES:
        role, case_number = "hospital_admin", None
    return Client(home, entry, network.chain_id, role, subject, purpose=purpose, case_number=case_number)


def mirrors(network: NetworkFile) -> list[NodeEntry]:
    """At least one, in the network's order. Raises CommandFailed."""
    found = [entry for entry in network.nodes if entry.kind == MIRROR and entry.api_port is not None]
    if not found:
        raise CommandFailed("argument_refused", "this network has no mirror with REST; name a node with --via")
    return found


class MirrorsInTurn:
    """The node `via` alone, or the network's mirrors: whoever cannot answer now is left for the next one, for good.

    For what may be asked or sent twice: of one that fell silent nobody knows whether it arrived.
    """

    def __init__(self, home: Path, via: str | None, role: str, note: Callable[[str], None]) -> None:
        self._home, self._network, self._role, self._note = home, load_network_file(home), role, note
        self._entries = [self._network.node(via)] if via else mirrors(self._network)

    def ask(self, question: Callable[[Client], T]) -> T:
        """Raises CommandFailed: what the last one says, or the first that answers with a refusal."""
        while True:
            entry = self._entries[0]
            try:
                with _client(self._home, self._network, entry, self._role, "medbill-cli") as client:
                    return question(client)
            except CommandFailed as failed:
                if failed.exit_code != ExitCode.UNREACHABLE or len(self._entries) == 1:
                    raise
                del self._entries[0]
                self._note(f"{failed.detail}; asking {self._entries[0].name}")


def quoted(text: str) -> str:
    """Text as one segment of a path."""
    return quote(text, safe="")


# ── the operations port ──────────────────────────────────────────────────────────────────────────────────────────────


class OperationsClient:
    """Asks nodes how they are. No token: the port is bound to loopback."""

    def __init__(self) -> None:
        # the port speaks plain HTTP only: there is nothing to verify, and loading authorities takes 0.1 s
        self._http = httpx2.Client(timeout=OPERATIONS_TIMEOUT_S, trust_env=False, verify=False)

    def __enter__(self) -> OperationsClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, host: str, port: int, path: str) -> tuple[int, dict[str, Any]] | None:
        """(HTTP status, JSON object) or None if nobody answers."""
        try:
            response = self._http.get(f"http://{_bracketed(host)}:{port}{path}")
            document = msgspec.json.decode(response.content)
        except (httpx2.HTTPError, msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        return response.status_code, document if isinstance(document, dict) else {"detail": document}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def read_json(response: httpx2.Response) -> Any:
    try:
        return msgspec.json.decode(response.content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise CommandFailed(
            "answer_malformed", f"{response.url.path}: the answer is not JSON", ExitCode.FAILED
        ) from None


def read_problem(response: httpx2.Response) -> dict[str, Any]:
    try:
        problem = msgspec.json.decode(response.content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        problem = None
    if isinstance(problem, dict) and isinstance(problem.get("code"), str):
        return problem
    return {
        "type": "about:blank",
        "title": response.reason_phrase or "no success",
        "status": response.status_code,
        "code": "answer_malformed",
        "detail": f"status {response.status_code} without a problem body",
    }
