"""The one place that decides whether a signature holds: Ed25519 by libsodium, strict.

Implementations disagree about small-order keys and non-canonical points, and two validators that disagree fork the
ledger. So exactly one library decides (PyNaCl), and it shows at start that it decides as expected.
Sources: RFC 8032; Chalkias, Garillot and Nikolaenko, "Taming the many EdDSAs", 2020 (the vectors).
"""

from __future__ import annotations

import msgspec
from nacl import bindings
from nacl.exceptions import BadSignatureError
from nacl.exceptions import CryptoError as NaClError

from chain.errors import BadSignature, KeyRefused

ED25519 = 1  # signature suites; 2 is kept for SM2

# Every encoding of a point of small order: such a "key" would let one signature fit many messages.
SMALL_ORDER_KEYS = frozenset(
    bytes.fromhex(text)
    for text in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    )
)


class SigningKey(msgspec.Struct, frozen=True):
    """An Ed25519 key pair. Its secret never shows in a representation."""

    seed: bytes  # 32 bytes
    public: bytes  # 32 bytes

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """`seed` is 32 random bytes, drawn by the caller."""
        public, _secret = bindings.crypto_sign_seed_keypair(seed)
        return cls(seed, public)

    def sign(self, message: bytes) -> bytes:
        """64 bytes over `message` (for us always a digest of 32 bytes)."""
        return bindings.crypto_sign(message, self.seed + self.public)[:64]


def verify_signature(public: bytes, message: bytes, signature: bytes) -> None:
    """Check that the holder of `public` signed `message`. Raises BadSignature."""
    if len(public) != 32 or len(signature) != 64:
        raise BadSignature("a key has 32 bytes and a signature 64")
    try:
        bindings.crypto_sign_open(signature + message, public)
    except (BadSignatureError, NaClError, ValueError):
        raise BadSignature("signature does not hold") from None


def is_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `verify_signature` would be content."""
    try:
        verify_signature(public, message, signature)
    except BadSignature:
        return False
    return True


def verify_public_key(public: bytes) -> None:
    """Check that a key may be registered: 32 bytes, a canonical point, of the large order. Raises KeyRefused."""
    if len(public) != 32 or public in SMALL_ORDER_KEYS:
        raise KeyRefused("a key of small order")
    if not bindings.crypto_core_ed25519_is_valid_point(public):
        raise KeyRefused("not a point of the large-order group")


# (public key, message, signature, whether we accept it): the edge cases on which implementations differ.
_SPECCHECK = (
    (
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
        "0000000000000000000000000000000000000000000000000000000000000000",
        False,
    ),
    (
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43"
        "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        False,
    ),
    (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "00",
        "0100000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000000000000000000000000000000",
        False,
    ),
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",  # RFC 8032, 7.1, test 1
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        True,
    ),
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",  # the same with S + L
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "4c8c7872aa064e049dbb3013fbf29380d25bf5f0595bbe24655141438e7a101b",
        False,
    ),
)


def verify_library() -> None:
    """Show that the installed library decides as this ledger expects; called once at the start of every node.

    Raises BadSignature, naming the vector: a node with such a library must not run.
    """
    for number, (public, message, signature, expected) in enumerate(_SPECCHECK):
        accepted = is_signature(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))
        if accepted is not expected:
            raise BadSignature(f"the Ed25519 library {'accepts' if accepted else 'refuses'} edge case {number}")
    for key in SMALL_ORDER_KEYS:
        try:
            verify_public_key(key)
        except KeyRefused:
            continue
        raise BadSignature("the Ed25519 library allows a key of small order")
