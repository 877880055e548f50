"""Organisations that came after genesis: what a node has to know of them, and where it reads it.

Validators and mirrors read it from their ledger; the new organisation's own gateway has the certificate that its own nodes
are issued under as a file of its home, and everything else from others with proofs. Source: `chain/rules/admission.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chain import keyspace
from chain.genesis import Genesis
from chain.ledger import Ledger
from chain.records import AuthorityBody, OrganisationBody
from node.errors import KeyFileRefused
from node.home import NodeHome
from node.peer_certificate import PeerContexts

log = structlog.get_logger("admissions")


def organisations_of(ledger: Ledger) -> Iterator[tuple[str, OrganisationBody]]:
    """(id, as it stands now) of all, those of genesis first."""
    for name in [*(entry.id for entry in ledger.genesis.organisations), *ledger.admitted()]:
        body = ledger.state.get(keyspace.organisation(name), OrganisationBody)
        assert body is not None  # made with genesis or its admission, and never deleted
        yield name, body


def supervised_by(ledger: Ledger, office: str) -> list[str]:
    """Who is below an office."""
    return [name for name, body in organisations_of(ledger) if body.supervisor == office]


def trust_admitted(ledger: Ledger, contexts: PeerContexts) -> None:
    """Believe the certificates of organisations that were admitted, and of those that will be."""

    def trust(name: str) -> None:
        body = ledger.state.get(keyspace.authority(name), AuthorityBody)
        if body is not None and body.certificate and not contexts.trust(name, body.certificate):
            log.warning(
                "authority_unusable", organisation=name
            )  # its nodes get no links; an office refuses such a request

    for name in ledger.admitted():
        trust(name)
    ledger.on_admitted.append(trust)


def authorities_of(place: NodeHome, organisation: str, genesis: Genesis) -> dict[str, bytes]:
    """organisation -> DER of what its nodes' certificates are issued under: of genesis, and the node's own where its
    organisation came later. Raises KeyFileRefused."""
    known = genesis.authorities()
    if organisation not in known and place.own_authority.exists():
        try:
            own = x509.load_pem_x509_certificate(place.own_authority.read_bytes())
        except ValueError as error:
            raise KeyFileRefused(place.own_authority, f"not a certificate: {error}") from None
        known[organisation] = own.public_bytes(Encoding.DER)
    return known
