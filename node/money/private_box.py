"""Private parts at rest: each under a key of its own, which the node's storage key wraps (as `sealed_box.py` does for bills).

The wrapped key lies apart in the box: overwritten, it erases the part, and nothing on the ledger suffers.
"""

from __future__ import annotations

import os
from typing import Annotated, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chain.codec import Count, Wire, decode, encode
from chain.errors import ChainError, StorageDamaged

KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 12, 16
BOX_VERSION = 1

T = TypeVar("T", bound=Wire)


class _Box(Wire, frozen=True):
    version: Count
    wrapped: Annotated[bytes, msgspec.Meta(max_length=NONCE_BYTES + KEY_BYTES + TAG_BYTES)]  # empty when erased
    sealed: bytes


class PrivateBox:
    """Seals and opens. Holds the storage key, so it never shows itself."""

    def __init__(self, storage_key: bytes) -> None:
        self._storage = AESGCM(storage_key)

    def __repr__(self) -> str:
        return "PrivateBox()"

    def seal(self, about: bytes, value: Wire) -> bytes:
        """What may lie on disk under the key `about`, and under no other."""
        key = AESGCM.generate_key(8 * KEY_BYTES)
        context = encode(["medbill/1/private", BOX_VERSION, about])
        wrapped = _encrypt(self._storage, key, context)
        return encode(_Box(BOX_VERSION, wrapped, _encrypt(AESGCM(key), encode(value), context)))

    def open(self, about: bytes, data: bytes, kind: type[T]) -> T:
        """Raises StorageDamaged if a byte differs from what `seal` made, if it lay under another key, or was erased."""
        try:
            box = decode(data, _Box)
            context = encode(["medbill/1/private", box.version, about])
            return decode(_decrypt(AESGCM(_decrypt(self._storage, box.wrapped, context)), box.sealed, context), kind)
        except (InvalidTag, ValueError, ChainError):
            raise StorageDamaged(
                f"private part {about[:8].hex()}", "altered, erased, or of another storage key"
            ) from None


def _encrypt(key: AESGCM, plain: bytes, context: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.encrypt(nonce, plain, context)


def _decrypt(key: AESGCM, sealed: bytes, context: bytes) -> bytes:
    return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
