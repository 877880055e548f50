"""Transactions on their way into the pool: form, key, signature, each checked once and off the loop."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from chain.errors import BlockInvalid
from chain.execute import Parent, verify_transaction
from chain.signature import is_signature
from chain.transaction import ReceivedTransaction, Transaction, receive_transaction
from node.disk_space import CODE as DISK_NEARLY_FULL
from node.disk_space import DiskSpace, boundless
from node.mempool import CheckedSignatures, Mempool, PoolFull
from node.runtime import Clock

INLINE_SIGNATURES_MAX = 2  # so few are checked at once: a hand-over costs more than they do
CHUNK = 100  # signatures for one hand-over
BACKLOG_FULL = "backlog_full"
OPERATIONS_AT_ONCE = 500  # hashed on the loop, some milliseconds


class Admission:
    """`parent` gives the state that keys are read from."""

    def __init__(
        self,
        chain_id: bytes,
        parent: Callable[[], Parent],
        pool: Mempool,
        checked: CheckedSignatures,
        threads: Executor,
        space: DiskSpace | None = None,
    ) -> None:
        self._chain_id, self._parent, self._pool, self._checked = chain_id, parent, pool, checked
        self._threads, self._now_ms = threads, Clock().now_ms
        self._space = space or boundless()
        self.refused: Counter[str] = Counter()  # code -> how many; codes are few

    async def admit(
        self, transactions: Sequence[Transaction], backlog_max: float = math.inf
    ) -> tuple[list[ReceivedTransaction], list[str]]:
        """Put what may run into the pool. Returns what is new there, and a code per transaction ("" if taken).

        Those of an organisation of which more than `backlog_max` waits (a weight) are refused before any work.
        """
        new: list[tuple[int, ReceivedTransaction, bytes]] = []
        codes = [""] * len(transactions)
        if self._space.is_low():  # whoever sent them goes on sending, here and elsewhere
            self.refused[DISK_NEARLY_FULL] += len(transactions)
            return [], [DISK_NEARLY_FULL] * len(transactions)
        parent = self._parent()
        operations = 0  # since others had their turn
        for number, transaction in enumerate(transactions):
            if self._pool.weight_of(transaction.organisation) > backlog_max:
                codes[number] = BACKLOG_FULL
                self.refused[BACKLOG_FULL] += 1
                continue
            operations += len(transaction.entries)
            if operations > OPERATIONS_AT_ONCE:
                operations = 0
                await asyncio.sleep(0)
            received = receive_transaction(self._chain_id, transaction)
            if received.digest in self._pool:
                continue
            try:
                key = verify_transaction(parent, received, unchecked)
            except BlockInvalid as refusal:
                codes[number] = refusal.code
                self.refused[refusal.code] += 1
                continue
            new.append((number, received, key.public))
        holds = await self.check_signatures([(received, public) for _number, received, public in new])
        admitted = []
        for (number, received, _public), good in zip(new, holds, strict=True):
            if not good:
                codes[number] = "bad_signature"
            else:
                try:
                    if self._parent() is not parent:  # a block came meanwhile: what waits must be able to run (rule 10)
                        verify_transaction(self._parent(), received, unchecked)
                    if self._pool.add(received, self._now_ms()):
                        admitted.append(received)
                except BlockInvalid as refusal:
                    codes[number] = refusal.code
                except PoolFull as full:
                    codes[number] = f"{full.limit}_full"
            if codes[number]:
                self.refused[codes[number]] += 1
        return admitted, codes

    async def check_signatures(self, wanted: Sequence[tuple[ReceivedTransaction, bytes]]) -> list[bool]:
        """Whether each transaction was signed by the key beside it; the good ones are remembered."""
        results = [self._checked.holds(received, public) for received, public in wanted]
        open_places = [place for place, known in enumerate(results) if not known]
        if len(open_places) <= INLINE_SIGNATURES_MAX:
            for place in open_places:
                results[place] = _holds(*wanted[place])
        else:
            holds = await check_together(self._threads, [wanted[place] for place in open_places])
            for place, good in zip(open_places, holds, strict=True):
                results[place] = good
        for place in open_places:
            if results[place]:
                self._checked.add(*wanted[place])
        return results


def unchecked(_received: ReceivedTransaction, _public: bytes) -> bool:
    """For a signature that is checked with others."""
    return True


async def check_together(threads: Executor, wanted: Sequence[tuple[ReceivedTransaction, bytes]]) -> list[bool]:
    """Whether each transaction was signed by the key beside it, by all of `threads` at once: checking a signature holds no
    interpreter lock."""
    loop = asyncio.get_running_loop()
    chunks = [wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK)]
    found = await asyncio.gather(*(loop.run_in_executor(threads, _check_chunk, chunk) for chunk in chunks))
    return [good for chunk in found for good in chunk]


def _holds(received: ReceivedTransaction, public: bytes) -> bool:
    return is_signature(public, received.digest, received.transaction.signature)


def _check_chunk(wanted: Sequence[tuple[ReceivedTransaction, bytes]]) -> list[bool]:
    return [_holds(received, public) for received, public in wanted]
