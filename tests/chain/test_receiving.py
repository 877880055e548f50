"""What is worked out once from a transaction's bytes is what its parts say one by one."""

from __future__ import annotations

import random

import pytest

from chain.codec import encode
from chain.operation import AllotRange, RangeRef, ReportUnused, SealBills, operation_digest
from chain.transaction import Entry, operations_root, receive_transaction, sign_transaction
from tests.chain.making import CODE, bill_id, issue_bill, key_of

CHAIN = bytes(range(32))


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 255, 256, 500])
def test_digests_and_size_of_a_transaction(count: int) -> None:
    """Around the lengths at which MessagePack writes a list otherwise."""
    draw = random.Random(count)
    kinds = [
        lambda number: issue_bill(f"B-{number}", serial=number),
        lambda number: ReportUnused(bill_id(number), 1, "lost"),
        lambda number: AllotRange(RangeRef("finance", CODE, 1), number, 10, "hospital-a", []),
        lambda number: SealBills([], bytes(32), [], [bill_id(number)] * draw.randrange(20)),
    ]
    entries = [Entry(draw.random() < 0.5, draw.choice(kinds)(number)) for number in range(1, count + 1)]
    until = draw.choice([1, 200, 70_000, 2**40])
    transaction = sign_transaction(CHAIN, "hospital-a", key_of("hospital-a/unit"), until, entries)
    received = receive_transaction(CHAIN, transaction)
    head = transaction.head(CHAIN)
    assert head.operations_root == operations_root(entries)
    assert received.digest == head.digest()
    assert received.size_bytes == len(encode(transaction))
    assert received.operation_digests == [operation_digest(entry.operation) for entry in entries]
    assert receive_transaction(CHAIN, transaction, 7).size_bytes == 7
