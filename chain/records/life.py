"""What becomes of a bill: paper, accounting and settlements, claims."""

from __future__ import annotations

from chain.codec import BillId, Count, Digest, Fen, Height, LocalDate, Milliseconds, Name, Wire
from chain.operation import PaperNumber, Payments
from chain.records.record import State

# paper axis
NO_PAPER = 1
PAPER_OUT = 2  # one copy is alive

# accounting axis, each side for itself
NOT_BOOKED = 1
BOOKED = 2
ACKNOWLEDGED = 3  # taken out of the books again, so that the bill may be reversed
ISSUER, PAYER = 1, 2  # sides

# claim axis, each claim for itself
NOT_CLAIMED = 1
LOCKED = 2
APPROVED = 3
REJECTED = 4
PAID = 5
RELEASED = 6

# settlement axis, each settlement for itself
NOT_SETTLED = 1
JOINED = 2  # to a bill or several
FUND_PAID = 3  # to its hospital
WITHDRAWN = 4


class PaperBody(Wire, frozen=True):
    """Of a bill that was printed once."""

    state: State
    paper: PaperNumber  # the newest form
    copies: Count  # printed so far


class FormBody(Wire, frozen=True):
    """A numbered form that was used, by one bill or as a void blank."""

    bill: str  # empty for a blank
    reason: str  # of a blank


class BookingBody(Wire, frozen=True):
    """One side's accounting of a bill."""

    state: State
    organisation: Name
    amount_fen: Fen
    voucher_mac: Digest


class SettlementBody(Wire, frozen=True):
    """A medical-insurance settlement, of which its bureau has said something."""

    hospital: Name
    state: State
    bills: list[BillId]  # in the order in which they were joined; none while only its payment is known


class SettledBody(Wire, frozen=True):
    """The settlement that a bill was joined to last; whether it still holds, its own record says."""

    bureau: Name
    settlement: Digest


class JoinedBody(Wire, frozen=True):
    """What a settlement says of one bill."""

    payments: Payments


class FundPaymentBody(Wire, frozen=True):
    amount_fen: Fen
    paid_date: LocalDate
    payment_mac: Digest


class ClaimBody(Wire, frozen=True):
    bill: BillId
    state: State
    locked_fen: Fen
    approved_fen: Fen
    until_ms: Milliseconds  # of the lock
    height: Height  # of the block that locked it


class ClaimRef(Wire, frozen=True):
    insurer: Name
    claim: Digest


class ClaimsBody(Wire, frozen=True):
    """The claims of a bill that still count, in the order of their locks."""

    claims: list[ClaimRef]


class ClaimStepBody(Wire, frozen=True):
    """A decision, a payment or a release of a claim."""

    note: str  # a release's reason
    mac: bytes  # a payment's
