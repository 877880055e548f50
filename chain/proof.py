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
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from chain import keyspace
from chain.block import RECORDED, Header, history_leaf
from chain.certified import CertifiedBlocks, SetChange
from chain.codec import Count, Digest, Wire, decode, encode
from chain.details import FIELDS, OpenedField, verify_opened
from chain.errors import ChainError, ProofMismatch, ProofRefused
from chain.genesis import Genesis
from chain.merkle import verify_inclusion
from chain.operation import IssueBill, ReverseBill, SealBills
from chain.recorded import Recorded, verify_entry, verify_outcome, verify_signed
from chain.records import COVERED, NORMAL, RED, REVERSED, SEAL, UNIT, VOID, BillBody, Record, state_leaf
from chain.state import genesis_change
from chain.validators import Certificate

PROOF_VERSION = 1
VALIDITY_NAMES = {NORMAL: "normal", REVERSED: "reversed", RED: "red", VOID: "void"}


class SealProof(Wire, frozen=True):
    """The seal that covers a bill. `sealed` is the header that the seal names, if it is not the bill's own."""

    recorded: Recorded
    sealed: Header | None
    history_path: list[Digest]  # of the bill's block in the history that `sealed` covers


class CurrentRecord(Wire, frozen=True):
    """A record as it stands under a final header."""

    place: Count
    record: Record
    path: list[Digest]
    header: Header
    certificate: Certificate


class Proof(Wire, frozen=True):
    version: Count
    set_changes: list[SetChange]  # as far as the newest header in this file
    bill: Recorded
    seal: SealProof | None
    current: CurrentRecord | None
    opened: list[OpenedField]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `ok` is None for what the file does not contain."""

    name: str
    ok: bool | None
    detail: str


class Checkpoint(msgspec.Struct, frozen=True):
    """A header that the holder has seen proven: of this height there can be no other."""

    chain_id: str
    height: int
    digest: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`valid` only if every check that was made holds."""

    valid: bool
    checks: list[Check]
    bill: dict[str, Any]  # what is proven, in the words of the API; empty when nothing is
    newest: Checkpoint | None


def check_proof(
    data: bytes,
    genesis: Genesis,
    *,
    trusted: list[Checkpoint] | None = None,
    max_age_ms: int | None = None,
    now_ms: int | None = None,
) -> Verdict:
    """Check a proof file. Never raises for any bytes.

    `now_ms` is needed with `max_age_ms`; one without the other is the caller's fault: ValueError.
    """
    if (max_age_ms is None) != (now_ms is None):
        raise ValueError("max_age_ms and now_ms go together")
    checks: list[Check] = []
    facts: dict[str, Any] = {}
    try:
        newest = _Checker(data, genesis, checks, facts).run(trusted or [], max_age_ms, now_ms)
    except _Failed:
        return Verdict(False, checks, {}, None)
    return Verdict(True, checks, facts, newest)


class _Failed(Exception):
    """A check did not hold; it is the last of the list."""


class _Checker:
    def __init__(self, data: bytes, genesis: Genesis, checks: list[Check], facts: dict[str, Any]) -> None:
        self.data, self.genesis, self.checks, self.facts = data, genesis, checks, facts
        self.chain_id = genesis.digest()
        self.blocks = CertifiedBlocks(genesis)

    def run(self, trusted: list[Checkpoint], max_age_ms: int | None, now_ms: int | None) -> Checkpoint:
        proof: Proof = self._step("form", self._form)  # 1
        self._step("ledger", lambda: self._ledger(proof))  # 2
        self._step("validators", lambda: self.blocks.follow(proof.set_changes))  # 3
        bill = proof.bill
        self._step("block", lambda: self.blocks.verify(bill.header, bill.certificate))  # 4
        self._step("outcome", lambda: self._outcome(bill))  # 5
        self._step("transaction", lambda: self._transaction(bill))  # 6
        self._step("unit signature", lambda: self._signature(bill, UNIT))  # 7
        self._step("bill", lambda: self._bill(proof))
        newest = bill.header
        if proof.seal is None:  # 8
            self.checks.append(Check("seal", None, "not in this file: the bill may not be sealed yet"))
            self.facts["sealed"] = False
        else:
            seal = proof.seal
            self._step("seal", lambda: self._seal(proof, seal))
            newest = max(newest, seal.recorded.header, key=lambda header: header.height)
        if proof.current is None:  # 9
            self.checks.append(Check("current record", None, "not in this file: a later reversal would not show"))
        else:
            current = proof.current
            self._step("current record", lambda: self._current(proof, current))
            newest = max(newest, current.header, key=lambda header: header.height)
        if proof.opened:  # 10
            self._step("opened fields", lambda: self._opened(proof))
        if trusted:  # 11
            self._step("trust", lambda: self._trust(proof, trusted))
        if max_age_ms is not None and now_ms is not None:  # 12
            self._step("age", lambda: self._age(proof, max_age_ms, now_ms))
        self.facts["as_of"] = {"height": newest.height, "time_ms": newest.time_ms}
        return Checkpoint(self.chain_id.hex(), newest.height, newest.digest().hex())

    def _step(self, name: str, check: Any) -> Any:
        """Run one check: it returns its detail (or a value, for `form`) and raises a ChainError if it does not hold."""
        try:
            result = check()
        except (ChainError, msgspec.MsgspecError, LookupError, ValueError, ArithmeticError, RecursionError) as error:
            self.checks.append(Check(name, False, str(error)[:200]))
            raise _Failed from None
        self.checks.append(Check(name, True, result if isinstance(result, str) else "canonical bytes of a proof"))
        return result

    def _form(self) -> Proof:
        proof = decode(self.data, Proof)
        if proof.version != PROOF_VERSION:
            raise ProofRefused(f"version {proof.version}, this program knows {PROOF_VERSION}")
        return proof

    def _ledger(self, proof: Proof) -> str:
        if proof.bill.header.chain_id != self.chain_id:
            raise ProofMismatch(f"of ledger {proof.bill.header.chain_id.hex()[:16]}, not {self.chain_id.hex()[:16]}")
        return f"{self.genesis.name}, {self.chain_id.hex()[:16]}"

    def _outcome(self, recorded: Recorded) -> str:
        verify_outcome(recorded)
        return f"{RECORDED} in block {recorded.header.height}"

    def _transaction(self, recorded: Recorded) -> str:
        verify_entry(recorded)
        head = recorded.head
        return f"operation {recorded.index + 1} of {head.operations_count} of {head.organisation}"

    def _signature(self, recorded: Recorded, purpose: int) -> str:
        head = recorded.head
        if head.chain_id != self.chain_id:
            raise ProofMismatch("a transaction for another ledger")
        root, count = self._parent_state(recorded)
        verify_signed(
            head, recorded.suite, recorded.signature, recorded.key, (purpose,), recorded.header.height, root, count
        )
        return f"{head.organisation}, key {head.key_id.hex()[:16]}"

    def _parent_state(self, recorded: Recorded) -> tuple[bytes, int]:
        parent, header = recorded.parent, recorded.header
        if header.height == 1:
            if parent is not None:
                raise ProofMismatch("block 1 follows genesis, which has no header")
            change = genesis_change(self.genesis)
            return change.root, change.count
        if parent is None or parent.digest() != header.parent:
            raise ProofMismatch("the header before is missing or another")
        return parent.state_root, parent.state_count

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
            business_date=_iso(operation.business_date),
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
        self.blocks.verify(recorded.header, recorded.certificate)
        self._outcome(recorded)
        self._transaction(recorded)
        self._signature(recorded, SEAL)
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
        self.blocks.verify(header, current.certificate)
        key = keyspace.bill(self.facts["bill_id"])
        leaf = state_leaf(key, encode(record))
        verify_inclusion(leaf, current.place, header.state_count, current.path, header.state_root)
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

    def _trust(self, proof: Proof, trusted: list[Checkpoint]) -> str:
        known = {point.height: point.digest for point in trusted if point.chain_id == self.chain_id.hex()}
        headers = [proof.bill.header, proof.bill.parent, *(change.header for change in proof.set_changes)]
        if proof.seal:
            headers += [proof.seal.recorded.header, proof.seal.recorded.parent, proof.seal.sealed]
        if proof.current:
            headers.append(proof.current.header)
        for header in filter(None, headers):
            if known.get(header.height, header.digest().hex()) != header.digest().hex():
                raise ProofMismatch(f"two different blocks {header.height}: the ledger forked, keep both files")
        return f"agrees with {len(known)} checkpoints kept earlier"

    def _age(self, proof: Proof, max_age_ms: int, now_ms: int) -> str:
        if proof.current is None:
            raise ProofRefused("stale: the file holds no current record")
        age = now_ms - proof.current.header.time_ms
        if age > max_age_ms:
            raise ProofRefused(f"stale: {age // 1000} s old, at most {max_age_ms // 1000} s are asked for")
        return f"{max(age, 0) // 1000} s old"


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _iso(day: int) -> str:
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
