"""Who is at the other end of a link: TLS 1.3 contexts, and a peer's certificate pinned to its organisation.

OpenSSL checks that one of the organisations' CAs signed the certificate and that it is in force; here it is checked
that it was the CA of the very organisation that the certificate names, as genesis has it. Source: DESIGN section 9.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import NameOID

from node.errors import KeyFileRefused, NodeError
from node.keystore import read_private

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")  # chain.codec.Name
_CERTIFICATE_HAS_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED


@dataclass(frozen=True, slots=True, order=True)
class PeerIdentity:
    """What a node certificate says: CN and O."""

    node: str
    organisation: str


class PeerUnknown(NodeError):
    """A certificate that its organisation's CA did not issue, or that names nobody."""

    code = "unknown_certificate"


class PeerContexts:
    """The TLS contexts of one node, and what it believes of others.

    `authorities` maps organisation -> its CA certificate (DER), from genesis. Raises KeyFileRefused if the node's own
    key or certificate cannot be used.
    """

    def __init__(self, certificate_path: Path, key_path: Path, authorities: Mapping[str, bytes]) -> None:
        read_private(key_path)
        self._authorities = {name: x509.load_der_x509_certificate(der) for name, der in authorities.items()}
        bundle = b"".join(authorities.values())
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.server.num_tickets = 0  # every link shows its certificate
        self.client.check_hostname = False  # a peer is known by O and CN, wherever it lives
        for context in (self.server, self.client):
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.verify_mode = ssl.CERT_REQUIRED
            context.verify_flags |= ssl.VERIFY_X509_STRICT
            context.load_verify_locations(cadata=bundle)
            try:
                context.load_cert_chain(certificate_path, key_path)
            except (OSError, ssl.SSLError) as error:
                raise KeyFileRefused(certificate_path, f"not usable with {key_path.name}: {error}") from None
        try:
            own = ssl.PEM_cert_to_DER_cert(certificate_path.read_text("ascii"))
        except ValueError:  # OpenSSL passes over what stands around a certificate
            raise KeyFileRefused(certificate_path, "holds more than one certificate in PEM") from None
        self.me = self.identify(own)

    def trust(self, organisation: str, authority: bytes) -> bool:
        """Believe what an authority (DER) issues for its organisation, beside those of genesis. False, and nothing is
        changed, if it cannot be one: not a certificate, or another organisation's."""
        parsed = usable_authority(organisation, authority)
        if organisation in self._authorities or parsed is None:
            return False
        try:
            for context in (self.server, self.client):
                context.load_verify_locations(cadata=authority)
        except ssl.SSLError:
            return False
        self._authorities[organisation] = parsed
        return True

    def identify(self, certificate: bytes | None) -> PeerIdentity:
        """Who a certificate (DER) speaks for, after OpenSSL accepted it. Raises PeerUnknown."""
        try:
            parsed = x509.load_der_x509_certificate(certificate or b"")
            organisation = _only(parsed.subject, NameOID.ORGANIZATION_NAME)
            node = _only(parsed.subject, NameOID.COMMON_NAME)
            parsed.verify_directly_issued_by(self._authorities[organisation])
        except KeyError:
            raise PeerUnknown("an organisation without a CA in genesis") from None
        except (ValueError, TypeError, InvalidSignature):
            raise PeerUnknown("not issued by the CA of the organisation that it names") from None
        return PeerIdentity(node, organisation)


def usable_authority(organisation: str, authority: bytes) -> x509.Certificate | None:
    """A certificate (DER) that an organisation's nodes could be issued under, as our links want them: its own, signed by itself
    with Ed25519. None for anything else, whatever the bytes."""
    try:
        parsed = x509.load_der_x509_certificate(authority)
        if _only(parsed.subject, NameOID.ORGANIZATION_NAME) != organisation:
            return None
        if not isinstance(parsed.public_key(), Ed25519PublicKey):
            return None
        parsed.verify_directly_issued_by(parsed)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion):
        return None
    return parsed


def tls_incident(error: BaseException) -> str:
    """The reason to count for a handshake that failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "expired_certificate" if error.verify_code == _CERTIFICATE_HAS_EXPIRED else "unknown_certificate"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
            return "no_certificate"
        return "refused_by_peer" if "ALERT" in reason else "not_tls"
    if isinstance(error, PeerUnknown):
        return error.code
    if isinstance(error, TimeoutError) or "SSL handshake is taking longer" in str(error):
        return "handshake_timeout"
    return "handshake_aborted"


def _only(name: x509.Name, attribute: x509.ObjectIdentifier) -> str:
    """The one value of an attribute. Raises ValueError."""
    (found,) = name.get_attributes_for_oid(attribute)
    if not isinstance(found.value, str) or not _NAME.fullmatch(found.value):
        raise ValueError("not a name")
    return found.value
