"""What an organisation that comes after genesis says its nodes' certificates are issued under: anything may stand there, since the
ledger does not read it, and no node may stumble over it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from node.keystore import create_authority
from node.peer_certificate import usable_authority

NAME = "hospital-c"
SOUND = create_authority(NAME).der
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def certificate(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed448.Ed448PrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, NAME)])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    algorithm = None if isinstance(key, ed448.Ed448PrivateKey) else SHA256()
    return made.sign(key, algorithm).public_bytes(Encoding.DER)


def of_version_2() -> bytes:
    """A certificate whose version field says 2, which no standard library reads."""
    marker = bytes.fromhex("a003020102")
    assert SOUND.count(marker) == 1
    return SOUND.replace(marker, bytes.fromhex("a003020101"))


def of_an_unknown_algorithm() -> bytes:
    """Ed25519's object identifier, 1.3.101.112, turned into one that nothing is known under."""
    return SOUND.replace(bytes.fromhex("2b6570"), bytes.fromhex("2b657f"))


def of_a_foreign_signature() -> bytes:
    other = ed25519.Ed25519PrivateKey.generate()
    parsed = x509.load_der_x509_certificate(SOUND)
    return SOUND.replace(parsed.signature, other.sign(parsed.tbs_certificate_bytes))


def test_what_an_organisation_makes_for_itself_is_usable() -> None:
    assert usable_authority(NAME, SOUND) is not None
    assert usable_authority("hospital-d", SOUND) is None


@pytest.mark.parametrize(
    "authority",
    [
        b"certificate",
        SOUND[:-1],
        SOUND + b"\0",
        certificate(ec.generate_private_key(ec.SECP256R1())),
        certificate(ec.generate_private_key(ec.SECP256K1())),
        certificate(rsa.generate_private_key(65537, 2048)),
        certificate(ed448.Ed448PrivateKey.generate()),
        of_version_2(),
        of_an_unknown_algorithm(),
        of_a_foreign_signature(),
    ],
    ids=["text", "cut", "longer", "p-256", "secp256k1", "rsa", "ed448", "version 2", "unknown algorithm", "foreign"],
)
def test_anything_else_is_refused_and_nobody_stumbles(authority: bytes) -> None:
    assert usable_authority(NAME, authority) is None
