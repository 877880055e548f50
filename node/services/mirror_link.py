"""An organisation without a node, at a mirror's REST service: it reads as its own people may, and sends what it signs itself.

The organisation's key never leaves this process; the mirror is believed as far as answers go, and what matters is on the ledger:
whoever doubts asks for the operation's proof. Source: DESIGN sections 2 and 10.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import httpx2
import msgspec
import structlog

from chain.codec import encode
from chain.signature import SigningKey
from chain.transaction import Entry, sign_transaction
from node.service import Head, ServiceRefused

CONNECT_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 20.0  # longer than any wait that is asked for here
CONNECTIONS_MAX = 16
TRANSACTION_WINDOW_BLOCKS = 1_000  # that what is signed here may run later
OPERATOR = "operator"  # role of whoever sends: the transaction's own signature says for whom it speaks

log = structlog.get_logger("services")


class OutcomeUnknown(ServiceRefused):
    """A transaction was sent and no answer came: it may run or not. The ledger says later."""

    def __init__(self) -> None:
        super().__init__(
            "unavailable", "the ledger's mirror fell silent: the same request says later what became of it"
        )


class Outcome(msgspec.Struct, frozen=True):
    """Of one operation that was sent."""

    status: str  # queued, recorded, sealed or refused
    code: str | None = None  # why it is refused
    height: int | None = None

    @property
    def is_recorded(self) -> bool:
        return self.status in ("recorded", "sealed")


class _Outcomes(msgspec.Struct, frozen=True):
    outcomes: list[Outcome]


class MirrorLink:
    """`token` makes a bearer token of the organisation's own in a role. `verify`: as httpx2 takes it."""

    def __init__(
        self,
        url: str,
        organisation: str,
        chain_id: str,
        key: SigningKey,
        token: Callable[[str], str],
        verify: Any = False,
    ) -> None:
        self.organisation, self.chain_id = organisation, chain_id
        self._key, self._token = key, token
        self._head = Head(0, "", 0)
        self._http = httpx2.AsyncClient(
            base_url=url,
            verify=verify,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx2.Limits(max_connections=CONNECTIONS_MAX),
        )

    def head(self) -> Head:
        """As of when the mirror answered last."""
        return self._head

    async def close(self) -> None:
        await self._http.aclose()

    async def meet(self) -> None:
        """Learn the ledger's head. Raises ServiceRefused `unavailable`, also for a mirror of another ledger."""
        network = await self.get("/v1/network", OPERATOR)
        if network is None or network["chain_id"] != self.chain_id:
            raise ServiceRefused("unavailable", "the mirror is of another ledger")

    async def get(self, path: str, role: str, **parameters: str) -> Any:
        """The JSON answer, None for 404. Raises ServiceRefused `unavailable`, or with the mirror's code."""
        answer = await self._ask("GET", path, role, params=parameters)
        return None if answer.status_code == 404 else _json(answer)

    async def post(self, path: str, role: str, body: Any) -> Any:
        """As `get`; for what may be sent twice."""
        content, headers = msgspec.json.encode(body), {"Content-Type": "application/json"}
        answer = await self._ask("POST", path, role, content=content, headers=headers)
        return None if answer.status_code == 404 else _json(answer)

    async def act(self, entries: Sequence[Entry], wait_s: int) -> list[Outcome]:
        """Sign operations as one transaction, send it, and say within `wait_s` what became of each.

        Raises ServiceRefused before anything is kept, OutcomeUnknown when nobody knows whether it was.
        """
        until = self._head.height + TRANSACTION_WINDOW_BLOCKS
        transaction = sign_transaction(bytes.fromhex(self.chain_id), self.organisation, self._key, until, list(entries))
        headers = {"Content-Type": "application/octet-stream", "Prefer": f"wait={wait_s}"}
        try:
            answer = await self._ask("POST", "/v1/transactions", OPERATOR, content=encode(transaction), headers=headers)
        except httpx2.ConnectError:
            raise ServiceRefused("unavailable", "the ledger's mirror does not answer") from None
        except httpx2.HTTPError:
            raise OutcomeUnknown from None
        try:
            return msgspec.json.decode(answer.content, type=_Outcomes).outcomes
        except (msgspec.MsgspecError, UnicodeError):
            raise OutcomeUnknown from None

    async def _ask(self, method: str, path: str, role: str, **more: Any) -> httpx2.Response:
        """An answer that is a success or 404. Raises ServiceRefused; of a transaction, httpx2.HTTPError as it came."""
        headers = {"Authorization": f"Bearer {self._token(role)}", **more.pop("headers", {})}
        try:
            answer = await self._http.request(method, path, headers=headers, **more)
        except httpx2.HTTPError:
            if path == "/v1/transactions":
                raise
            raise ServiceRefused("unavailable", "the ledger's mirror does not answer") from None
        self._note_head(answer)
        if answer.is_success or answer.status_code == 404:
            return answer
        code = _code(answer)
        log.warning(
            "mirror_refused", status=answer.status_code, code=code, path=path.partition("/v1/")[2].split("/")[0]
        )
        if answer.status_code in (401, 403):  # about this service's own token or key, not about who asks here
            raise ServiceRefused("unavailable", "the ledger's mirror does not serve this organisation now")
        raise ServiceRefused(code)

    def _note_head(self, answer: httpx2.Response) -> None:
        height, moment = answer.headers.get("medbill-height", ""), answer.headers.get("medbill-time", "")
        if height.isascii() and height.isdigit() and int(height) >= self._head.height:
            try:
                time_ms = round(datetime.fromisoformat(moment).timestamp() * 1000)
            except (ValueError, OverflowError):
                return
            self._head = Head(int(height), "", time_ms)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def _json(answer: httpx2.Response) -> Any:
    try:
        return msgspec.json.decode(answer.content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise ServiceRefused("unavailable", "the ledger's mirror answered what cannot be read") from None


def _code(answer: httpx2.Response) -> str:
    """The stable code of a problem; `unavailable` where the answer is none."""
    try:
        return msgspec.json.decode(answer.content, type=_Problem).code
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return "unavailable"


class _Problem(msgspec.Struct, frozen=True):
    code: str
