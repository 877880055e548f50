"""Operations of a whole ledger by their digest: what was recorded, by whom, in which place of which block."""

from __future__ import annotations

from dataclasses import dataclass

from chain import keyspace
from chain.block import FinalBlock, Header
from chain.codec import decode_stored
from chain.errors import StorageDamaged
from chain.final_view import CodeRun
from chain.ledger import Ledger
from chain.operation import Operation
from chain.transaction import Transaction


@dataclass(frozen=True, slots=True)
class RecordedOperation:
    operation: Operation
    digest: bytes
    organisation: str
    code: str  # of the outcome
    height: int
    time_ms: int  # of the block
    transaction: int  # its place in the block
    index: int  # its place in the transaction

    @property
    def place(self) -> tuple[int, int, int]:
        """Ascending in the order of the ledger."""
        return self.height, self.transaction, self.index


def find_operation(ledger: Ledger, digest: bytes) -> RecordedOperation | None:
    """None if the ledger never ran it. Raises StorageDamaged."""
    found = ledger.locate(digest)
    if found is None:
        return None
    height, place, index = found
    header, transactions = block_at(ledger, height)
    transaction = transactions[place]
    number = sum(len(earlier.entries) for earlier in transactions[:place]) + index
    return RecordedOperation(
        operation=transaction.entries[index].operation,
        digest=digest,
        organisation=transaction.organisation,
        code=codes_at(ledger, height)[number],
        height=height,
        time_ms=header.time_ms,
        transaction=place,
        index=index,
    )


def known_operation(ledger: Ledger, digest: bytes) -> RecordedOperation:
    """Of an operation that a record names. Raises StorageDamaged."""
    found = find_operation(ledger, digest)
    if found is None:
        raise StorageDamaged("state", f"operation {digest.hex()} is not in the index")
    return found


def block_at(ledger: Ledger, height: int) -> tuple[Header, list[Transaction]]:
    """A final block without the digests of all that stands in it: of a large one they take longer than reading it."""
    if ledger.is_recent(height) and (view := ledger.final(height)) is not None:
        return view.header, view.block.transactions
    block = decode_stored(ledger.log.read(height), FinalBlock).block
    return block.header, block.transactions


def codes_at(ledger: Ledger, height: int) -> list[str]:
    """The codes of a final block's outcomes, in its order. Raises StorageDamaged."""
    stored = ledger.state.read(keyspace.stored_outcomes(height))
    if stored is None:
        raise StorageDamaged(f"state, height {height}", "outcomes missing")
    return [run.code for run in decode_stored(stored, list[CodeRun]) for _ in range(run.count)]
