"""3xx, 4xx: bills and what is said of them, and the office's seal over them."""

from __future__ import annotations

from chain.codec import BillId, Digest, Fen, Height, LocalDate, Milliseconds, Name, PlaceCode, Wire
from chain.operation.fields import Kind, Mac, Persons, Reason, Serial


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
    persons: Persons


class VoidBill(Wire, frozen=True, tag=302):
    """A bill that never left the house is withdrawn (作废): no counter-bill, and it stays to be seen."""

    bill: BillId
    reason: Reason


class DeliverBill(Wire, frozen=True, tag=303):
    """Stamp: the bill went to its payer this way. To which number or address is nobody's business here."""

    bill: BillId
    channel: Reason  # sms, mail, app, counter …
    delivered_ms: Milliseconds


class HoldBill(Wire, frozen=True, tag=304):
    """Its fees are owed: it may not circulate. Linked to the issue, as a rule."""

    bill: BillId
    reason: Reason


class MakeUpPayment(Wire, frozen=True, tag=305):
    """What was owed is paid: the bill may circulate."""

    bill: BillId


class BindPayer(Wire, frozen=True, tag=306):
    """Who pays a bill whose payer was unknown when it was issued: bound later, and once. Who it is, is a private detail."""

    bill: BillId
    payer_root: Digest  # over salted fields, as `details_root` is, from a seed of their own


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
