"""Proofs of this gateway's bills, from the parts and headers that it keeps. No server has to be reachable for them;
only the bill's newest record has to be asked for, and the file says so where it is missing.
"""

from __future__ import annotations

import asyncio

from chain import keyspace
from chain.block import RECORDED, Header
from chain.codec import encode
from chain.details import OpenedField
from chain.errors import StorageDamaged
from chain.genesis import FIRST_EPOCH
from chain.merkle import hash_leaf, path_from_nodes, paths_of_hashes
from chain.operation import SealBills
from chain.operation_proof import OPERATION_PROOF, OperationProof
from chain.payer_proof import PAYER_PROOF, PayerProof
from chain.proof import PROOF_VERSION, Proof, SealProof, SetChange
from chain.proving import set_changes
from chain.recorded import Recorded
from chain.validators import Certificate
from node.gateway_follow import GatewayFollow
from node.gateway_store import BillRow, GatewayStore, OperationRow, operation_key
from node.messages import Part
from node.own_outcomes import outcomes_of, tree_of
from node.standings import Standings


class ProofMaker:
    def __init__(self, store: GatewayStore, follow: GatewayFollow, standings: Standings) -> None:
        self._store, self._follow, self._standings = store, follow, standings

    async def build(self, row: BillRow, opened: list[OpenedField]) -> bytes:
        """The proof file of a recorded bill. Raises StorageDamaged if what belongs to it is missing here."""
        seal = self._seal(row) if self._standings.is_sealed(row) else None
        parent = self._header(row.height - 1) if row.height > 1 else None
        bill = await asyncio.to_thread(_recorded, row.transaction, row.entry, self._part(row.height), parent)
        current = await self._follow.record(keyspace.bill(row.operation.bill))
        if current is not None and (current.record.origin != row.digest or current.header.height < row.height):
            current = None  # older than the bill: a validator that is behind
        newest = max(
            bill.header.height,
            seal.recorded.header.height if seal else 0,
            current.header.height if current else 0,
        )
        return encode(Proof(PROOF_VERSION, self.changes_of_sets(newest), bill, seal, current, opened))

    async def operation(self, digest: bytes) -> bytes | None:
        """The proof file of an operation of this organisation, or of a seal over its bills; None for any other."""
        found = await self._recorded_operation(digest)
        if found is None:
            return None
        return encode(OperationProof(OPERATION_PROOF, self.changes_of_sets(found.header.height), found))

    async def payer(self, digest: bytes, opened: list[OpenedField]) -> bytes | None:
        """The file that proves whom an operation bound; None where the organisation made none that was recorded."""
        found = await self._recorded_operation(digest)
        if found is None:
            return None
        return encode(PayerProof(PAYER_PROOF, self.changes_of_sets(found.header.height), found, opened))

    async def _recorded_operation(self, digest: bytes) -> Recorded | None:
        seal = self._store.seal_at(digest)
        if seal is not None:
            return self._part(seal[0]).seals[seal[1]]
        row = self._store.get(operation_key(digest), OperationRow)
        if row is None or row.code != RECORDED:
            return None
        parent = self._header(row.height - 1) if row.height > 1 else None
        return await asyncio.to_thread(_found, digest, self._part(row.height), parent)

    def changes_of_sets(self, newest: int) -> list[SetChange]:
        """As far as the highest header of a file."""
        return set_changes(self._follow.sets.since(FIRST_EPOCH), self._certified, newest)

    def _seal(self, row: BillRow) -> SealProof | None:
        if row.released_height:
            return SealProof(self._part(row.released_height).seals[row.released_index], None, [])
        seal = self._store.seal_over(row.height)
        if seal is None:
            return None
        recorded = self._part(seal.height).seals[seal.index]
        operation = recorded.entry.operation
        if not isinstance(operation, SealBills):
            raise StorageDamaged(f"gateway part {seal.height}", "not a seal")
        sealed = self._header(max(segment.upto for segment in operation.segments))
        if sealed.height == row.height:
            return SealProof(recorded, None, [])
        return SealProof(recorded, sealed, path_from_nodes(self._store, row.height, sealed.height))

    def _part(self, height: int) -> Part:
        part = self._store.part(height)
        if part is None:
            raise StorageDamaged(f"gateway part {height}", "missing")
        return part

    def _header(self, height: int) -> Header:
        return self._certified(height)[0]

    def _certified(self, height: int) -> tuple[Header, Certificate]:
        kept = self._store.header(height)
        if kept is None:
            raise StorageDamaged(f"gateway header {height}", "missing")
        return kept.header, kept.certificate


def _found(digest: bytes, part: Part, parent: Header | None) -> Recorded:
    for place, own in enumerate(part.transactions):
        digests = outcomes_of(own, part.header.chain_id)[0].operation_digests
        if digest in digests:
            return _recorded(place, digests.index(digest), part, parent)
    raise StorageDamaged(f"gateway part {part.header.height}", f"operation {digest.hex()} is missing")


def _recorded(number: int, entry: int, part: Part, parent: Header | None) -> Recorded:
    """In a thread: the outcomes of a large block take some milliseconds."""
    own = part.transactions[number]
    transaction, place = own.transaction, own.first_place + entry
    (path,) = paths_of_hashes([hash_leaf(encode(one)) for one in transaction.entries], [entry])
    key = next((witness for witness in part.keys if witness.key_id == transaction.key_id), None)
    if key is None:
        raise StorageDamaged(f"gateway part {part.header.height}", "the key is missing")
    outcomes = outcomes_of(own, part.header.chain_id)[1]
    return Recorded(
        entry=transaction.entries[entry],
        index=entry,
        path=path,
        head=transaction.head(part.header.chain_id),
        suite=transaction.suite,
        signature=transaction.signature,
        key=key,
        parent=parent,
        outcome=outcomes[entry],
        outcome_place=place,
        outcome_path=tree_of(part).path(place),
        header=part.header,
        certificate=part.certificate,
    )
