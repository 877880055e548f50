"""One library decides on signatures, strictly, and shows so at start (RELIABILITY 4.3)."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chain import signature
from chain.errors import BadSignature, KeyRefused
from chain.signature import (
    SMALL_ORDER_KEYS,
    SigningKey,
    is_signature,
    verify_library,
    verify_public_key,
    verify_signature,
)
from tests.chain.making import key_of

CASES = [tuple(bytes.fromhex(part) for part in case) for case in signature._EDGE_CASES]


def test_of_the_twelve_published_edge_cases_only_number_3_is_accepted() -> None:
    """Chalkias, Garillot and Nikolaenko 2020, table 5: the row of libsodium."""
    assert [is_signature(*case) for case in CASES[:12]] == [number == 3 for number in range(12)]


def test_another_library_decides_otherwise() -> None:
    """Why exactly one may be used: OpenSSL takes 0 to 3 and 11, and the identity as a key."""

    def accepts(public: bytes, message: bytes, signed: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signed, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    assert [number for number, case in enumerate(CASES) if accepts(*case)] == [0, 1, 2, 3, 11, 12, 13]


def test_the_installed_library_passes_at_start() -> None:
    verify_library()


@pytest.mark.parametrize(("number", "verdict"), [(0, True), (3, False), (9, True), (11, True), (12, True), (13, False)])
def test_a_library_that_decides_one_case_otherwise_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, number: int, verdict: bool
) -> None:
    def differs(public: bytes, message: bytes, signed: bytes) -> bool:
        return verdict if (public, message, signed) == CASES[number] else is_signature(public, message, signed)

    monkeypatch.setattr(signature, "is_signature", differs)
    with pytest.raises(BadSignature, match=f"edge case {number}$"):
        verify_library()


def test_a_library_that_takes_a_key_of_small_order_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature, "verify_public_key", lambda public: None)
    with pytest.raises(BadSignature, match="small order"):
        verify_library()


@pytest.mark.parametrize("public", sorted(SMALL_ORDER_KEYS), ids=lambda public: public.hex()[:8] + public.hex()[-2:])
def test_a_key_of_small_order_can_neither_be_registered_nor_used(public: bytes) -> None:
    with pytest.raises(KeyRefused):
        verify_public_key(public)
    assert not is_signature(public, b"any", public + bytes(32))


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(33), b"\xff" * 32, b"\x02" + bytes(31)])
def test_what_is_no_point_is_no_key(public: bytes) -> None:
    with pytest.raises(KeyRefused):
        verify_public_key(public)


def test_a_key_of_mixed_order_is_not_registered() -> None:
    """Edge case 3 holds by both equations, but its key is outside the large-order group."""
    with pytest.raises(KeyRefused):
        verify_public_key(CASES[3][0])


def test_a_signature_holds_for_its_key_and_message_alone() -> None:
    mine, other = key_of("mine"), key_of("other")
    signed = mine.sign(bytes(32))
    verify_signature(mine.public, bytes(32), signed)
    for public, message, given in [
        (other.public, bytes(32), signed),
        (mine.public, bytes(31) + b"\x01", signed),
        (mine.public, bytes(32), signed[:63] + bytes([signed[63] ^ 1])),
        (mine.public, bytes(32), signed[:63]),
        (mine.public, bytes(32), signed + b"\x00"),
        (mine.public[:31], bytes(32), signed),
        (mine.public, bytes(32), b""),
    ]:
        with pytest.raises(BadSignature):
            verify_signature(public, message, given)


def test_every_flipped_bit_of_a_signature_is_found() -> None:
    key = key_of("mine")
    signed = key.sign(b"message")
    for bit in range(512):
        flipped = bytearray(signed)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not is_signature(key.public, b"message", bytes(flipped))


def test_a_key_never_shows_its_secret() -> None:
    key = SigningKey.from_seed(b"s" * 32)
    assert repr(key) == f"SigningKey(public={key.public.hex()})"
    assert key.seed.hex() not in f"{key} {key!r}"
