"""Which blocks pass a waiting transaction over (PROTOCOL rule 10)."""

from __future__ import annotations

from chain.transaction import receive_transaction
from node.mempool import PASSED_OVER_BLOCKS, Mempool
from tests.chain.making import Chain, issue_bill

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
