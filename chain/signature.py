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


# (public key, message, signature): edge cases on which implementations differ, numbered as in the paper's table 5.
_EDGE_CASES = (
    (  # 0: A and R of small order, S = 0
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
        "0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (  # 1: A of small order
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43"
        "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
    ),
    (  # 2: R of small order
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"
        "8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
    ),
    (  # 3: A and R of mixed order, both equations hold
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f"
        "87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
    ),
    (  # 4: holds with the cofactor only
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed512"
        "5ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
    ),
    (  # 5: holds with the cofactor only, unless 8k is reduced first
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7"
        "e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
    ),
    (  # 6: S above L
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e"
        "547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
    ),
    (  # 7: S far above L
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa1942"
        "7e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
    ),
    (  # 8: R not canonical
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "03be9678ac102edcd92b0210bb34d7428d12ffc5df5f37e359941266a4e35f0f",
    ),
    (  # 9: R not canonical, hashed as it was sent
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ca8c5b64cd208982aa38d4936621a4775aa233aa0505711d8fdcfdaa943d4908",
    ),
    (  # 10: A not canonical
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "e96b7021eb39c1a163b6da4e3093dcd3f21387da4cc4572be588fafae23c155b",
        "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dc"
        "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
    ),
    (  # 11: A not canonical, hashed as it was sent
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "39a591f5321bbe07fd5a23dc2f39d025d74526615746727ceefd6e82ae65c06f",
        "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dc"
        "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
    ),
    (  # the identity as key: fits every message
        "0100000000000000000000000000000000000000000000000000000000000000",
        "00",
        "0100000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (  # RFC 8032, 7.1, test 1
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (  # the same with S + L
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "4c8c7872aa064e049dbb3013fbf29380d25bf5f0595bbe24655141438e7a101b",
    ),
)
_ACCEPTED = frozenset({3, 13})  # places in the table above: the strict verdict, which is libsodium's


def verify_library() -> None:
    """Show that the installed library decides as this ledger expects; called once at the start of every node.

    Raises BadSignature, naming the vector: a node with such a library must not run.
    """
    for number, (public, message, signature) in enumerate(_EDGE_CASES):
        accepted = is_signature(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))
        if accepted is not (number in _ACCEPTED):
            raise BadSignature(f"the Ed25519 library {'accepts' if accepted else 'refuses'} edge case {number}")
    for key in SMALL_ORDER_KEYS:
        try:
            verify_public_key(key)
        except KeyRefused:
            continue
        raise BadSignature("the Ed25519 library allows a key of small order")
