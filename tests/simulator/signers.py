"""Signatures of a run: Ed25519 for some seeds, for the others keyed hashes that only the holder of the key can make.

Public keys are true points either way, since the ledger's rules look at them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b, sha256

from chain.signature import SigningKey, is_signature

Sign = Callable[[bytes], bytes]


@lru_cache(maxsize=4_096)
def key_of(name: str) -> SigningKey:
    """`member-02/vote-0`, `hospital-a/unit`: always the same key, in every run."""
    return SigningKey.from_seed(sha256(f"medbill simulator {name}".encode()).digest())


class Signers:
    def __init__(self, is_real: bool) -> None:
        self.is_real = is_real
        self._names: dict[bytes, str] = {}  # public key -> name, of every key that was asked for
        self._known: dict[tuple[bytes, bytes, bytes], bool] = {}

    def public(self, name: str) -> bytes:
        public = key_of(name).public
        self._names[public] = name
        return public

    def name_of(self, public: bytes) -> str | None:
        return self._names.get(public)

    def sign(self, name: str) -> Sign:
        self.public(name)
        if self.is_real:
            return key_of(name).sign
        return lambda message: _tag(name, message)

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the holder of a key signed; each triple is worked out once."""
        known = (public, message, signature)
        found = self._known.get(known)
        if found is None:
            found = self._known[known] = self._check(public, message, signature)
        return found

    def _check(self, public: bytes, message: bytes, signature: bytes) -> bool:
        if self.is_real:
            return is_signature(public, message, signature)
        name = self._names.get(public)
        return name is not None and _tag(name, message) == signature


def _tag(name: str, message: bytes) -> bytes:
    return blake2b(message, key=name.encode(), digest_size=64).digest()
