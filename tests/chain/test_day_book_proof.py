"""Day books as a file: what a quorum's state root holds, and nothing that was put in its place."""

from __future__ import annotations

from typing import Any, cast

import pytest

from chain.codec import decode, encode
from chain.day_book_proof import DayBookProof, check_day_books
from chain.errors import CertificateRefused, ChainError, Malformed, ProofMismatch, ProofRefused
from node.proof_desk import ProofDesk
from tests.chain.making import TODAY, Chain, at, changed, genesis, issue_bill


@pytest.fixture(scope="module")
def chain() -> Chain:
    chain = Chain()
    chain.lease("hospital-a")
    chain.lease("hospital-a", place="A02")
    chain.lease("hospital-b")
    for serial, place, first in ((1, "A01", 1), (2, "A01", 1), (1_001, "A02", 1_001)):
        bill = issue_bill(f"B-{serial}", serial=serial, place=place, lease_first=first)
        assert chain.run("hospital-a", bill) == ["recorded"]
    other = issue_bill("B-1", serial=100_001, issuer="hospital-b", lease_first=100_001)
    assert chain.run("hospital-b", other) == ["recorded"]
    day_before = issue_bill("B-9", serial=9, business_date=20260531, issued_ms=at("2026-05-31 15:00:00"))
    assert chain.run("hospital-a", day_before) == ["recorded"]
    return chain


def proof(chain: Chain, first: int = TODAY, last: int = TODAY) -> DayBookProof:
    desk = ProofDesk(chain.ledger, cast(Any, None))
    return decode(desk.day_books("hospital-a", first, last), DayBookProof)


def check(chain: Chain, changed_proof: DayBookProof) -> Any:
    return check_day_books(encode(changed_proof), chain.genesis)


def test_all_points_of_the_days_asked_for_are_proven(chain: Chain) -> None:
    books = check(chain, proof(chain))
    assert (books.issuer, books.height) == ("hospital-a", chain.height)
    assert sorted(books.books) == [("A01", TODAY), ("A02", TODAY)]
    (totals,) = books.books["A01", TODAY].kinds
    assert (totals.count, totals.sum_fen) == (2, 24_690)
    assert books.books["A01", TODAY] == chain.day_book("hospital-a")
    assert len(check(chain, proof(chain, 20260101, 20261231)).books) == 3
    assert check(chain, proof(chain, 20270101, 20271231)).books == {}


def test_another_figure_is_refused(chain: Chain) -> None:
    told = proof(chain)
    first = told.books[0]
    other = changed(first, record=changed(first.record, body=told.books[1].record.body))
    with pytest.raises(ProofMismatch):
        check(chain, changed(told, books=[other, *told.books[1:]]))


@pytest.mark.parametrize("change", ["issuer", "date", "twice", "order", "version", "height", "chain"])
def test_what_was_put_in_its_place_is_refused(chain: Chain, change: str) -> None:
    told = proof(chain)
    first, second = told.books
    forged = {
        "issuer": lambda: changed(told, issuer="hospital-b"),
        "date": lambda: changed(told, books=[changed(first, date=20260530), second]),
        "twice": lambda: changed(told, books=[first, first]),
        "order": lambda: changed(told, books=[second, first]),
        "version": lambda: changed(told, version=2),
        "height": lambda: changed(told, header=changed(told.header, height=told.header.height + 1)),
        "chain": lambda: changed(told, header=changed(told.header, chain_id=b"x" * 32)),
    }[change]()
    with pytest.raises((ProofRefused, CertificateRefused)):
        check(chain, forged)


def test_another_ledgers_genesis_refuses_it(chain: Chain) -> None:
    with pytest.raises(ChainError):
        check_day_books(encode(proof(chain)), genesis(name="another"))


def test_hostile_bytes_raise_our_classes_only(chain: Chain) -> None:
    data = encode(proof(chain))
    for bad in (b"", b"\xc0", data[:-1], data + b"\0", b"\x96" * 50, bytes(9 << 20)):
        with pytest.raises((Malformed, ProofRefused)):
            check_day_books(bad, chain.genesis)
    for place in range(0, len(data), 7):
        torn = bytearray(data)
        torn[place] ^= 1
        with pytest.raises(ChainError):
            check_day_books(bytes(torn), chain.genesis)
