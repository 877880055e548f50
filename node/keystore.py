"""Key files and certificates: Ed25519 keys as PKCS8 PEM, secrets of 32 bytes as hex, the TLS CA of an organisation.

A private file that is written here ends in a line with its own check, because another key is as good a key as the right
one: a flipped bit in `mac.key` would issue one business number twice. A file without that line is taken as it is.
A private file belongs to the user who runs the node and to nobody else: mode 0600, or the start is refused.
Sources: RFC 8410 (Ed25519 in PKIX), RFC 5280 (certificates); DESIGN sections 2, 8, 9.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chain.directory import flush_directory
from chain.failpoint import failpoint
from chain.signature import SigningKey
from node.errors import KeyFileRefused

SECRET_BYTES = 32  # of mac.key and storage.key
PRIVATE_FILE_BYTES_MAX = 4096
CHECK_PREFIX = b"# check "  # then the first 16 hexadecimal digits of SHA-256 over what stands before the line
NODE_CERTIFICATE_DAYS = 730
AUTHORITY_DAYS = 7300  # 20 years: its certificate stands in genesis
BACKDATED = timedelta(hours=1)  # clocks of two machines differ
LOOPBACK_HOSTS = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Authority:
    """An organisation's own certificate authority. `certificate.public_bytes(DER)` is what genesis pins."""

    key: Ed25519PrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def generate_signing_key() -> SigningKey:
    """A new Ed25519 key."""
    return SigningKey.from_seed(secrets.token_bytes(32))


def save_signing_key(path: Path, key: SigningKey) -> None:
    """Write PKCS8 PEM, 0600, and flush it. Raises KeyFileRefused if the file exists: keys are never overwritten."""
    _save_private(path, _pem(Ed25519PrivateKey.from_private_bytes(key.seed)))


def load_signing_key(path: Path) -> SigningKey:
    """Raises KeyFileRefused if the file is missing, readable by others, not ours, or no Ed25519 key."""
    return SigningKey.from_seed(_load_ed25519(path).private_bytes_raw())


def save_secret(path: Path, secret: bytes) -> None:
    """Write 32 bytes as hex, 0600, and flush it. Raises KeyFileRefused if the file exists."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a secret has {SECRET_BYTES} bytes")
    _save_private(path, secret.hex().encode() + b"\n")


def load_secret(path: Path) -> bytes:
    """32 bytes. Raises KeyFileRefused as `load_signing_key` does."""
    try:
        secret = bytes.fromhex(_checked(path).decode("ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise KeyFileRefused(path, f"not {2 * SECRET_BYTES} hexadecimal digits; put the right file in its place")
    return secret


def read_private(path: Path) -> bytes:
    """The bytes of a private file, after its mode and owner were checked. Raises KeyFileRefused."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise KeyFileRefused(path, f"cannot be read: {error.strerror}") from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise KeyFileRefused(path, "not a regular file")
        if status.st_uid != os.geteuid():
            raise KeyFileRefused(path, f"belongs to user {status.st_uid}; chown it to the user that runs the node")
        if stat.S_IMODE(status.st_mode) & ~0o600:
            mode = stat.S_IMODE(status.st_mode)
            raise KeyFileRefused(path, f"mode {mode:04o} lets others in; chmod 600 it, and replace it if they came")
        return os.read(handle, PRIVATE_FILE_BYTES_MAX)
    finally:
        os.close(handle)


def create_authority(organisation: str, now: datetime | None = None) -> Authority:
    """A self-signed CA with O = `organisation`, for node certificates only (no CA below it)."""
    now = now or datetime.now(UTC)
    key = Ed25519PrivateKey.generate()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{organisation} nodes"),
        ]
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(is_authority=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, None)
    )
    return Authority(key, certificate)


def save_authority(directory: Path, authority: Authority) -> None:
    """Write `ca.key` (0600) and `ca.pem` into `directory`. Raises KeyFileRefused if one exists."""
    _save_private(directory / "ca.key", _pem(authority.key))
    save_certificate(directory / "ca.pem", authority.certificate.public_bytes(Encoding.PEM))


def load_authority(directory: Path) -> Authority:
    """Read `ca.key` and `ca.pem`. Raises KeyFileRefused if one cannot be used, or they do not belong together."""
    key, path = _load_ed25519(directory / "ca.key"), directory / "ca.pem"
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise KeyFileRefused(path, f"not a certificate: {error}") from None
    if certificate.public_key() != key.public_key():
        raise KeyFileRefused(path, "not the certificate of the key beside it")
    return Authority(key, certificate)


def issue_node_certificate(
    authority: Authority,
    node: str,
    organisation: str,
    hosts: Sequence[str] = (),
    now: datetime | None = None,
    days: int = NODE_CERTIFICATE_DAYS,
) -> tuple[bytes, bytes]:
    """A new TLS key and its certificate, both PEM: CN = `node`, O = `organisation`, for both ends of a link.

    `hosts` are names and addresses beside localhost and 127.0.0.1, under which its REST service may be reached; links
    between nodes go by CN and O.
    """
    now = now or datetime.now(UTC)
    key = Ed25519PrivateKey.generate()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, node),
        ]
    )
    authority_identifier = x509.SubjectKeyIdentifier.from_public_key(authority.key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(is_authority=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(
            x509.SubjectAlternativeName([_general_name(host) for host in dict.fromkeys([*LOOPBACK_HOSTS, *hosts])]),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_identifier), critical=False
        )
        .sign(authority.key, None)
    )
    return _pem(key), certificate.public_bytes(Encoding.PEM)


def save_tls_key(path: Path, pem: bytes) -> None:
    """Write the first half of what `issue_node_certificate` gave, 0600. Raises KeyFileRefused if the file exists."""
    _save_private(path, pem)


def save_certificate(path: Path, *pems: bytes) -> None:
    """Write one certificate or a bundle of them; public, 0644. Raises KeyFileRefused if the file exists."""
    _save(path, b"".join(pems), 0o644)


def _key_usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load_ed25519(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(_checked(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileRefused(path, "not an unencrypted private key in PEM; put the right file in its place") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileRefused(path, "not an Ed25519 key; put the right file in its place")
    return key


def _save_private(path: Path, data: bytes) -> None:
    _save(path, data + _check_line(data), 0o600)


def _check_line(data: bytes) -> bytes:
    return CHECK_PREFIX + sha256(data).hexdigest()[:16].encode() + b"\n"


def _checked(path: Path) -> bytes:
    """A private file without its check, which must fit. Raises KeyFileRefused."""
    data = read_private(path)
    lines = data.splitlines(keepends=True)
    if not lines or not lines[-1].startswith(b"#"):
        return data
    body = b"".join(lines[:-1])
    if lines[-1] != _check_line(body):
        raise KeyFileRefused(path, "altered since it was written; put the right file in its place")
    return body


def _save(path: Path, data: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    except FileExistsError:
        raise KeyFileRefused(path, "exists already, and keys are never overwritten; move it away first") from None
    except OSError as error:
        raise KeyFileRefused(path, f"cannot be written: {error.strerror}") from None
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)  # whatever the umask says
        failpoint("keystore.write")
        file.write(data)
        file.flush()
        failpoint("keystore.flush")
        os.fsync(handle)
    failpoint("keystore.flushed")
    flush_directory(path.parent)
