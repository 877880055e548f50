"""Who a patient is: the identity document that the sign-on has seen, in the words in which hospitals write it on bills."""

from __future__ import annotations

import msgspec

from chain.codec import encode


class Identity(msgspec.Struct, frozen=True):
    """Personal data: never printed, logged, or made part of a key or an address."""

    id_type: str  # as on bills: 01 resident identity card, passport …
    id_number: str
    name: str

    def __repr__(self) -> str:
        return "Identity(…)"

    def spelt(self) -> bytes:
        """The document alone, one spelling for each: what an index takes a MAC of."""
        return spelt_document(self.id_type, self.id_number)

    def is_on(self, id_type: str, id_number: str) -> bool:
        """Whether a bill with this document is the person's. A bill without a document is nobody's by itself."""
        return bool(id_number.strip()) and spelt_document(id_type, id_number) == self.spelt()


def spelt_document(id_type: str, id_number: str) -> bytes:
    """The last character of a resident's number is X or x; spaces come from typing."""
    return encode([id_type.strip().lower(), id_number.strip().upper()])
