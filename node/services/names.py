"""Names on the ledger for an organisation's own numbers: keyed, so that nobody else can tell which number stands behind one."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chain.signature import SigningKey


def keyed_name(key: SigningKey, purpose: str, number: str) -> bytes:
    """32 bytes that stand on the ledger for a number of the organisation's own: nobody else can tell which, and the same
    number gives the same bytes until the unit key is changed."""
    return hmac.digest(key.seed, f"medbill/{purpose}/{number}".encode(), "sha256")
