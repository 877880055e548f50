"""Events told to receivers that do not ask: one POST each, in the order of the ledger, at least once, for as long as it takes.

How far a receiver is lies in the database of the details, flushed after each event that it took: z/name -> position. What
is told is read from the block log, so nothing else waits here: a receiver that is away for a month costs a number. After
a crash at most one event goes out again, under the same `webhook-id`. A mirror that meets a new name begins with the next block.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

import msgspec
import structlog

from chain.state import Store
from node.config_file import ConfigRefused, Problem
from node.home import NodeHome
from node.ledger_events import choose_types, parse_position
from node.service import EventQuery, Events, Reader
from node.thread_work import finished
from node.webhook_config import WebhookConfig
from node.webhook_signing import load_secrets, signed_headers

ROWS_AT_ONCE = 20  # events read ahead, each with its proof: some hundred kilobytes
TIMEOUT_S = 15.0  # for a receiver's answer, as Standard Webhooks recommends
AGAIN_FIRST_S, AGAIN_MAX_S = 1.0, 300.0  # doubled after each failure, a fifth more or less
KEEP_S = 30.0  # a position that moved without anything to be told is kept so often
GATHER_S = 0.1  # after a block others come

UNKNOWN = "organisation_unknown"

_PREFIX = b"z/"
_BODY = msgspec.json.Encoder()

# kind of organisation -> as whom of its people its receiver hears; all others hear what they did themselves
ROLES = {
    "hospital": "hospital_admin",
    "finance": "finance_clerk",
    "insurer": "insurer_clerk",
    "employer": "employer_clerk",
    "insurance": "auditor",
    "health": "auditor",
    "bigdata": "auditor",
    "audit": "auditor",
}


class Webhook(msgspec.Struct, frozen=True):
    """A receiver as it is used."""

    name: str
    organisation: str
    url: str
    types: frozenset[type] | None  # None: all
    secrets: list[bytes]
    from_height: int | None
    trust: ssl.SSLContext  # of no use where it listens in clear, on loopback


class _Standing:
    """How it goes with one receiver; for operators."""

    def __init__(self) -> None:
        self.position = ""
        self.failures = 0  # in a row
        self.last = "none"  # what became of the last attempt


def open_webhooks(place: NodeHome, configured: Sequence[WebhookConfig]) -> list[Webhook]:
    """Raises ConfigRefused, KeyFileRefused."""
    return [
        Webhook(
            entry.name,
            entry.organisation,
            entry.url,
            choose_types(",".join(entry.types)) if entry.types else None,
            load_secrets(place.config_dir / entry.secret_file),
            entry.from_height,
            _trust(place, entry),
        )
        for entry in configured
    ]


def _trust(place: NodeHome, entry: WebhookConfig) -> ssl.SSLContext:
    path = place.config_dir / entry.ca_file if entry.ca_file else None
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        text = f"webhooks: {path} holds no certificates that can be read: {error}"
        raise ConfigRefused(str(place.node_yaml), [Problem(entry.line, text)]) from None


class Post(Protocol):
    """How a receiver is reached."""

    async def send(self, headers: Mapping[str, str], body: bytes) -> tuple[int, float | None]:
        """HTTP status, and after how many seconds to come back if the receiver said so. Raises OSError, TimeoutError."""
        ...

    async def close(self) -> None: ...


class HttpPost:
    """Without proxies of the environment, without following redirects, and without reading what is answered beside the status."""

    def __init__(self, hook: Webhook) -> None:
        import httpx2  # a node without receivers does not load it

        self._http, self._url = httpx2, hook.url
        self._client = httpx2.AsyncClient(verify=hook.trust, follow_redirects=False, timeout=TIMEOUT_S, trust_env=False)

    async def send(self, headers: Mapping[str, str], body: bytes) -> tuple[int, float | None]:
        try:
            async with self._client.stream("POST", self._url, headers=headers, content=body) as answer:
                if answer.headers.get("content-length") == "0" or answer.status_code == 204:
                    await answer.aread()  # nothing: then the connection is good for the next event
                return answer.status_code, _seconds(answer.headers.get("retry-after"))
        except self._http.TimeoutException:
            raise TimeoutError from None
        except (self._http.HTTPError, self._http.InvalidURL) as error:
            raise OSError(type(error).__name__) from None

    async def close(self) -> None:
        await self._client.aclose()


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 6 else None


class Webhooks:
    """On the mirror's loop; each receiver is told by a task of its own, so that none waits for another."""

    def __init__(
        self,
        hooks: Sequence[Webhook],
        events: Events,
        database: Store,
        thread: Executor,
        kind_of: Callable[[str], str | None],
        posts: Callable[[Webhook], Post] = HttpPost,
        now_s: Callable[[], float] = time.time,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.counts: Counter[str] = Counter()  # delivered, refused, unreached, too_slow: for metrics
        self._hooks, self._events, self._posts = hooks, events, posts
        self._database, self._thread = database, thread
        self._kind_of = kind_of  # of an organisation; None if there is none of that name yet
        self._now_s, self._pause = now_s, pause
        self._standings = {hook.name: _Standing() for hook in hooks}
        self._log = structlog.get_logger("webhooks")

    @property
    def failing(self) -> int:
        """Receivers that did not take the last event they were told."""
        return sum(standing.failures > 0 for standing in self._standings.values())

    def status(self) -> dict[str, dict[str, Any]]:
        return {
            name: {"position": standing.position, "failures": standing.failures, "last": standing.last}
            for name, standing in self._standings.items()
        }

    async def run(self) -> None:
        """Until cancelled. Raises StorageFailed and StorageDamaged: the node stops."""
        tasks = [asyncio.create_task(self._tell(hook)) for hook in self._hooks]
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
                raise end

    async def _tell(self, hook: Webhook) -> None:
        post = self._posts(hook)
        try:
            await self._tell_all(hook, post)
        finally:
            await post.close()

    async def _tell_all(self, hook: Webhook, post: Post) -> None:
        standing, clock = self._standings[hook.name], asyncio.get_running_loop().time
        query = await self._query(hook)
        standing.position = kept = await self._begin(hook, query)
        kept_s = clock()
        while True:
            page = await self._events.page(query, standing.position, ROWS_AT_ONCE)
            for row in page.data:
                await self._until_taken(hook, post, row)
                standing.position = kept = str(row["id"])
                await self._keep(hook.name, kept)
            standing.position = page.next
            if standing.position != kept and clock() >= kept_s + KEEP_S:  # what was looked at concerned others
                kept, kept_s = standing.position, clock()
                await self._keep(hook.name, kept)
            if not page.has_more and await self._events.above(page.height, KEEP_S):
                await self._pause(GATHER_S)

    async def _query(self, hook: Webhook) -> EventQuery:
        """As whom of its organisation it hears. The organisation may be admitted after it was named here."""
        while (kind := self._kind_of(hook.organisation)) is None:
            if self._standings[hook.name].last != UNKNOWN:
                self._standings[hook.name].last = UNKNOWN
                self._log.warning("webhook_waits", webhook=hook.name, why=UNKNOWN, organisation=hook.organisation)
            await self._pause(KEEP_S)
        reader = Reader(f"webhook {hook.name}", hook.organisation, ROLES.get(kind, "operator"))
        return EventQuery(reader, hook.types, with_proofs=True)

    async def _begin(self, hook: Webhook, query: EventQuery) -> str:
        """Where the receiver was, or where it is to begin: that is kept before anything is told."""
        value = self._database.get(_PREFIX + hook.name.encode())
        if value is not None and parse_position(value.decode()) is not None:
            return value.decode()
        after = None if hook.from_height is None else str(hook.from_height)
        begin = after or (await self._events.page(query, None, 1)).next
        await self._keep(hook.name, begin)
        self._log.info("webhook_begins", webhook=hook.name, after=begin)
        return begin

    async def _until_taken(self, hook: Webhook, post: Post, row: dict[str, Any]) -> None:
        standing, wait_s = self._standings[hook.name], AGAIN_FIRST_S
        body = _BODY.encode({"type": row["type"], "timestamp": row["time"], "data": row})
        while True:
            standing.last, asked_s = await self._attempt(hook, post, str(row["id"]), body)
            self.counts[standing.last.partition(" ")[0]] += 1
            if standing.last == "delivered":
                if standing.failures:
                    self._log.info("webhook_back", webhook=hook.name, failures=standing.failures, event_id=row["id"])
                standing.failures = 0
                return
            standing.failures += 1
            if standing.failures & (standing.failures - 1) == 0:  # the first, the second, the fourth …
                fields = {"why": standing.last, "failures": standing.failures, "event_id": row["id"]}
                self._log.warning("webhook_failed", webhook=hook.name, **fields)
            await self._pause(max(wait_s * random.uniform(0.8, 1.2), min(asked_s or 0.0, AGAIN_MAX_S)))
            wait_s = min(wait_s * 2, AGAIN_MAX_S)

    async def _attempt(self, hook: Webhook, post: Post, message_id: str, body: bytes) -> tuple[str, float | None]:
        """What became of it, and when the receiver wants to be asked again. The time in the signature is the attempt's."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "medbill",
            **signed_headers(hook.secrets, message_id, int(self._now_s()), body),
        }
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status, asked_s = await post.send(headers, body)
        except TimeoutError:
            return "too_slow", None
        except OSError:
            return "unreached", None
        return ("delivered", None) if 200 <= status < 300 else (f"refused {status}", asked_s)

    async def _keep(self, name: str, position: str) -> None:
        """On the disk when it returns. Raises StorageFailed."""
        puts = {_PREFIX + name.encode(): position.encode()}
        loop = asyncio.get_running_loop()
        await finished(loop.run_in_executor(self._thread, self._database.write, puts, [], True))
