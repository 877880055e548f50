"""The desk of a mirror: reads, proofs, public verification and audit over all hospitals (the service of `Archive`).

The public sees blocks without bodies, auditors with all of them, a hospital's people with their own part; who may read
a bill is in `bill_desk.py`. Unknown and forbidden look the same. Source: DESIGN sections 2, 6, 10.
"""

from __future__ import annotations

import asyncio
from typing import Any

from chain import keyspace
from chain.block import RECORDED, FinalBlock
from chain.codec import decode, encode
from chain.errors import ChainError
from chain.execute import verify_transaction
from chain.genesis import genesis_to_json
from chain.ledger import Ledger, signature_holds
from chain.operation import AllotRange, IssueBill, Operation, RangeRef, operation_digest
from chain.records import UNIT, BillBody, BusinessBody, WatermarkBody
from chain.rules import RULES, Context, Refused
from chain.rules.context import HOSPITAL
from chain.signature import SigningKey
from chain.state import Overlay
from chain.transaction import Entry, receive_transaction, sign_transaction
from chain.validators import ValidatorSet
from node.audit_desk import AuditDesk
from node.bill_desk import HOSPITAL_STAFF, BillDesk
from node.details_store import DetailsStore
from node.evidence_store import EvidenceStore
from node.feed import Feed
from node.key_page import key_page
from node.ledger_pages import bill_of, block_page, block_row, network_page, transaction_pages, utc_text
from node.membership_page import membership_page
from node.peers import Peers
from node.proof_desk import ProofDesk, checked_proof
from node.seal_index import SealIndex
from node.sealer import Sealer
from node.service import Claimed, Head, Page, Reader, ServiceRefused, Standing, Status
from node.submissions import Submissions
from node.verification import PublicVerification

VALID_BLOCKS = 2_000  # that what this office signs may still run


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
        submissions: Submissions,
        *,
        sealer: Sealer | None = None,
        unit_key: SigningKey | None = None,
        evidence: EvidenceStore | None = None,
    ) -> None:
        self.name, self.organisation = name, organisation
        self.chain_id = ledger.chain_id.hex()
        self._genesis_file = genesis_to_json(ledger.genesis).encode()
        self._ledger, self._feed, self._peers = ledger, feed, peers
        self._submissions, self._sealer, self._unit_key = submissions, sealer, unit_key
        self._evidence = evidence
        self._proofs = ProofDesk(ledger, index)
        self.bills = BillDesk(organisation, ledger, store, index, self._proofs)
        self._audit = AuditDesk(ledger, self.bills.public_page)
        self._verification = PublicVerification(self.bills.face)

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
        evidence = self._evidence.page() if self._evidence is not None else []
        return {**page, "membership": membership_page(self._ledger), "evidence": evidence}

    def genesis_file(self) -> bytes:
        return self._genesis_file

    def keys(self, organisation: str | None) -> list[dict[str, Any]]:
        return key_page(self._ledger, organisation)

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
        elif reader is not None and reader.role in HOSPITAL_STAFF:
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
        return reader.organisation == organisation and reader.role in {*HOSPITAL_STAFF, "finance_clerk", "operator"}

    def _find(self, digest: bytes) -> tuple[str, Standing] | None:
        """(whose it is, how it stands) of an operation."""
        place = self._ledger.locate(digest)
        if place is None:
            waiting = self._submissions.is_waiting(digest)
            if waiting is None:
                return None
            asked = [entry.operation for entry in waiting.entries if operation_digest(entry.operation) == digest]
            return waiting.organisation, Standing(digest.hex(), "queued", bill_id=bill_of(asked[0]))
        height, number, index = place
        view = self._ledger.final(height)
        if view is None:
            return None
        transaction = view.received[number].transaction
        first = sum(len(received.operation_digests) for received in view.received[:number])
        operation, code = transaction.entries[index].operation, view.outcomes[first + index].code
        return transaction.organisation, self._standing(digest, transaction.organisation, operation, height, code)

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
        return self.bills.page(bill_id, reader)

    async def bills_by_business_no(self, issuer: str, business_no: str, reader: Reader) -> list[dict[str, Any]]:
        return self.bills.pages_of(issuer, business_no, reader)

    async def history(self, bill_id: str, reader: Reader) -> list[dict[str, Any]] | None:
        return self.bills.history(bill_id, reader)

    async def proof(self, bill_id: str, reader: Reader | None, fields: list[str], secret: str | None) -> bytes | None:
        return self.bills.proof(bill_id, reader, fields, secret)

    def check_proof(self, data: bytes) -> dict[str, Any]:
        return checked_proof(data, self._ledger.genesis)

    async def verify_claimed(self, claimed: Claimed, source: str) -> dict[str, Any]:
        return self._verification.verify(claimed, source, self.head())

    # ── finance and audit ────────────────────────────────────────────────────────────────────────────────────────────

    async def number_ranges(self, holder: str | None) -> list[dict[str, Any]]:
        return await self._audit.number_ranges(holder)

    async def allot_range(self, parent: str, first: int, count: int, holder: str) -> Standing:
        """Checked by the rules as of the head first, so that most refusals are told at once."""
        operation = self._allotment(parent, first, count, holder)
        digest = operation_digest(operation)
        ledger, key = self._ledger, self._unit_key
        if key is None:
            raise ServiceRefused("unavailable", "this node does not hold its organisation's key")
        base = ledger.parent()
        context = Context(
            self.organisation, UNIT, base.height + 1, base.time_ms + 1, digest, base.parameters, base.block_digest
        )
        try:
            RULES[AllotRange](Overlay(ledger.state), operation, context)
        except Refused as refusal:
            found = self._find(digest)
            if refusal.code == "already_recorded" and found is not None:
                return Standing(digest.hex(), found[1].status, height=found[1].height, repeated=True)
            raise ServiceRefused(refusal.code) from None
        until = base.height + min(VALID_BLOCKS, base.parameters.replay_window)
        entries = [Entry(False, operation)]
        transaction = sign_transaction(ledger.chain_id, self.organisation, key, until, entries)
        received = receive_transaction(ledger.chain_id, transaction)
        verify_transaction(base, received, signature_holds)
        await self._submissions.keep(received)
        return Standing(digest.hex(), "queued")

    def _allotment(self, parent: str, first: int, count: int, holder: str) -> AllotRange:
        parts = parent.split("/")
        if len(parts) != 3 or not (parts[2].isascii() and parts[2].isdigit() and len(parts[2]) <= 10):
            raise ServiceRefused("range_unknown", "holder/code/first", "/parent")
        try:
            operation = AllotRange(RangeRef(parts[0], parts[1], int(parts[2])), first, count, holder)
            return decode(encode(operation), AllotRange)
        except ChainError:
            raise ServiceRefused("range_unknown", "not a range that could exist") from None

    async def seals(self, issuer: str | None) -> list[dict[str, Any]]:
        """Own issuers as the sealer sees them; of others the watermark only."""
        ledger, rows = self._ledger, []
        for entry in ledger.genesis.organisations:
            if entry.kind != HOSPITAL or issuer not in (None, entry.id):
                continue
            standing = self._sealer.standing(entry.id) if self._sealer else None
            if standing is None:
                office = self._proofs.office_of(entry.id)
                mark = ledger.state.get(keyspace.watermark(office, entry.id), WatermarkBody)
                watermark = mark.upto if mark else 0
                standing = {
                    "issuer": entry.id,
                    "office": office,
                    "watermark": watermark,
                    "head": ledger.head.height,
                    "lag": None,
                    "withheld": [],
                }
            rows.append(standing)
        return rows

    async def audit_bills(self, filters: dict[str, str], after: str | None, limit: int) -> Page:
        return await self._audit.bills(filters, after, limit)

    async def number_gaps(self, issuer: str | None, year: int) -> list[dict[str, Any]]:
        return await self._audit.number_gaps(issuer, year)

    async def day_totals(self, issuer: str | None, from_date: str, to_date: str) -> list[dict[str, Any]]:
        return await self._audit.day_totals(issuer, from_date, to_date)
