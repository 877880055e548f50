"""The final blocks of a ledger: the latest in memory, all of them in the block log, and what became of them in the database."""

from __future__ import annotations

from collections import OrderedDict

from chain import keyspace
from chain.block import Block, FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode, encode
from chain.errors import StorageDamaged
from chain.execute import Execution, KeyWitness
from chain.final_view import CodeRun, FinalView, outcomes_of, runs_of
from chain.state import SavedState
from chain.transaction import receive_transaction
from chain.validators import Certificate

RECENT_BLOCKS_MAX = 32  # final blocks kept decoded, for those who follow
# of their transactions, as they travel; the newest stays whatever its size. With 8 MiB the objects of later blocks lay
# among these, in less order, and a bill cost a twelfth more
RECENT_BYTES_MAX = 2 << 20


class FinalBlocks:
    """Their owner writes the log and flushes the state, and knows how high both are."""

    def __init__(self, chain_id: bytes, state: SavedState, log: BlockLog) -> None:
        self._chain_id, self._state, self._log = chain_id, state, log
        self._recent: OrderedDict[int, FinalView] = OrderedDict()  # height -> block, within the two bounds above
        self._recent_bytes = 0

    def add(self, execution: Execution, certificate: Certificate) -> FinalView:
        """The block after the last one; the log has it already."""
        header, put = execution.header, self._state.pending
        put[keyspace.stored_block_digest(header.height)] = execution.digest
        put[keyspace.stored_outcomes(header.height)] = encode(runs_of(execution.outcomes))
        if execution.witnesses:
            put[keyspace.stored_keys_used(header.height)] = encode(execution.witnesses)
        block = Block(header, [received.transaction for received in execution.transactions])
        view = FinalView(
            execution.digest, block, certificate, execution.transactions, execution.outcomes, execution.witnesses
        )
        self._keep(view)
        return view

    def _keep(self, view: FinalView) -> None:
        self._recent[view.header.height] = view
        self._recent_bytes += _bytes_of(view)
        while len(self._recent) > RECENT_BLOCKS_MAX or (
            self._recent_bytes > RECENT_BYTES_MAX and len(self._recent) > 1
        ):
            self._recent_bytes -= _bytes_of(self._recent.popitem(last=False)[1])

    def is_recent(self, height: int) -> bool:
        """Whether `at` has the block in memory."""
        return height in self._recent

    def digest(self, height: int) -> bytes | None:
        return self._state.read(keyspace.stored_block_digest(height))

    def at(self, height: int) -> FinalView:
        """Of a height that was added. Raises StorageDamaged if log and database do not fit."""
        recent = self._recent.get(height)
        if recent is not None:
            return recent
        stored = decode(self._log.read(height), FinalBlock)
        received = [receive_transaction(self._chain_id, transaction) for transaction in stored.block.transactions]
        runs = self._state.read(keyspace.stored_outcomes(height))
        digest = self.digest(height)
        if runs is None or digest is None or digest != stored.block.header.digest():
            raise StorageDamaged(f"state, height {height}", "outcomes or digest missing or other than the log's")
        witnesses = self._state.read(keyspace.stored_keys_used(height))
        return FinalView(
            digest,
            stored.block,
            stored.certificate,
            received,
            outcomes_of(received, decode(runs, list[CodeRun])),
            decode(witnesses, list[KeyWitness]) if witnesses else [],
        )


def _bytes_of(view: FinalView) -> int:
    return sum(received.size_bytes for received in view.received)
