"""A chain whose set of validators changes again and again: what ledgers and followers walk over."""

from __future__ import annotations

from chain.operation import Renew, SeatChange
from tests.chain.making import Chain, no_seat, seat

BLOCKS = 30
# height -> what its block changes: in consecutive blocks, keys and seats, and nothing for a while
STORY: dict[int, list[SeatChange]] = {
    2: [seat("finance-city")],
    3: [seat("hospital-a")],
    4: [seat("hospital-b"), no_seat("health")],
    5: [seat("finance", 2)],
    10: [seat("finance", 3), seat("insurance", 2), no_seat("hospital-a")],
    20: [seat("health", 2), no_seat("hospital-b")],
    29: [no_seat("finance-city")],
}
RENEWALS = {9: "finance", 14: "bigdata", 15: "insurance"}


def walk(chain: Chain, upto: int) -> None:
    """The blocks of the story from where the chain stands."""
    while chain.height < upto:
        height = chain.height + 1
        if height in STORY:
            assert set(chain.change_set(*STORY[height])) == {"recorded"}
        elif height in RENEWALS:
            assert chain.run(RENEWALS[height], Renew(bytes([height]) * 32)) == ["recorded"]
        else:
            chain.block()
