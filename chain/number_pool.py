"""The numbers of a schedule (号源): which are free, and which channel gives them out at a moment.

A number is free unless somebody has it. An unpaid number whose time is over is free as well, although it stands in the record
until somebody takes it over: so nothing has to run when time is over, and whoever reads has to ask here with a time.
"""

from __future__ import annotations

from chain.operation import NUMBERS_MAX, Pool
from chain.records import TAKES_PLACE, ScheduleBody, Taken


def is_live(taken: Taken, time_ms: int) -> bool:
    """Whether a number is somebody's still: confirmed, or its fee is waited for."""
    return taken.until_ms == 0 or time_ms < taken.until_ms


def pool_of(pools: list[Pool], number: int) -> Pool | None:
    for pool in pools:
        if pool.first <= number < pool.first + pool.count:
            return pool
    return None


def is_open_to(pool: Pool, channel: str, time_ms: int) -> bool:
    """A channel gives out its own numbers, and those of others from the moment that they are open to all."""
    return pool.channel == channel or pool.opens_to_all_ms <= time_ms


def are_in_order(pools: list[Pool]) -> bool:
    """By number, without gaps from 1, and not more numbers than a schedule may have."""
    ends = [pool.first + pool.count for pool in pools]
    starts = [1, *ends[:-1]]
    return [pool.first for pool in pools] == starts and ends[-1] - 1 <= NUMBERS_MAX


def free_numbers(schedule: ScheduleBody, channel: str, time_ms: int) -> list[int]:
    """What a channel could give out at a moment, ascending; nothing of a schedule that is stopped, or not booked any longer."""
    if schedule.state != TAKES_PLACE or schedule.book_until_ms <= time_ms:
        return []
    taken = {one.number for one in schedule.taken if is_live(one, time_ms)}
    return [
        number
        for pool in schedule.pools
        if is_open_to(pool, channel, time_ms)
        for number in range(pool.first, pool.first + pool.count)
        if number not in taken
    ]
