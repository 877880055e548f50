"""How a channel's gateway is asked over HTTP: bounded answers, no redirects, no proxies from the environment."""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
from collections.abc import Callable, Mapping
from functools import cache
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

import httpx2
import msgspec

from node.channels.errors import AnswerMalformed, ChannelUnreachable

TIMEOUT_S = 15.0  # for each step; channels' manuals ask for 5 to 30
ANSWER_BYTES_MAX = 1_048_576
STATEMENT_BYTES_MAX = 4 << 30  # a million lines of UnionPay have 0.6 GB


class Answer(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes


class Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class ChannelClient:
    """One client a channel. Every failure to get a whole answer, and every 5xx, is ChannelUnreachable: what was asked may have
    been done."""

    def __init__(self, channel: str, timeout_s: float = TIMEOUT_S) -> None:
        self._channel = channel
        self._http = httpx2.AsyncClient(verify=_trust(), follow_redirects=False, trust_env=False, timeout=timeout_s)

    async def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes = b"",
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer:
        """Raises ChannelUnreachable, AnswerMalformed."""
        body = bytearray()
        status, answer_headers = await self._stream(method, url, headers, content, body.extend, bytes_max)
        if status >= 500:
            raise ChannelUnreachable(f"{self._channel}: answered {status}")
        return Answer(status, answer_headers, bytes(body))

    async def download(
        self,
        url: str,
        headers: Mapping[str, str],
        target: BinaryIO,
        digests: tuple[Hash, ...] = (),
        method: str = "GET",
        content: bytes = b"",
    ) -> tuple[int, dict[str, str]]:
        """Write the body to `target` piece by piece, through `digests`. Gives status and headers."""

        def take(piece: bytes) -> None:
            for digest in digests:
                digest.update(piece)
            target.write(piece)

        return await self._stream(method, url, headers, content, take, STATEMENT_BYTES_MAX)

    async def _stream(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes,
        take: Callable[[bytes], object],
        bytes_max: int,
    ) -> tuple[int, dict[str, str]]:
        size = 0
        try:
            async with self._http.stream(
                method, url, headers={"accept-encoding": "identity", **headers}, content=content
            ) as answer:
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise AnswerMalformed(f"{self._channel}: an encoding that was not asked for")
                async for piece in answer.aiter_raw():
                    size += len(piece)
                    if size > bytes_max:
                        raise AnswerMalformed(f"{self._channel}: an answer of more than {bytes_max} bytes")
                    take(piece)
                return answer.status_code, {name.lower(): value for name, value in answer.headers.items()}
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise ChannelUnreachable(f"{self._channel}: {type(error).__name__}") from None

    async def end(self) -> None:
        await self._http.aclose()


@cache
def _trust() -> ssl.SSLContext:
    """The system's authorities, read once for all channels."""
    return ssl.create_default_context()


def is_safe_address(url: str) -> bool:
    """https, or http on this machine: a channel's answer may name where a file lies, but not any service inside."""
    try:
        parts = urlsplit(url)
        host, _port = (
            parts.hostname or "",
            parts.port,
        )  # looked at, since one above 65535 raises here, and not ours later
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host) and parts.username is None
    try:
        return parts.scheme == "http" and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def sha1() -> Hash:
    """WeChat Pay announces statements by SHA-1: it finds torn downloads; who forges one is kept out by TLS."""
    return hashlib.sha1(usedforsecurity=False)
