"""One frozen struct per thing that can be asked of the ledger.

The integer tag comes first in the bytes. Tags are grouped by file of `chain/rules`, with room:
1xx organisations and validators, 2xx numbers, 3xx bills, 4xx seals, 5xx paper, 6xx accounting, 7xx clearance,
8xx claims, 9xx grants, 10xx accounts, 11xx payments, 12xx splits, 13xx deposits, 14xx credit, 15xx appointments,
16xx visits. An operation carries everything that its effect needs, so that the outcome's code alone tells the result.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from chain.codec import (
    BillCode,
    BillId,
    Count,
    Digest,
    Fen,
    Height,
    LocalDate,
    Milliseconds,
    Name,
    PlaceCode,
    PublicKey,
    Wire,
)
from chain.digest import OPERATION, digest

Kind = Annotated[int, msgspec.Meta(ge=1, le=99)]  # kind of bill: the digits 5 and 6 of its id
Mac = Digest  # HMAC-SHA-256 under a key that only the issuer has
Serial = Annotated[int, msgspec.Meta(ge=0, le=9_999_999_999)]  # the running number, 10 digits
Reason = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_]{0,47}\Z")]  # a code, never free text


class SeatChange(Wire, frozen=True):
    """What becomes of an organisation's seat among the validators."""

    organisation: Name
    key: Annotated[list[PublicKey], msgspec.Meta(max_length=1)]  # it joins, or votes with a new key; none: it leaves


class ProposeChange(Wire, frozen=True, tag=100):
    """A member asks for another set of validators; the operation's digest is what others approve."""

    based_on: Height  # epoch of the newest set: what was proposed for one set never changes another
    changes: list[SeatChange]  # by organisation, ascending
    until_height: Height  # first block that it can no longer be approved in


class ApproveChange(Wire, frozen=True, tag=101):
    """A member agrees to a proposal; the approval that completes a quorum makes the new set."""

    change: Digest  # of the ProposeChange


class Renew(Wire, frozen=True, tag=102):
    """A member whose validator lost its journal asks for a new epoch of the same set (PROTOCOL rule 14)."""

    number: Digest  # random, never the same again: the new journal carries it


class AddKey(Wire, frozen=True, tag=110):
    """An organisation gets another key of its own."""

    public: PublicKey
    purpose: Annotated[int, msgspec.Meta(ge=1, le=99)]  # records.UNIT or records.SEAL; vote keys come with seats
    suite: Count
    from_height: Height  # first block that it may sign in


class EndKey(Wire, frozen=True, tag=111):
    """An organisation ends a key of its own. What it signed before stays provable."""

    key_id: Digest
    until_height: Height  # first block that it may no longer sign in


class RangeRef(Wire, frozen=True):
    """Names a range: who holds it, of which code, from which number."""

    holder: Name
    code: BillCode
    first: Serial


class AllotRange(Wire, frozen=True, tag=200):
    """The holder of `parent` cuts a piece from its front for an organisation that it supervises."""

    parent: RangeRef
    first: Serial  # must be the parent's next free number
    count: Count
    holder: Name


class TakeLease(Wire, frozen=True, tag=201):
    """A hospital cuts a piece of its own range for one gateway and issuing point."""

    range: RangeRef
    first: Serial
    count: Count
    gateway: Name
    place: PlaceCode


class ReportUnused(Wire, frozen=True, tag=202):
    """A number of a lease was spent on nothing: it explains the gap and can never be used."""

    bill: BillId
    lease_first: Serial
    reason: Reason


class Payments(Wire, frozen=True):
    """Who paid how much of a total."""

    insurance_fund_fen: Fen
    personal_account_fen: Fen
    other_fen: Fen
    cash_fen: Fen


class IssueBill(Wire, frozen=True, tag=300):
    """The public part of a bill."""

    bill: BillId
    kind: Kind
    place: PlaceCode
    business_date: LocalDate
    issued_ms: Milliseconds
    total_fen: Fen
    payments: Payments
    self_paid_fen: Fen  # own share of covered items
    self_funded_fen: Fen  # not covered
    lease_first: Serial
    business_mac: Mac
    content_mac: Mac
    details_root: Digest


class ReverseBill(Wire, frozen=True, tag=301):
    """A red bill: the linked negative of an earlier one (冲红)."""

    bill: BillId  # its own number
    original: BillId
    place: PlaceCode
    business_date: LocalDate
    issued_ms: Milliseconds
    total_fen: Fen  # the original's, negated; so are all parts
    payments: Payments
    self_paid_fen: Fen
    self_funded_fen: Fen
    lease_first: Serial
    details_root: Digest


class SealSegment(Wire, frozen=True):
    """Bills of one issuer at the heights `after` + 1 ... `upto`."""

    issuer: Name
    after: Height  # the watermark before: equal to what the state keeps
    upto: Height


class SealException(Wire, frozen=True):
    """A bill inside a segment that is not sealed, and why."""

    bill: BillId
    reason: Reason


class SealBills(Wire, frozen=True, tag=400):
    """The supervising finance office's signature over final bills, by its key for seals."""

    segments: list[SealSegment]  # by issuer, ascending; may be empty when only exceptions are released
    header: Digest  # digest of the header at the highest `upto`
    exceptions: list[SealException]  # by bill, ascending
    released: list[BillId]  # earlier exceptions that are sealed now, ascending


Operation: TypeAlias = (
    ProposeChange
    | ApproveChange
    | Renew
    | AddKey
    | EndKey
    | AllotRange
    | TakeLease
    | ReportUnused
    | IssueBill
    | ReverseBill
    | SealBills
)


def operation_digest(operation: Operation) -> bytes:
    """What outcomes and records call the operation by."""
    return digest(OPERATION, operation)
