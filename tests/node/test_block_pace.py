"""How much a block holds follows what the network works off: fast under overload too, and nobody suspects the primary."""

from __future__ import annotations

import pytest

from node.block_pace import (
    GATHER_FROM,
    GATHER_MAX_MS,
    GOAL_S,
    GROWTH,
    LEAST,
    SHRINKING,
    START,
    TRANSACTION_WEIGHT,
    BlockPace,
)
from tests.chain.making import parameters

AGREED = parameters(block_operations_max=20_000, block_transactions_max=5_000)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def after(pace: BlockPace, clock: Clock, seconds: float, transactions: int, operations: int, height: int) -> float:
    pace.began(height)
    clock.now += seconds
    pace.ended(height, transactions, operations)
    return pace.most


def worked_off(rate: float, single: bool, blocks: int = 40) -> BlockPace:
    """Full blocks on a network that works off so much weight a second."""
    clock = Clock()
    pace = BlockPace(clock)
    for height in range(1, blocks + 1):
        limits = pace.limited(AGREED)
        count = limits.block_transactions_max if single else limits.block_operations_max // 200
        operations = count if single else 200 * count
        after(pace, clock, (operations + TRANSACTION_WEIGHT * count) / rate, count, operations, height)
    return pace


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("rate", [4_000.0, 20_000.0, 100_000.0])
def test_blocks_take_about_as_long_as_wanted_on_any_machine(rate: float, single: bool) -> None:
    """From what it starts with, up or down; the genesis stays the upper bound."""
    pace = worked_off(rate, single)
    limits, agreed = pace.limited(AGREED), AGREED
    weight = limits.block_transactions_max * (1 + TRANSACTION_WEIGHT) if single else limits.block_operations_max
    wanted = rate * GOAL_S
    assert weight <= wanted * 1.05
    assert weight >= wanted * 0.5 or limits.block_operations_max == agreed.block_operations_max
    assert limits.block_transactions_max <= agreed.block_transactions_max
    assert limits.block_operations_max <= agreed.block_operations_max


def test_a_slow_network_still_gets_the_largest_transaction() -> None:
    pace = worked_off(10.0, single=False)
    assert pace.most == LEAST
    assert pace.limited(AGREED).block_operations_max >= 500
    assert pace.limited(AGREED).block_transactions_max >= 1


def test_one_block_changes_it_by_no_more_than_its_step() -> None:
    clock = Clock()
    pace = BlockPace(clock)
    assert after(pace, clock, 60.0, 2_000, 2_000, 1) == START * SHRINKING
    assert after(pace, clock, 0.0, 1_000, 1_000, 2) == START * SHRINKING * GROWTH


@pytest.mark.parametrize(("transactions", "seconds"), [(1, 0.01), (1, 30.0), (100, 0.05)])
def test_a_small_block_says_nothing_of_large_ones(transactions: int, seconds: float) -> None:
    """On a quiet day, or while a view is left: there the block was not what took so long."""
    clock = Clock()
    assert after(BlockPace(clock), clock, seconds, transactions, transactions, 1) == START


def test_a_block_that_was_fetched_says_nothing() -> None:
    clock = Clock()
    pace = BlockPace(clock)
    pace.began(5)
    clock.now += 100
    pace.ended(6, 5_000, 5_000)
    assert pace.most == START


def test_a_block_is_full_that_holds_half_of_what_i_would_have_put_into_it() -> None:
    pace = BlockPace()
    half = int(START / 2 / (1 + TRANSACTION_WEIGHT))
    assert pace.is_full(half, half)
    assert not pace.is_full(half - 1, half - 1)
    assert not pace.is_full(1, 1)


@pytest.mark.parametrize(("operations", "least_ms", "interval_ms"), [
    (0, 20, 20), (1, 20, 20), (GATHER_FROM, 20, 20), (GATHER_FROM + 15, 20, 35), (500, 20, GATHER_MAX_MS), (500, 200, 200),
])  # fmt: skip
def test_after_a_block_with_many_operations_the_next_one_gathers_more(
    operations: int, least_ms: int, interval_ms: int
) -> None:
    """One bill on an idle network waits for nothing; what genesis asks for is never undercut."""
    pace = BlockPace(Clock())
    assert pace.interval_ms(least_ms) == least_ms
    pace.ended(7, operations, operations)  # whoever proposed it
    assert pace.interval_ms(least_ms) == interval_ms
    pace.ended(8, 0, 0)
    assert pace.interval_ms(least_ms) == least_ms
