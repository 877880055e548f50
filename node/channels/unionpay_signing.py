"""UnionPay's signature, version 5.1.0: RSA over the hexadecimal SHA-256 of a message's fields in order of names.

A request names our certificate by its serial (`certId`); an answer or notice carries UnionPay's own certificate
(`signPubKeyCert`). That counts only if it was issued by an authority that we were given, is valid today, and is UnionPay's:
merchants' certificates come from the same authority. The middle part of its common name says whose it is, as in
`041@…@中国银联股份有限公司@…`.
Sources: UnionPay open platform, security of version 5.1.0; its SDK's way with certificates as public code repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import NameOID

from node.channels.errors import WrongForm, WrongSignature
from node.channels.fields import Fields, signed_text
from node.channels.rsa_keys import rsa_key, sign, verify

VERSION, RSA_METHOD = "5.1.0", "01"
SIGNER = "中国银联股份有限公司"


def digest_text(values: Mapping[str, str]) -> bytes:
    """What is signed: 64 hexadecimal digits."""
    return sha256(signed_text(values, ("signature",))).hexdigest().encode()


def sign_message(values: Mapping[str, str], key: RSAPrivateKey, certificate: x509.Certificate) -> dict[str, str]:
    """The same fields with `certId`, `signMethod` and `signature`; fields without a value are left out."""
    message = {name: value for name, value in values.items() if value}
    message |= {"certId": str(certificate.serial_number), "signMethod": RSA_METHOD, "version": VERSION}
    return message | {"signature": sign(key, digest_text(message))}


def verify_message(fields: Fields, authorities: Sequence[x509.Certificate], now_ms: int, signer: str = SIGNER) -> None:
    """Raises WrongSignature, WrongForm."""
    if (fields.text("version"), fields.text("signMethod")) != (VERSION, RSA_METHOD):
        raise WrongSignature("signed in another way than by RSA of version 5.1.0")
    if fields.text("encoding").lower() != "utf-8":
        raise WrongForm("encoding: not UTF-8")
    try:
        certificate = x509.load_pem_x509_certificate(fields.text("signPubKeyCert").encode("ascii"))
    except ValueError:
        raise WrongForm("signPubKeyCert: not a certificate") from None
    verify_signer(certificate, authorities, now_ms, signer)
    verify(rsa_key(certificate), digest_text(fields.values), fields.text("signature"))


def verify_signer(
    certificate: x509.Certificate, authorities: Sequence[x509.Certificate], now_ms: int, signer: str
) -> None:
    """Raises WrongSignature unless one of `authorities` issued it to `signer` for today."""
    if not any(_issued(certificate, authority) for authority in authorities):
        raise WrongSignature("signPubKeyCert: from no authority that we know")
    now = datetime.fromtimestamp(now_ms // 1000, UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise WrongSignature("signPubKeyCert: not valid today")
    try:
        names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except ValueError:
        names = []
    if len(names) != 1 or signer not in names[0].split("@")[2:3]:
        raise WrongSignature("signPubKeyCert: somebody else's")


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
