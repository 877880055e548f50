"""Names on the ledger: MACs of a hospital's own numbers, and of its patients, under its own key."""

from __future__ import annotations

import hmac
from typing import Any

from chain.codec import encode
from chain.digest import MONEY
from node.identity import spelt_document


class Names:
    """Holds the hospital's MAC key, so it never shows itself."""

    def __init__(self, mac_key: bytes) -> None:
        self._key = mac_key

    def __repr__(self) -> str:
        return "Names()"

    def of(self, kind: str, *parts: Any) -> bytes:
        """32 bytes, the same for the same texts and integers at every gateway of the hospital."""
        return hmac.digest(self._key, MONEY + encode([kind, *parts]), "sha256")

    def holder(self, id_type: str, id_number: str) -> bytes:
        """A patient, as this hospital knows them."""
        return self.of("holder", spelt_document(id_type, id_number))
