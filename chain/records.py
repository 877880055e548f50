"""What the state keeps: one frozen body per kind of record, and the record around it.

A record's key is text such as `bill/330601260000000001`; `keyspace.py` builds keys, nothing else does.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.catalogue import Catalogue, CatalogueVersion
from chain.codec import (
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
    encode,
)
from chain.digest import RECORD, digest
from chain.operation import (
    AccountRef,
    FieldId,
    IssueBill,
    Kind,
    Mac,
    PaperNumber,
    Payments,
    RangeRef,
    Reason,
    ReverseBill,
    SeatChange,
    Serial,
    TransferRef,
)
from chain.validators import Member, ValidatorSet

# purposes of a key
UNIT = 1  # signs transactions of its organisation
SEAL = 2  # signs seals of a finance office
VOTE = 3  # votes; listed in the validator set

FOR_EVER = 2**53  # `until_height` of a key that has no end yet

# validity axis of a bill
NORMAL = 1
REVERSED = 2  # a red bill exists
RED = 3  # is a red bill
VOID = 4  # withdrawn before it was delivered

# seal axis of a bill: whether the office's watermark covers it
COVERED = 1
WITHHELD = 2

# an organisation's standing
ACTIVE = 1
SUSPENDED = 2
CLOSED = 3

# circulation axis
IN_HOUSE = 1
IN_ARREARS = 2  # its fees are owed: it may not go round
DELIVERED = 3

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

# grant axis, each grant for itself
NOT_GRANTED = 1
GRANTED = 2
REVOKED = 3

# dispute axis
NOT_DISPUTED = 1
DISPUTED = 2  # nobody reimburses it
DISPUTE_SETTLED = 3

# what an account's balance may not do
UNLIMITED = 1
DEBITS_WITHIN_CREDITS = 2  # no more goes out than came in: a wallet, a deposit, a line that was granted
CREDITS_WITHIN_DEBITS = 3  # no more comes in than went out: a debt that is paid off

# a hold of money; it expires by block time alone
HELD = 1
CAPTURED = 2
LET_GO = 3

State = Annotated[int, msgspec.Meta(ge=1, le=99)]


class Record(Wire, frozen=True):
    """A record's current version. At most one version a block, each naming the one before."""

    version: Count  # 1 when made
    height: Height  # of the block that made this version; 0 is genesis
    former: Digest  # digest of the version before, zeros for the first
    origin: Digest  # digest of the operation that made version 1, zeros in genesis: "the same again" is told by it
    operation: Digest  # of the one that made this version; the last one where several did
    body: bytes  # canonical bytes of one of the structs below

    def digest(self) -> bytes:
        return digest(RECORD, self)


def state_leaf(key: bytes, record: bytes) -> bytes:
    """The leaf under the state root: (key, record). `record` is canonical bytes of a Record."""
    return encode([key, msgspec.Raw(record)])


class OrganisationBody(Wire, frozen=True):
    name: str  # as people write it; public
    kind: Name  # hospital, finance, health, …
    region: str  # GB/T 2260
    level: Count  # 1 province, 2 city, 3 county, 4 institution
    supervisor: str  # organisation id, or empty for the province
    places: list[PlaceCode]  # issuing points
    state: State  # ACTIVE, SUSPENDED or CLOSED
    reason: str  # why it is not active, or empty
    changes: Count  # of its standing so far


class AuthorityBody(Wire, frozen=True):
    """What an admitted organisation's node certificates are issued under, as it was stated."""

    certificate: bytes  # DER; empty if it runs no node


class AdmittedBody(Wire, frozen=True):
    """All organisations that came after genesis, ascending."""

    organisations: list[Name]


class KeyBody(Wire, frozen=True):
    public: PublicKey
    purpose: State
    suite: Count
    from_height: Height  # first block that it may sign in
    until_height: Height  # first block that it may no longer sign in


class KeysBody(Wire, frozen=True):
    """Ids of an organisation's unit and seal keys that had not ended when the list last changed, ascending."""

    ids: list[Digest]


class HolderBody(Wire, frozen=True):
    """Whose a key is: one holder has one voice, for ever."""

    organisation: Name


class SupervisedBody(Wire, frozen=True):
    """All that an organisation supervises, ascending."""

    organisations: list[Name]


class CatalogueBody(Wire, frozen=True):
    """One version of a catalogue, for ever."""

    from_date: LocalDate
    published_ms: Milliseconds
    content: Catalogue


class CatalogueVersions(Wire, frozen=True):
    catalogue: Name
    versions: list[CatalogueVersion]  # in the order of their numbers


class CataloguesBody(Wire, frozen=True):
    """All that an organisation has published, by catalogue, ascending."""

    catalogues: list[CatalogueVersions]

    def versions(self, catalogue: str) -> list[CatalogueVersion]:
        return next((entry.versions for entry in self.catalogues if entry.catalogue == catalogue), [])


class ValidatorsBody(Wire, frozen=True):
    """The newest set of validators; it votes from block `epoch` on, which may be two ahead."""

    epoch: Height
    members: list[Member]  # by organisation

    def members_set(self) -> ValidatorSet:
        return ValidatorSet(self.epoch, self.members)


class ChangeBody(Wire, frozen=True):
    """A proposal for another set, and who approved it."""

    based_on: Height
    changes: list[SeatChange]
    until_height: Height  # first block that it can no longer be approved in
    proposer: Name
    approvals: list[Name]  # ascending, the proposer among them
    epoch: Height  # of the set that it made; 0 while it is open


class RenewalBody(Wire, frozen=True):
    """A member's journal was made anew: it votes with that one from `epoch` on (PROTOCOL rule 14)."""

    number: Digest
    height: Height  # of the block that recorded it
    epoch: Height


class RangeBody(Wire, frozen=True):
    first: Serial
    count: Count
    next: Count  # children are cut from here; one above the last serial when nothing is left
    parent: list[RangeRef]  # one, or none for a province's own


class RangesBody(Wire, frozen=True):
    """All ranges of one holder and code: their first numbers, ascending."""

    firsts: list[Serial]


class LeaseBody(Wire, frozen=True):
    first: Serial
    count: Count
    gateway: Name
    place: PlaceCode
    cleared: bool  # its numbers may not be used any more


class ClearanceBody(Wire, frozen=True):
    """What became of a lease's numbers when the office cleared it; together they are its count."""

    office: Name
    normal: Count
    reversed: Count
    red: Count
    void: Count
    unused: Count


class LeasesBody(Wire, frozen=True):
    """All leases of one gateway and code: their first numbers, in the order taken."""

    firsts: list[Serial]


class BillBody(Wire, frozen=True):
    issuer: Name
    kind: Kind
    place: PlaceCode
    business_date: LocalDate
    issued_ms: Milliseconds
    total_fen: Fen
    payments: Payments
    self_paid_fen: Fen
    self_funded_fen: Fen
    details_root: Digest
    height: Height  # of the block that recorded it
    validity: State
    related: list[BillId]  # the red bill of a reversed one, the original of a red one
    seal: State
    withheld: str  # reason, while the seal is withheld

    @classmethod
    def of(
        cls,
        operation: IssueBill | ReverseBill,
        issuer: str,
        kind: int,
        height: int,
        *,
        validity: int,
        related: list[str],
        seal: int = COVERED,
        withheld: str = "",
    ) -> BillBody:
        """The record of a bill as its operation states it, recorded at `height`."""
        return cls(
            issuer=issuer,
            kind=kind,
            place=operation.place,
            business_date=operation.business_date,
            issued_ms=operation.issued_ms,
            total_fen=operation.total_fen,
            payments=operation.payments,
            self_paid_fen=operation.self_paid_fen,
            self_funded_fen=operation.self_funded_fen,
            details_root=operation.details_root,
            height=height,
            validity=validity,
            related=related,
            seal=seal,
            withheld=withheld,
        )


class ReasonBody(Wire, frozen=True):
    """Why: of a bill that was withdrawn or held, of a form or a grant that has ended. Empty where nobody is asked."""

    reason: str


class CirculationBody(Wire, frozen=True):
    """Of a bill that was held or delivered; without it a bill is in the house."""

    state: State
    reason: str  # while it is held


class DeliveryBody(Wire, frozen=True):
    """One way that a bill went to its payer."""

    delivered_ms: Milliseconds


class PayerBody(Wire, frozen=True):
    """The payer that was bound to a bill after its issue."""

    payer_root: Digest
    height: Height  # of the block that recorded it


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


class GrantBody(Wire, frozen=True):
    """That an organisation may read a bill; `GrantRead` says what each field is."""

    bill: BillId
    to: Name
    fields: list[FieldId]
    purpose: Reason
    until_ms: Milliseconds
    holder: Mac
    state: State
    height: Height  # of the block that recorded it


class GrantRef(Wire, frozen=True):
    granter: Name
    grant: Digest


class GrantsBody(Wire, frozen=True):
    """A bill's grants in the order in which they were given; what ended long ago makes room."""

    given: Count  # so many ever were
    grants: list[GrantRef]


class BoundBody(Wire, frozen=True):
    """Who became a bill's holder by showing its slip first."""

    holder: Digest


class DisputeBody(Wire, frozen=True):
    """A bill's newest dispute."""

    state: State
    number: Count
    holder: Digest
    reason: str
    outcome: str  # once it is settled
    time_ms: Milliseconds  # of the block that began it


class ProxyBody(Wire, frozen=True):
    """Who may read for whom, in pseudonyms, until a moment."""

    principal: Digest
    agent: Digest
    until_ms: Milliseconds
    ended: bool


class ProxyEndBody(Wire, frozen=True):
    """A proxy's end before its time."""

    ended_ms: Milliseconds  # by block time


class AccessesBody(Wire, frozen=True):
    """How far an archive's log of accesses is anchored."""

    first: Count
    last: Count
    head: Digest


class HeldMoney(Wire, frozen=True):
    """A hold as a limited account counts it."""

    organisation: Name  # that signed it
    hold: Digest
    amount_fen: Fen
    until_ms: Milliseconds


class AccountBody(Wire, frozen=True):
    """All that ever went out of an account and came in, and what is held of its limited side."""

    purpose: Reason
    limit: State
    takes_from_others: bool
    debits_fen: Fen
    credits_fen: Fen
    holds: list[HeldMoney]  # in the order of their making; those that expired go with the next change
    closed: bool


class TransferBody(Wire, frozen=True):
    debit: AccountRef
    credit: AccountRef
    amount_fen: Fen
    code: Reason
    about: list[Digest]
    corrects: list[TransferRef]
    corrected_fen: Fen  # so much of it was taken back by others
    time_ms: Milliseconds  # of its block


class HoldBody(Wire, frozen=True):
    """Money that was held; whether it has expired, the block time says."""

    debit: AccountRef
    credit: AccountRef
    amount_fen: Fen
    until_ms: Milliseconds
    code: Reason
    about: list[Digest]
    state: State
    captured_fen: Fen


class BusinessBody(Wire, frozen=True):
    bill: BillId
    content_mac: Digest


class UnusedBody(Wire, frozen=True):
    reason: str


class WatermarkBody(Wire, frozen=True):
    """Up to which height an office has sealed an issuer's bills."""

    upto: Height


class SealBody(Wire, frozen=True):
    upto: Height  # 0 where bills are only released
    header: Digest


class KindTotals(Wire, frozen=True):
    """A day's figures of one kind of bill. Red sums are negative; payment parts are of all together, void bills taken off."""

    kind: Kind
    count: Count
    sum_fen: Fen
    red_count: Count
    red_sum_fen: Fen
    void_count: Count  # of `count`, withdrawn
    void_sum_fen: Fen  # of `sum_fen`
    payments: Payments


class DayBookBody(Wire, frozen=True):
    kinds: list[KindTotals]  # by kind, ascending


class ParametersBody(Wire, frozen=True):
    """What the province has settled for all: part of genesis, and a record."""

    utc_offset_minutes: Annotated[int, msgspec.Meta(ge=-720, le=840)]  # of business dates
    region: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{2}\Z")]  # first digits of every bill code
    classification: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{2}\Z")]
    kinds: list[Kind]  # that may be issued, ascending
    heartbeat_ms: Count  # an empty block may come so long after its parent
    block_interval_min_ms: Count  # a proposer waits so long after the parent
    block_transactions_max: Count
    block_operations_max: Count
    block_bytes_max: Count
    replay_window: Count  # blocks that a transaction may be valid ahead, and is remembered
    business_days_behind_max: Count  # how far a business date may lie behind block time
    business_ahead_max_ms: Count  # and how far ahead of it, for clocks that differ
    seal_entries_max: Count  # exceptions, and releases, in one seal
    two_persons: list[Count]  # tags of operations that need two persons of the organisation that signs, ascending
