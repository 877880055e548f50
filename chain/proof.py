"""What a holder keeps of a bill, and its check: needs the genesis file alone, no network and no trust in any server.

The check, in its order (each step is a line of `medbill proof verify`):
 1 form            canonical bytes of a proof of this version
 2 ledger          its chain id is the digest of the genesis file
 3 validators      from the genesis set on, each change of the set certified by the set before
 4 block           a quorum of the set in force signed the header that the bill stands in
 5 outcome         that block says `recorded` of this very operation
 6 transaction     the operation is entry `index` of the transaction that the outcome names
 7 unit signature  the transaction is signed by a key of the issuer that was in force (key record under the parent's root)
 8 seal            the same for the seal, and it covers the bill's height, bound through `history_root`; not excepted
 9 current record  the bill's record under the newest state root belongs to this operation; says normal or reversed
10 opened fields   each shown field leads to the bill's `details_root`
11 trust           nothing contradicts the checkpoints that the holder kept from earlier checks
12 age             the newest header is young enough
Where the holder names a block or a moment, `in force` follows step 9: the record stood so then.
"""

from __future__ import annotations

from chain import keyspace
from chain.block import Header, history_leaf
from chain.certified import Checking, CurrentRecord, SetChange, headers_of
from chain.codec import Count, Digest, Wire, decode
from chain.details import FIELDS, OpenedField, verify_opened
from chain.errors import ProofMismatch
from chain.genesis import Genesis
from chain.merkle import verify_inclusion
from chain.operation import IssueBill, ReverseBill, SealBills
from chain.recorded import Recorded, verify_entry, verify_outcome, verify_signed
from chain.records import COVERED, NORMAL, RED, REVERSED, SEAL, UNIT, VOID, BillBody
from chain.verdict import Check, Checkpoint, Verdict, Wanted

PROOF_VERSION = 1
VALIDITY_NAMES = {NORMAL: "normal", REVERSED: "reversed", RED: "red", VOID: "void"}


class SealProof(Wire, frozen=True):
    """The seal that covers a bill. `sealed` is the header that the seal names, if it is not the bill's own."""

    recorded: Recorded
    sealed: Header | None
    history_path: list[Digest]  # of the bill's block in the history that `sealed` covers


class Proof(Wire, frozen=True):
    version: Count
    set_changes: list[SetChange]  # as far as the newest header in this file
    bill: Recorded
    seal: SealProof | None
    current: CurrentRecord | None
    opened: list[OpenedField]


def check_proof(
    data: bytes,
    genesis: Genesis,
    *,
    trusted: list[Checkpoint] | None = None,
    max_age_ms: int | None = None,
    now_ms: int | None = None,
) -> Verdict:
    """Check a proof file of a bill. Never raises for any bytes.

    `now_ms` is needed with `max_age_ms`; one without the other is the caller's fault: ValueError.
    """
    wanted = Wanted(trusted or [], max_age_ms, now_ms)
    return BillChecking(data, genesis).verdict(wanted)


class BillChecking(Checking):
    def run(self, wanted: Wanted) -> Checkpoint:
        proof = self.form(Proof, PROOF_VERSION, "a proof")  # 1
        self.ledger(proof.bill.header)  # 2
        self.step("validators", lambda: self.walk(proof.set_changes))  # 3
        bill = proof.bill
        self.step("block", lambda: self.block(bill.header, bill.certificate))  # 4
        self.step("outcome", lambda: self.outcome(bill))  # 5
        self.step("transaction", lambda: self.transaction(bill))  # 6
        self.step("unit signature", lambda: self.signature(bill, UNIT))  # 7
        self.step("bill", lambda: self._bill(proof))
        newest = bill.header
        if proof.seal is None:  # 8
            self.missing("seal", "not in this file: the bill may not be sealed yet")
            self.facts["sealed"] = False
        else:
            seal = proof.seal
            self.step("seal", lambda: self._seal(proof, seal))
            newest = max(newest, seal.recorded.header, key=lambda header: header.height)
        if proof.current is None:  # 9
            self.missing("current record", "not in this file: a later reversal would not show")
        else:
            current = proof.current
            self.step("current record", lambda: self._current(proof, current))
            newest = max(newest, current.header, key=lambda header: header.height)
        if wanted.at_height is not None or wanted.at_ms is not None:
            self.step("in force", lambda: _in_force(proof, wanted))
        if proof.opened:  # 10
            self.step("opened fields", lambda: self._opened(proof))
        return self.finish(_headers(proof), newest, proof.current.header if proof.current else None, wanted)  # 11, 12

    def _bill(self, proof: Proof) -> str:
        operation = proof.bill.entry.operation
        if not isinstance(operation, IssueBill | ReverseBill):
            raise ProofMismatch("the operation is not a bill")
        header = proof.bill.header
        names = {entry.id: entry.name for entry in self.genesis.organisations}
        self.facts.update(
            bill_id=operation.bill,
            red=isinstance(operation, ReverseBill),
            issuer=proof.bill.head.organisation,
            issuer_name=names.get(proof.bill.head.organisation, ""),
            place_code=operation.place,
            business_date=iso_day(operation.business_date),
            total_fen=operation.total_fen,
            height=header.height,
            recorded_ms=header.time_ms,
        )
        if isinstance(operation, ReverseBill):
            self.facts["original"] = operation.original
        return f"{operation.bill}, {operation.total_fen} fen, {self.facts['issuer']}"

    def _seal(self, proof: Proof, seal: SealProof) -> str:
        recorded, bill = seal.recorded, proof.bill
        operation = recorded.entry.operation
        if not isinstance(operation, SealBills):
            raise ProofMismatch("the operation is not a seal")
        self.operation(recorded, SEAL)
        number = self.facts["bill_id"]
        if number not in operation.released:
            self._covered(bill, seal, operation)
        elif seal.sealed is not None or seal.history_path:
            raise ProofMismatch("a release needs no history")
        self.facts["sealed"] = True
        self.facts["office"] = recorded.head.organisation
        return f"{recorded.head.organisation}, in block {recorded.header.height}"

    def _covered(self, bill: Recorded, seal: SealProof, operation: SealBills) -> None:
        height = bill.header.height
        segments = [segment for segment in operation.segments if segment.issuer == bill.head.organisation]
        if len(segments) != 1 or not segments[0].after < height <= segments[0].upto:
            raise ProofMismatch("the seal does not cover this bill's height")
        if any(exception.bill == self.facts["bill_id"] for exception in operation.exceptions):
            raise ProofMismatch("the office withheld its seal from this bill")
        if seal.sealed is None:
            if seal.history_path or bill.header.digest() != operation.header:
                raise ProofMismatch("the seal is over another block")
            return
        if seal.sealed.digest() != operation.header or seal.sealed.chain_id != self.chain_id:
            raise ProofMismatch("the seal is over another block")
        leaf = history_leaf(bill.header.digest())
        verify_inclusion(leaf, height, seal.sealed.height, seal.history_path, seal.sealed.history_root)

    def _current(self, proof: Proof, current: CurrentRecord) -> str:
        header, record = current.header, current.record
        self.record(keyspace.bill(self.facts["bill_id"]), current)
        if record.origin != proof.bill.outcome.operation or header.height < proof.bill.header.height:
            raise ProofMismatch("the record was made by another operation")
        body = decode(record.body, BillBody)
        status = VALIDITY_NAMES.get(body.validity, str(body.validity))
        self.facts["status"] = status
        self.facts["status_as_of_ms"] = header.time_ms
        if body.related:
            self.facts["related"] = body.related[0]
        if body.seal != COVERED:
            self.facts["seal_withheld"] = body.withheld
        return f"{status} as of block {header.height}"

    def _opened(self, proof: Proof) -> str:
        operation = proof.bill.entry.operation
        if not isinstance(operation, IssueBill | ReverseBill):
            raise ProofMismatch("only bills have details")
        numbers = [opened.field for opened in proof.opened]
        if numbers != sorted(set(numbers)):
            raise ProofMismatch("fields twice or out of order")
        shown = {}
        for opened in proof.opened:
            verify_opened(opened, operation.bill, operation.details_root)
            shown[FIELDS.get(opened.field, str(opened.field))] = opened.value
        self.facts["opened"] = shown
        return ", ".join(shown)


def _in_force(proof: Proof, wanted: Wanted) -> str:
    current = proof.current
    if current is None:
        raise ProofMismatch("not in this file: it holds no current record")
    made = current.record.height
    if wanted.at_height is not None and not made <= wanted.at_height <= current.header.height:
        raise ProofMismatch(f"it stands so from block {made} to {current.header.height}, as far as this file knows")
    if wanted.at_ms is not None:
        if made != proof.bill.header.height:
            raise ProofMismatch(f"it stands so from block {made} on, whose time is not in this file")
        if not proof.bill.header.time_ms <= wanted.at_ms <= current.header.time_ms:
            raise ProofMismatch("at that moment this file knows nothing of it")
    return f"stands so from block {made} to {current.header.height}"


def _headers(proof: Proof) -> list[Header | None]:
    headers = [*headers_of(proof.bill), *(change.header for change in proof.set_changes)]
    if proof.seal:
        headers += [*headers_of(proof.seal.recorded), proof.seal.sealed]
    return [*headers, proof.current.header if proof.current else None]


def iso_day(day: int) -> str:
    """yyyymmdd as yyyy-mm-dd."""
    return f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"


__all__ = [
    "Check",
    "Checkpoint",
    "CurrentRecord",
    "Proof",
    "Recorded",
    "SealProof",
    "SetChange",
    "Verdict",
    "check_proof",
    "verify_entry",
    "verify_outcome",
    "verify_signed",
]
