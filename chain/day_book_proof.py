"""Day books that anyone can check against the genesis file alone: what an issuer issued on some days, so that who holds the
bills can tell whether one is missing.

Limit: the state has no proof that a key is absent. A whole day of an issuing point, left out with all its bills, does not
show here; it shows as numbers of a lease that nothing explains.
"""

from __future__ import annotations

from dataclasses import dataclass

from chain import keyspace
from chain.block import Header
from chain.certified import Checking, SetChange
from chain.codec import Count, Digest, LocalDate, Name, PlaceCode, Wire, decode, encode
from chain.errors import ProofMismatch, ProofRefused
from chain.genesis import Genesis
from chain.merkle import verify_inclusion
from chain.records import DayBookBody, Record, state_leaf
from chain.validators import Certificate

DAY_BOOK_PROOF_VERSION = 6  # kinds of files that prove something: `proof_kinds.py` has the others
DAY_BOOKS_BYTES_MAX = 8 << 20  # of a file; a book takes about 1 kB


class ProvenBook(Wire, frozen=True):
    """One day book with its path to the state root."""

    point: PlaceCode  # issuing point
    date: LocalDate
    place: Count  # of the leaf under the state root
    record: Record
    path: list[Digest]


class DayBookProof(Wire, frozen=True):
    """All day books of an issuer over some days, under one final header."""

    version: Count
    set_changes: list[SetChange]  # as far as the header
    header: Header
    certificate: Certificate
    issuer: Name
    books: list[ProvenBook]  # by (point, date), ascending


@dataclass(frozen=True, slots=True)
class DayBooks:
    """What is proven. `versions` tells whether a book has changed since."""

    issuer: str
    height: int  # as of this block
    time_ms: int
    books: dict[tuple[str, int], DayBookBody]  # (point, date) -> figures
    versions: dict[tuple[str, int], int]


def check_day_books(data: bytes, genesis: Genesis) -> DayBooks:
    """The day books that a file proves. Raises Malformed, ProofRefused (ProofMalformed, ProofMismatch), CertificateRefused."""
    if len(data) > DAY_BOOKS_BYTES_MAX:
        raise ProofRefused(f"{len(data)} bytes, day books have at most {DAY_BOOKS_BYTES_MAX}")
    proof = decode(data, DayBookProof)
    if proof.version != DAY_BOOK_PROOF_VERSION:
        raise ProofRefused(f"version {proof.version}, this program knows {DAY_BOOK_PROOF_VERSION}")
    checking, header = Checking(data, genesis), proof.header
    checking.walk(proof.set_changes)
    checking.block(header, proof.certificate)
    names = [(book.point, book.date) for book in proof.books]
    if names != sorted(set(names)):
        raise ProofMismatch("day books twice or out of order")
    for book in proof.books:
        leaf = state_leaf(keyspace.day_book(proof.issuer, book.point, book.date), encode(book.record))
        verify_inclusion(leaf, book.place, header.state_count, book.path, header.state_root)
    bodies = [decode(book.record.body, DayBookBody) for book in proof.books]
    versions = {name: book.record.version for name, book in zip(names, proof.books, strict=True)}
    return DayBooks(proof.issuer, header.height, header.time_ms, dict(zip(names, bodies, strict=True)), versions)
