"""What waits for a block: whose turn it is, which blocks pass it over (PROTOCOL rule 10), and known signatures."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from chain.transaction import ReceivedTransaction, receive_transaction
from node.mempool import PASSED_OVER_BLOCKS, SIGNATURES_MAX, CheckedSignatures, Mempool
from tests.chain.making import Chain, genesis, issue_bill

ROOM = (100, 100_000)  # operations, bytes


def a_pool(now_ms: int) -> Mempool:
    pool = Mempool()
    chain = Chain()
    pool.add(receive_transaction(chain.ledger.chain_id, chain.sign("hospital-a", issue_bill("B-1"))), now_ms)
    return pool


def test_blocks_with_room_that_leave_it_out_count() -> None:
    pool = a_pool(now_ms=1_000)
    counts = [pool.count_passed_over(1_000 + number, *ROOM) for number in range(1, PASSED_OVER_BLOCKS + 1)]
    assert counts == list(range(1, PASSED_OVER_BLOCKS + 1))
    assert pool.count_passed_over(2_000, *ROOM) == 1  # begins again


def test_blocks_without_room_do_not() -> None:
    assert a_pool(now_ms=1_000).count_passed_over(2_000, 0, 100_000) == 0


def test_blocks_that_were_made_before_it_came_do_not() -> None:
    """Who was restarted takes many of them at once, and must not leave its view for it: alone there it votes for nothing."""
    pool = a_pool(now_ms=1_000)
    assert [pool.count_passed_over(number, *ROOM) for number in range(900, 1_001)] == [0] * 101
    assert pool.count_passed_over(1_001, *ROOM) == 1


def test_an_organisation_that_a_full_block_left_out_is_counted_and_one_that_had_its_turn_is_not() -> None:
    """Else a primary could leave one out for as long as others fill its blocks."""
    pool = a_pool(now_ms=1_000)
    assert [pool.count_passed_over(2_000, *ROOM, {"hospital-a", "finance"}) for _ in range(20)] == [0] * 20
    assert [pool.count_passed_over(2_000, *ROOM, {"hospital-b"}) for _ in range(3)] == [1, 2, 3]


def a_transaction() -> ReceivedTransaction:
    chain = Chain()
    return receive_transaction(chain.ledger.chain_id, chain.sign("hospital-a", issue_bill("B-1")))


def test_a_signature_is_known_with_its_key_and_never_by_the_digest_alone() -> None:
    """Digests leave signatures out: a liar may carry another one of the same message, good or not."""
    known, received = CheckedSignatures(), a_transaction()
    assert not known.holds(received, b"key")
    known.add(received, b"key")
    assert known.holds(received, b"key")
    assert not known.holds(received, b"another key")
    signed_otherwise = msgspec.structs.replace(received.transaction, signature=bytes(64))
    assert not known.holds(replace(received, transaction=signed_otherwise), b"key")


def test_what_is_final_is_forgotten_and_the_rest_is_bounded() -> None:
    """A validator's memory grew by a kilobyte a bill, up to the bound."""
    known, received = CheckedSignatures(), a_transaction()
    known.add(received, b"key")
    known.forget([received.digest, bytes(32)])
    assert not known.holds(received, b"key")
    assert len(known) == 0
    for number in range(SIGNATURES_MAX + 1):
        known.add(replace(received, digest=number.to_bytes(32, "big")), b"key")
    assert len(known) == SIGNATURES_MAX


def test_who_finds_no_room_in_a_block_is_first_in_the_next_one() -> None:
    """More organisations wait than a block has room for: the first ones filled every block as long as they had more."""
    chain = Chain(genesis(block_operations_max=2))
    parameters = chain.ledger.genesis.parameters
    pool = Mempool()
    for organisation in ("finance", "hospital-a", "hospital-b"):
        for number in range(10):
            bill = issue_bill(f"B-{number}", issuer=organisation)
            pool.add(receive_transaction(chain.ledger.chain_id, chain.sign(organisation, bill)), now_ms=1_000)
    blocks = []
    for _ in range(3):
        taken = pool.take(parameters, lambda _received: True)
        pool.remove(received.digest for received in taken)
        blocks.append([received.transaction.organisation for received in taken])
    assert blocks == [["finance", "hospital-a"], ["hospital-b", "finance"], ["hospital-a", "hospital-b"]]
