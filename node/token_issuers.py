"""`token-issuers.json`: whose tokens a node's REST service believes, for which organisations and roles.

`medbill network init` writes it; the REST layer reads it (`api/auth.py`, which has its meaning) and the operator may
add a province's own sign-on. A hospital's key makes cashiers of that hospital, and never an auditor.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import msgspec

# kind of organisation -> roles that its own token key may give; all other kinds: ROLES_OF_OTHERS
ROLES_BY_KIND: dict[str, tuple[str, ...]] = {
    "hospital": ("cashier", "hospital_admin", "operator"),
    "platform": ("cashier", "hospital_admin", "operator"),  # at its own gateway: payments, payees, splits
    "finance": ("finance_clerk", "auditor", "patient", "operator"),
    "insurance": ("insurer_clerk", "auditor", "operator"),
    "health": ("auditor", "operator"),
    "bigdata": ("auditor", "operator"),
    "audit": ("auditor", "operator"),
    # who pays or refunds bills reads what holders grant, verifies what it is shown, and sees what it did itself
    "insurer": ("insurer_clerk", "operator"),
    "employer": ("employer_clerk", "operator"),
}
ROLES_OF_OTHERS = ("operator",)
SIGN_ON = "finance"  # kind of organisation whose key says who patients are
SERVICE_KINDS = (
    "insurer",
    "insurance",
    "lender",
    "bank",
)  # kinds of organisation that have a service of their own for patients


class TokenIssuer(msgspec.Struct, frozen=True):
    name: str  # `iss` of its tokens
    key: dict[str, str]  # public JWK (RFC 8037)
    organisations: list[str]  # `org` that it may speak for
    roles: list[str]  # `role` that it may give


def organisation_issuer(name: str, kind: str, public: bytes) -> TokenIssuer:
    """An organisation speaking for itself, in the roles of its kind. `public` is Ed25519, 32 bytes."""
    coordinate = base64.urlsafe_b64encode(public).rstrip(b"=").decode("ascii")
    key = {"kty": "OKP", "crv": "Ed25519", "x": coordinate}
    return TokenIssuer(name, key, [name], list(ROLES_BY_KIND.get(kind, ROLES_OF_OTHERS)))


def service_issuers(own: str, organisations: Sequence[tuple[str, str, bytes]]) -> list[TokenIssuer]:
    """Whom the service of `own` believes: the bureau's sign-on for patients, and itself for its people. `organisations` are
    (name, kind, public key)."""
    return [
        organisation_issuer(name, kind, public)
        for name, kind, public in organisations
        if kind == SIGN_ON or name == own
    ]


def save_token_issuers(path: Path, issuers: list[TokenIssuer]) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(issuers), indent=1) + b"\n")
