"""Bundles and questions: whoever has a link may send them, so what no honest node sends costs nobody any work."""

from __future__ import annotations

import pytest

from chain.codec import encode
from chain.errors import Malformed
from chain.transaction import ENTRIES_DECODED_MAX, Transaction
from node.messages import (
    BUNDLE_BYTES_MAX,
    BUNDLE_TRANSACTIONS_MAX,
    DETAILS_MAX,
    PUT_DETAILS_BYTES_MAX,
    GetDetails,
    PutDetails,
    decode_bundle,
    decode_question,
    encode_bundle,
    encode_bundles,
)
from tests.chain.making import Chain, changed, details, issue_bill

BILLS = 50  # some 10 kB


@pytest.fixture(scope="module")
def transaction() -> Transaction:
    return Chain().sign("hospital-a", *[issue_bill("B-1")] * BILLS)


def test_bundles_that_are_made_here_are_read(transaction: Transaction) -> None:
    many = [transaction] * BUNDLE_TRANSACTIONS_MAX
    bundles = encode_bundles(many)
    assert len(bundles) > 1
    assert [entry for bundle in bundles for entry in decode_bundle(bundle)] == many


def test_what_no_node_sends_is_refused_before_it_is_read(transaction: Transaction) -> None:
    """A hospital's gateway could stop every validator for a second with each frame of 30 MB, longer than a view waits."""
    count = BUNDLE_BYTES_MAX // len(encode_bundle([transaction])) + 2
    assert count < BUNDLE_TRANSACTIONS_MAX
    with pytest.raises(Malformed, match="a bundle of"):
        decode_bundle(encode_bundle([transaction] * count))
    with pytest.raises(Malformed):
        decode_bundle(encode_bundle([transaction] * (BUNDLE_TRANSACTIONS_MAX + 1)))
    bill = transaction.entries[0].operation
    with pytest.raises(Malformed):
        decode_bundle(encode_bundle([Chain().sign("hospital-a", *[bill] * (ENTRIES_DECODED_MAX + 1))]))


def test_a_question_that_would_fill_the_memory_is_not_read() -> None:
    """Details once held lists of any shape, and an empty one takes a byte: 8 MB of them took 592 MB and 3.2 s, at every
    validator, though none takes details; anybody with a link could ask."""
    bills = [f"{number:018d}" for number in range(DETAILS_MAX)]
    assert decode_question(encode(GetDetails(bills))) == GetDetails(bills)
    large = PutDetails([changed(details("330601260000000001"), fields=[(0, "x" * 20_000)])])
    with pytest.raises(Malformed, match="a question of"):
        decode_question(encode(large))
    assert decode_question(encode(large), PUT_DETAILS_BYTES_MAX) == large  # for an office whose hospital it is
    bomb = PutDetails([changed(details("330601260000000001"), fields=[(0, [[]] * 20_000)])])
    with pytest.raises(Malformed, match="Expected `array` of length"):
        decode_question(encode(bomb), PUT_DETAILS_BYTES_MAX)  # rows are bounded too
