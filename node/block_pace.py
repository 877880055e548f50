"""How much a block of ours may hold, so that the others agree on it well within the first timeout of a view.

The genesis bounds a block by what any machine must bear; how much this network works off in GOAL_S is measured, block by
block: under overload, blocks as large as genesis allows would take longer than a view's patience, and each would cost a
change of view. Every validator measures for itself, for its own proposals and for what it expects of others'.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from chain.records import ParametersBody
from chain.transaction import OPERATIONS_MAX

GOAL_S = 0.4  # from a proposal to its being final; a view's first timeout is 1 s
START = 6_000.0  # in weight: before anything was measured
LEAST = 2.0 * OPERATIONS_MAX  # so that the largest transaction always fits
TRANSACTION_WEIGHT = 2  # beside its operations: a signature, a place in the pool, digests
GROWTH, SHRINKING = 1.25, 0.5  # at most, from one block to the next
FULL_SHARE = 0.5  # of what I would have put into it: such a block passes nobody over
GATHER_FROM, GATHER_MAX_MS = 10, 90  # operations of a block that make the next one wait longer, and how long at most
BACKLOG_BLOCKS = 2  # of an organisation's may wait before its clients are not heard


def weight_of(transactions: int, operations: int) -> int:
    """What work so many are."""
    return operations + TRANSACTION_WEIGHT * transactions


class BlockPace:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._height, self._began_s = 0, 0.0
        self._operations = 0  # in the newest block
        self.most = START  # weight

    def began(self, height: int) -> None:
        """The first proposal for a height is being made, or has come."""
        if height != self._height:
            self._height, self._began_s = height, self._clock()

    def ended(self, height: int, transactions: int, operations: int) -> None:
        """It is final. One that was fetched says nothing of the pace, nor does a small one: whatever held it up, its size
        did not."""
        self._operations = operations
        if height != self._height or not self.is_full(transactions, operations):
            return
        wanted = weight_of(transactions, operations) * GOAL_S / max(self._clock() - self._began_s, 0.001)
        self.most = max(LEAST, min(max(wanted, self.most * SHRINKING), self.most * GROWTH))

    def interval_ms(self, least_ms: int) -> int:
        """How long after its parent a block of ours is made. What a block costs beside its bills, some thirty messages and
        flushes, is worth it for one bill that nobody is behind; while many come, more of them shall share it."""
        return max(least_ms, min(GATHER_MAX_MS, least_ms + self._operations - GATHER_FROM))

    def limited(self, parameters: ParametersBody) -> ParametersBody:
        """What a block of ours may hold."""
        return msgspec.structs.replace(
            parameters,
            block_operations_max=min(parameters.block_operations_max, int(self.most)),
            block_transactions_max=min(
                parameters.block_transactions_max, max(1, int(self.most / (1 + TRANSACTION_WEIGHT)))
            ),
        )

    def is_full(self, transactions: int, operations: int) -> bool:
        """Whether a block holds about as much as I would have put into it."""
        return weight_of(transactions, operations) >= self.most * FULL_SHARE

    @property
    def backlog_max(self) -> float:
        """Weight of one organisation's transactions that may wait here before its clients are not listened to: what
        comes beyond that faster than it is worked off would cost signatures and be of no use."""
        return BACKLOG_BLOCKS * self.most
