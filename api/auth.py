"""Who asks: bearer tokens (JWT), signed with Ed25519 by an issuer that the node's configuration names.

A province's own sign-on can make them: an issuer has a name, a public key, the organisations it may speak for and the
roles it may give. So a hospital's key makes cashiers of that hospital and never an auditor.
Sources: RFC 7519 (JWT), RFC 8037 and RFC 9864 (Ed25519 in JOSE), RFC 6750 (bearer).
"""

from __future__ import annotations

import base64
import hashlib
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import OKPKey

from api.errors import ConfigRefused, TokenRefused
from chain.errors import KeyRefused
from chain.signature import SigningKey, verify_public_key
from node.identity import Identity
from node.service import Reader
from node.token_issuers import TokenIssuer

ROLES = (
    "cashier",
    "hospital_admin",
    "finance_clerk",
    "auditor",
    "patient",
    "insurer_clerk",
    "employer_clerk",
    "operator",
)

ALGORITHMS = ("Ed25519", "EdDSA")  # the name of RFC 9864, and the older one that many sign-ons still write
LIFETIME_S_MAX = 12 * 3600
CLOCK_LEEWAY_S = 60  # between an issuer's clock and ours
TOKEN_CHARACTERS_MAX = 4096
IdentityText = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
IdentityName = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
TOKENS_REMEMBERED_MAX = 1024  # checked tokens kept, so that a signature is verified once and not at each bill

# EdDSA is restricted to Ed25519 here: the issuers' keys are of that curve.
warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)


class StrictTokenIssuer(TokenIssuer, frozen=True, forbid_unknown_fields=True):
    """As it is read: a misspelt field must not pass for a missing one."""


class ClaimedIdentity(msgspec.Struct, frozen=True):
    """The identity document that a sign-on has seen; a token travels inside TLS only and is never logged."""

    id_type: IdentityText
    id_number: IdentityText
    name: IdentityName


class Claims(msgspec.Struct, frozen=True):
    """What a token must say; other claims are left alone. Times are seconds since the epoch."""

    iss: str
    sub: str
    org: str
    role: str
    aud: str | list[str]
    iat: int
    exp: int
    identity: ClaimedIdentity | None = None  # of a patient alone


def service_audience(chain_id: str, organisation: str) -> str:
    """`aud` of tokens for an organisation's own service: no node takes one, so the service cannot pass it on as its bearer."""
    return f"{chain_id}/{organisation}"


def load_issuers(data: bytes) -> Sequence[TokenIssuer]:
    """Read `token-issuers.json`, as `node.token_issuers` writes it. Raises ConfigRefused."""
    try:
        return msgspec.json.decode(data, type=list[StrictTokenIssuer])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ConfigRefused(f"token-issuers.json: {error}") from None


def public_jwk(public: bytes) -> dict[str, str]:
    """An Ed25519 public key of 32 bytes as JWK (RFC 8037)."""
    return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(public)}


def issue_token(
    key: SigningKey,
    *,
    issuer: str,
    chain_id: str,
    subject: str,
    organisation: str,
    role: str,
    now_s: int | None = None,
    lifetime_s: int = 3600,
    identity: Identity | None = None,
) -> str:
    """Make a token. `chain_id` is hex, or a `service_audience`; `lifetime_s` at most LIFETIME_S_MAX; `identity` is a patient's. Raises ValueError
    for a role or lifetime that no verifier would take."""
    if role not in ROLES:
        raise ValueError(f"no such role: {role}; there are {', '.join(ROLES)}")
    if not 0 < lifetime_s <= LIFETIME_S_MAX:
        raise ValueError(f"a token lives 1 to {LIFETIME_S_MAX} seconds")
    now_s = int(time.time()) if now_s is None else now_s
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": subject,
        "org": organisation,
        "role": role,
        "aud": chain_id,
        "iat": now_s,
        "exp": now_s + lifetime_s,
    }
    if identity is not None:
        claims["identity"] = msgspec.structs.asdict(identity)
    private: Any = {**public_jwk(key.public), "d": _base64url(key.seed)}
    return jwt.encode({"alg": "Ed25519"}, claims, OKPKey.import_key(private), algorithms=list(ALGORITHMS))


class TokenVerifier:
    """Decides whether a token holds, for one ledger and the issuers of one node."""

    def __init__(self, issuers: Sequence[TokenIssuer], chain_id: str, now_s: Callable[[], float] = time.time) -> None:
        """`chain_id` as `issue_token` takes it. Raises ConfigRefused for a name used twice, a role that does not exist or a key that is none."""
        self._chain_id = chain_id
        self._now_s = now_s
        self._issuers: dict[str, tuple[TokenIssuer, OKPKey]] = {}
        self._checked: dict[bytes, tuple[Reader, int]] = {}  # SHA-256 of a token -> reader, exp; TOKENS_REMEMBERED_MAX
        for issuer in issuers:
            if issuer.name in self._issuers:
                raise ConfigRefused(f"token issuer {issuer.name}: named twice")
            if unknown := sorted(set(issuer.roles) - set(ROLES)):
                raise ConfigRefused(f"token issuer {issuer.name}: no such role: {', '.join(unknown)}")
            self._issuers[issuer.name] = (issuer, _import_public(issuer))

    def verify(self, token: str) -> Reader:
        """Who the token speaks for. Raises TokenRefused `token_invalid` or `token_expired`.

        1. the issuer is known; 2. its key signed; 3. the claims are there; 4. it is for this ledger; 5. the issuer may
        speak for this organisation and role; 6. it is issued for at most 12 hours, not in the future; 7. not expired.
        """
        fingerprint = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        known = self._checked.get(fingerprint)
        if known is None:
            known = self._verify(token)
            if len(self._checked) >= TOKENS_REMEMBERED_MAX:
                del self._checked[next(iter(self._checked))]
            self._checked[fingerprint] = known
        reader, expires_s = known
        if self._now_s() >= expires_s:  # 7
            self._checked.pop(fingerprint, None)
            raise TokenRefused("token_expired", "the token has expired")
        return reader

    def _verify(self, token: str) -> tuple[Reader, int]:
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise TokenRefused("token_invalid", "the token is too long")
        issuer, key = self._find_issuer(token)  # 1
        try:
            verified = jwt.decode(token, key, algorithms=list(ALGORITHMS))  # 2
            claims = msgspec.convert(verified.claims, Claims)  # 3
        except (JoseError, msgspec.MsgspecError, ValueError, TypeError, RecursionError):
            raise TokenRefused("token_invalid", "signature or claims do not hold") from None
        if claims.iss != issuer.name:  # read twice, by two parsers
            raise TokenRefused("token_invalid", "not a token of an issuer known here")
        audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if self._chain_id not in audience:  # 4
            raise TokenRefused("token_invalid", "the token is for another ledger")
        if claims.org not in issuer.organisations or claims.role not in issuer.roles:  # 5
            raise TokenRefused("token_invalid", "the issuer may not speak for this organisation and role")
        if not 0 < claims.exp - claims.iat <= LIFETIME_S_MAX or claims.iat > self._now_s() + CLOCK_LEEWAY_S:  # 6
            raise TokenRefused("token_invalid", "issued in the future, or for more than 12 hours")
        identity = None
        if claims.identity is not None and claims.role == "patient":  # nobody else is one
            identity = Identity(claims.identity.id_type, claims.identity.id_number, claims.identity.name)
        return Reader(claims.sub, claims.org, claims.role, identity), claims.exp

    def _find_issuer(self, token: str) -> tuple[TokenIssuer, OKPKey]:
        """By the name that the token claims; the signature then shows whether the claim was true."""
        parts = token.split(".")
        try:
            payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
            name = msgspec.json.decode(payload, type=_ClaimedIssuer).iss
            return self._issuers[name]
        except (IndexError, KeyError, ValueError, msgspec.MsgspecError, RecursionError):
            raise TokenRefused("token_invalid", "not a token of an issuer known here") from None


class _ClaimedIssuer(msgspec.Struct, frozen=True):
    iss: str


def _import_public(issuer: TokenIssuer) -> OKPKey:
    jwk = issuer.key
    try:
        if set(jwk) != {"kty", "crv", "x"} or jwk["kty"] != "OKP" or jwk["crv"] != "Ed25519":
            raise ConfigRefused(f"token issuer {issuer.name}: the key must be a public JWK (kty OKP, crv Ed25519, x)")
        verify_public_key(base64.urlsafe_b64decode(jwk["x"] + "=" * (-len(jwk["x"]) % 4)))
        return OKPKey.import_key(dict(jwk))
    except (KeyRefused, JoseError, ValueError) as error:
        raise ConfigRefused(f"token issuer {issuer.name}: not an Ed25519 key: {error}") from None


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
