"""How a request is refused before, or instead of, reaching a node's service.

ApiRefused
├── TokenRefused     no token, or one that proves nothing: 401
└── ConfigRefused    token issuers or settings that a node must not start with
"""

from __future__ import annotations

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """A fault at one place of a request. `pointer` is a JSON pointer (RFC 6901) into the body."""

    pointer: str
    code: str
    detail: str


class ApiRefused(Exception):
    """A request that is refused. `code` is a key of `problems.PROBLEMS`, which knows its status and titles."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        pointer: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code, self.detail, self.pointer = code, detail, pointer
        self.headers = headers or {}


class TokenRefused(ApiRefused):
    """Carries the challenge of RFC 6750, section 3."""

    def __init__(self, code: str, detail: str) -> None:
        challenge = 'Bearer realm="medbill"'
        if code != "token_missing":
            challenge += f', error="invalid_token", error_description="{detail}"'
        super().__init__(code, detail, headers={"WWW-Authenticate": challenge})


class ConfigRefused(Exception):
    """A configuration that a node must not start with; the text names the entry and what is wrong with it."""
