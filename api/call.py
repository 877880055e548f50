"""One request on its way through a route: what came, who asks, which node answers."""

from __future__ import annotations

import base64
import hmac
import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

import msgspec
from starlette.requests import Request

from api.body import BYTES, JSON, decode_json, read_body
from api.errors import ApiRefused
from node.service import Archive, Counter, Desk, Reader
from node.services.desks import Insurer, Lender

T = TypeVar("T")

PARAMETER_CHARACTERS_MAX = 512

Observe = Callable[[str, str, int, float], None]  # (route, method, status, seconds)


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A node's own choices for its REST port."""

    body_bytes_max: int = 8 * 1024 * 1024  # 1,000 large bills; 10 MB are refused
    proof_bytes_max: int = 4 * 1024 * 1024
    body_timeout_s: float = 30.0
    wait_s_max: int = 30  # of Prefer: wait
    waiting_max: int = 10_000  # requests that wait at once; beyond it they are answered with what there is
    trusted_proxies: frozenset[str] = frozenset()  # addresses whose X-Forwarded-For is believed
    cursor_key: bytes = msgspec.field(default_factory=lambda: secrets.token_bytes(32))  # a restart ends old cursors
    public_url: str = "http://127.0.0.1"  # where the QR codes of faces lead, without a slash at the end
    observe: Observe | None = None
    medical_apps: dict[
        str, str
    ] = {}  # appid -> key of hospital systems that speak the vendor interface; none: not served


@dataclass(slots=True)
class Call:
    request: Request
    desk: Desk
    settings: ApiSettings
    reader: Reader | None  # None where the path is public or nobody showed a token

    @property
    def person(self) -> Reader:
        """The reader of a path whose policy requires one."""
        if self.reader is None:
            raise ApiRefused("token_missing")
        return self.reader

    @property
    def counter(self) -> Counter:
        """The desk of a path that only gateways serve."""
        return cast(Counter, self.desk)

    @property
    def archive(self) -> Archive:
        """The desk of a path that only mirrors serve."""
        return cast(Archive, self.desk)

    @property
    def insurer(self) -> Insurer:
        """The desk of a path that only insurers' services serve."""
        return cast(Insurer, self.desk)

    @property
    def lender(self) -> Lender:
        """The desk of a path that only lenders' services serve."""
        return cast(Lender, self.desk)

    async def read_json(self, kind: type[T], texts: bool = True) -> T:
        """The body as `kind`; see `decode_json`."""
        return decode_json(await self.read_raw(JSON), kind, texts)

    async def read_raw(self, media_types: tuple[str, ...] = BYTES, bytes_max: int | None = None) -> bytes:
        settings = self.settings
        return await read_body(self.request, media_types, bytes_max or settings.body_bytes_max, settings.body_timeout_s)

    def bill_id(self) -> str:
        """From the path. Raises `bill_unknown` for what cannot be one: malformed and unknown look the same."""
        text: str = self.request.path_params["bill_id"]
        if len(text) != 18 or not (text.isascii() and text.isdigit()):
            raise ApiRefused("bill_unknown")
        return text

    def parameters(self, *names: str) -> dict[str, str]:
        """The query's parameters, each at most once, none but `names`; empty ones count as not sent."""
        found: dict[str, str] = {}
        for name, value in self.request.query_params.multi_items():
            if name not in names:
                raise ApiRefused("parameter_unknown", f"there are {', '.join(names) or 'none here'}")
            if name in found:
                raise ApiRefused("parameter_invalid", f"{name} stands twice")
            if len(value) > PARAMETER_CHARACTERS_MAX:
                raise ApiRefused("parameter_invalid", f"{name} is too long")
            if value:
                found[name] = value
        return found

    def source(self) -> str:
        """Whom failures count against: the peer's address, or what a trusted proxy says; of IPv6 the /64.

        From the right, since anybody may have written the left part of X-Forwarded-For.
        """
        peer = self.request.client.host if self.request.client else ""
        trusted = self.settings.trusted_proxies
        if peer in trusted:
            hops = [hop.strip() for hop in ",".join(self.request.headers.getlist("x-forwarded-for")).split(",")]
            peer = next((hop for hop in reversed(hops) if hop and hop not in trusted), peer)
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return peer[:64] or "unknown"
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped is not None:
                return str(address.ipv4_mapped)
            return str(ipaddress.ip_network((address, 64), strict=False))
        return str(address)

    def seal_cursor(self, scope: str, position: str) -> str:
        """An opaque cursor: where to go on in the list that `scope` describes (path and filters)."""
        text = position.encode("utf-8")
        return base64.urlsafe_b64encode(self._mac(scope, text) + text).rstrip(b"=").decode("ascii")

    def open_cursor(self, scope: str, cursor: str) -> str:
        """The position that `seal_cursor` was given. Raises `cursor_invalid` for any other list, and for inventions."""
        try:
            data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            text = data[16:].decode("utf-8")
        except ValueError:
            raise ApiRefused("cursor_invalid", "take it from `next`") from None
        if not hmac.compare_digest(data[:16], self._mac(scope, data[16:])):
            raise ApiRefused("cursor_invalid", "take it from `next`, with the same filters")
        return text

    def _mac(self, scope: str, text: bytes) -> bytes:
        message = len(scope.encode()).to_bytes(4, "big") + scope.encode() + text
        return hmac.digest(self.settings.cursor_key, message, "sha256")[:16]
