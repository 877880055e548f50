"""The desk of a mirror: reads, proofs, public verification and audit over all hospitals (the service of `Archive`).

The public sees blocks without bodies, auditors with all of them, a hospital's people with their own part; who may read
a bill is in `bill_desk.py`. Unknown and forbidden look the same. Source: DESIGN sections 2, 6, 10.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from chain import keyspace
from chain.block import RECORDED, FinalBlock
from chain.certified import CurrentRecord, SetChange
from chain.codec import decode, encode
from chain.genesis import genesis_to_json
from chain.key_proof import KEY_PROOF, KeyProof
from chain.ledger import Ledger
from chain.operation import AdmitOrganisation, IssueBill, Operation, PublishCatalogue, operation_digest
from chain.records import BillBody, BusinessBody, CatalogueBody, CataloguesBody, OrganisationBody, WatermarkBody
from chain.rules.context import HOSPITAL
from chain.signature import SigningKey
from chain.state import record_of
from chain.validators import ValidatorSet
from faces.source import FaceSource, Form
from node.access_anchors import AccessAnchors, anchor_of
from node.access_log import EMBARGO_DAYS, AccessLog, Opened
from node.access_pages import access_row
from node.admissions import organisations_of
from node.approvals import Approvals
from node.audit_desk import AuditDesk, day_number
from node.batch_verification import BatchVerification
from node.bill_desk import BillDesk
from node.binding import Binding
from node.catalogue_book import CatalogueBook
from node.claim_desk import ClaimDesk
from node.clearance_desk import ClearanceDesk
from node.details_store import DetailsStore
from node.dispute_desk import DisputeDesk
from node.event_reader import EventReader
from node.evidence_store import EvidenceStore
from node.feed import Feed
from node.grant_desk import GrantDesk
from node.key_page import key_page
from node.ledger_pages import (
    bill_of,
    block_page,
    block_row,
    network_page,
    organisation_page,
    transaction_pages,
    utc_text,
)
from node.lending_desk import LendingDesk
from node.life_index import LifeIndex
from node.life_pages import life_page
from node.lookups import Lookups
from node.membership_page import membership_page
from node.money_trail import MoneyTrail
from node.office_desk import OfficeDesk
from node.patient_accesses import PatientAccesses
from node.patient_desk import PatientDesk
from node.payer_store import PayerStore
from node.peers import Peers
from node.proof_desk import ProofDesk, checked_proof
from node.proxies import Proxies
from node.proxy_desk import ProxyDesk
from node.recorded_operations import find_operation
from node.rights import STAFF
from node.seal_index import SealIndex
from node.sealer import Sealer
from node.service import Claimed, Head, Page, Reader, ServiceRefused, Standing, StandingOperation, Status, WaitingQuery
from node.settlement_match import SettlementMatch
from node.submissions import Submissions
from node.supervised_accounts import SupervisedAccounts
from node.supervision import supervisors_of
from node.verification import PublicVerification
from node.waiting_desk import WaitingDesk
from node.withholdings import Withholdings

LOOKUP_ROWS = b"v/"  # in the database of the details


class Mirror:
    """Reads `ledger` at its head; whatever an answer says is on the disk and certified."""

    kind = "mirror"

    def __init__(
        self,
        name: str,
        organisation: str,
        ledger: Ledger,
        feed: Feed,
        peers: Peers,
        store: DetailsStore,
        index: SealIndex,
        lives: LifeIndex,
        submissions: Submissions,
        *,
        sealer: Sealer | None = None,
        unit_key: SigningKey | None = None,
        evidence: EvidenceStore | None = None,
        approvals: Approvals,
        withholdings: Withholdings,
        payers: PayerStore,
        embargo_days: int = EMBARGO_DAYS,
    ) -> None:
        self.name, self.organisation = name, organisation
        self.chain_id = ledger.chain_id.hex()
        self._genesis_file = genesis_to_json(ledger.genesis).encode()
        self._ledger, self._feed, self._peers = ledger, feed, peers
        self._submissions, self._sealer = submissions, sealer
        self.approvals, self._withholdings = approvals, withholdings
        self._clearing = ClearanceDesk(ledger)
        self._office = OfficeDesk(organisation, ledger, unit_key, submissions, self._find)
        self._evidence = evidence
        self._proofs = ProofDesk(ledger, index)
        self._catalogues = CatalogueBook(
            lambda: [name for name, _ in organisations_of(ledger)],
            self._offices_of,
            self._title_of,
            self._published,
            self._catalogue,
        )
        database, thread = store.database, store.thread
        self._accesses = AccessLog(database, thread, ledger, lambda: anchor_of(ledger, organisation), embargo_days)
        self.proxies = proxies = Proxies(organisation, ledger, database, thread, store.key_for)
        self.bills = BillDesk(
            organisation,
            ledger,
            store,
            index,
            lives,
            self._proofs,
            payers,
            self._catalogues,
            self._accesses,
            proxies,
        )
        self.family = ProxyDesk(proxies, self._office.send)
        self.patients = PatientDesk(
            self.bills,
            GrantDesk(ledger, store, self.bills, self._office.signer),
            PatientAccesses(self._accesses, self.bills.holders, proxies),
            self.family,
        )
        self.anchors = AccessAnchors(organisation, ledger, self._accesses, self._proofs, submissions, self._office.send)
        self.binding = Binding(self.bills, store, self._office)
        self.disputes = DisputeDesk(ledger, self.bills, store, lives, self._office)
        self.counts = Lookups(store, LOOKUP_ROWS)
        self.events = EventReader(ledger, feed, lives, self.bills, self._proofs)
        self._audit = AuditDesk(ledger, self.bills.public_page)
        self._match = SettlementMatch(ledger)
        self._trail = MoneyTrail(ledger.state, ledger.genesis.parameters.utc_offset_minutes)
        self._supervised = SupervisedAccounts(ledger)
        self._waiting = WaitingDesk(ledger)
        self.reimbursing = ClaimDesk(ledger, self.bills, lambda: time.time_ns() // 1_000_000)
        self.lending = LendingDesk(ledger, lambda: time.time_ns() // 1_000_000)
        self._verification = PublicVerification(self.bills.face)
        self.batches = BatchVerification(ledger.chain_id, organisation, unit_key, self._compare, self._prove_key)

    # ── the ledger ───────────────────────────────────────────────────────────────────────────────────────────────────

    def head(self) -> Head:
        head = self._ledger.head
        return Head(head.height, head.digest.hex(), head.time_ms)

    def network(self) -> dict[str, Any]:
        head = self._ledger.head
        node = {"name": self.name, "kind": self.kind, "organisation": self.organisation}
        links = sorted(link.node for link in self._peers.validators())
        stands = (head.height, head.digest, head.time_ms)
        page = network_page(self._ledger.genesis, self._ledger.members, node, stands, links)
        page["organisations"] += [
            organisation_page(name, body)
            for name, body in organisations_of(self._ledger)
            if name in self._ledger.admitted()
        ]
        evidence = self._evidence.page() if self._evidence is not None else []
        return {**page, "membership": membership_page(self._ledger), "evidence": evidence}

    def genesis_file(self) -> bytes:
        return self._genesis_file

    def keys(self, organisation: str | None) -> list[dict[str, Any]]:
        return key_page(self._ledger, organisation)

    async def key_proof(self, organisation: str, key: str) -> bytes | None:
        entry = self._ledger.state.entry(keyspace.key(organisation, bytes.fromhex(key)))
        if entry is None:
            return None
        current = self._proofs.current(entry[0], record_of(entry[1]))
        return encode(KeyProof(KEY_PROOF, self._proofs.changes_of_sets(), organisation, current))

    async def blocks(self, before: int | None, limit: int) -> Page:
        head = self._ledger.head.height
        first = head if before is None else min(before - 1, head)
        heights = range(first, max(first - limit, 0), -1)
        sets = [self._ledger.set_at(height) for height in heights]
        rows = await asyncio.to_thread(self._block_rows, heights, sets)
        lowest = heights[-1] if heights else 1
        return Page(rows, str(lowest) if lowest > 1 else None)

    def _block_rows(self, heights: range, sets: list[ValidatorSet]) -> list[dict[str, Any]]:
        """In a thread: the block log may be read beside the one that appends."""
        rows = []
        for height, members in zip(heights, sets, strict=True):
            final = decode(self._ledger.log.read(height), FinalBlock)
            rows.append(block_row(final, members, final.block.header.digest()))
        return rows

    async def block(self, height: int, reader: Reader | None) -> dict[str, Any] | None:
        if height == 0:
            genesis = self._ledger.genesis
            time = {"time": utc_text(genesis.created_ms), "time_ms": genesis.created_ms}
            return {"height": 0, "digest": self.chain_id, **time, "transactions": 0, "operations": 0}
        view = self._ledger.final(height)
        if view is None:
            return None
        page = block_page(view, self._ledger.set_at(height))
        if reader is not None and reader.role == "auditor":
            page["body"] = transaction_pages(view, None)
        elif reader is not None and reader.role in STAFF:
            page["body"] = transaction_pages(view, reader.organisation)
        return page

    async def operation(self, digest: str, reader: Reader) -> Standing | None:
        try:
            key = bytes.fromhex(digest)
        except ValueError:
            return None
        found = self._find(key)
        if found is None or not self._may_see(reader, found[0]):
            return None
        return found[1]

    def _may_see(self, reader: Reader, organisation: str) -> bool:
        """Whether what an organisation did is open to a reader."""
        if reader.role == "auditor" or (reader.role == "finance_clerk" and reader.organisation == self.organisation):
            return True
        return reader.organisation == organisation and reader.role in {*STAFF, "finance_clerk", "operator"}

    def _find(self, digest: bytes) -> tuple[str, Standing] | None:
        """(whose it is, how it stands) of an operation. What was refused once may be on its way again."""
        found = find_operation(self._ledger, digest)
        if found is None or found.code != RECORDED:
            waiting = self._submissions.is_waiting(digest)
            if waiting is not None:
                asked = [entry.operation for entry in waiting.entries if operation_digest(entry.operation) == digest]
                return waiting.organisation, Standing(digest.hex(), "queued", bill_id=bill_of(asked[0]))
        if found is None:
            return None
        return found.organisation, self._standing(digest, found.organisation, found.operation, found.height, found.code)

    def _standing(self, digest: bytes, organisation: str, operation: Operation, height: int, code: str) -> Standing:
        bill = bill_of(operation)
        if code != RECORDED:
            superseded = None
            if isinstance(operation, IssueBill) and code == "already_issued":
                business = keyspace.business(organisation, operation.business_mac)
                body = self._ledger.state.get(business, BusinessBody)
                superseded = body.bill if body else None
            return Standing(digest.hex(), "refused", code=code, height=height, bill_id=bill, superseded_by=superseded)
        sealed = self._sealed_height(bill) if bill else None
        status: Status = "recorded" if sealed is None else "sealed"
        return Standing(digest.hex(), status, height=height, sealed_height=sealed, bill_id=bill)

    def _sealed_height(self, bill: str) -> int | None:
        body = self._ledger.state.get(keyspace.bill(bill), BillBody)
        seal = self._proofs.seal_over(bill, body) if body else None
        return seal.height if seal else None

    async def submit(self, transaction: bytes) -> list[Standing]:
        received = await self._submissions.submit(transaction)
        return [
            Standing(digest.hex(), "queued", bill_id=bill_of(entry.operation))
            for digest, entry in zip(received.operation_digests, received.transaction.entries, strict=True)
        ]

    async def wait(self, standing: Standing, seconds: float, until: Status = "sealed") -> Standing:
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            height = self._feed.height
            found = self._find(bytes.fromhex(standing.operation))
            reached = found[1] if found else standing
            left = deadline - asyncio.get_running_loop().time()
            is_settled = reached.status in ("sealed", "refused", until)
            if is_settled or (reached.status == "recorded" and reached.bill_id is None) or left <= 0:
                return reached
            await self._feed.above(height, left)

    # ── bills ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def bill(self, bill_id: str, reader: Reader) -> dict[str, Any] | None:
        page = self.bills.page(bill_id, reader)
        await self._accesses.written()
        return page

    async def bills_by_business_no(self, issuer: str, business_no: str, reader: Reader) -> list[dict[str, Any]]:
        pages = self.bills.pages_of(issuer, business_no, reader)
        await self._accesses.written()
        return pages

    async def bills_of_group(self, issuer: str, group: str, reader: Reader, after: str | None, limit: int) -> Page:
        page = self.bills.pages_of_group(issuer, group, reader, after, limit)
        await self._accesses.written()
        return page

    async def history(self, bill_id: str, reader: Reader) -> list[dict[str, Any]] | None:
        return self.bills.history(bill_id, reader)

    async def proof(self, bill_id: str, reader: Reader | None, fields: list[str], secret: str | None) -> bytes | None:
        proof = self.bills.proof(bill_id, reader, fields, secret)
        await self._accesses.written()
        return proof

    async def bill_version(self, bill_id: str, at_ms: int, reader: Reader) -> bytes | None:
        return self.bills.version(bill_id, at_ms, reader)

    async def operation_proof(self, digest: str, reader: Reader) -> bytes | None:
        return self.bills.operation_proof(bytes.fromhex(digest), reader)

    async def claim_evidence(self, insurer: str, claim: str, reader: Reader) -> bytes | None:
        return self.bills.claim_evidence(insurer, bytes.fromhex(claim), reader)

    async def face_source(
        self, bill_id: str, reader: Reader | None, form: Form, secret: str | None
    ) -> FaceSource | None:
        source = self.bills.face_source(bill_id, reader, form, secret)
        await self._accesses.written()
        return source

    async def payer_proof(self, bill_id: str, reader: Reader | None, secret: str | None) -> bytes | None:
        proof = self.bills.payer_proof(bill_id, reader, secret)
        await self._accesses.written()
        return proof

    def check_proof(self, data: bytes) -> dict[str, Any]:
        return checked_proof(data, self._ledger.genesis)

    async def verify_claimed(self, claimed: Claimed, source: str) -> dict[str, Any]:
        return self._verification.verify(claimed, source, self.head())

    async def look_up(self, claimed: Claimed, source: str, asker: Reader | None) -> dict[str, Any]:
        return await self.counts.counted(await self.verify_claimed(claimed, source), claimed.bill_id, asker)

    async def lookups(self, bill_id: str, reader: Reader) -> dict[str, Any] | None:
        return self.counts.page(bill_id) if self.bills.is_of(bill_id, reader) else None

    async def verify_many(self, claims: list[Claimed], asker: Reader) -> dict[str, Any]:
        answer = await self.batches.verify(claims, self.head)
        await self.counts.count_many(claims, answer["results"], asker)
        return answer

    async def _compare(self, claimed: Claimed) -> dict[str, Any]:
        return self._verification.compare(claimed)

    async def _prove_key(self, name: bytes) -> tuple[CurrentRecord, list[SetChange]] | None:
        entry = self._ledger.state.entry(keyspace.key(self.organisation, name))
        if entry is None:
            return None
        return self._proofs.current(entry[0], record_of(entry[1])), self._proofs.changes_of_sets()

    # ── finance and audit ────────────────────────────────────────────────────────────────────────────────────────────

    async def number_ranges(self, holder: str | None) -> list[dict[str, Any]]:
        return await self._audit.number_ranges(holder)

    async def allot_range(
        self, parent: str, first: int, count: int, holder: str, persons: Sequence[bytes] = ()
    ) -> Standing:
        return await self._office.allot_range(parent, first, count, holder, persons)

    async def clear_lease(self, issuer: str, code: str, first: int) -> Standing:
        return await self._office.clear(await self._clearing.clearance_of(issuer, code, first))

    def clearances(self, issuer: str | None) -> list[dict[str, Any]]:
        return self._clearing.clearances(issuer)

    async def admit(self, operation: AdmitOrganisation, persons: Sequence[bytes] = ()) -> Standing:
        return await self._office.admit(operation, persons)

    async def supervise(self, operation: StandingOperation, persons: Sequence[bytes] = ()) -> Standing:
        return await self._office.supervise(operation, persons)

    def organisations(self) -> list[dict[str, Any]]:
        return self._office.organisations()

    async def publish(self, operation: PublishCatalogue, persons: Sequence[bytes] = ()) -> Standing:
        return await self._office.publish(operation, persons)

    def catalogues(self, publisher: str | None) -> list[dict[str, Any]]:
        return self._catalogues.rows(publisher)

    def catalogue(self, name: str, version: int, publisher: str | None) -> dict[str, Any] | None:
        return self._catalogues.page(name, version, publisher)

    def _offices_of(self, hospital: str) -> list[str]:
        body = self._ledger.state.get(keyspace.organisation(hospital), OrganisationBody)
        return list(supervisors_of(body.supervisor, self._ledger.genesis)) if body is not None else []

    def _title_of(self, organisation: str) -> str:
        body = self._ledger.state.get(keyspace.organisation(organisation), OrganisationBody)
        return body.name if body is not None else organisation

    def _published(self, publisher: str) -> CataloguesBody | None:
        return self._ledger.state.get(keyspace.catalogues(publisher), CataloguesBody)

    def _catalogue(self, publisher: str, name: str, version: int) -> CatalogueBody | None:
        return self._ledger.state.get(keyspace.catalogue(publisher, name, version), CatalogueBody)

    async def signed_by(self, key_id: bytes, from_height: int, after: str | None, limit: int) -> Page:
        return await self._office.signed_by(key_id, from_height, after, limit)

    async def seals(self, issuer: str | None) -> list[dict[str, Any]]:
        """Own issuers as the sealer sees them; of others the watermark only."""
        ledger, rows = self._ledger, []
        for name, body in organisations_of(ledger):
            if body.kind != HOSPITAL or issuer not in (None, name):
                continue
            standing = self._sealer.standing(name) if self._sealer else None
            if standing is None:
                office = self._proofs.office_of(name)
                mark = ledger.state.get(keyspace.watermark(office, name), WatermarkBody)
                watermark = mark.upto if mark else 0
                standing = {
                    "issuer": name,
                    "office": office,
                    "watermark": watermark,
                    "head": ledger.head.height,
                    "lag": None,
                    "withheld": [],
                }
            else:
                standing = standing | {"questioned": self._withholdings.rows()}
            rows.append(standing)
        return rows

    async def withhold(self, withheld: dict[str, str], released: Sequence[str]) -> None:
        if self._sealer is None:
            raise ServiceRefused("unavailable", "this node does not seal")
        for bill in (*withheld, *released):
            body = self._ledger.state.get(keyspace.bill(bill), BillBody)
            if body is not None and body.issuer not in self._sealer.book.lines:
                raise ServiceRefused("not_supervised", bill)
            if bill in withheld and body is not None and self._proofs.seal_over(bill, body) is not None:
                raise ServiceRefused("already_sealed", bill)
        await self._withholdings.change(withheld, released)
        for bill in withheld:
            body = self._ledger.state.get(keyspace.bill(bill), BillBody)
            if body is not None and (
                self._proofs.seal_over(bill, body) is not None
                or self._sealer.is_under_way(body.issuer, body.height, bill)
            ):
                await self._withholdings.change({}, list(withheld))
                raise ServiceRefused("already_sealed", bill)
        for bill in (*withheld, *released):
            body = self._ledger.state.get(keyspace.bill(bill), BillBody)
            if body is not None:
                self._sealer.look_again(body.issuer, bill)

    async def audit_bills(self, filters: dict[str, str], after: str | None, limit: int, reader: Reader) -> Page:
        self._accesses.note(Opened(reader, "", filters.get("issuer", ""), []))
        await self._accesses.written()
        return await self._audit.bills(filters, after, limit)

    async def audit_settlements(
        self, filters: dict[str, str], bureau: str | None, after: str | None, limit: int
    ) -> Page:
        return await self._match.page(filters, bureau, after, limit)

    async def money_trail(self, bill_id: str) -> dict[str, Any] | None:
        return self._trail.trail(bill_id)

    async def supervised(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        return await self._supervised.rows(filters)

    def accesses(self, after: int, limit: int) -> Page:
        rows = [access_row(number, data) for number, data in self._accesses.entries(after + 1, limit + 1)]
        return Page(rows[:limit], str(rows[limit - 1]["number"]) if len(rows) > limit else None)

    def access_anchor(self) -> bytes | None:
        return self.anchors.proof()

    async def anchor_accesses(self) -> Standing | None:
        return await self.anchors.anchor()

    async def number_gaps(self, issuer: str | None, year: int) -> list[dict[str, Any]]:
        return await self._audit.number_gaps(issuer, year)

    async def day_books(self, issuer: str, from_date: str, to_date: str) -> bytes:
        return self._proofs.day_books(issuer, day_number(from_date), day_number(to_date))

    async def claims(self, bill_id: str) -> list[dict[str, Any]]:
        page: list[dict[str, Any]] = life_page(self._ledger.state, bill_id, self._ledger.head.time_ms)["claims"]
        return page

    async def waiting(self, query: WaitingQuery) -> list[dict[str, Any]]:
        return await self._waiting.rows(query)

    async def day_totals(self, issuer: str | None, from_date: str, to_date: str) -> list[dict[str, Any]]:
        return await self._audit.day_totals(issuer, from_date, to_date)
