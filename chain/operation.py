"""One frozen struct per thing that can be asked of the ledger.

The integer tag comes first in the bytes. Tags are grouped by file of `chain/rules`, with room:
1xx organisations, validators and catalogues, 2xx numbers, 3xx bills, 4xx seals, 5xx paper, 6xx accounting, 7xx clearance,
8xx claims, 9xx grants (90x), holders (91x) and disputes (93x), 10xx accounts, 11xx payments, 12xx splits, 13xx deposits,
14xx credit, 15xx appointments, 16xx visits. An operation carries everything that its effect needs, so that the outcome's
code alone tells the result.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from chain.catalogue import Catalogue
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


# Who of the organisation asked for it and who agreed, ascending: a MAC of each under a key of the organisation's own, so that
# it can tell later, and nobody else can
Persons = Annotated[list[Mac], msgspec.Meta(max_length=2)]


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


Region = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{6}\Z")]  # GB/T 2260
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
AUTHORITY_BYTES_MAX = 4096
PLACES_MAX = 1_000


class AdmitOrganisation(Wire, frozen=True, tag=120):
    """A finance office takes in an organisation below itself that genesis does not know."""

    organisation: Name
    name: Title  # as people write it; public
    kind: Name  # hospital, insurer, employer
    region: Region
    places: Annotated[list[PlaceCode], msgspec.Meta(max_length=PLACES_MAX)]  # a hospital's issuing points, ascending
    key: PublicKey  # its first one, of a unit
    authority: Annotated[bytes, msgspec.Meta(max_length=AUTHORITY_BYTES_MAX)]  # DER; empty if it runs no node
    persons: Persons


class SuspendOrganisation(Wire, frozen=True, tag=121):
    """Who supervises an organisation stops it: it issues nothing until it is resumed. What it did stands."""

    organisation: Name
    reason: Reason
    changes: Count  # how often its standing has changed before: what was decided for then does not count for now
    persons: Persons


class ResumeOrganisation(Wire, frozen=True, tag=122):
    """A suspended organisation goes on."""

    organisation: Name
    changes: Count
    persons: Persons


class CloseOrganisation(Wire, frozen=True, tag=123):
    """An organisation has ended: it issues nothing any more."""

    organisation: Name
    reason: Reason
    changes: Count
    persons: Persons


class PublishCatalogue(Wire, frozen=True, tag=130):
    """The next version of a catalogue of the organisation that signs, for business from a day on."""

    version: Count  # one more than the former has
    from_date: LocalDate  # first business date that it is for
    content: Catalogue
    persons: Persons


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
    persons: Persons


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


FieldId = Annotated[int, msgspec.Meta(ge=0, lt=32)]  # of a bill's details: chain/details.py


class GrantRead(Wire, frozen=True, tag=900):
    """A patient lets an organisation read a bill, field by field, until a moment. Signed by who keeps the bill's details and
    has seen who the patient is."""

    grant: Digest  # the grant's name: random, or a MAC of what is granted
    bill: BillId
    to: Name  # the organisation that may read
    fields: Annotated[
        list[FieldId], msgspec.Meta(max_length=32)
    ]  # of the details, ascending; none: the public part alone
    purpose: Reason
    until_ms: Milliseconds  # by block time; then the grant is as if it had been revoked
    holder: Mac  # stands for the patient, another one to each organisation: under a key of the signer's own


class RevokeGrant(Wire, frozen=True, tag=901):
    """The patient takes a grant back, at whoever gave it or keeps the bill's details."""

    granter: Name  # who signed the grant
    grant: Digest
    reason: Reason


class BindHolder(Wire, frozen=True, tag=910):
    """A bill that names no document, as one paid in cash, becomes the bill of the person who showed its slip first."""

    bill: BillId
    holder: Mac  # of the bill and the person's document, under a key of the node that saw both


class DisputeBill(Wire, frozen=True, tag=930):
    """Whoever the bill names says that it is not theirs: nobody reimburses it until its office has looked."""

    bill: BillId
    holder: Mac  # as in BindHolder
    reason: Reason
    number: Count  # of the bill's disputes, from 1: what was said of an earlier one does not count for this one


class SettleDispute(Wire, frozen=True, tag=931):
    """The office has looked into it."""

    bill: BillId
    outcome: Reason  # upheld, dismissed …
    number: Count  # of the dispute


class GrantProxy(Wire, frozen=True, tag=902):
    """Somebody may read another one's bills under the own name until a moment. The office has seen who both are: the ledger
    knows neither, and no two relations show that they are of one person."""

    proxy: Digest  # the relation's name: a MAC under a key of the office's archive
    principal: Mac  # whose bills
    agent: Mac  # who reads them; of the relation and the person, under the same archive's key
    until_ms: Milliseconds  # by block time; then it is as if it had never been


class EndProxy(Wire, frozen=True, tag=903):
    """It ends before its time: either of the two wants it so, or the office."""

    proxy: Digest


class AnchorAccesses(Wire, frozen=True, tag=920):
    """An archive's log of who read which details, as far as it goes: nothing of it can be taken out or changed any more."""

    first: Annotated[int, msgspec.Meta(ge=1, le=2**53)]  # number of the first entry since the anchor before
    last: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    head: Digest  # of the last entry, which names the one before it, and so on


class AccountRef(Wire, frozen=True):
    """Names an account: who answers for it, and under which name."""

    owner: Name
    account: Digest  # random, or a MAC under a key of the owner's own: it tells nobody whose money it is


Limit = Annotated[int, msgspec.Meta(ge=1, le=99)]  # records.UNLIMITED, DEBITS_WITHIN_CREDITS or CREDITS_WITHIN_DEBITS


class OpenAccount(Wire, frozen=True, tag=1000):
    """An organisation begins an account that it answers for."""

    account: Digest
    purpose: Reason  # what it is for, as its owner calls it
    limit: Limit
    takes_from_others: bool  # whether another organisation may pay something in; never on a debt


class CloseAccount(Wire, frozen=True, tag=1001):
    """Nothing is moved on it any more, and no hold on it captured. It has to be even."""

    account: Digest


class TransferRef(Wire, frozen=True):
    """Names a transfer: who signed it, and under which name."""

    organisation: Name
    transfer: Digest


class Transfer(Wire, frozen=True, tag=1010):
    """Money goes from one account to another, for ever. Signed by who answers for the debited one."""

    transfer: Digest  # its name: random, or a MAC of the signer's own number
    debit: AccountRef
    credit: AccountRef
    amount_fen: Fen
    code: Reason  # what for
    about: Annotated[list[Digest], msgspec.Meta(max_length=1)]  # what it belongs to, if anything
    corrects: Annotated[list[TransferRef], msgspec.Meta(max_length=1)]  # a transfer that went the other way


class HoldMoney(Wire, frozen=True, tag=1020):
    """Money is kept back for a transfer to come: it counts against the limits at once."""

    hold: Digest
    debit: AccountRef
    credit: AccountRef
    amount_fen: Fen
    until_ms: Milliseconds  # by block time; then it is as if it had never been
    code: Reason
    about: Annotated[list[Digest], msgspec.Meta(max_length=1)]


class CaptureHold(Wire, frozen=True, tag=1021):
    """A hold becomes a transfer, once; what is left of it is free again."""

    hold: Digest
    transfer: Digest  # the name of what it becomes
    amount_fen: Fen  # at most what is held


class ReleaseHold(Wire, frozen=True, tag=1022):
    """Nothing comes of a hold."""

    hold: Digest
    reason: Reason


Operation: TypeAlias = (
    ProposeChange
    | ApproveChange
    | Renew
    | AddKey
    | EndKey
    | AdmitOrganisation
    | SuspendOrganisation
    | ResumeOrganisation
    | CloseOrganisation
    | PublishCatalogue
    | AllotRange
    | TakeLease
    | ReportUnused
    | IssueBill
    | ReverseBill
    | VoidBill
    | DeliverBill
    | HoldBill
    | MakeUpPayment
    | BindPayer
    | SealBills
    | PrintPaper
    | TakeBackPaper
    | VoidBlanks
    | BookBill
    | AcknowledgeReversal
    | JoinSettlement
    | PayFund
    | WithdrawSettlement
    | ClearLease
    | LockClaim
    | DecideClaim
    | PayClaim
    | ReleaseClaim
    | GrantRead
    | RevokeGrant
    | BindHolder
    | DisputeBill
    | SettleDispute
    | GrantProxy
    | EndProxy
    | AnchorAccesses
    | OpenAccount
    | CloseAccount
    | Transfer
    | HoldMoney
    | CaptureHold
    | ReleaseHold
)

# operations that say which persons they are of: the name that `network.yaml` calls them by -> tag
PERSONS_TAGS = {
    "admit_organisation": 120,
    "suspend_organisation": 121,
    "resume_organisation": 122,
    "close_organisation": 123,
    "publish_catalogue": 130,
    "allot_range": 200,
    "reverse_bill": 301,
}


def operation_digest(operation: Operation) -> bytes:
    """What outcomes and records call the operation by."""
    return digest(OPERATION, operation)
