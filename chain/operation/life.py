"""5xx to 8xx: what becomes of a bill: paper, accounting and settlements, clearance, claims."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.codec import BillCode, BillId, Count, Digest, Fen, LocalDate, Milliseconds, Name, Wire
from chain.operation.bills import Payments
from chain.operation.fields import Mac, Reason, Serial

PaperNumber = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Z]{4,32}\Z")]  # of the form: its code and running number

PAPERS_MAX = 100  # blank forms voided by one operation


class PrintPaper(Wire, frozen=True, tag=500):
    """A paper copy on a numbered form (换开): content equal to the bill, at most one alive."""

    bill: BillId
    paper: PaperNumber


class TakeBackPaper(Wire, frozen=True, tag=501):
    """The copy is no longer alive: taken back, spoilt or declared lost."""

    bill: BillId
    paper: PaperNumber
    reason: Reason


class VoidBlanks(Wire, frozen=True, tag=502):
    """Forms that were never printed on, and never will be."""

    papers: Annotated[list[PaperNumber], msgspec.Meta(max_length=PAPERS_MAX)]  # ascending
    reason: Reason


Side = Annotated[int, msgspec.Meta(ge=1, le=2)]  # records.ISSUER or records.PAYER


class BookBill(Wire, frozen=True, tag=600):
    """A unit books the bill (入账): its issuer, or the one that pays or refunds the payer."""

    bill: BillId
    side: Side
    amount_fen: Fen
    voucher_mac: Mac  # of the voucher's number, under a key of the unit's own


class AcknowledgeReversal(Wire, frozen=True, tag=601):
    """The paying unit has taken the bill out of its books: its issuer may reverse it."""

    bill: BillId


class JoinSettlement(Wire, frozen=True, tag=610):
    """The insurance bureau says which bill a settlement of its own is about, and who paid how much of it by that settlement."""

    settlement: Digest  # of the settlement's number, under a key of the bureau's own
    bill: BillId
    payments: Payments  # of this bill, as the settlement has them: what it is compared with is the bill's own


class PayFund(Wire, frozen=True, tag=611):
    """The fund has paid a hospital its part of a settlement, in one payment."""

    settlement: Digest
    hospital: Name
    amount_fen: Fen
    paid_date: LocalDate
    payment_mac: Mac  # of the payment's number


class WithdrawSettlement(Wire, frozen=True, tag=612):
    """The settlement holds no longer, and what the fund paid for it has come back: its bills may be settled anew."""

    settlement: Digest
    reason: Reason


class ClearLease(Wire, frozen=True, tag=700):
    """The office clears a lease's numbers (核销): what became of each is counted, and none may be used any more."""

    issuer: Name
    code: BillCode
    first: Serial  # of the lease
    normal: Count
    reversed: Count
    red: Count
    void: Count
    unused: Count  # reported, or never given before the lease was cleared


class LockClaim(Wire, frozen=True, tag=800):
    """An insurer reserves a part of a bill's own part while it decides."""

    claim: Digest  # the claim's name: random, or a MAC of the insurer's own number
    bill: BillId
    amount_fen: Fen
    until_ms: Milliseconds  # by block time; then the lock is as if it had never been


class DecideClaim(Wire, frozen=True, tag=801):
    """How much of it the insurer grants; nothing is a rejection."""

    claim: Digest
    approved_fen: Fen  # at most what was locked


class PayClaim(Wire, frozen=True, tag=802):
    """What was granted is paid."""

    claim: Digest
    payment_mac: Mac  # of the payment's number


class ReleaseClaim(Wire, frozen=True, tag=803):
    """The insurer gives it up, or has got its payment back."""

    claim: Digest
    reason: Reason
