"""A bill for those who may read it: its page, history and proof, and its face for public verification.

Who that is, `rights.py` says; to all others a bill does not exist. Whatever opens details notes it in `accesses`, and who calls
gives nothing away before `accesses.written()`. Source: DESIGN sections 6 and 10.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import structlog

from chain import keyspace
from chain.details import FIELD_IDS, Details, check_code, open_fields, token
from chain.ledger import Ledger
from chain.operation import ReverseBill, SealBills
from chain.records import RED, REVERSED, VOID, BillBody, BoundBody, OrganisationBody, PaperBody, Record
from chain.rules.moves import begin
from chain.state import body_of
from faces.face import opened_fields, opened_of_original, opened_of_payer
from faces.source import Attachment, FaceSource, Form
from node.access_log import AccessLog, Opened
from node.bill_history import BillHistory
from node.bound_payer import PAYER_NAMES, BoundPayer, is_unknown, payer_page
from node.catalogue_book import CatalogueBook
from node.consents import Consents
from node.details_store import DetailsStore
from node.holders import Holders
from node.ledger_events import AFFAIRS_OF_PAYERS, TOLD_TO_PAYERS, subject_of
from node.ledger_pages import bill_of, bill_page, details_page
from node.life_index import LifeIndex
from node.life_pages import life_page, own_affairs
from node.life_proofs import LifeProofs
from node.payer_store import PayerStore
from node.proof_desk import ProofDesk
from node.proxies import Proxies
from node.recorded_operations import RecordedOperation, find_operation
from node.rights import (
    ALL_FIELDS,
    NOTHING,
    OPEN_FIELDS,
    PAYING_CLERKS,
    SECRETS,
    STAFF,
    About,
    Custody,
    Right,
    possession,
    rights,
    sees_grants_to,
)
from node.seal_index import SealIndex
from node.service import Page, Reader, ServiceRefused, Standing, Status
from node.supervision import supervisors_of
from node.verification import FaceOfBill, is_check_code, iso_date


class KnownBill(NamedTuple):
    """A final bill as an archive knows it; its details if the right ones are here."""

    record: Record
    body: BillBody
    details: Details | None


class BillDesk:
    """`office` is the organisation that runs this mirror. Nothing here waits, so an answer is of one height."""

    def __init__(
        self,
        office: str,
        ledger: Ledger,
        store: DetailsStore,
        index: SealIndex,
        lives: LifeIndex,
        proofs: ProofDesk,
        payers: PayerStore,
        catalogues: CatalogueBook,
        accesses: AccessLog,
        proxies: Proxies,
    ) -> None:
        self.details_read = 0  # by auditors and clerks: for metrics
        self.accesses = accesses
        self._ledger, self._store = ledger, store
        self._lives, self._proofs, self._payers, self._catalogues = lives, proofs, payers, catalogues
        self._history = BillHistory(ledger, index, lives, proofs)
        self._life_proofs = LifeProofs(ledger, index, lives, proofs)
        audit_offices = (entry.id for entry in ledger.genesis.organisations if entry.kind == "audit")
        self._custody = Custody(office, frozenset([*supervisors_of(office, ledger.genesis), *audit_offices]))
        self.holders = Holders(store, self._details, self.body_of, self.payer_of, self._claimed_by, proxies)
        self.consents = Consents(ledger)
        self._log = structlog.get_logger("mirror")

    def _record(self, bill: str) -> tuple[Record, BillBody] | None:
        is_number = len(bill) == 18 and bill.isascii() and bill.isdigit()
        record = self._ledger.state.record(keyspace.bill(bill)) if is_number else None
        return (record, body_of(record, BillBody)) if record else None

    def body_of(self, bill: str) -> BillBody | None:
        """A bill's record, whoever asks; None if there is none."""
        found = self._record(bill)
        return found[1] if found else None

    @property
    def office(self) -> str:
        return self._custody.office

    def _claimed_by(self, bill: str) -> bytes | None:
        """The pseudonym of who claimed a bill by its slip."""
        found = self._ledger.state.get(keyspace.bound(bill), BoundBody)
        return found.holder if found is not None else None

    def known(self, bill: str) -> KnownBill | None:
        """A final bill, whoever asks."""
        found = self._record(bill)
        return KnownBill(*found, self._details(bill, found[1])) if found is not None else None

    def is_of(self, bill: str, reader: Reader) -> bool:
        """Whether a final bill is the reader's: of its holder, or of its issuer's people."""
        body = self.body_of(bill)
        if body is None:
            return False
        return (reader.role in STAFF and reader.organisation == body.issuer) or self.holders.is_holder(
            reader, bill, body
        )

    def standing(self, bill: str, known: KnownBill) -> Standing:
        """How a bill stands that is the person's already who claims it."""
        seal = self._proofs.seal_over(bill, known.body)
        status: Status = "sealed" if seal is not None else "recorded"
        return Standing(known.record.origin.hex(), status, height=known.body.height, bill_id=bill, repeated=True)

    def _shown(self, bill: str, body: BillBody, secret: str | None, details: Details | None) -> Right:
        """What lies open to whoever shows a bill's slip. A red bill's shows what its original says."""
        if secret is None or details is None or not is_secret(secret, details):
            return NOTHING
        bills = [bill, *(body.related if body.validity == RED else [])]
        return possession(any(self._claimed_by(one) is not None for one in bills))

    def right_to(self, bill: str, body: BillBody, reader: Reader) -> Right:
        """What of a bill lies open to a reader; see `rights.py`."""
        is_holder, consent = self.holders.is_holder(reader, bill, body), self.consents.of(reader, bill)
        return rights(reader, About(body.issuer, is_holder, consent.fields, consent.is_given), self._custody)

    def _may_read(self, reader: Reader, bill: str, body: BillBody) -> bool:
        """Whether a bill's public part is open to a reader: what stands on the chain."""
        return self.right_to(bill, body, reader).public

    def public_page(self, bill: str, body: BillBody, operation: bytes) -> dict[str, Any]:
        seal = self._proofs.seal_over(bill, body)
        offset = self._ledger.genesis.parameters.utc_offset_minutes
        page = bill_page(bill, body, operation, seal.height if seal else None, offset)
        return page | {"life": life_page(self._ledger.state, bill, self._ledger.head.time_ms)}

    def _details(self, bill: str, body: BillBody) -> Details | None:
        """The details of a final bill, if the right ones are here."""
        if self._store.root_of(body.issuer, bill) != body.details_root:
            return None
        return self._store.get(body.issuer, bill)

    def _note(self, reader: Reader | None, bill: str, body: BillBody, fields: Iterable[str]) -> None:
        """Details are about to be opened: to a reader, or to whoever showed a code. Raises ServiceRefused `purpose_missing`."""
        proxy = (self.holders.held_under(reader, bill, body) if reader is not None else None) or b""
        purpose = self.consents.of(reader, bill).purpose if reader is not None else ""
        self.accesses.note(Opened(reader, bill, body.issuer, list(fields), proxy, purpose))
        if reader is not None and reader.role not in STAFF and reader.role != "patient":
            self.details_read += 1
            self._log.info("details_read", role=reader.role, organisation=reader.organisation, count=self.details_read)

    def page(self, bill_id: str, reader: Reader) -> dict[str, Any] | None:
        found = self._record(bill_id)
        if found is None:
            return None
        record, body = found
        right = self.right_to(bill_id, body, reader)
        if not right.public:
            return None
        page = self.public_page(bill_id, body, record.origin)
        if reader.role in PAYING_CLERKS:
            page["life"] = own_affairs(page["life"], reader.organisation)
        if grants := self.consents.shown_to(reader, right, bill_id):
            page["grants"] = grants
        details = self._details(bill_id, body) if right.fields else None
        if details is not None:
            self._note(reader, bill_id, body, right.fields)
            page |= details_page(body, details, right.fields)
            bound = self._bound(body.issuer, details) if "payer" in page else None
            if bound is not None:
                page["payer"] = payer_page(bound, page["payer"], right.fields)
        return page

    def _bound(self, issuer: str, details: Details) -> BoundPayer | None:
        """Who was bound to a bill that was issued for an unknown payer."""
        return self._payers.bound(issuer, details.bill) if is_unknown(details) else None

    def payer_of(self, issuer: str, details: Details) -> Details:
        """The details that say who pays: those of the payer who was bound later, or else the bill's own."""
        bound = self._bound(issuer, details)
        return details if bound is None or bound.details is None else bound.details

    def pages_of(self, issuer: str, business_no: str, reader: Reader) -> list[dict[str, Any]]:
        pages = []
        for bill in self._store.bills_of_business_no(issuer, business_no):
            found = self._record(bill)
            if found is None or found[1].issuer != issuer:
                continue
            if (
                "business_no" in self.right_to(bill, found[1], reader).fields
            ):  # else it is not looked for, and nothing is read
                page = self.page(bill, reader)
                pages += [page] if page is not None and page.get("business_no") == business_no else []
        return pages

    def pages_of_group(self, issuer: str, group: str, reader: Reader, after: str | None, limit: int) -> Page:
        """The bills of a settlement, by number, for whoever may read their details; to all others there are none."""
        pages: list[dict[str, Any]] = []
        last = after or ""
        while len(pages) <= limit:  # one more, to know whether there are more
            bills = self._store.bills_of_group(issuer, group, last, limit + 1)
            for bill in bills:
                found = self._record(bill)
                if found is None or found[1].issuer != issuer:
                    continue  # its block is still to come
                page = self.page(bill, reader)
                pages += [page] if page is not None and page.get("group") == group else []
            if len(bills) <= limit:
                break
            last = bills[-1]
        return Page(pages[:limit], pages[limit - 1]["bill_id"] if len(pages) > limit else None)

    def history(self, bill_id: str, reader: Reader) -> list[dict[str, Any]] | None:
        """What happened to a bill, oldest first; see `bill_history.py`."""
        found = self._record(bill_id)
        right = self.right_to(bill_id, found[1], reader) if found is not None else NOTHING
        if found is None or not right.public:
            return None

        def shows(made: RecordedOperation) -> bool:
            if reader.role in PAYING_CLERKS and _is_others_affair(made, reader):
                return False
            grantee = self.consents.grantee_of(made.operation)
            return grantee is None or sees_grants_to(grantee, reader, right)

        return self._history.rows(bill_id, *found, shows)

    def version(self, bill_id: str, at_ms: int, reader: Reader) -> bytes | None:
        """The file that proves what the ledger said of a bill at a moment. Raises ServiceRefused `not_yet_recorded` for
        a moment before its issue."""
        found = self._record(bill_id)
        if found is None or not self._may_read(reader, bill_id, found[1]):
            return None
        data = self._life_proofs.version(bill_id, at_ms)
        if data is None:
            raise ServiceRefused("not_yet_recorded", f"the ledger has it since block {found[1].height}")
        return data

    def operation_proof(self, digest: bytes, reader: Reader) -> bytes | None:
        """For whoever is told of the operation; see `may_see`."""
        found = find_operation(self._ledger, digest)
        if found is None or not self.may_see(reader, found):
            return None
        return self._life_proofs.operation(digest)

    def bills_of(self, found: RecordedOperation) -> list[str]:
        """The bills that an operation is about, the first one foremost: of a red bill the one that it reverses."""
        operation = found.operation
        if isinstance(operation, ReverseBill):
            return [operation.original, operation.bill]
        bill = bill_of(operation) or self._lives.bill_of(operation, found.organisation)
        return [bill] if bill else []

    def may_see(self, reader: Reader, found: RecordedOperation) -> bool:
        """Whether somebody is told that an operation was recorded, and given its proof: the one function for both.

        Auditors and the office's clerks; whoever did it, and whom it was done to; whoever may read a bill that it is
        about; of a seal the people of the hospitals in it; and insurers and units that had the bill in hand before, if it
        changed what the bill is worth.
        """
        if reader.role == "auditor" or (reader.role == "finance_clerk" and reader.organisation == self._custody.office):
            return True
        operation = found.operation
        if reader.role != "patient" and reader.organisation in (
            found.organisation,
            subject_of(operation) or found.organisation,
        ):
            return True
        if isinstance(operation, SealBills):
            sealed = {segment.issuer for segment in operation.segments}
            return reader.role in STAFF and reader.organisation in sealed
        if (grantee := self.consents.grantee_of(operation)) is not None and reader.role in PAYING_CLERKS | STAFF:
            return reader.organisation == grantee  # also later: to show that it read what it might read
        if reader.role in PAYING_CLERKS and _is_others_affair(found, reader):
            return False  # whatever a holder has granted
        bills = self.bills_of(found)
        bodies = ((bill, self.body_of(bill)) for bill in bills)
        if any(body is not None and self._may_read(reader, bill, body) for bill, body in bodies):
            return True
        if reader.role not in PAYING_CLERKS or type(operation) not in TOLD_TO_PAYERS:
            return False
        since = (self._lives.in_hand_since(reader.organisation, bill) for bill in bills)
        return any(first is not None and first < found.place for first in since)

    def claim_evidence(self, insurer: str, claim: bytes, reader: Reader) -> bytes | None:
        """For the insurer's own people, and auditors. Raises ServiceRefused `claim_undecided`."""
        if reader.role != "auditor" and reader.organisation != insurer:
            return None
        return self._life_proofs.evidence(insurer, claim)

    def proof(self, bill_id: str, reader: Reader | None, fields: list[str], secret: str | None) -> bytes | None:
        found = self._record(bill_id)
        if found is None:
            return None
        body = found[1]
        right = self.right_to(bill_id, body, reader) if reader is not None else NOTHING
        wanted = set(fields) & ALL_FIELDS
        is_reader = right.public and right.fields >= wanted
        details = self._details(bill_id, body) if secret is not None or fields else None
        shown = self._shown(bill_id, body, secret, details)
        if not is_reader and not (shown.public and shown.fields >= wanted):
            return None
        if not set(fields) <= set(FIELD_IDS):
            raise ServiceRefused("field_unknown", ", ".join(sorted(FIELD_IDS)))
        if fields and details is None:
            raise ServiceRefused("unavailable", "the details of this bill are not here")
        opened = open_fields(details, fields) if fields and details is not None else []
        if opened:
            self._note(reader if is_reader else None, bill_id, body, fields)
        return self._proofs.build(bill_id, opened)

    def payer_proof(self, bill_id: str, reader: Reader | None, secret: str | None) -> bytes | None:
        """Who was bound to a bill, for whoever may read its details or holds it. Raises ServiceRefused `payer_not_bound`,
        `unavailable`."""
        found = self._record(bill_id)
        details = self._details(bill_id, found[1]) if found is not None else None
        if found is None:
            return None
        wanted = frozenset(PAYER_NAMES)
        is_reader = reader is not None and self.right_to(bill_id, found[1], reader).fields >= wanted
        if not is_reader and not self._shown(bill_id, found[1], secret, details).fields >= wanted:
            return None
        bound = self._bound(found[1].issuer, details) if details is not None else None
        if details is not None and bound is None:
            raise ServiceRefused("payer_not_bound")
        if bound is None or bound.details is None:
            raise ServiceRefused("unavailable", "the details of this bill are not here")
        self._note(reader if is_reader else None, bill_id, found[1], PAYER_NAMES)
        return self._life_proofs.payer(bound.operation, bound.details, list(PAYER_NAMES))

    def face_source(self, bill_id: str, reader: Reader | None, form: Form, secret: str | None) -> FaceSource | None:
        """As `proof` with details, which a face always shows; check code and token only for who has them already, and
        for the hospital. Raises ServiceRefused `unavailable`."""
        found = self._record(bill_id)
        if found is None:
            return None
        body = found[1]
        right = self.right_to(bill_id, body, reader) if reader is not None else NOTHING
        is_reader = right.fields >= OPEN_FIELDS  # a face shows them all
        first = self._record(body.related[0]) if body.validity == RED else None
        if is_reader and reader is not None and first is not None:  # its face shows the bill that it takes back, too
            is_reader = self.right_to(body.related[0], first[1], reader).fields >= OPEN_FIELDS
        details = self._details(bill_id, body) if is_reader or secret is not None else None
        is_holder = self._shown(bill_id, body, secret, details).fields >= OPEN_FIELDS
        if not is_reader and not is_holder:
            return None
        original = self._details(body.related[0], first[1]) if first is not None else None
        if details is None or (first is not None and original is None):
            raise ServiceRefused("unavailable", "the details of this bill are not here")
        with_secrets = is_holder or right.fields >= SECRETS
        names = opened_fields(details, form, is_red=original is not None, with_secrets=with_secrets)
        self._note(reader if is_reader else None, bill_id, body, names)
        proofs = [self._attached(details, names)]
        if original is not None and first is not None:
            shown = opened_of_original(original, form)
            self._note(reader if is_reader else None, original.bill, first[1], shown)
            proofs.append(self._attached(original, shown))
        bound = self._bound(body.issuer, original or details)
        if bound is not None and bound.details is not None:
            proofs.append(self._attached_payer(bound.operation, bound.details))
        paper = self._ledger.state.get(keyspace.paper(bill_id), PaperBody)
        named = first[1] if first is not None else body  # a red bill has its original's lines, and their names
        return FaceSource(
            bill=bill_id,
            body=body,
            details=details,
            original=original,
            issuer=self._name_of(body.issuer),
            office=self._name_of(self._proofs.office_of(body.issuer)),
            status="recorded" if self._proofs.seal_over(bill_id, body) is None else "sealed",
            paper=paper.paper if paper is not None and paper.state != begin("paper") else "",
            as_of_height=self._ledger.head.height,
            as_of_ms=self._ledger.head.time_ms,
            utc_offset_minutes=self._ledger.genesis.parameters.utc_offset_minutes,
            with_secrets=with_secrets,
            proofs=proofs,
            payer=bound.details if bound is not None else None,
            payer_height=bound.height if bound is not None else 0,
            catalogues=self._catalogues.in_force(named.issuer, named.business_date, named.issued_ms),
        )

    def _attached(self, details: Details, names: list[str]) -> Attachment:
        bill = details.bill
        data = self._proofs.build(bill, open_fields(details, names))
        return Attachment(f"{bill}.proof", f"proof of bill {bill}", data or b"")

    def _attached_payer(self, operation: bytes, payer: Details) -> Attachment:
        data = self._life_proofs.payer(operation, payer, opened_of_payer(payer))
        return Attachment(f"{payer.bill}-payer.proof", f"proof of the payer of bill {payer.bill}", data)

    def _name_of(self, organisation: str) -> str:
        body = self._ledger.state.get(keyspace.organisation(organisation), OrganisationBody)
        return body.name if body is not None else organisation

    def face(self, bill: str) -> FaceOfBill | None:
        found = self._record(bill)
        details = self._details(bill, found[1]) if found else None
        if found is None or details is None:
            return None
        body = found[1]
        return FaceOfBill(
            check_code=check_code(details.seed, bill),
            business_date=iso_date(body.business_date),
            total_fen=body.total_fen,
            status="recorded" if self._proofs.seal_over(bill, body) is None else "sealed",
            reversed_by=body.related[0] if body.validity == REVERSED else None,
            reverses=body.related[0] if body.validity == RED else None,
            is_void=body.validity == VOID,
            withheld=body.withheld,
            token=token(details.seed, bill),
        )


def is_secret(secret: str, details: Details) -> bool:
    """Whether somebody holds the bill: its check code or its token."""
    code, long = check_code(details.seed, details.bill), token(details.seed, details.bill)
    return is_check_code(secret, code) or is_check_code(secret, long)


def _is_others_affair(made: RecordedOperation, reader: Reader) -> bool:
    """Whether it is what another payer did with a bill."""
    return type(made.operation) in AFFAIRS_OF_PAYERS and made.organisation != reader.organisation
