"""Anchors of a log of accesses: each goes on where the one before ended (FEATURES 33)."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from chain import keyspace
from chain.operation import AnchorAccesses, Operation
from chain.records import AccessesBody
from tests.chain.making import Chain, key_of

OFFICE = "finance-city"


def head(number: int) -> bytes:
    return sha256(b"entry %d" % number).digest()


@pytest.fixture
def chain() -> Chain:
    return Chain()


def code(chain: Chain, operation: Operation, organisation: str = OFFICE, **how: Any) -> str:
    (found,) = chain.run(organisation, operation, **how)
    return found


def test_each_piece_follows_the_one_before(chain: Chain) -> None:
    assert code(chain, AnchorAccesses(2, 5, head(5))) == "accesses_moved"
    assert code(chain, AnchorAccesses(1, 5, head(5))) == "recorded"
    assert chain.body(keyspace.accesses(OFFICE), AccessesBody) == AccessesBody(1, 5, head(5))
    for first in (1, 5, 7):  # again from the start, overlapping, with a gap
        assert code(chain, AnchorAccesses(first, 9, head(9))) == "accesses_moved"
    assert code(chain, AnchorAccesses(6, 6, head(6))) == "recorded"
    assert chain.body(keyspace.accesses(OFFICE), AccessesBody) == AccessesBody(6, 6, head(6))


def test_the_newest_anchor_again_is_known_and_an_older_one_is_not_taken(chain: Chain) -> None:
    first, second = AnchorAccesses(1, 5, head(5)), AnchorAccesses(6, 9, head(9))
    assert [code(chain, first), code(chain, first)] == ["recorded", "already_recorded"]
    assert code(chain, AnchorAccesses(1, 5, head(4))) == "accesses_moved"  # another head of the same piece
    assert [code(chain, second), code(chain, first)] == ["recorded", "accesses_moved"]


def test_every_refusal_in_its_order(chain: Chain) -> None:
    seal = key_of("finance-city/seal")
    assert code(chain, AnchorAccesses(1, 5, head(5)), key=seal) == "wrong_key"
    for organisation in ("hospital-a", "health"):
        assert code(chain, AnchorAccesses(3, 2, head(5)), organisation) == "no_archive"
    assert code(chain, AnchorAccesses(3, 2, head(5))) == "accesses_malformed"
    assert code(chain, AnchorAccesses(1, 5, head(5))) == "recorded"
    assert code(chain, AnchorAccesses(1, 5, head(5)), key=seal) == "already_recorded"
    assert code(chain, AnchorAccesses(6, 5, head(5))) == "accesses_malformed"


def test_each_office_has_a_log_of_its_own(chain: Chain) -> None:
    assert code(chain, AnchorAccesses(1, 5, head(5))) == "recorded"
    assert code(chain, AnchorAccesses(1, 3, head(3)), "finance") == "recorded"
    assert code(chain, AnchorAccesses(6, 7, head(7))) == "recorded"
