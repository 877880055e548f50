"""RSA keys of ours and of the channels: RSASSA-PKCS1-v1_5 with SHA-256, which all of them use (RFC 8017, 8.2).

Our private keys are PEM files of mode 0600; a channel's key is a PEM public key or an X.509 certificate.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from node.channels.errors import WrongSignature
from node.errors import KeyFileRefused
from node.keystore import read_private

KEY_BITS_MIN = 2_048
PUBLIC_FILE_BYTES_MAX = 65_536


def load_private_key(path: Path) -> RSAPrivateKey:
    """Raises KeyFileRefused if the file is missing, readable by others, not ours, or no RSA key of 2048 bits."""
    try:
        key = load_pem_private_key(read_private(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileRefused(path, "not a private key in PEM without a password") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < KEY_BITS_MIN:
        raise KeyFileRefused(path, f"not an RSA key of at least {KEY_BITS_MIN} bits")
    return key


def load_certificate(path: Path) -> x509.Certificate:
    """Raises KeyFileRefused."""
    try:
        return x509.load_pem_x509_certificate(_public_bytes(path))
    except ValueError:
        raise KeyFileRefused(path, "not a certificate in PEM") from None


def load_public_key(path: Path) -> RSAPublicKey:
    """Of a file with a public key or a certificate. Raises KeyFileRefused."""
    data = _public_bytes(path)
    try:
        if b"BEGIN CERTIFICATE" in data:
            return rsa_key(x509.load_pem_x509_certificate(data))
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm, WrongSignature):
        raise KeyFileRefused(path, "not a public key or certificate in PEM") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < KEY_BITS_MIN:
        raise KeyFileRefused(path, f"not an RSA key of at least {KEY_BITS_MIN} bits")
    return key


def rsa_key(certificate: x509.Certificate) -> RSAPublicKey:
    """Raises WrongSignature if the certificate is about a key that we do not take."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None  # of a kind that nobody knows
    if not isinstance(key, RSAPublicKey) or key.key_size < KEY_BITS_MIN:
        raise WrongSignature("the certificate's key is not of the right kind")
    return key


def sign(key: RSAPrivateKey, message: bytes) -> str:
    """The signature in base64."""
    return base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode("ascii")


def verify(key: RSAPublicKey, message: bytes, signature: str) -> None:
    """Raises WrongSignature, also for what is no base64."""
    try:
        key.verify(base64.b64decode(signature, validate=True), message, PKCS1v15(), SHA256())
    except (binascii.Error, ValueError, InvalidSignature):
        raise WrongSignature("the signature does not hold") from None


def _public_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(PUBLIC_FILE_BYTES_MAX)
    except OSError as error:
        raise KeyFileRefused(path, f"cannot be read: {error.strerror}") from None
