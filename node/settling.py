"""What a checked block means for this gateway: bills recorded or refused, leases taken, seals.

Everything that follows from one block is put into the store without waiting in between, so it is written whole with
the position. Settling the same block again changes nothing. Source: DESIGN section 6, once per business number; 9.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import structlog

from chain.block import RECORDED
from chain.failpoint import failpoint
from chain.operation import (
    AddKey,
    BindHolder,
    BindPayer,
    BookBill,
    CaptureCredit,
    CloseOrder,
    DeliverBill,
    DisputeBill,
    EndKey,
    HoldBill,
    IssueBill,
    MakeUpPayment,
    Operation,
    PayDeposit,
    PayFromDeposit,
    PrintPaper,
    PublishCatalogue,
    RefundDeposit,
    RefundPayment,
    ReportUnused,
    ReverseBill,
    SealBills,
    TakeBackPaper,
    TakeLease,
    TakePayment,
    VoidBill,
    VoidBlanks,
    operation_digest,
)
from chain.transaction import Entry
from node.gateway_store import (
    BillRow,
    BusinessRow,
    GatewayStore,
    OperationRow,
    SealRow,
    bill_key,
    business_key,
    details_due_key,
    form_key,
    operation_key,
    part_key,
    seal_key,
    seal_operation_key,
    seal_place,
    step_key,
    watermark_key,
)
from node.lease_book import LeaseBook
from node.outbox import Outbox
from node.own_keys import OwnKeys
from node.part_check import CheckedPart, Ledger
from node.payer_post import PayerPost
from node.sender import Sender
from node.standings import SUPERSEDED, Standings

_STEPS = (DeliverBill, HoldBill, MakeUpPayment, PrintPaper, TakeBackPaper, BookBill, BindHolder, DisputeBill)
STOPPED = ("organisation_suspended", "organisation_closed")
ALREADY_RECORDED, LINKED_FAILED = "already_recorded", "linked_failed"
# After these the number is not ours to report: it is used, or was never of our lease.
NOT_REPORTED = frozenset({"number_used", "number_outside_lease", "lease_unknown", "number_code_mismatch"})

MONEY_TAG = 1000  # operations of money, appointments and visits begin with it

Undecided = Callable[[bytes], None]  # told of an operation digest whose outcome needs more than this block tells


def concluded(entries: Sequence[Entry], codes: Sequence[str]) -> list[str]:
    """Each operation's code; `linked_failed` of a correction, or of a step of money, that was recorded before becomes that: a gateway
    keeps and sends such a chain whole (`money/steps.py`), so it was recorded so or not at all.

    What else is linked may have been recorded one by one: there the code stands, and a person looks.
    """
    found, start = list(codes), 0
    for index, entry in enumerate(entries):
        if entry.linked:
            continue
        chain = found[start : index + 1]
        first = entries[start].operation
        if ALREADY_RECORDED in chain and (isinstance(first, ReverseBill) or is_money(first)):
            found[start : index + 1] = [ALREADY_RECORDED if code == LINKED_FAILED else code for code in chain]
        start = index + 1
    return found


def is_money(operation: Operation) -> bool:
    """Whether it is of money, appointments or visits."""
    tag = type(operation).__struct_config__.tag
    return isinstance(tag, int) and tag >= MONEY_TAG


class Settling:
    """`alarms` counts refusals by code: each is a bill that a person has to look at."""

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        store: GatewayStore,
        outbox: Outbox,
        leases: LeaseBook,
        standings: Standings,
        keys: OwnKeys,
        payers: PayerPost,
        on_undecided: Undecided,
        on_gap: Callable[[int, int], None],
    ) -> None:
        self._name, self._ledger, self._store = name, ledger, store
        self._outbox, self._leases, self._standings = outbox, leases, standings
        self._keys, self._payers = keys, payers
        self._on_undecided, self._on_gap = on_undecided, on_gap
        self.sender: Sender | None = None
        self.on_published: Callable[[], None] = lambda: None  # a catalogue of the hospital's own is recorded
        self.on_paid: Callable[[bytes], None] = lambda order: None  # a part of one of its orders is paid
        # money is to go back, whichever gateway of the hospital said so
        self.on_back: Callable[[CloseOrder | RefundPayment | RefundDeposit], None] = lambda operation: None
        self.on_payment_refused: Callable[[TakePayment | PayDeposit, str], None] = lambda operation, code: None
        self.stopped = ""  # why the ledger takes no bill of this hospital, as far as is known
        self.alarms: Counter[str] = Counter()  # outcome code -> how often; as few as the rules' codes
        self.undecided: dict[bytes, tuple[str, int]] = {}  # operation digest -> code, height; bounded by the outbox
        self.recorded_bills = 0

    def settle(self, checked: CheckedPart, again: bool) -> None:
        """Take over a block. `again`: it was followed before, and an earlier answer had left something out."""
        part, height = checked.part, checked.height
        if part.transactions or part.seals:
            self._store.put(part_key(height), part)
            failpoint("settling.part_put")
        changed: list[bytes] = []
        for place, transaction in enumerate(checked.transactions):
            if self.sender is not None:
                self.sender.on_outcome(transaction.digest)
            entries = transaction.own.transaction.entries
            codes = concluded(entries, transaction.codes)
            for index, digest in enumerate(transaction.operations):
                operation, code = entries[index].operation, codes[index]
                former = entries[index - 1] if index else None
                with_red = ""
                if former is not None and former.linked and isinstance(former.operation, ReverseBill):
                    with_red = former.operation.bill
                self._settle_operation(operation, digest, code, height, place, index, with_red)
            changed += transaction.operations
        for index, seal in checked.seals:
            self._settle_seal(seal, height, index, again)
        if changed:
            self._standings.wake(changed)
        if checked.seals:
            self._standings.wake_all()

    def decide(self, digest: bytes) -> bool:
        """Look again at an undecided operation, after more was learnt; whether it is settled now."""
        code, height = self.undecided.pop(digest, ("", 0))
        item = self._outbox.items.get(digest)
        if item is None:
            return True
        self._conclude(item.operation, digest, code, height)
        self._standings.wake([digest])
        return digest not in self.undecided

    # ── operations ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _settle_operation(
        self,
        operation: Operation,
        digest: bytes,
        code: str,
        height: int,
        place: int,
        index: int,
        with_red: str,
    ) -> None:
        bill = operation.bill if isinstance(operation, IssueBill | ReverseBill) else ""
        row = self._store.get(operation_key(digest), OperationRow) if code != RECORDED else None
        if row is None or not row.code:
            self._store.put(operation_key(digest), OperationRow(bill, code, height))
        if code == RECORDED:
            if isinstance(operation, IssueBill | ReverseBill):
                self._record_bill(operation, digest, height, place, index, with_red)
            elif isinstance(operation, VoidBill):
                row_of_bill = self._store.bill(operation.bill)
                if row_of_bill is not None:
                    self._store.put(bill_key(operation.bill), msgspec.structs.replace(row_of_bill, void_height=height))
                    self._store.put(step_key(operation.bill, height, place, index), digest)
            elif isinstance(operation, _STEPS):
                self._store.put(step_key(operation.bill, height, place, index), digest)
                if isinstance(operation, PrintPaper):
                    self._store.put(form_key(operation.paper), operation.bill.encode())
            elif isinstance(operation, VoidBlanks):
                for paper in operation.papers:
                    self._store.put(form_key(paper), b"")
            elif isinstance(operation, BindPayer):
                self._payers.on_recorded(operation, digest, height)
                self._store.put(step_key(operation.bill, height, place, index), digest)
            elif isinstance(operation, TakeLease):
                self._leases.on_recorded(operation)
            elif isinstance(operation, AddKey | EndKey):
                self._keys.on_recorded(operation)
            elif isinstance(operation, PublishCatalogue):
                self.on_published()
            elif isinstance(operation, TakePayment | PayFromDeposit | CaptureCredit):
                self.on_paid(operation.order)
            elif isinstance(operation, CloseOrder | RefundPayment | RefundDeposit):
                self.on_back(operation)
        if digest in self._outbox.items:
            self._conclude(operation, digest, code, height)

    def _conclude(self, operation: Operation, digest: bytes, code: str, height: int) -> None:
        """Settle something of the outbox by its code; keeps it if more has to be known."""
        if code == RECORDED and not isinstance(operation, TakeLease):  # as nearly always: nothing more to know
            return self._resolve(digest)
        if isinstance(operation, IssueBill | ReverseBill):
            row = self._store.bill(operation.bill)
            is_recorded = row is not None and row.digest == digest and row.code == RECORDED
            if code == ALREADY_RECORDED and not is_recorded:
                return self._postpone(digest, code, height)
            if code != ALREADY_RECORDED and not is_recorded:
                if code == SUPERSEDED and isinstance(operation, IssueBill):
                    winner = self._winner(operation)
                    if winner is None:
                        return self._postpone(digest, code, height)
                    self._supersede(operation, digest, winner, height)
                else:
                    self._refuse(operation, digest, code, height)
        elif isinstance(operation, TakeLease):
            self._leases.on_outcome(digest, operation, code)
        elif code != ALREADY_RECORDED and is_money(operation):  # somebody waits for it, and is told
            structlog.get_logger("gateway").info("step_refused", code=code, height=height)
            if isinstance(operation, TakePayment | PayDeposit):
                self.on_payment_refused(operation, code)
        elif code != ALREADY_RECORDED:
            self.alarms[code] += 1
            structlog.get_logger("gateway").error("operation_refused", code=code, height=height)
            if isinstance(operation, BindPayer):
                self._payers.on_refused(operation, digest)
        elif isinstance(operation, BindPayer) and not self._payers.is_recorded(operation):
            return self._postpone(digest, code, height)
        self._resolve(digest)
        return None

    def _postpone(self, digest: bytes, code: str, height: int) -> None:
        self.undecided[digest] = (code, height)
        row = self._store.get(operation_key(digest), OperationRow)
        if row is not None and row.code == code:  # the block's code is not the end of it
            self._store.put(operation_key(digest), OperationRow(row.bill, "", 0))
        self._on_undecided(digest)

    def _resolve(self, digest: bytes) -> None:
        self._outbox.resolve(digest)
        if self.sender is not None:
            self.sender.on_resolved(digest)

    def _record_bill(
        self,
        operation: IssueBill | ReverseBill,
        digest: bytes,
        height: int,
        place: int,
        index: int,
        with_red: str,
    ) -> None:
        old = self._store.bill(operation.bill)
        if old is not None and old.digest == digest and old.code == RECORDED:
            if (old.transaction, old.entry) != (place, index):  # the part is fuller than it was
                row = msgspec.structs.replace(old, transaction=place, entry=index)
                self._store.put(bill_key(operation.bill), row)
            return
        reversed_by = old.reversed_by if old is not None and old.digest == digest else ""
        row = BillRow(operation, digest, RECORDED, height, place, index, "", reversed_by, "", 0, 0, 0, with_red, 0)
        self._store.put(bill_key(operation.bill), row)
        self.recorded_bills += 1
        failpoint("settling.bill_recorded")
        if isinstance(operation, IssueBill):
            business = BusinessRow(operation.bill, operation.content_mac)
            self._store.put(business_key(operation.business_mac), business)
        else:
            original = self._store.bill(operation.original)
            if original is not None:
                row = msgspec.structs.replace(original, reversed_by=operation.bill)
                self._store.put(bill_key(operation.original), row)
        self._outbox.release(operation.bill)

    def _winner(self, operation: IssueBill) -> str | None:
        """The recorded bill that has the operation's business number, if it is known."""
        business = self._store.get(business_key(operation.business_mac), BusinessRow)
        if business is None or business.bill == operation.bill:
            return None
        row = self._store.bill(business.bill)
        return business.bill if row is not None and row.code == RECORDED else None

    def _supersede(self, operation: IssueBill, digest: bytes, winner: str, height: int) -> None:
        """Another gateway was first: its bill stands for this one, for ever."""
        self._close_bill(operation, digest, SUPERSEDED, height, winner)
        self._report_unused(operation, "superseded")
        self._withdraw(operation.bill, "bill_superseded", height)

    def _refuse(self, operation: IssueBill | ReverseBill, digest: bytes, code: str, height: int) -> None:
        """A bill that was answered with a number does not stand: a person has to know."""
        if code in STOPPED:
            self.stopped = code
        self.alarms[code] += 1
        structlog.get_logger("gateway").error("bill_refused", bill=operation.bill, code=code, height=height)
        self._close_bill(operation, digest, code, height, "")
        if isinstance(operation, IssueBill):
            business = self._store.get(business_key(operation.business_mac), BusinessRow)
            if business is not None and business.bill == operation.bill:
                self._store.delete(business_key(operation.business_mac))  # it may be issued again, under a new number
        else:
            original = self._store.bill(operation.original)
            if original is not None and original.reversed_by == operation.bill:
                row = msgspec.structs.replace(original, reversed_by="")
                self._store.put(bill_key(operation.original), row)
        if code not in NOT_REPORTED:
            self._report_unused(operation, "refused")
        self._withdraw(operation.bill, "bill_unknown", height)

    def _close_bill(
        self, operation: IssueBill | ReverseBill, digest: bytes, code: str, height: int, winner: str
    ) -> None:
        row = self._store.bill(operation.bill)
        if row is not None and row.digest == digest:
            row = msgspec.structs.replace(row, code=code, height=height, superseded_by=winner)
            self._store.put(bill_key(operation.bill), row)
        self._store.put(operation_key(digest), OperationRow(operation.bill, code, height))
        self._store.delete(details_due_key(operation.bill))

    def _report_unused(self, operation: IssueBill | ReverseBill, reason: str) -> None:
        self._outbox.add(ReportUnused(operation.bill, operation.lease_first, reason))

    def _withdraw(self, bill: str, code: str, height: int) -> None:
        """What waited for a bill which will never be recorded: its reversal, its delivery, a copy."""
        for digest, item in self._outbox.withdraw(bill):
            if isinstance(item.operation, IssueBill | ReverseBill):  # a correction's new bill waits as well
                self._refuse(item.operation, digest, code, height)
            else:
                self._store.put(operation_key(digest), OperationRow("", code, height))
                if isinstance(item.operation, BindPayer):
                    self._payers.on_refused(item.operation, digest)
            self._standings.wake([digest])

    # ── seals ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _settle_seal(self, operation: SealBills, height: int, index: int, again: bool) -> None:
        office, store = self._ledger.office, self._store
        store.put(seal_operation_key(operation_digest(operation)), seal_place(height, index))
        for segment in operation.segments:
            if segment.issuer != self._ledger.organisation:
                continue
            mark = store.watermark(office)
            if segment.after > mark and not again:
                self._on_gap(mark, height)  # an earlier answer left a seal out
            store.put(seal_key(segment.upto), SealRow(segment.after, segment.upto, height, index))
            store.put(watermark_key(office), max(mark, segment.upto).to_bytes(8, "big"))
            failpoint("settling.sealed")
        for exception in operation.exceptions:
            row = store.bill(exception.bill)
            if row is not None and row.code == RECORDED and row.released_height < height:
                row = msgspec.structs.replace(row, withheld=exception.reason, withheld_height=height)
                store.put(bill_key(exception.bill), row)
        for bill in operation.released:
            row = store.bill(bill)
            if row is not None and row.withheld_height <= height:
                row = msgspec.structs.replace(row, withheld="", released_height=height, released_index=index)
                store.put(bill_key(bill), row)
