"""A score provider's word on somebody: signed, for one lender, read once and kept nowhere.

A compact JWS (RFC 7515) over claims as of a JWT (RFC 7519), signed with Ed25519 (RFC 8037, RFC 9864): `iss` the provider, `sub` the pseudonym
under which the sign-on brings the person, `aud` the lender, `jti` its number, `exp`, `score`, and `identity_level` to which the person
was identified. The score is compared and forgotten: no field of what is kept has a place for it. Source: FEATURES 95.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from node.service import ServiceRefused

ALGORITHMS = ("Ed25519", "EdDSA")
CHARACTERS_MAX = 4096
LIFETIME_S_MAX = 31 * 86_400  # a score that is older says little
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class ProvidersRefused(ValueError):
    """A file of score providers that cannot be used, and why."""


class ScoreProvider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose attestations a lender believes."""

    name: Name  # `iss` of what it signs
    key: dict[str, str]  # public JWK (RFC 8037)


class Attested(msgspec.Struct, frozen=True):
    """What of an attestation is gone on with; never shown, kept or logged as a whole."""

    provider: str
    subject: str
    number: str
    score: int
    identity_level: int

    def __repr__(self) -> str:
        return "Attested()"


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    sub: Name
    aud: str | list[str]
    jti: Name
    exp: int
    score: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    identity_level: Annotated[int, msgspec.Meta(ge=0, le=100)]

    def __repr__(self) -> str:
        return "_Claims()"


def load_providers(data: bytes) -> list[ScoreProvider]:
    """Read a JSON list of {name, key: public JWK}. Raises ProvidersRefused."""
    try:
        return msgspec.json.decode(data, type=list[ScoreProvider])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ProvidersRefused(str(error)) from None


class AttestationVerifier:
    """Decides whether an attestation holds, for one lender."""

    def __init__(self, providers: Sequence[ScoreProvider], lender: str, now_s: Callable[[], float] = time.time) -> None:
        """Raises ProvidersRefused: no provider, a name that stands twice, a key that is none of Ed25519 or is a private one."""
        self._lender, self._now_s = lender, now_s
        self._keys: dict[str, OKPKey] = {}
        for provider in providers:
            if provider.name in self._keys:
                raise ProvidersRefused(f"{provider.name}: named twice")
            if provider.key.get("crv") != "Ed25519" or "d" in provider.key:
                raise ProvidersRefused(f"{provider.name}: not a public key of Ed25519")
            try:
                self._keys[provider.name] = OKPKey.import_key(dict(provider.key))
            except (JoseError, ValueError, TypeError, KeyError):
                raise ProvidersRefused(f"{provider.name}: not a public key of Ed25519") from None
        if not self._keys:
            raise ProvidersRefused("no provider is named")

    def verify(self, attestation: str) -> Attested:
        """Raises ServiceRefused `attestation_invalid`, `attestation_expired`; neither repeats anything of it.

        1. it is a JWS over the claims; 2. by a provider known here, whose key signed; 3. for this lender; 4. not expired, and
        not for longer than a month.
        """
        invalid = ServiceRefused("attestation_invalid", "", "/attestation")
        if len(attestation) > CHARACTERS_MAX:
            raise invalid
        try:
            unverified = jws.extract_compact(attestation.encode("ascii"))
            key = self._keys[msgspec.json.decode(unverified.payload, type=_Claims).iss]
            signed = jws.deserialize_compact(attestation, key, algorithms=list(ALGORITHMS))
            claims = msgspec.json.decode(signed.payload, type=_Claims)
        except (JoseError, msgspec.MsgspecError, ValueError, TypeError, KeyError, RecursionError):
            raise invalid from None
        if self._lender not in ([claims.aud] if isinstance(claims.aud, str) else claims.aud):
            raise invalid
        left_s = claims.exp - self._now_s()
        if left_s <= 0:
            raise ServiceRefused("attestation_expired", "", "/attestation")
        if left_s > LIFETIME_S_MAX:
            raise invalid
        return Attested(claims.iss, claims.sub, claims.jti, claims.score, claims.identity_level)
