"""How far an archive's log of accesses is anchored, as a file that is checked against the genesis file alone."""

from __future__ import annotations

from dataclasses import dataclass

from chain import keyspace
from chain.certified import Checking, CurrentRecord, SetChange
from chain.codec import Count, Name, Wire, decode
from chain.errors import ProofRefused
from chain.genesis import Genesis
from chain.records import AccessesBody

ANCHOR_PROOF_VERSION = (
    8  # kinds of files that prove something: `proof_kinds.py` and `day_book_proof.py` have the others
)
ANCHOR_BYTES_MAX = 2 << 20


class AnchorProof(Wire, frozen=True):
    """The anchor's record as it stands now. That there is none yet, nothing proves."""

    version: Count
    set_changes: list[SetChange]  # as far as the record's header
    office: Name
    current: CurrentRecord


@dataclass(frozen=True, slots=True)
class ProvenAnchor:
    office: str
    height: int  # as of this block
    time_ms: int
    last: int  # number of the newest entry that is anchored
    head: bytes  # its digest
    anchored_height: int  # of the block that recorded the anchor


def check_anchor(data: bytes, genesis: Genesis) -> ProvenAnchor:
    """The anchor that a file proves. Raises Malformed, ProofRefused (ProofMalformed, ProofMismatch), CertificateRefused."""
    if len(data) > ANCHOR_BYTES_MAX:
        raise ProofRefused(f"{len(data)} bytes, an anchor's file has at most {ANCHOR_BYTES_MAX}")
    proof = decode(data, AnchorProof)
    if proof.version != ANCHOR_PROOF_VERSION:
        raise ProofRefused(f"version {proof.version}, this program knows {ANCHOR_PROOF_VERSION}")
    checking, current = Checking(data, genesis), proof.current
    checking.walk(proof.set_changes)
    checking.record(keyspace.accesses(proof.office), current)
    body = decode(current.record.body, AccessesBody)
    header = current.header
    return ProvenAnchor(proof.office, header.height, header.time_ms, body.last, body.head, current.record.height)
