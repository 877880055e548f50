"""A hospital's own node: it gives numbers at once, sends until recorded, and proves its bills by itself.

`gateway_store.py` says what lies on disk, `issuing.py` how a bill gets its number, `settling.py` what a block means.
This file joins them and answers the desk (`service.Counter`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
import structlog

from chain import keyspace
from chain.bill import BillRequest, Payer
from chain.certified import CurrentRecord, SetChange
from chain.details import check_code
from chain.errors import ChainError, StorageDamaged, StorageFailed
from chain.failpoint import failpoint
from chain.genesis import Genesis, genesis_to_json
from chain.operation import Operation, PublishCatalogue
from chain.records import ACTIVE, OrganisationBody
from chain.rules.context import HOSPITAL
from chain.signature import SigningKey
from chain.state import body_of
from faces.link import page_link
from faces.source import FaceSource, Form
from node.approvals import Approvals
from node.batch_verification import BatchVerification
from node.bill_life import BillLife
from node.bill_pages import BillPages
from node.block_pages import BlockPages
from node.bound_bills import BoundBills
from node.channels.channel import Channel
from node.config import NodeConfig
from node.details_post import DetailsPost
from node.disk_space import CODE as DISK_NEARLY_FULL
from node.disk_space import DiskSpace, boundless
from node.foresight import Foresight
from node.gateway_catalogues import GatewayCatalogues
from node.gateway_follow import GatewayFollow
from node.gateway_recovery import GatewayRecovery
from node.gateway_servers import Servers
from node.gateway_store import LOOKUP_ROWS, GatewayStore
from node.groups import Groups
from node.hospital_desk import STAFF, HospitalDesk
from node.hospital_faces import HospitalFaces
from node.issued_days import IssuedDays
from node.issuing import Issuing
from node.lease_book import LeaseBook
from node.lookups import Lookups
from node.money.desk import MoneyDesk
from node.money.refunds import RefundPlan
from node.money.requests import RefundWish
from node.money.steps import MoneySteps
from node.outbox import Outbox
from node.own_keys import OwnKeys
from node.paper_stock import PaperStock
from node.part_check import CheckedPart, Ledger
from node.payer_binding import PayerBinding
from node.payer_post import PayerPost
from node.peers import Peers
from node.proof_desk import checked_proof
from node.proof_maker import ProofMaker
from node.publishing import Publishing
from node.sealed_box import DetailsBox
from node.sender import Sender
from node.service import (
    Claimed,
    Head,
    IssuedBill,
    LeaseView,
    LifeOperation,
    Page,
    PaperForms,
    Reader,
    ServiceRefused,
    Standing,
    Status,
)
from node.settling import Settling
from node.standings import Standings
from node.submitting import Submitting

ENTITLED_ASKED_S = 0.5
BATCH_PAUSE = 25  # bills issued in a row before others get their turn

log = structlog.get_logger("gateway")


class Gateway:
    """`on_failure` is told, with a reason, when the node must stop: its disk failed, or its store is damaged."""

    kind = "gateway"

    def __init__(
        self,
        config: NodeConfig,
        genesis: Genesis,
        *,
        unit_key: SigningKey,
        mac_key: bytes,
        storage_key: bytes,
        peers: Peers,
        on_failure: Callable[[str], None] = lambda reason: None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        space: DiskSpace | None = None,
        channels: Mapping[str, Channel] | None = None,
    ) -> None:
        """Opens the store below `config.data_dir`. Raises StorageDamaged, StorageLocked."""
        self.name, self.organisation = config.name, config.organisation
        self.genesis, self._peers, self._on_failure = genesis, peers, on_failure
        self.ledger = Ledger.of(genesis, config.organisation, config.office_name)
        self.chain_id = self.ledger.chain_id.hex()
        self._genesis_file = genesis_to_json(genesis).encode()
        self.store = store = GatewayStore.open(config.data_dir / "gateway", self.ledger.chain_id)
        self._space = space or boundless()
        self._entitled_asked_s = float("-inf")
        self.approvals = Approvals(config.data_dir, storage_key, genesis.parameters, now_ms)
        archive = config.office.name if config.office else ""
        parameters = genesis.parameters
        self._servers = Servers(peers, self.ledger)
        self._outbox = Outbox(store)
        self._standings = Standings(store, self.ledger.office)
        self._follow = GatewayFollow(self.ledger, store, self._servers, self._settle)
        self._leases = LeaseBook(
            config.name,
            config.organisation,
            config.places,
            config.lease_count,
            config.lease_threshold,
            genesis,
            store,
            self._outbox,
            self._follow.record,
            now_ms,
        )
        keys = OwnKeys(genesis, config.organisation, store)
        box = DetailsBox(storage_key)
        self._payers = payers = PayerPost(store, box, peers, archive)
        groups = Groups(store, mac_key, peers, archive)
        self._settling = Settling(
            config.name,
            self.ledger,
            store,
            self._outbox,
            self._leases,
            self._standings,
            keys,
            payers,
            lambda digest: self._recovery.look_for(digest),
            lambda mark, height: self._recovery.look_for_seal(mark, height),
        )
        self._recovery = GatewayRecovery(config.organisation, store, self._outbox, self._follow, self._settling)
        self._sender = Sender(
            self.ledger,
            store,
            self._outbox,
            self._servers,
            self._follow,
            unit_key,
            min(config.transaction_window_blocks, parameters.replay_window),
            self._recovery.look_for,
            self._standings.wake,
        )
        self._settling.sender = self._sender
        self._post = DetailsPost(store, box, peers, archive)
        self._catalogues = GatewayCatalogues(
            genesis,
            config.organisation,
            config.title,
            self.ledger.office,
            store,
            self._follow.ask_record,
            lambda: self._follow.height,
        )
        self._settling.on_published = self._catalogues.look_now
        self._issuing = Issuing(
            parameters,
            config.places,
            mac_key,
            store,
            self._outbox,
            self._leases,
            self._standings,
            self._post,
            groups,
            now_ms,
            self._space,
            self._catalogues.verify_mapped,
        )
        foresight = Foresight(self._follow.ask_record, lambda: self._follow.height)
        self._publishing = Publishing(
            config.organisation,
            parameters,
            self._outbox,
            self._standings,
            foresight,
            lambda: self._follow.height,
            now_ms,
            self._space,
        )
        self._life = BillLife(
            config.organisation,
            parameters,
            store,
            self._outbox,
            self._standings,
            foresight,
            lambda: self._follow.height,
            now_ms,
            self._space,
        )
        self._days = IssuedDays(
            config.organisation,
            next((entry.places for entry in genesis.organisations if entry.id == config.organisation), config.places),
            parameters,
            store,
            foresight,
            lambda: self._follow.height,
        )
        self._stock = PaperStock(config.organisation, config.paper_forms, store, self._outbox, self._follow.record)
        self._binding = PayerBinding(parameters, store, self._standings, self._post, payers, self._life, now_ms)
        self._submitting = Submitting(genesis, self.ledger, store, self._sender, self._follow, keys, self._space)
        self._blocks = BlockPages(genesis, store, self._follow)
        pages = BillPages(self.ledger, parameters, store, self._standings)
        self._proofs = proofs = ProofMaker(store, self._follow, self._standings)
        bound = BoundBills(store, foresight)
        self._desk = HospitalDesk(
            config.organisation, store, self._standings, self._post, pages, proofs, payers, groups, bound
        )
        self._counts = Lookups(store, LOOKUP_ROWS, now_ms)
        self._batches = BatchVerification(
            self.ledger.chain_id, config.organisation, unit_key, self._desk.compare, self._prove_key
        )
        self._faces = HospitalFaces(
            genesis,
            config.organisation,
            config.title,
            self.ledger.office,
            store,
            self._standings,
            self._post,
            pages,
            proofs,
            self._life,
            self._catalogues.in_force,
        )
        # of the own organisation, once it is known; genesis says it at once
        self._kind = next((entry.kind for entry in genesis.organisations if entry.id == config.organisation), "")
        steps = MoneySteps(
            config.organisation, parameters, self._outbox, self._standings, self._follow, now_ms, self._space
        )
        self.money = MoneyDesk(store, mac_key, storage_key, steps, self.issue, self._would_issue, channels or {})
        self._settling.on_paid = self.money.on_paid
        self._settling.on_back = self.money.on_back
        self._settling.on_payment_refused = self.money.parts.on_payment_refused
        self._tasks: list[asyncio.Task[None]] = []

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """Start to follow, send, refill. Called on the loop."""
        self.store.start()
        parts: dict[str, Coroutine[Any, Any, None]] = {
            "follow": self._follow.run(),
            "sender": self._sender.run(),
            "leases": self._leases.run(self._follow.caught_up),
            "details": self._post.run(),
            "payers": self._payers.run(),
            "recovery": self._recovery.run(),
            "catalogues": self._catalogues.run(self._follow.caught_up),
            "lookups": self._counts.run(),
            "bill-follow": self.money.follow.run(),
            "fee-follow": self.money.fees.run(),
            "debts": self.money.debts.run(),
            "channels": self.money.parts.run(),
            "order-ends": self.money.ends.run(),
        }
        self._tasks = [asyncio.create_task(self._guard(name, part), name=name) for name, part in parts.items()]
        self._tasks.append(asyncio.create_task(self._watch_store(), name="watch-store"))

    async def stop(self) -> None:
        """End all tasks, write what is pending, close the store. What was answered is on the disk already."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._counts.write()
        await self.store.stop()
        for channel in self.money.channels.values():
            await channel.end()
        if self.store.failure is not None:  # of the last batch: nobody watched it any more
            self._stop_for_store()

    async def _guard(self, name: str, part: Coroutine[Any, Any, None]) -> None:
        try:
            await part
        except Exception as error:  # a part that is gone is missed later, by people: stop now, and say why
            code = error.code if isinstance(error, ChainError) else type(error).__name__
            log.critical("part_failed", part=name, code=code, exc_info=not isinstance(error, ChainError))
            places = f": {error}" if isinstance(error, StorageDamaged | StorageFailed) else ""
            self._on_failure(f"{name}: {code}{places}")

    async def _watch_store(self) -> None:
        await self.store.failed.wait()
        self._stop_for_store()

    def _stop_for_store(self) -> None:
        failure = self.store.failure
        log.critical("store_failed", code=failure.code if failure else "")
        self._on_failure(f"{type(failure).__name__}: {failure}")

    def _settle(self, checked: CheckedPart, again: bool) -> None:
        self._settling.settle(checked, again)
        if again:
            self._days.forget()

    # ── what operators see ───────────────────────────────────────────────────────────────────────────────────────────

    def not_ready(self) -> list[str]:
        """Why a bill given in now would not get far; empty when all is well."""
        reasons = [DISK_NEARLY_FULL] if self._space.is_low() else []
        if not self._follow.caught_up.is_set():
            reasons.append("not_caught_up")
        if not self._peers.validators():
            reasons.append("no_validator_link")
        if self._leases.missing():
            reasons.append("no_numbers")
        return reasons

    def status(self) -> dict[str, Any]:
        """Figures for metrics and for `medbill node status`; nothing personal."""
        head = self.head()
        return {
            "head": {"height": head.height, "digest": head.digest, "time_ms": head.time_ms},
            "ready": not self.not_ready(),
            "not_ready": self.not_ready(),
            **{name: int(value) for name, value in self.figures().items()},
            "alarms": dict(self._settling.alarms),
            "money_waits": self.money.waits(),
        }

    def figures(self) -> dict[str, float]:
        return {
            "followed_height": self._follow.height,
            "outbox_items": len(self._outbox.items),
            "outbox_bytes": self._outbox.bytes,
            "transactions_unresolved": len(self._sender.sent),
            "undecided_operations": len(self._settling.undecided),
            "leases_left": self._leases.numbers_left(),
            "sealed_height": self.store.watermark(self.ledger.office),
            "details_behind": float(self._post.is_behind or self._payers.is_behind),
            "validator_links": len(self._peers.validators()),
            "refused_answers_total": self._servers.lies,
            "bills_recorded_total": self._settling.recorded_bills,
            "money_waiting": sum(sum(reasons.values()) for reasons in self.money.waits().values()),
            "refused_notices_total": self.money.parts.refused_notices,
        }

    def labelled_figures(self) -> dict[str, dict[str, float]]:
        return {"alarms_total": dict(self._settling.alarms), "batch_verifications_total": dict(self._batches.counts)}

    # ── the counter ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _verify_entitled(self) -> None:
        """A hospital that the ledger has refused as suspended or closed gives no numbers; whether it goes on, the ledger is asked
        at most every ENTITLED_ASKED_S. Raises ServiceRefused."""
        if not self._settling.stopped:
            return
        now_s = asyncio.get_running_loop().time()
        if now_s - self._entitled_asked_s >= ENTITLED_ASKED_S:
            self._entitled_asked_s = now_s
            current = await self._follow.record(keyspace.organisation(self.organisation))
            if current is not None and body_of(current.record, OrganisationBody).state == ACTIVE:
                self._settling.stopped = ""
                return
        raise ServiceRefused(self._settling.stopped)

    async def _verify_hospital(self) -> None:
        """Fiscal bills are a hospital's to issue. Who has numbers is one: the ledger gives them to nobody else. Where it does not
        answer, it says so later. Raises ServiceRefused `issuer_not_entitled`."""
        if not self._kind and not self._leases.numbers_left():
            current = await self._follow.record(keyspace.organisation(self.organisation))
            self._kind = body_of(current.record, OrganisationBody).kind if current is not None else ""
        if self._kind not in ("", HOSPITAL):
            raise ServiceRefused("issuer_not_entitled")

    async def issue(self, request: BillRequest) -> Standing:
        await self._verify_hospital()
        await self._verify_entitled()
        standing = self._issuing.issue(request)
        await self._saved()
        failpoint("gateway.saved")
        return await self._with_check_code(standing)

    async def _would_issue(self, request: BillRequest) -> None:
        """What `issue` would refuse now, but for numbers, of which none is taken. Raises ServiceRefused."""
        await self._verify_hospital()
        self._issuing.verify(request)

    async def issue_many(self, requests: list[BillRequest]) -> list[Standing | ServiceRefused]:
        await self._verify_hospital()
        await self._verify_entitled()
        answers: list[Standing | ServiceRefused] = []
        for number, request in enumerate(requests, 1):
            try:
                answers.append(self._issuing.issue(request))
            except ServiceRefused as refused:
                answers.append(refused)
            if number % BATCH_PAUSE == 0:
                await asyncio.sleep(0)
        await self._saved()
        return [await self._with_check_code(one) if isinstance(one, Standing) else one for one in answers]

    async def reverse(
        self,
        bill_id: str,
        reason: str,
        operator: str,
        place_code: str | None,
        persons: Sequence[bytes] = (),
        refund: RefundWish | None = None,
    ) -> Standing:
        await self._verify_entitled()
        await self._life.verify_reversible(bill_id)
        plan: RefundPlan | None = None
        if refund is not None:
            self._issuing.reversible(bill_id, reason, operator, place_code)
            plan = await self.money.refunds.plan(bill_id, refund)

        def refunds(red: str) -> Sequence[Operation]:
            return self.money.refunds.adopt(plan, red) if plan is not None else ()

        standing = self._issuing.reverse(bill_id, reason, operator, place_code, list(persons), refunds)
        await self._saved()
        return standing

    async def correct(
        self, bill_id: str, reason: str, operator: str, request: BillRequest, persons: Sequence[bytes] = ()
    ) -> tuple[Standing, Standing]:
        await self._verify_entitled()
        await self._life.verify_reversible(bill_id)
        red, bill = self._issuing.correct(bill_id, reason, operator, request, list(persons))
        await self._saved()
        return await self._with_check_code(red), await self._with_check_code(bill)

    async def reprint(self, bill_id: str, paper: str, again: str) -> Standing:
        standing = await self._life.reprint(bill_id, paper, again)
        await self._saved()
        return standing

    async def life(self, bill_id: str, reader: Reader) -> dict[str, Any] | None:
        if await self._desk.bill(bill_id, reader) is None:
            return None
        return await self._life.states(bill_id)

    async def link(self, bill_id: str, reader: Reader) -> str | None:
        shown = await self._desk.qr_code(bill_id, reader)
        return None if shown is None else page_link(*shown, self.chain_id)

    async def claims(self, bill_id: str) -> list[dict[str, Any]]:
        claims: list[dict[str, Any]] = (await self._life.states(bill_id))["claims"]
        return claims

    async def move(self, operation: LifeOperation) -> Standing:
        standing = await self._life.move(operation)
        await self._saved()
        return standing

    async def bind_payer(self, bill_id: str, payer: Payer, operator: str) -> Standing:
        standing = await self._binding.bind(bill_id, payer, operator)
        await self._saved()
        return standing

    async def publish(self, operation: PublishCatalogue, persons: Sequence[bytes] = ()) -> Standing:
        standing = await self._publishing.publish(operation, list(persons))
        await self._saved()
        return standing

    def catalogues(self, publisher: str | None) -> list[dict[str, Any]]:
        return self._catalogues.book.rows(publisher)

    def catalogue(self, name: str, version: int, publisher: str | None) -> dict[str, Any] | None:
        return self._catalogues.book.page(name, version, publisher)

    def leases(self) -> list[LeaseView]:
        return self._leases.views()

    async def paper_forms(self) -> list[PaperForms]:
        return await self._stock.rows()

    async def next_form(self, place: str, code: str) -> str | None:
        return await self._stock.next_form(place, code)

    async def day_books(self, first: date, last: date, place: str | None) -> list[dict[str, Any]]:
        return await self._days.books(first, last, place)

    async def bills_by_day(self, first: date, last: date, place: str | None) -> list[IssuedBill]:
        return await self._days.bills(first, last, place)

    async def submit(self, transaction: bytes) -> list[Standing]:
        standings = await self._submitting.submit(transaction)
        await self._saved()
        return standings

    async def wait(self, standing: Standing, seconds: float, until: Status = "sealed") -> Standing:
        reached = await self._standings.wait(standing, seconds, until)
        if standing.chain:
            reached = msgspec.structs.replace(reached, resource=standing.resource, chain=standing.chain)
            return self.money.told(reached)
        if reached.superseded_by and not standing.superseded_by:
            reached = await self._with_check_code(msgspec.structs.replace(reached, check_code=None))
        return reached

    async def _saved(self) -> None:
        try:
            await self.store.flushed()
        except StorageFailed as failed:
            raise ServiceRefused(failed.code) from None

    async def _with_check_code(self, standing: Standing) -> Standing:
        row = self.store.bill(standing.bill_id) if standing.bill_id and not standing.check_code else None
        details = await self._post.details(row) if row is not None else None
        if details is None:
            return standing
        return msgspec.structs.replace(standing, check_code=check_code(details.seed, details.bill))

    # ── bills ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def bill(self, bill_id: str, reader: Reader) -> dict[str, Any] | None:
        await self._saved()
        return await self._desk.bill(bill_id, reader)

    async def bills_by_business_no(self, issuer: str, business_no: str, reader: Reader) -> list[dict[str, Any]]:
        await self._saved()
        try:
            mac = self._issuing.business_mac(business_no)
        except ChainError:  # no text that a bill could have
            return []
        return await self._desk.bills_of(issuer, mac, reader)

    async def bills_of_group(self, issuer: str, group: str, reader: Reader, after: str | None, limit: int) -> Page:
        await self._saved()
        return await self._desk.bills_of_group(issuer, group, reader, after, limit)

    async def history(self, bill_id: str, reader: Reader) -> list[dict[str, Any]] | None:
        return await self._desk.history(bill_id, reader)

    async def operation(self, digest: str, reader: Reader) -> Standing | None:
        return self._desk.operation(digest, reader)

    async def operation_proof(self, digest: str, reader: Reader) -> bytes | None:
        return await self._desk.operation_proof(digest, reader)

    async def proof(self, bill_id: str, reader: Reader | None, fields: list[str], secret: str | None) -> bytes | None:
        return await self._desk.proof(bill_id, reader, fields, secret)

    async def payer_proof(self, bill_id: str, reader: Reader | None, secret: str | None) -> bytes | None:
        return await self._desk.payer_proof(bill_id, reader, secret)

    async def face_source(
        self, bill_id: str, reader: Reader | None, form: Form, secret: str | None
    ) -> FaceSource | None:
        return await self._faces.source(bill_id, reader, form, secret, self._desk, self.head())

    def check_proof(self, data: bytes) -> dict[str, Any]:
        return checked_proof(data, self.genesis)

    async def verify_claimed(self, claimed: Claimed, source: str) -> dict[str, Any]:
        return await self._desk.verify_claimed(claimed, source, self.head())

    async def look_up(self, claimed: Claimed, source: str, asker: Reader | None) -> dict[str, Any]:
        return await self._counts.counted(await self.verify_claimed(claimed, source), claimed.bill_id, asker)

    async def lookups(self, bill_id: str, reader: Reader) -> dict[str, Any] | None:
        return self._counts.page(bill_id) if await self._desk.is_of(bill_id, reader) else None

    async def verify_many(self, claims: list[Claimed], asker: Reader) -> dict[str, Any]:
        answer = await self._batches.verify(claims, self.head)
        await self._counts.count_many(claims, answer["results"], asker)
        return answer

    async def _prove_key(self, name: bytes) -> tuple[CurrentRecord, list[SetChange]] | None:
        current = await self._follow.record(keyspace.key(self.organisation, name))
        return None if current is None else (current, self._proofs.changes_of_sets(current.header.height))

    # ── the ledger ───────────────────────────────────────────────────────────────────────────────────────────────────

    def head(self) -> Head:
        before = self._follow.before
        return Head(before.height, before.digest.hex(), before.time_ms)

    def network(self) -> dict[str, Any]:
        node = {"name": self.name, "kind": self.kind, "organisation": self.organisation}
        return self._blocks.network(node, sorted(link.node for link in self._peers.validators()))

    def genesis_file(self) -> bytes:
        return self._genesis_file

    async def blocks(self, before: int | None, limit: int) -> Page:
        return self._blocks.page(before, limit)

    async def block(self, height: int, reader: Reader | None) -> dict[str, Any] | None:
        is_own = reader is not None and reader.organisation == self.organisation and reader.role in STAFF
        return self._blocks.block(height, with_own_part=is_own)
