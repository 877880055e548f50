"""Signatures of a run: Ed25519 for some seeds, for the others keyed hashes that only the signer can make."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from chain.signature import SigningKey, is_signature
from chain.validators import Member, ValidatorSet


class Keys:
    def __init__(self, n: int, is_real: bool) -> None:
        seeds = [blake2b(b"seat %d" % seat, digest_size=32).digest() for seat in range(n)]
        self._signers: list[Callable[[bytes], bytes]]
        if is_real:
            keys = [SigningKey.from_seed(seed) for seed in seeds]
            publics = [key.public for key in keys]
            self._signers = [key.sign for key in keys]
            check = is_signature
        else:
            publics = [blake2b(seed, digest_size=32).digest() for seed in seeds]
            secrets = dict(zip(publics, seeds, strict=True))
            self._signers = [lambda message, seed=seed: _tag(seed, message) for seed in seeds]  # type: ignore[misc]

            def check(public: bytes, message: bytes, signature: bytes) -> bool:
                return _tag(secrets[public], message) == signature

        self._check = check
        self._known: dict[tuple[bytes, bytes, bytes], bool] = {}
        names = [f"member-{seat}" for seat in range(n)]
        self.members = ValidatorSet(1, [Member(name, public) for name, public in zip(names, publics, strict=True)])

    def sign(self, seat: int) -> Callable[[bytes], bytes]:
        return self._signers[seat]

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        key = (public, message, signature)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._check(public, message, signature)
        return found


def _tag(secret: bytes, message: bytes) -> bytes:
    return blake2b(message, key=secret, digest_size=64).digest()
