"""Proofs of any bill and day book from a whole ledger: which seal covers a bill, and the files that are kept of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chain import keyspace
from chain.block import FinalBlock, Header
from chain.certified import SetChange
from chain.codec import decode, encode
from chain.day_book_proof import DAY_BOOK_PROOF_VERSION, DayBookProof, ProvenBook
from chain.details import OpenedField
from chain.errors import StorageDamaged
from chain.final_view import FinalView
from chain.genesis import FIRST_EPOCH, Genesis
from chain.ledger import Ledger
from chain.operation import SealBills
from chain.proof import PROOF_VERSION, CurrentRecord, Proof, SealProof
from chain.proof_kinds import check_any
from chain.proving import recorded_at, set_changes
from chain.recorded import Recorded
from chain.records import COVERED, BillBody, OrganisationBody, Record, SealBody, WatermarkBody
from chain.state import body_of, record_of
from chain.stored_record import entry_of
from chain.validators import Certificate
from node.seal_index import SealIndex


@dataclass(frozen=True, slots=True)
class SealFound:
    """The seal that counts for a bill: the one over its height, or the one that released it."""

    height: int  # of the block that recorded the seal
    operation: bytes
    is_release: bool


class ProofDesk:
    """On the ledger's loop; nothing here waits, so all of an answer is of one height."""

    def __init__(self, ledger: Ledger, index: SealIndex) -> None:
        self._ledger, self._index = ledger, index
        self._set_changes: list[SetChange] = []  # since genesis, as far as some proof needed them
        self._latest: dict[str, tuple[int, int, SealFound]] = {}  # issuer -> (after, upto, seal) that was found last

    def office_of(self, issuer: str) -> str:
        """The office that seals an issuer's bills."""
        body = self._ledger.state.get(keyspace.organisation(issuer), OrganisationBody)
        return body.supervisor if body else ""

    def seal_over(self, bill: str, body: BillBody) -> SealFound | None:
        """None while the bill is not sealed: above the watermark, or withheld."""
        office, state = self.office_of(body.issuer), self._ledger.state
        mark = state.get(keyspace.watermark(office, body.issuer), WatermarkBody)
        if body.seal != COVERED or mark is None or body.height > mark.upto:
            return None
        changes = self._index.changes_of(bill)
        if changes and not changes[-1].reason:
            return SealFound(changes[-1].height, changes[-1].operation, True)
        latest = self._latest.get(body.issuer)  # lists go through bills in their order: the same seal again and again
        if latest is None or not latest[0] < body.height <= latest[1]:
            latest = self._latest[body.issuer] = self._segment_over(office, body.issuer, body.height)
        return latest[2]

    def _segment_over(self, office: str, issuer: str, height: int) -> tuple[int, int, SealFound]:
        prefix = keyspace.stored_record(keyspace.seal(office, issuer, 0)[:-12])
        found = self._ledger.state.last(prefix, keyspace.stored_record(keyspace.seal(office, issuer, height - 1)))
        if found is None:
            raise StorageDamaged(f"state, seals of {issuer}", f"none over height {height}")
        record = record_of(entry_of(found[1])[1])
        upto = body_of(record, SealBody).upto
        return int(found[0][len(prefix) :]), upto, SealFound(record.height, record.origin, False)

    def build(self, bill: str, opened: list[OpenedField]) -> bytes | None:
        """The proof file of a recorded bill, as of the head; None if there is no such bill."""
        entry = self._ledger.state.entry(keyspace.bill(bill))
        if entry is None:
            return None
        place, data = entry
        record = record_of(data)
        body = body_of(record, BillBody)
        recorded = self.recorded(record.origin)
        seal = self.seal_over(bill, body)
        proof = Proof(
            version=PROOF_VERSION,
            set_changes=self.changes_of_sets(),
            bill=recorded,
            seal=self._seal(seal, recorded.header) if seal else None,
            current=self.current(place, record),
            opened=opened,
        )
        return encode(proof)

    def day_books(self, issuer: str, first: int, last: int) -> bytes:
        """The proof file of an issuer's day books from `first` to `last` (yyyymmdd), as of the head."""
        newest = self.view(self._ledger.head.height)
        books = []
        for point, date in self._day_book_names(issuer, first, last):
            entry = self._ledger.state.entry(keyspace.day_book(issuer, point, date))
            if entry is None:
                raise StorageDamaged("state", f"day book {issuer}/{point}/{date} is listed and not there")
            place, data = entry
            books.append(ProvenBook(point, date, place, record_of(data), self._ledger.state.path(place)))
        changes = self.changes_of_sets()
        return encode(DayBookProof(DAY_BOOK_PROOF_VERSION, changes, newest.header, newest.certificate, issuer, books))

    def _day_book_names(self, issuer: str, first: int, last: int) -> Iterator[tuple[str, int]]:
        """(issuing point, date), ascending; from point to point it leaps over all other dates."""
        prefix = keyspace.stored_record(f"daybook/{issuer}/".encode())
        after = prefix
        while found := self._ledger.state.scan(prefix, after=after, limit=1):
            after = found[0][0]
            point, date = after[len(prefix) :].decode().split("/")
            if int(date) < first:
                after = prefix + f"{point}/{first - 1:08d}".encode()
            elif int(date) > last:
                after = prefix + f"{point}/99999999".encode()
            else:
                yield point, int(date)

    def changes_of_sets(self) -> list[SetChange]:
        """Of every file that holds something current. As far as the head, which the current record stands under. They never change, so none is read twice."""
        known = self._set_changes[-1].members.epoch if self._set_changes else FIRST_EPOCH
        self._set_changes += set_changes(self._ledger.sets(known + 1), self.certified, self._ledger.head.height)
        return list(self._set_changes)

    def certified(self, height: int) -> tuple[Header, Certificate]:
        """Without working out the block's transactions: at a first proof there may be many of these."""
        final = decode(self._ledger.log.read(height), FinalBlock)
        return final.block.header, final.certificate

    def recorded(self, operation: bytes) -> Recorded:
        """What shows that a block recorded an operation. Raises StorageDamaged if none is known."""
        found = self._ledger.locate(operation)
        if found is None:
            raise StorageDamaged("state", f"operation {operation.hex()} is not in the index")
        height, transaction, index = found
        (recorded,) = recorded_at(self.view(height), self._parent(height), transaction, [index])
        return recorded

    def _seal(self, found: SealFound, covered: Header) -> SealProof:
        recorded = self.recorded(found.operation)
        seal = recorded.entry.operation
        if not isinstance(seal, SealBills):
            raise StorageDamaged("state", f"operation {found.operation.hex()} is not a seal")
        if found.is_release or seal.header == covered.digest():
            return SealProof(recorded, None, [])
        highest = max(segment.upto for segment in seal.segments)
        return SealProof(recorded, self.view(highest).header, self._ledger.history_path(covered.height, highest))

    def current(self, place: int, record: Record) -> CurrentRecord:
        """A record under the head's state root."""
        newest = self.view(self._ledger.head.height)
        return CurrentRecord(place, record, self._ledger.state.path(place), newest.header, newest.certificate)

    def view(self, height: int) -> FinalView:
        view = self._ledger.final(height)
        if view is None:
            raise StorageDamaged("block log", f"no block {height}")
        return view

    def _parent(self, height: int) -> Header | None:
        return self.view(height - 1).header if height > 1 else None


def checked_proof(data: bytes, genesis: Genesis) -> dict[str, Any]:
    """What `medbill proof verify` says of a file: {valid, checks [{name, ok, detail}], bill}; keeps nothing."""
    verdict = check_any(data, genesis)
    return {
        "valid": verdict.valid,
        "checks": [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in verdict.checks],
        "bill": verdict.bill or None,
    }
