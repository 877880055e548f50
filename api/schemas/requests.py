"""What the bodies of requests look like; a bill's own is `chain.bill.BillRequest`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from chain.bill import BillRequest, ShortText
from chain.catalogue import CATALOGUE_VERSIONS_MAX, ENTRIES_MAX
from chain.codec import FEN_MAX, PlaceCode
from chain.operation import AUTHORITY_BYTES_MAX, HOSPITALS_MAX, INSTALMENTS_MAX, PAPERS_MAX, PLACES_MAX
from node.money.requests import RefundWish
from node.services.attestation import CHARACTERS_MAX
from node.services.desks import BILLS_MAX, InstalmentWish

BATCH_MAX = 1_000  # bills in one request
VERIFICATIONS_MAX = 10_000  # rows in one request
GRANTS_MAX = 100  # bills that one request lets somebody read
FORESEEN_MAX = 500  # claims in one request

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
BillIdText = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{18}\Z")]
Organisation = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9_.-]{0,31}\Z")]
DateText = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Base: unknown fields are refused."""


class Batch(Body, frozen=True):
    """Bills as they came: each is decoded by itself, so that a bad one spoils no other."""

    bills: msgspec.Raw


class ReversalRequest(Body, frozen=True):
    """Why a bill is reversed, and by whom. The red bill's issuing point is the original's unless named. `refund`: what was paid for
    the bill goes back with it."""

    reason: Text
    operator: Text
    place_code: PlaceCode | None = None
    refund: RefundWish | None = None


class CorrectionRequest(Body, frozen=True):
    """Why a bill is taken back, by whom, and the whole bill that stands in its place, under a business number of its own."""

    reason: Text
    operator: Text
    bill: BillRequest


Code = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_]{0,47}\Z")]
Paper = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Z]{4,32}\Z")]


class Nothing(Body, frozen=True):
    """An empty object: the path says it all."""


class ReasonRequest(Body, frozen=True):
    """Why, as a code: the ledger keeps it for everybody to read."""

    reason: Code


class AdmissionRequest(Body, frozen=True):
    """An organisation that asks to be taken in, as `medbill organisation init` writes it; bytes are hex."""

    organisation: Organisation
    name: Text
    kind: Literal["hospital", "insurer", "employer", "bank", "lender", "platform", "channel"]
    region: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{6}\Z")]  # GB/T 2260
    key: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]  # Ed25519, of its unit
    authority: Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{2})*\Z", max_length=2 * AUTHORITY_BYTES_MAX)] = ""
    places: Annotated[list[PlaceCode], msgspec.Meta(max_length=PLACES_MAX)] = []


class GrantsRequest(Body, frozen=True):
    """Whom a patient lets read which bills, and which details of them; what for, as a code that the ledger keeps; until when."""

    bill_ids: Annotated[list[BillIdText], msgspec.Meta(min_length=1, max_length=GRANTS_MAX)]
    to: Organisation
    fields: Annotated[list[Code], msgspec.Meta(max_length=32)]  # none: the public part alone
    purpose: Code
    until: Text  # RFC 3339 with its zone


class ForeseenClaim(Body, frozen=True):
    """A bill, and how much of its own part would be locked."""

    bill_id: BillIdText
    amount_fen: Annotated[int, msgspec.Meta(ge=0, le=FEN_MAX)]


class ForesightRequest(Body, frozen=True):
    """Claims that an insurer thinks of making, each bill once."""

    claims: Annotated[list[ForeseenClaim], msgspec.Meta(min_length=1, max_length=FORESEEN_MAX)]


class ClaimedBill(Body, frozen=True):
    """A bill of the asking person's; without an amount, all of its own part is claimed."""

    bill_id: BillIdText
    amount_fen: Annotated[int, msgspec.Meta(ge=1, le=FEN_MAX)] | None = None


class ClaimsRequest(Body, frozen=True):
    """Bills that somebody claims from their insurer, each once."""

    bills: Annotated[list[ClaimedBill], msgspec.Meta(min_length=1, max_length=BILLS_MAX)]


class RevocationRequest(Body, frozen=True):
    """Why, as a code: the ledger keeps it for everybody to read."""

    reason: Code = "holder_asked"


class DeliveryRequest(Body, frozen=True):
    """Which way a bill went: sms, mail, app, counter …"""

    channel: Code


class PayerRequest(Body, frozen=True):
    """Who pays, and who of the hospital says so."""

    name: Text
    operator: Text
    type: Literal["person", "unit"] = "person"
    id_type: ShortText = ""
    id_number: ShortText = ""


class PaperRequest(Body, frozen=True):
    """The form: its code and running number, as printed on it."""

    paper: Paper


class PaperEnd(Body, frozen=True):
    """What became of the copy: returned, damaged, lost …"""

    paper: Paper
    reason: Code


class BlanksRequest(Body, frozen=True):
    """Forms that were never printed on."""

    papers: Annotated[list[Paper], msgspec.Meta(min_length=1, max_length=PAPERS_MAX)]
    reason: Code


EntryCode = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class ChargeRow(Body, frozen=True):
    """A fiscal charge code and what it is called."""

    code: EntryCode
    name: Text


class ItemRow(Body, frozen=True):
    """A hospital's code and the charge that it belongs under."""

    code: EntryCode
    charge: EntryCode


class TitleRow(Body, frozen=True):
    """What stands above a kind of bill, and above its detail list."""

    kind: Literal["outpatient", "inpatient", "registration", "checkup"]
    bill_title: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    list_title: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]


Head = Annotated[str, msgspec.Meta(min_length=1, max_length=8)]


class CatalogueRequest(Body, frozen=True):
    """The next version of a catalogue, for business from a day on. `charges`: its charges; `items`: its items; `faces`: titles, and heads
    of the columns where they are to be others. Entries stand by code or kind, ascending."""

    catalogue: Literal["charges", "items", "faces"]
    version: Annotated[int, msgspec.Meta(ge=1, le=CATALOGUE_VERSIONS_MAX)]
    from_date: DateText
    charges: Annotated[list[ChargeRow], msgspec.Meta(max_length=ENTRIES_MAX)] = []
    items: Annotated[list[ItemRow], msgspec.Meta(max_length=ENTRIES_MAX)] = []
    titles: Annotated[list[TitleRow], msgspec.Meta(max_length=99)] = []
    charge_columns: Annotated[list[Head], msgspec.Meta(max_length=4)] = []
    item_columns: Annotated[list[Head], msgspec.Meta(max_length=7)] = []


class RangeRequest(Body, frozen=True):
    """An allotment: `count` numbers from `first` on, which must be the parent's next free one."""

    parent: Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9_.-]{0,31}/[0-9]{8}/[0-9]{1,10}\Z")]
    first: Annotated[int, msgspec.Meta(ge=0, le=9_999_999_999)]
    count: Annotated[int, msgspec.Meta(ge=1, le=10_000_000_000)]
    holder: Organisation


class SealQuestion(Body, frozen=True):
    """A bill that is to get no seal, and why, as a code."""

    bill_id: BillIdText
    reason: Code


class SealsRequest(Body, frozen=True):
    """Exceptions of the seals to come, and bills that are to get theirs after all."""

    exceptions: Annotated[list[SealQuestion], msgspec.Meta(max_length=1_000)] = []
    released: Annotated[list[BillIdText], msgspec.Meta(max_length=1_000)] = []


class ClearanceRequest(Body, frozen=True):
    """The lease whose numbers are to be cleared."""

    issuer: Organisation
    code: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{8}\Z")]
    first: Annotated[int, msgspec.Meta(ge=0, le=9_999_999_999)]


class PersonRequest(Body, frozen=True):
    """A person by the identity document, as hospitals write it on bills. Personal data."""

    id_type: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    id_number: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    name: Text


# what the principal is to the agent; `guardian`: the ward
Relationship = Literal["child", "parent", "guardian", "other"]
Until = Annotated[str, msgspec.Meta(min_length=10, max_length=35)]  # yyyy-mm-dd, to its end; or a moment as in RFC 3339


class ProxyRequest(Body, frozen=True):
    """Who may read the asking person's bills, until when."""

    agent: PersonRequest
    relationship: Relationship
    until: Until


class Evidence(Body, frozen=True):
    """The document that a clerk has seen: birth_certificate, household_register, court_order … and its number."""

    kind: Code
    number: Text


class CounterProxyRequest(Body, frozen=True):
    """The same for somebody who cannot sign on: a child, a person under guardianship."""

    principal: PersonRequest
    agent: PersonRequest
    relationship: Relationship
    until: Until
    evidence: Evidence


class VerificationRequest(Body, frozen=True):
    """What stands on the bill in hand. Date and total are compared where they are sent."""

    bill_id: BillIdText
    check_code: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    business_date: DateText | None = None
    total_fen: Annotated[int, msgspec.Meta(ge=-(10**15), le=10**15)] | None = None


class BillClaimRequest(Body, frozen=True):
    """The slip in hand: its number, and its check code or the token of its QR code."""

    bill_id: BillIdText
    secret: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class SettleRequest(Body, frozen=True):
    """What came of looking into it, as a code: upheld, dismissed …"""

    outcome: Code


class Verifications(Body, frozen=True):
    """Rows as they came, each as one verification."""

    rows: msgspec.Raw


LineDraw = Annotated[int, msgspec.Meta(ge=1, le=FEN_MAX)]


class EnrolRequest(Body, frozen=True):
    """Which of the lender's products, and what a score provider attests: a compact JWS. Personal; never kept."""

    product: Organisation
    attestation: Annotated[str, msgspec.Meta(min_length=1, max_length=CHARACTERS_MAX, pattern=r"\A[A-Za-z0-9_.-]+\Z")]
    hospitals: Annotated[list[Organisation], msgspec.Meta(min_length=1, max_length=HOSPITALS_MAX)]  # where it is used


class RepaymentRequest(Body, frozen=True):
    """The lender's own number of it, and over which channel it came."""

    repayment_no: Text
    channel: Code
    amount_fen: LineDraw


class PaybackRequest(Body, frozen=True):
    """The lender's own number of it, and over which channel it left."""

    payback_no: Text
    channel: Code
    amount_fen: LineDraw


class InstalmentsRequest(Body, frozen=True):
    """By date; together what is owed now."""

    plan_no: Text
    instalments: Annotated[list[InstalmentWish], msgspec.Meta(min_length=1, max_length=INSTALMENTS_MAX)]
