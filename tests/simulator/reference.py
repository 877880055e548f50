"""An independent, short model of the ledger's rules: what may be recorded, who votes, what the books say (I2, I4, I5).

It shares no code with `chain/rules`: it reads operations and outcomes of final blocks, and judges both ways: what is
recorded must be allowed, what is refused must have a reason.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from chain.block import Outcome
from chain.operation import (
    AddKey,
    ApproveChange,
    EndKey,
    IssueBill,
    Operation,
    ProposeChange,
    Renew,
    ReportUnused,
    ReverseBill,
    SealBills,
    TakeLease,
)
from chain.transaction import ReceivedTransaction
from tests.money.whole import Whole
from tests.simulator.province import HOSPITALS

RENEWAL_BLOCKS = 1_000


class Contradiction(Exception):
    """A final block that the model does not allow."""


@dataclass
class Bill:
    hospital: str
    total_fen: int
    is_red: bool
    is_reversed: bool = False


@dataclass
class Proposed:
    based_on: int
    changes: list[tuple[str, bytes | None]]
    until_height: int
    approvals: set[str]
    is_made: bool = False


@dataclass
class Reference:
    """The ledger after the last final block that was taken."""

    sets: list[tuple[int, dict[str, bytes]]]  # (epoch, organisation -> vote key), ascending
    range_next: dict[str, int]  # hospital -> next number of its range
    digests: dict[int, bytes]  # height -> digest of the final block
    height: int = 0
    time_ms: int = 0
    ran: set[bytes] = field(default_factory=set)  # transactions
    recorded: set[tuple[str, bytes]] = field(default_factory=set)  # (organisation, operation)
    leases: list[tuple[str, int, int]] = field(default_factory=list)  # (hospital, first, count)
    bills: dict[str, Bill] = field(default_factory=dict)
    unused: set[str] = field(default_factory=set)
    business: set[tuple[str, bytes]] = field(default_factory=set)
    marks: dict[str, int] = field(default_factory=dict)  # hospital -> sealed up to
    changes: dict[bytes, Proposed] = field(default_factory=dict)
    renewals: dict[str, int] = field(default_factory=dict)  # organisation -> height of the last
    numbers: set[tuple[str, bytes]] = field(default_factory=set)
    keys: set[bytes] = field(default_factory=set)  # every public key that anybody ever had
    books: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0, 0]))
    money: Whole = field(default_factory=lambda: Whole(dict.fromkeys(HOSPITALS, "hospital")))

    def __post_init__(self) -> None:
        self.money.now = self.time_ms  # what is asked before the first block has dates of today, too

    def set_at(self, height: int) -> tuple[int, dict[str, bytes]]:
        """(epoch, members) that vote on a height."""
        return max((entry for entry in self.sets if entry[0] <= height), key=lambda entry: entry[0])

    def take(
        self,
        height: int,
        time_ms: int,
        digest: bytes,
        transactions: list[ReceivedTransaction],
        outcomes: list[Outcome],
        asked: dict[bytes, ReceivedTransaction],
    ) -> None:
        """The next final block. Raises Contradiction."""
        if time_ms <= self.time_ms:
            raise Contradiction(f"block {height}: its time does not go on")
        self.height, self.time_ms = height, time_ms
        self.money.now = time_ms
        place = 0
        for received in transactions:
            transaction = received.transaction
            if received.digest in self.ran:
                raise Contradiction(f"block {height}: a transaction ran twice")
            if received.digest not in asked:
                raise Contradiction(f"block {height}: a transaction that nobody signed")
            if transaction.valid_until_height < height:
                raise Contradiction(f"block {height}: a transaction that had expired")
            self.ran.add(received.digest)
            start = 0
            while start < len(transaction.entries):
                end = start
                while transaction.entries[end].linked:
                    end += 1
                chain = range(start, end + 1)
                self._take_chain(received, chain, outcomes[place + start : place + end + 1])
                start = end + 1
            place += len(transaction.entries)
        self.digests[height] = digest

    def _take_chain(self, received: ReceivedTransaction, chain: range, outcomes: list[Outcome]) -> None:
        organisation = received.transaction.organisation
        operations = [received.transaction.entries[index].operation for index in chain]
        digests = [received.operation_digests[index] for index in chain]
        judged = [
            (organisation, digest) not in self.recorded and self.allows(organisation, operation)
            for digest, operation in zip(digests, operations, strict=True)
        ]
        was_recorded = [outcome.code == "recorded" for outcome in outcomes]
        if any(was_recorded) != all(was_recorded):
            raise Contradiction(f"block {self.height}: half of a linked chain is recorded")
        is_judged = not any(isinstance(operation, EndKey) for operation in operations)
        if is_judged and all(judged) != was_recorded[0]:
            names = ", ".join(type(operation).__name__ for operation in operations)
            codes = ", ".join(outcome.code for outcome in outcomes)
            raise Contradiction(f"block {self.height}: {names} of {organisation} is {codes}, the model says {judged}")
        if was_recorded[0]:
            for operation, digest in zip(operations, digests, strict=True):
                self.recorded.add((organisation, digest))
                self._apply(organisation, operation, digest)

    # -- what is allowed -----------------------------------------------------------------------------------------------

    def allows(self, organisation: str, operation: Operation) -> bool:
        match operation:
            case TakeLease():
                return operation.first == self.range_next[organisation]
            case IssueBill():
                free = self._is_free(organisation, operation.bill)
                return free and (organisation, operation.business_mac) not in self.business
            case ReverseBill():
                original = self.bills.get(operation.original)
                if original is None or not self._is_free(organisation, operation.bill):
                    return False
                is_own = original.hospital == organisation and operation.total_fen == -original.total_fen
                return is_own and not original.is_red and not original.is_reversed
            case ReportUnused():
                return self._is_free(organisation, operation.bill)
            case SealBills():
                if any(self.marks.get(segment.issuer, 0) != segment.after for segment in operation.segments):
                    return False
                if any(not segment.after < segment.upto < self.height for segment in operation.segments):
                    return False
                return self.digests.get(max(segment.upto for segment in operation.segments)) == operation.header
            case ProposeChange():
                return self._allows_proposal(organisation, operation)
            case ApproveChange():
                return self._allows_approval(organisation, operation)
            case Renew():
                last = self.renewals.get(organisation)
                is_early = last is not None and self.height < last + RENEWAL_BLOCKS
                is_known = (organisation, operation.number) in self.numbers
                return organisation in self.newest[1] and not is_early and not is_known
            case AddKey():
                return operation.public not in self.keys and operation.from_height > self.height
            case _:
                return self.money.may(organisation, operation) in (None, True)

    @property
    def newest(self) -> tuple[int, dict[str, bytes]]:
        return self.sets[-1]

    def _is_free(self, hospital: str, bill: str) -> bool:
        serial = int(bill[8:])
        is_leased = any(owner == hospital and first <= serial < first + count for owner, first, count in self.leases)
        return is_leased and bill not in self.bills and bill not in self.unused

    def _allows_proposal(self, organisation: str, operation: ProposeChange) -> bool:
        epoch, members = self.newest
        if organisation not in members or operation.based_on != epoch or operation.until_height <= self.height:
            return False
        changes = [(change.organisation, change.key[0] if change.key else None) for change in operation.changes]
        return self._can_be_made(changes)

    def _can_be_made(self, changes: list[tuple[str, bytes | None]]) -> bool:
        after = dict(self.newest[1])
        for organisation, key in changes:
            if key is None:
                if organisation not in after:
                    return False
                del after[organisation]
            elif key in self.keys:
                return False
            else:
                after[organisation] = key
        return len(after) >= 4

    def _allows_approval(self, organisation: str, operation: ApproveChange) -> bool:
        change = self.changes.get(operation.change)
        if change is None or organisation in change.approvals or organisation not in self.newest[1]:
            return False
        if change.is_made or change.based_on != self.newest[0] or self.height >= change.until_height:
            return False
        completes = self._is_enough({*change.approvals, organisation})
        return not completes or self._can_be_made(change.changes)

    def _is_enough(self, approvals: set[str]) -> bool:
        n = len(self.newest[1])
        return len(approvals & set(self.newest[1])) >= n - (n - 1) // 3

    # -- what follows --------------------------------------------------------------------------------------------------

    def _apply(self, organisation: str, operation: Operation, digest: bytes) -> None:
        match operation:
            case TakeLease():
                self.range_next[organisation] += operation.count
                self.leases.append((organisation, operation.first, operation.count))
            case IssueBill():
                self.bills[operation.bill] = Bill(organisation, operation.total_fen, is_red=False)
                self.business.add((organisation, operation.business_mac))
                self.books[organisation][0] += 1
                self.books[organisation][1] += operation.total_fen
            case ReverseBill():
                self.bills[operation.original].is_reversed = True
                self.bills[operation.bill] = Bill(organisation, operation.total_fen, is_red=True)
                self.books[organisation][2] += 1
                self.books[organisation][3] += operation.total_fen
            case ReportUnused():
                self.unused.add(operation.bill)
            case SealBills():
                for segment in operation.segments:
                    self.marks[segment.issuer] = segment.upto
            case ProposeChange():
                changes = [(change.organisation, change.key[0] if change.key else None) for change in operation.changes]
                self.changes[digest] = Proposed(operation.based_on, changes, operation.until_height, {organisation})
            case ApproveChange():
                change = self.changes[operation.change]
                change.approvals.add(organisation)
                if self._is_enough(change.approvals):
                    change.is_made = True
                    self._open(change.changes)
            case Renew():
                self.renewals[organisation] = self.height
                self.numbers.add((organisation, operation.number))
                self._open([])
            case AddKey():
                self.keys.add(operation.public)
            case _:
                self.money.take(organisation, operation)

    def _open(self, changes: list[tuple[str, bytes | None]]) -> None:
        """Another set, two heights above; several in one block make one epoch."""
        after = dict(self.newest[1])
        for organisation, key in changes:
            if key is None:
                del after[organisation]
            else:
                after[organisation] = key
                self.keys.add(key)
        epoch = self.height + 2
        self.sets = [entry for entry in self.sets if entry[0] != epoch]
        self.sets.append((epoch, dict(sorted(after.items()))))

    def open_fen(self, hospital: str) -> int:
        """Of bills that are neither reversed nor red."""
        bills = [bill for bill in self.bills.values() if bill.hospital == hospital]
        return sum(bill.total_fen for bill in bills if not bill.is_red and not bill.is_reversed)
