"""Keys that a simulator makes when it starts, and the other way to sign and check: none of the channels' code is used here."""

from __future__ import annotations

import base64
import datetime
import os
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

BITS = 2_048
DAYS = 730


def make_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=BITS)


def signature_of(key: rsa.RSAPrivateKey, text: bytes) -> str:
    return base64.standard_b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()


def is_signed(key: rsa.RSAPublicKey, text: bytes, signature: str) -> bool:
    try:
        key.verify(base64.standard_b64decode(signature), text, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def make_certificate(
    common_name: str,
    key: rsa.RSAPublicKey,
    issuer: tuple[x509.Certificate, rsa.RSAPrivateKey] | rsa.RSAPrivateKey,
    now_ms: int,
    days: int = DAYS,
) -> x509.Certificate:
    """Issued by an authority, or self-signed as one where `issuer` is its key. Valid from an hour before `now_ms`."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    is_authority = not isinstance(issuer, tuple)
    issuer_name, issuer_key = (name, issuer) if not isinstance(issuer, tuple) else (issuer[0].subject, issuer[1])
    begin = datetime.datetime.fromtimestamp(now_ms // 1000, datetime.UTC) - datetime.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer_name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def public_pem(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_private(path: Path, content: bytes) -> None:
    """Mode 0600 from the first byte on; what lay there before is replaced."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
