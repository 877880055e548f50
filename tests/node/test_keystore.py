"""Key files: read by their owner alone, never overwritten; certificates that say who a node is (DESIGN 2, 9)."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chain.signature import verify_signature
from node import keystore
from node.errors import KeyFileRefused


def test_a_signing_key_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    key = keystore.generate_signing_key()
    keystore.save_signing_key(tmp_path / "vote.key", key)

    assert stat.S_IMODE((tmp_path / "vote.key").stat().st_mode) == 0o600
    loaded = keystore.load_signing_key(tmp_path / "vote.key")
    assert loaded == key
    verify_signature(key.public, b"m" * 32, loaded.sign(b"m" * 32))
    assert key.seed.hex() not in repr(loaded)


def test_a_key_file_is_a_common_pkcs8_file(tmp_path: Path) -> None:
    """RFC 8410: other tools read it."""
    key = keystore.generate_signing_key()
    keystore.save_signing_key(tmp_path / "unit.key", key)
    text = (tmp_path / "unit.key").read_text()
    assert text.startswith("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEI")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o700, 0o777])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """Start refuses looser modes than 0600 and says what to do."""
    keystore.save_signing_key(tmp_path / "vote.key", keystore.generate_signing_key())
    keystore.save_secret(tmp_path / "mac.key", os.urandom(32))
    for name in ("vote.key", "mac.key"):
        (tmp_path / name).chmod(mode)
    with pytest.raises(KeyFileRefused, match=f"vote.key: mode {mode:04o} .* chmod 600"):
        keystore.load_signing_key(tmp_path / "vote.key")
    with pytest.raises(KeyFileRefused, match="chmod 600"):
        keystore.load_secret(tmp_path / "mac.key")
    (tmp_path / "vote.key").chmod(0o400)
    keystore.load_signing_key(tmp_path / "vote.key")


def test_a_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keystore.save_signing_key(tmp_path / "vote.key", keystore.generate_signing_key())
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(KeyFileRefused, match="chown"):
        keystore.load_signing_key(tmp_path / "vote.key")


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    keystore.save_signing_key(tmp_path / "vote.key", keystore.generate_signing_key())
    before = (tmp_path / "vote.key").read_bytes()
    with pytest.raises(KeyFileRefused, match="never overwritten"):
        keystore.save_signing_key(tmp_path / "vote.key", keystore.generate_signing_key())
    assert (tmp_path / "vote.key").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\xfe", b"-----BEGIN PRIVATE KEY-----\nAAAA\n", b"ab" * 31])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "some.key").touch(0o600)
    (tmp_path / "some.key").write_bytes(content)
    with pytest.raises(KeyFileRefused):
        keystore.load_signing_key(tmp_path / "some.key")
    with pytest.raises(KeyFileRefused):
        keystore.load_secret(tmp_path / "some.key")
    for loader in (keystore.load_signing_key, keystore.load_secret):
        with pytest.raises(KeyFileRefused, match="cannot be read"):
            loader(tmp_path / "missing.key")
        with pytest.raises(KeyFileRefused):
            loader(tmp_path)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    keystore.save_tls_key(tmp_path / "tls.key", pem)
    with pytest.raises(KeyFileRefused, match="not an Ed25519 key"):
        keystore.load_signing_key(tmp_path / "tls.key")


def test_a_secret_comes_back(tmp_path: Path) -> None:
    secret = os.urandom(32)
    keystore.save_secret(tmp_path / "mac.key", secret)
    assert (tmp_path / "mac.key").read_text().splitlines()[0] == secret.hex()
    assert keystore.load_secret(tmp_path / "mac.key") == secret
    (tmp_path / "plain.key").touch(mode=0o600)
    (tmp_path / "plain.key").write_text(secret.hex() + "\n")  # without a check, as an operator may write it
    assert keystore.load_secret(tmp_path / "plain.key") == secret
    with pytest.raises(ValueError, match="32 bytes"):
        keystore.save_secret(tmp_path / "short.key", secret[:31])


def test_one_flipped_bit_of_a_private_file_is_found_or_changes_nothing(tmp_path: Path) -> None:
    """Another key would be as good a key: a gateway with another MAC key issues one business number twice."""
    key, secret = keystore.generate_signing_key(), os.urandom(32)
    keystore.save_signing_key(tmp_path / "unit.key", key)
    keystore.save_secret(tmp_path / "mac.key", secret)
    loads: list[tuple[Path, Callable[[Path], object], object]] = [
        (tmp_path / "unit.key", lambda path: keystore.load_signing_key(path).seed, key.seed),
        (tmp_path / "mac.key", keystore.load_secret, secret),
    ]
    for path, load, truth in loads:
        whole = path.read_bytes()
        refused = 0
        for offset in range(len(whole)):
            for bit in range(8):
                path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1 << bit]) + whole[offset + 1 :])
                try:
                    assert load(path) == truth
                except KeyFileRefused:
                    refused += 1
        assert refused > 6 * len(whole)


def test_a_node_certificate_says_who_and_where(tmp_path: Path) -> None:
    authority = keystore.create_authority("hospital-a")
    now = datetime(2026, 11, 21, tzinfo=UTC)
    key, pem = keystore.issue_node_certificate(authority, "hospital-a-2", "hospital-a", ["10.0.0.7", "pay.test"], now)

    certificate = x509.load_pem_x509_certificate(pem)
    certificate.verify_directly_issued_by(authority.certificate)
    assert certificate.subject.rfc4514_string() == "CN=hospital-a-2,O=hospital-a"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "pay.test"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "10.0.0.7"]
    assert certificate.not_valid_after_utc - now == timedelta(days=730)
    assert key.startswith(b"-----BEGIN PRIVATE KEY-----")
    other = x509.load_pem_x509_certificate(keystore.issue_node_certificate(authority, "n", "hospital-a")[1])
    assert other.serial_number != certificate.serial_number


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
def test_an_authority_comes_back_and_openssl_agrees(tmp_path: Path) -> None:
    """The system's openssl is the second opinion."""
    authority = keystore.create_authority("finance")
    keystore.save_authority(tmp_path, authority)
    loaded = keystore.load_authority(tmp_path)
    assert loaded.der == authority.der
    keystore.save_certificate(tmp_path / "tls.pem", keystore.issue_node_certificate(loaded, "finance", "finance")[1])

    result = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", str(tmp_path / "ca.pem"), str(tmp_path / "tls.pem")],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_an_authority_whose_halves_differ_is_refused(tmp_path: Path) -> None:
    keystore.save_authority(tmp_path, keystore.create_authority("finance"))
    (tmp_path / "ca.pem").write_bytes(keystore.create_authority("finance").certificate.public_bytes(Encoding.PEM))
    with pytest.raises(KeyFileRefused, match="not the certificate of the key"):
        keystore.load_authority(tmp_path)
    (tmp_path / "ca.pem").write_bytes(b"nothing")
    with pytest.raises(KeyFileRefused, match="not a certificate"):
        keystore.load_authority(tmp_path)
