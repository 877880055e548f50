"""Details at rest: each bill's under a data key of its own, which the node's storage key wraps.

The storage key lies outside `data/` and outside backups. The wrapped part holds data key and seed, so whoever
overwrites it alone has erased the bill's details, and no proof made of the chain suffers. AES-256-GCM with random
nonces of 96 bits: the storage key wraps well under 2^32 bills (NIST SP 800-38D, 8.3). Source: DESIGN section 6.
"""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chain.codec import BillId, Count, Wire, decode, encode
from chain.details import SEED_BYTES, Details, Fields
from chain.errors import ChainError, StorageDamaged

BOX_VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + SEED_BYTES + TAG_BYTES


class Box(Wire, frozen=True):
    """What lies on disk. The bill's number is public; nothing else can be read without the storage key."""

    version: Count
    bill: BillId
    wrapped: Annotated[bytes, msgspec.Meta(max_length=WRAPPED_BYTES)]  # data key ‖ seed; empty when erased
    fields: bytes  # canonical list of (field id, value)


class DetailsBox:
    """Seals and opens. Holds the storage key, so it never shows itself."""

    def __init__(self, storage_key: bytes) -> None:
        if len(storage_key) != KEY_BYTES:
            raise ValueError(f"a storage key has {KEY_BYTES} bytes")
        self._storage = AESGCM(storage_key)

    def __repr__(self) -> str:
        return "DetailsBox()"

    def seal(self, details: Details) -> bytes:
        """What may lie on disk; different bytes each time."""
        key = AESGCM.generate_key(8 * KEY_BYTES)
        about = _about(BOX_VERSION, details.bill)
        wrapped = _encrypt(self._storage, key + details.seed, about)
        return encode(Box(BOX_VERSION, details.bill, wrapped, _encrypt(AESGCM(key), encode(details.fields), about)))

    def open(self, data: bytes, bill: str | None = None) -> Details:
        """The details. With `bill`, they must be of that one.

        Raises StorageDamaged if a byte differs from what `seal` made, or if the storage key is another.
        """
        box = _decode(data)
        if bill is not None and box.bill != bill:
            raise StorageDamaged(f"details of {bill}", "the box is of another bill")
        about = _about(box.version, box.bill)
        try:
            secret = _decrypt(self._storage, box.wrapped, about)
            key, seed = secret[:KEY_BYTES], secret[KEY_BYTES:]
            fields: Fields = decode(_decrypt(AESGCM(key), box.fields, about), Fields)
            return Details(box.bill, seed, fields)
        except (InvalidTag, ValueError, ChainError):
            raise StorageDamaged(f"details of {box.bill}", "altered, or of another storage key") from None


def erased(data: bytes) -> bytes:
    """The box without its wrapped key and seed: nobody can open it any more. Raises StorageDamaged."""
    box = _decode(data)
    return encode(Box(box.version, box.bill, b"", box.fields))


def is_erased(data: bytes) -> bool:
    """Whether the wrapped part is gone. Raises StorageDamaged."""
    return not _decode(data).wrapped


def _decode(data: bytes) -> Box:
    try:
        box = decode(data, Box)
    except ChainError:
        raise StorageDamaged("details", "not a box") from None
    if box.version != BOX_VERSION:
        raise StorageDamaged(f"details of {box.bill}", f"version {box.version}, this program knows {BOX_VERSION}")
    return box


def _about(version: int, bill: str) -> bytes:
    return encode(["medbill/1/details-box", version, bill])


def _encrypt(key: AESGCM, plain: bytes, about: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.encrypt(nonce, plain, about)


def _decrypt(key: AESGCM, sealed: bytes, about: bytes) -> bytes:
    return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about)
