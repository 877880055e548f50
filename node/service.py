"""What the REST layer asks of a node: the shapes, and one protocol per kind of node that serves people.

The API knows these and nothing else of a node; `gateway.py` and `mirror.py` implement them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

import msgspec

from chain.bill import BillRequest, Payer
from chain.operation import (
    AdmitOrganisation,
    BindPayer,
    CloseOrganisation,
    DeliverBill,
    HoldBill,
    MakeUpPayment,
    PrintPaper,
    PublishCatalogue,
    ResumeOrganisation,
    SuspendOrganisation,
    TakeBackPaper,
    VoidBill,
    VoidBlanks,
)
from faces.source import FaceSource, Form
from node.identity import Identity

if TYPE_CHECKING:
    from node.approvals import Approvals
    from node.money.requests import RefundWish

# what an office does with an organisation that it supervises
StandingOperation = SuspendOrganisation | ResumeOrganisation | CloseOrganisation
# what a hospital does with a bill that it issued
LifeOperation = VoidBill | DeliverBill | HoldBill | MakeUpPayment | BindPayer | PrintPaper | TakeBackPaper | VoidBlanks
Status = Literal["queued", "recorded", "sealed", "refused"]
Verdict = Literal["genuine", "genuine_reversed", "genuine_void", "no_match", "try_later"]
# what the match of a bill, its settlement and the fund's payment may find
DIFFERENCES = (
    "no_settlement",
    "fund_differs",
    "account_differs",
    "rest_differs",
    "not_paid",
    "paid_differs",
    "bill_reversed",
    "bill_void",
    "settlement_without_bill",
)


class ServiceRefused(Exception):
    """A request that a node refuses. `code` is stable; `pointer` names the field where one is at fault."""

    def __init__(self, code: str, detail: str = "", pointer: str | None = None, links: dict[str, str] | None = None):
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code, self.detail, self.pointer, self.links = code, detail, pointer, links


class Reader(msgspec.Struct, frozen=True):
    """Who asks, as their token says; checked before."""

    subject: str
    organisation: str
    role: str  # one of api/auth.py's
    identity: Identity | None = None  # of a patient, as the sign-on has proved it
    purpose: str = ""  # that the request names; one of purposes.py's
    case_number: str = ""  # of an auditor's case: the patient is told later


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """What has become of one written thing so far."""

    operation: str  # digest, hex
    status: Status
    code: str | None = None  # of the outcome, when refused
    height: int | None = None  # of the block that recorded or refused it
    sealed_height: int | None = None
    bill_id: str | None = None
    check_code: str | None = None  # of a bill issued here
    superseded_by: str | None = None  # the bill that the same business number has already
    repeated: bool = False  # the same request was kept before: nothing new was made
    proxy: str | None = None  # the relation that was registered here, hex
    resource: str | None = None  # path of what was made, where it is no bill
    chain: tuple[str, ...] = ()  # digests of what holds or falls with it, hex


class Head(msgspec.Struct, frozen=True):
    """As of when a node answers."""

    height: int
    digest: str
    time_ms: int


class LeaseView(msgspec.Struct, frozen=True):
    lease: str  # code ‖ first number, 18 digits
    kind: str
    place: str
    gateway: str
    first: int
    count: int
    next: int
    left: int


class PaperForms(msgspec.Struct, frozen=True):
    """Paper forms that lie at an issuing point, as the hospital says, and what the ledger has of them."""

    place: str
    code: str
    first: str
    last: str
    printed: int
    voided: int  # blank
    left: int


class IssuedBill(msgspec.Struct, frozen=True):
    """A recorded bill, as far as lists by day choose by it."""

    bill_id: str
    place: str
    is_red: bool


class Claimed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a member of the public types in from a bill."""

    bill_id: str
    check_code: str
    business_date: str | None = None  # yyyy-mm-dd
    total_fen: int | None = None


class ProxyAsked(msgspec.Struct, frozen=True):
    """A relation that is to be registered. Personal data."""

    principal: Identity | None  # whose bills; None: the asking patient's
    agent: Identity  # who is to read them
    relationship: str  # of `proxies.Relationship`
    until_ms: int
    evidence: str = ""  # kind of document that a clerk has seen
    evidence_number: str = ""


class Page(msgspec.Struct, frozen=True):
    """Part of a list: rows as JSON objects, and where to go on."""

    data: list[dict[str, Any]]
    next: str | None = None


class WaitingQuery(msgspec.Struct, frozen=True):
    """Which visits are compared. Days as yyyy-mm-dd, local: of those that were opened within them."""

    split: str  # the first day of the time since
    kind: str  # one of chain.rules.visits.KINDS
    from_date: str | None = None
    to_date: str | None = None
    hospital: str | None = None


class GrantWish(msgspec.Struct, frozen=True):
    """Whom a patient lets read, and what, until when."""

    to: str  # organisation
    fields: list[str]  # names of details
    purpose: str  # a code
    until_ms: int


class GivenGrant(msgspec.Struct, frozen=True):
    grant: str  # its name, 64 hex digits
    bill_id: str
    standing: Standing


class Served(Protocol):
    """Whatever serves REST: a node, or an organisation's own service (`services/desks.py`)."""

    name: str
    kind: str  # gateway, mirror, insurer …
    organisation: str
    chain_id: str  # hex

    def head(self) -> Head: ...


class Desk(Served, Protocol):
    """What every node that serves REST can do. Unknown and forbidden look the same: None, or an empty page."""

    approvals: Approvals  # what waits here for a second person

    def network(self) -> dict[str, Any]:
        """Organisations, validators, parameters, this node, its peers and the head."""
        ...

    def genesis_file(self) -> bytes:
        """genesis.json as this node has it. Whoever is given it compares its digest with what is known from elsewhere."""
        ...

    async def blocks(self, before: int | None, limit: int) -> Page:
        """Header, certificate and counts, newest first."""
        ...

    async def block(self, height: int, reader: Reader | None) -> dict[str, Any] | None:
        """The same for one; bodies for auditors, and an issuer's own part for its people."""
        ...

    async def bill(self, bill_id: str, reader: Reader) -> dict[str, Any] | None: ...

    async def bills_by_business_no(self, issuer: str, business_no: str, reader: Reader) -> list[dict[str, Any]]: ...

    async def bills_of_group(self, issuer: str, group: str, reader: Reader, after: str | None, limit: int) -> Page:
        """The bills of a settlement, by number. What another gateway of the hospital issued, a gateway asks its archive."""
        ...

    async def history(self, bill_id: str, reader: Reader) -> list[dict[str, Any]] | None: ...

    async def proof(self, bill_id: str, reader: Reader | None, fields: list[str], secret: str | None) -> bytes | None:
        """The proof file. `reader` with the right to it, or `secret`: the bill's check code or token."""
        ...

    async def payer_proof(self, bill_id: str, reader: Reader | None, secret: str | None) -> bytes | None:
        """The file that proves who was bound to a bill later; for whom `proof` opens its details. Raises ServiceRefused
        `payer_not_bound`, `unavailable`."""
        ...

    async def claims(self, bill_id: str) -> list[dict[str, Any]]:
        """The claims on a bill that still count, as `life_pages` shows them, oldest first. Who may ask is settled before."""
        ...

    async def face_source(
        self, bill_id: str, reader: Reader | None, form: Form, secret: str | None
    ) -> FaceSource | None:
        """What stands on a bill's face, and its proof with those details opened; for whom `proof` would open them."""
        ...

    def check_proof(self, data: bytes) -> dict[str, Any]:
        """What `medbill proof verify` says of a file: {valid, checks [{name, ok, detail}], bill}; keeps nothing."""
        ...

    async def verify_claimed(self, claimed: Claimed, source: str) -> dict[str, Any]:
        """{verdict, status?, reversed_by?, as_of}; `source` is counted against for failures only."""
        ...

    async def look_up(self, claimed: Claimed, source: str, asker: Reader | None) -> dict[str, Any]:
        """`verify_claimed` for somebody who wants to know: counted where the bill is found, and `lookups` says how often it was.
        `asker` is an institution's person, None for the public."""
        ...

    async def lookups(self, bill_id: str, reader: Reader) -> dict[str, Any] | None:
        """{count, last, rows} of this node's own answers, for the bill's holder and its issuer's people."""
        ...

    async def verify_many(self, claims: list[Claimed], asker: Reader) -> dict[str, Any]:
        """{counts, results, manifest} of claims by somebody who showed who it is; what is found counts as
        looked up. Raises ServiceRefused `unavailable`."""
        ...

    async def operation(self, digest: str, reader: Reader) -> Standing | None: ...

    async def operation_proof(self, digest: str, reader: Reader) -> bytes | None:
        """The file that proves an operation; `digest` is hex. For whoever may read the bill that it is about."""
        ...

    async def publish(self, operation: PublishCatalogue, persons: Sequence[bytes] = ()) -> Standing:
        """Publish a version of a catalogue as this node's own organisation; its `persons` are put in. Raises ServiceRefused:
        `catalogue_malformed`, `version_moved`, `date_passed` …, `second_person_missing` last of all."""
        ...

    def catalogues(self, publisher: str | None) -> list[dict[str, Any]]:
        """{organisation, catalogue, version, from_date, published_at} of what this node knows: a gateway what its hospital goes by."""
        ...

    def catalogue(self, name: str, version: int, publisher: str | None) -> dict[str, Any] | None:
        """The same with its content; of the first organisation that has such a version if none is named."""
        ...

    async def submit(self, transaction: bytes) -> list[Standing]:
        """Take a signed transaction in canonical bytes. Raises ServiceRefused."""
        ...

    async def wait(self, standing: Standing, seconds: float, until: Status = "sealed") -> Standing:
        """The standing when it is reached, or after so many seconds what there is."""
        ...


class Money(Protocol):
    """A hospital's payments, credit, splits, deposits, appointments and visits (`node/money/requests.py` has the wishes)."""

    async def do(self, wish: Any, reader: Reader, target: str = "") -> Standing:
        """Keep what becomes of a wish; `target` is what of the path it is about. Raises ServiceRefused with the code that the
        ledger would give now, or one of content."""
        ...

    async def invite(self, wish: Any, reader: Reader, target: str) -> dict[str, Any]:
        """What the payer of a part of an order opens. Raises ServiceRefused."""
        ...

    async def invite_top_up(self, wish: Any, reader: Reader, target: str) -> dict[str, Any]:
        """What is opened to pay into a deposit. Raises ServiceRefused."""
        ...

    async def hear(self, channel: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, bytes]:
        """A channel's notice, from anybody: (status, media type, body) of the answer. Raises ServiceRefused `not_found`."""
        ...

    def our_lines(self, channel: str, day: int) -> AsyncIterator[Any]:
        """What this gateway has of a channel's day, yyyymmdd: `reconciliation.OurLine`. Raises ServiceRefused `channel_unknown`."""
        ...

    async def statement(self, channel: str, day: date, target: BinaryIO) -> None:
        """The channel's own file of a day, as it came. Raises ServiceRefused."""
        ...

    async def show(self, kind: str, target: str, reader: Reader) -> dict[str, Any] | None:
        """One thing; None where there is nothing, or nothing for the reader. Raises ServiceRefused `…_unknown`."""
        ...

    async def schedules_of(self, department: str, day: int, after: str | None, limit: int) -> Page:
        """Of a day, yyyymmdd, as far as this gateway published them; `department` may be empty."""
        ...

    async def rows(self, kind: str, reader: Reader, after: str | None, limit: int) -> Page:
        """A patient's own of a kind, or the hospital's payees. Raises ServiceRefused `identity_missing`."""
        ...


class Counter(Desk, Protocol):
    """A gateway: where a hospital's bills are issued."""

    @property
    def money(self) -> Money: ...

    async def issue(self, request: BillRequest) -> Standing:
        """Keep a bill durably under a number. Raises ServiceRefused: content codes with a pointer,
        `business_no_conflict`, `no_numbers`, `outbox_full`."""
        ...

    async def issue_many(self, requests: list[BillRequest]) -> list[Standing | ServiceRefused]: ...

    async def reverse(
        self,
        bill_id: str,
        reason: str,
        operator: str,
        place_code: str | None,
        persons: Sequence[bytes] = (),
        refund: RefundWish | None = None,
    ) -> Standing:
        """Keep a red bill durably; with `refund` also what goes back for it, in one chain of the ledger, both or neither. Raises
        ServiceRefused: `bill_unknown`, `already_reversed`, `bill_is_red` …, those of a refund, and `second_person_missing` where
        all else is well but genesis wants the marks of two `persons`."""
        ...

    async def correct(
        self, bill_id: str, reason: str, operator: str, request: BillRequest, persons: Sequence[bytes] = ()
    ) -> tuple[Standing, Standing]:
        """Keep a red bill and a new one, both or neither; as `reverse` and `issue` refuse."""
        ...

    async def move(self, operation: LifeOperation) -> Standing:
        """Keep a step of a bill's life durably. Raises ServiceRefused with the code that the ledger would give now."""
        ...

    async def bind_payer(self, bill_id: str, payer: Payer, operator: str) -> Standing:
        """Keep durably who pays a bill that was issued for an unknown payer. Raises ServiceRefused: `payer_already_bound`,
        `bill_unknown`, `bill_not_normal`, `payer_known` …"""
        ...

    async def reprint(self, bill_id: str, paper: str, again: str) -> Standing:
        """Take a spoilt paper copy back and print another, both or neither. Raises ServiceRefused."""
        ...

    async def life(self, bill_id: str, reader: Reader) -> dict[str, Any] | None:
        """Where a bill of the hospital stands on the other axes, as validators tell; None for one that is not there."""
        ...

    async def link(self, bill_id: str, reader: Reader) -> str | None:
        """What stands behind this node's address in a bill's QR code (`faces/link.py`). None for who may not read the bill, and
        while its details are out of reach."""
        ...

    def leases(self) -> list[LeaseView]: ...

    async def paper_forms(self) -> list[PaperForms]:
        """The hospital's stock of blank forms at this gateway. Raises ServiceRefused `unavailable`."""
        ...

    async def next_form(self, place: str, code: str) -> str | None:
        """The number of the next blank form under a code at an issuing point; None if none is left there."""
        ...

    async def day_books(self, first: date, last: date, place: str | None) -> list[dict[str, Any]]:
        """The hospital's certified day books, as rows of a mirror's `day_totals`. Raises ServiceRefused `place_unknown`,
        `parameter_invalid`, and `unavailable` where no validator answers."""
        ...

    async def bills_by_day(self, first: date, last: date, place: str | None) -> list[IssuedBill]:
        """The hospital's recorded bills of some business dates, red ones too, in the order in which they were recorded. Raises
        ServiceRefused `place_unknown`, `parameter_invalid`."""
        ...


class Patients(Protocol):
    """What an archive does for patients."""

    async def my_bills(self, reader: Reader, after: str | None, limit: int, proxy: str | None = None) -> Page:
        """A person's bills at all hospitals, or those of whom the person reads for under `proxy` (hex). Raises ServiceRefused
        `identity_missing`, `proxy_unknown`."""
        ...

    async def my_accesses(self, reader: Reader, after: str | None, limit: int, proxy: str | None = None) -> Page:
        """Who read these bills, the newest first; as `my_bills`."""
        ...

    async def give_grants(self, reader: Reader, bills: Sequence[str], wish: GrantWish) -> list[GivenGrant]:
        """Let an organisation read bills of the reader's: one grant on each, in their order, all or none of them sent. Raises
        ServiceRefused: `identity_missing`, `bill_unknown`, `field_unknown`, `grant_revoked`, `grant_expired`, the rules' codes."""
        ...

    async def my_grants(self, reader: Reader, after: str | None, limit: int) -> Page:
        """Grants on a person's bills, also those that have ended. Raises ServiceRefused `identity_missing`."""
        ...

    async def revoke_grant(self, reader: Reader, grant: str, reason: str) -> Standing:
        """Take one back; `grant` is hex. Raises ServiceRefused: `identity_missing`, `grant_unknown`, the rules' codes."""
        ...


class Reimbursing(Protocol):
    """What an archive tells insurers of their claims. `insurer` is whose: for its own people, and auditors; nobody else is told."""

    def foresee(self, reader: Reader, wanted: Sequence[tuple[str, int]]) -> list[str | None]:
        """For (bill, amount in fen) each the code with which the ledger would refuse the lock of it by the reader's organisation
        now, or None; `bill_unknown` where no grant lets the organisation read it. Nothing is written."""
        ...

    def claim(self, insurer: str, name: str, reader: Reader) -> dict[str, Any] | None:
        """{insurer, claim, bill_id, state, locked_fen, approved_fen, locked_until, height}; `name` is hex."""
        ...

    def claims(self, insurer: str, state: str | None, after: str | None, limit: int, reader: Reader) -> Page:
        """The same of all of an insurer's, or of those in a state, by name; `after` is the `next` of the page before."""
        ...


class Lending(Protocol):
    """What an archive tells of credit."""

    def product(self, lender: str, name: str, version: int | None) -> dict[str, Any] | None:
        """{lender, product, version, newest, terms}; the newest version if none is named."""
        ...

    def line(self, lender: str, name: str, reader: Reader) -> dict[str, Any] | None:
        """{lender, line, product, version, state, until, bearer, line_fen, left_fen, owed_fen, surplus_fen, overdue, dues …}; `name` is hex. For
        the lender, the hospital that bears its risk, and auditors."""
        ...

    def lines(self, lender: str, owing: bool, after: str | None, limit: int, reader: Reader) -> Page:
        """The same of all of a lender's, or of those on which something is owed, by name; for the lender and auditors."""
        ...


class Family(Protocol):
    """Who reads for whom. Names of relations are hex."""

    async def grant(self, reader: Reader, asked: ProxyAsked) -> Standing:
        """Its standing names the relation. Raises ServiceRefused `identity_missing`, `counter_only`, `same_person`, `proxy_expired`, `proxy_too_long` …"""
        ...

    async def end(self, reader: Reader, name: str) -> Standing:
        """Raises ServiceRefused `proxy_unknown`, `already_ended`, `proxy_expired`."""
        ...

    def mine(self, reader: Reader) -> list[dict[str, Any]]:
        """{proxy, as, principal, agent, relationship, until, state, registered_by, evidence}. Raises ServiceRefused
        `identity_missing`."""
        ...


class Binding(Protocol):
    """How a bill that names no document gets its holder."""

    async def claim(self, reader: Reader, bill: str, secret: str, source: str) -> Standing:
        """The bill becomes the patient's who shows its slip. Raises ServiceRefused `identity_missing`, `too_many_attempts`,
        `bill_unknown`, `already_claimed`."""
        ...


class Disputes(Protocol):
    """Bills of which their holder says "this was not me"."""

    async def dispute(self, reader: Reader, bill: str, reason: str) -> Standing:
        """By its holder. Raises ServiceRefused `identity_missing`, `bill_unknown`, `already_disputed`."""
        ...

    async def settle(self, bill: str, outcome: str) -> Standing:
        """By the office. Raises ServiceRefused `bill_unknown`, `not_disputed`, `already_settled`."""
        ...

    def open(self, reader: Reader, after: str, limit: int) -> Page:
        """Open ones, by number from behind `after`."""
        ...


class EventQuery(msgspec.Struct, frozen=True):
    """Which events somebody wants, of those that `reader` is told at all."""

    reader: Reader
    types: frozenset[type] | None = None  # of operations, as `ledger_events.choose_types` reads them; None: all
    bill_id: str = ""
    issuer: str = ""  # of the bills that an event is about
    with_proofs: bool = False  # each event has the file that proves it, base64


class EventPage(msgspec.Struct, frozen=True):
    """Events in the order of the ledger. Reading goes on behind `next`, an event's id or a height, at any mirror."""

    data: list[dict[str, Any]]
    next: str
    has_more: bool
    height: int  # of the head when it was read


class Events(Protocol):
    """What the ledger recorded, for whom it is meant."""

    async def page(self, query: EventQuery, after: str | None, limit: int) -> EventPage:
        """Events behind a position; None: behind the head, so that there are none yet. Bounded work: a page may be short and
        have a next one all the same. Raises ServiceRefused `parameter_invalid` for what is no position."""
        ...

    async def above(self, height: int, seconds: float) -> bool:
        """Wait for a block above `height`; False if there is none in time."""
        ...


class Archive(Desk, Protocol):
    """A mirror: reads over all hospitals, for finance, auditors, patients and the public."""

    @property
    def patients(self) -> Patients: ...

    @property
    def binding(self) -> Binding: ...

    @property
    def disputes(self) -> Disputes: ...

    @property
    def events(self) -> Events: ...

    @property
    def family(self) -> Family: ...

    def accesses(self, after: int, limit: int) -> Page:
        """The log of accesses from behind number `after` on: {number, entry (hex), …}; `chain/accesses.py` checks it."""
        ...

    def access_anchor(self) -> bytes | None:
        """The file that proves how far it is anchored; None if nothing is."""
        ...

    async def anchor_accesses(self) -> Standing | None:
        """Anchor what is not anchored yet; None if there is nothing. Raises ServiceRefused."""
        ...

    async def bill_version(self, bill_id: str, at_ms: int, reader: Reader) -> bytes | None:
        """The file that proves what the ledger said of a bill at a moment. Raises ServiceRefused `not_yet_recorded`."""
        ...

    @property
    def reimbursing(self) -> Reimbursing: ...

    @property
    def lending(self) -> Lending: ...

    async def claim_evidence(self, insurer: str, claim: str, reader: Reader) -> bytes | None:
        """The file that an insurer keeps of a decision; `claim` is hex. Raises ServiceRefused `claim_undecided`."""
        ...

    def keys(self, organisation: str | None) -> list[dict[str, Any]]:
        """Those that have not ended, with the blocks from and until which they may sign."""
        ...

    async def key_proof(self, organisation: str, key: str) -> bytes | None:
        """The file that proves a key's record; `key` is the id in hex."""
        ...

    async def number_ranges(self, holder: str | None) -> list[dict[str, Any]]: ...

    async def allot_range(
        self, parent: str, first: int, count: int, holder: str, persons: Sequence[bytes] = ()
    ) -> Standing:
        """Sign and send an allotment as this node's own organisation. `parent` is holder/code/first. Raises ServiceRefused,
        `second_person_missing` last of all."""
        ...

    async def clear_lease(self, issuer: str, code: str, first: int) -> Standing:
        """Account for all numbers of a lease, as the ledger has them, and close it. Raises ServiceRefused."""
        ...

    def clearances(self, issuer: str | None) -> list[dict[str, Any]]:
        """Leases that were cleared, with what became of their numbers."""
        ...

    async def admit(self, operation: AdmitOrganisation, persons: Sequence[bytes] = ()) -> Standing:
        """Take in an organisation below this node's own one, signed and sent as that. Raises ServiceRefused."""
        ...

    async def supervise(self, operation: StandingOperation, persons: Sequence[bytes] = ()) -> Standing:
        """Suspend, resume or close an organisation, signed and sent as this node's own one; its `persons` are put in."""
        ...

    def organisations(self) -> list[dict[str, Any]]:
        """{organisation, name, kind, region, supervisor, state, reason, height} of all that the ledger has."""
        ...

    async def signed_by(self, key_id: bytes, from_height: int, after: str | None, limit: int) -> Page:
        """What a key signed in blocks from `from_height` on: {height, time, transaction, operation, kind, bill_id, code}."""
        ...

    async def seals(self, issuer: str | None) -> list[dict[str, Any]]:
        """Per issuer: watermark, head, lag in blocks, bills withheld."""
        ...

    async def withhold(self, withheld: dict[str, str], released: Sequence[str]) -> None:
        """Bills that get no seal (number -> reason), and bills that are to get theirs after all. Raises ServiceRefused
        `already_sealed`, `not_supervised`, `too_many_withheld`."""
        ...

    async def money_trail(self, bill_id: str) -> dict[str, Any] | None:
        """The money of a bill step by step, both sums of each; None where there is no such bill."""
        ...

    async def supervised(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        """Days of accounts that a bank supervises, with what it attested. Filters: organisation, from, to (yyyy-mm-dd), finding."""
        ...

    async def audit_bills(self, filters: dict[str, str], after: str | None, limit: int, reader: Reader) -> Page:
        """Filters: issuer (required), from, to (yyyy-mm-dd), kind, place, validity. The search itself is recorded before."""
        ...

    async def audit_settlements(
        self, filters: dict[str, str], bureau: str | None, after: str | None, limit: int
    ) -> Page:
        """Bills with what settlements and the fund's payments say of them. Filters: issuer, from, to (yyyy-mm-dd), difference (of
        DIFFERENCES), unmatched (there or not). `bureau`: settlements of that one alone."""
        ...

    async def number_gaps(self, issuer: str | None, year: int) -> list[dict[str, Any]]:
        """Leases of a year that numbers were used of, with the stretches that nothing explains."""
        ...

    async def day_books(self, issuer: str, from_date: str, to_date: str) -> bytes:
        """The day books of an issuer as a file that proves them (`chain/day_book_proof.py`)."""
        ...

    async def waiting(self, query: WaitingQuery) -> list[dict[str, Any]]:
        """Medians of minutes that visits took before a day and since, per hospital (`waiting_desk.py`); of too few, none. Raises
        ServiceRefused `parameter_invalid`."""
        ...

    async def day_totals(self, issuer: str | None, from_date: str, to_date: str) -> list[dict[str, Any]]:
        """Day books: per issuer, place, date and kind the counts and sums of fen, plus the record's version."""
        ...
