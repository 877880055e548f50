"""Notices that come again and again until they are acknowledged, in the rhythm of the real ones or a shorter one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import httpx2

TIMEOUT_S = 5.0  # WeChat Pay's; the others wait longer
DELIVERIES_MAX = 10_000  # remembered


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


@dataclass(frozen=True)
class Delivery:
    """One attempt, as it went out and came back."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    status: int  # 0: nobody answered
    answer: bytes
    is_acknowledged: bool


class Notifier:
    """`schedule_s`: seconds before each attempt, the first one included."""

    def __init__(self, schedule_s: Sequence[float]) -> None:
        self._schedule_s = schedule_s
        self._http = httpx2.AsyncClient(verify=_trust(), trust_env=False, timeout=TIMEOUT_S)
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_silent = False  # notices get lost
        self.deliveries: list[Delivery] = []  # at most DELIVERIES_MAX

    def tell(
        self,
        url: str,
        message: Callable[[], tuple[Mapping[str, str], bytes]],
        is_acknowledged: Callable[[int, bytes], bool],
    ) -> None:
        """`message` makes headers and body anew for each attempt, since some sign the moment."""
        if url and not self.is_silent:
            task = asyncio.get_running_loop().create_task(self._tell(url, message, is_acknowledged))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(
        self,
        url: str,
        message: Callable[[], tuple[Mapping[str, str], bytes]],
        is_acknowledged: Callable[[int, bytes], bool],
    ) -> None:
        for pause_s in self._schedule_s:
            await asyncio.sleep(pause_s)
            headers, body = message()
            status, answer = await self.deliver(url, headers, body)
            is_done = is_acknowledged(status, answer)
            self.deliveries.append(Delivery(url, headers, body, status, answer, is_done))
            del self.deliveries[:-DELIVERIES_MAX]
            if is_done:
                return

    async def deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Status and answer of one attempt; 0 where nobody answered."""
        try:
            answer = await self._http.post(url, headers=dict(headers), content=body)
        except httpx2.HTTPError:
            return 0, b""
        return answer.status_code, answer.content

    async def settle(self) -> None:
        """Return when nothing is to be sent any more."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()
