"""A mirror as a node: follows blocks, keeps details for its office, seals, and answers other nodes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog

from chain import keyspace
from chain.codec import encode
from chain.errors import ChainError, StorageDamaged, StorageFailed
from chain.failpoint import failpoint
from chain.final_view import FinalView
from chain.ledger import Ledger
from chain.records import BillBody, OrganisationBody
from chain.signature import SigningKey
from node.access_anchors import anchor_of
from node.access_log import EMBARGO_DAYS
from node.admissions import supervised_by
from node.answers import Answers, turn_of
from node.approvals import Approvals
from node.details_store import DetailsStore
from node.disk_space import CODE as DISK_NEARLY_FULL
from node.disk_space import DiskSpace, boundless
from node.errors import PeerRefused
from node.evidence_store import EvidenceStore
from node.evidence_watch import EvidenceWatch
from node.feed import Feed
from node.follow import BlockFollower
from node.life_index import LifeIndex
from node.link import Link
from node.messages import (
    CONSENSUS,
    PUT_DETAILS_BYTES_MAX,
    QUESTION_BYTES_MAX,
    BillsAnswer,
    DetailsAnswer,
    DetailsKept,
    FindBills,
    GetDetails,
    GetPayers,
    PayersAnswer,
    PayersKept,
    PutDetails,
    PutPayers,
    decode_question,
)
from node.mirror import Mirror
from node.payer_store import PayerStore
from node.peers import LivePeers
from node.seal_index import SealIndex
from node.sealer import Sealer
from node.submissions import Submissions, send_to_validators
from node.transport import Transport
from node.webhooks import Webhook, Webhooks
from node.withholdings import Withholdings

DETAILS_STEP_BACK_S = 2.0  # details wait so long for blocks that are caught up with: both want the processor

log = structlog.get_logger()


class MirrorNode:
    """Joins the parts of a mirror to its transport, its desk and the operations port."""

    kind = "mirror"

    def __init__(
        self,
        name: str,
        organisation: str,
        data: Path,
        ledger: Ledger,
        peers: LivePeers,
        *,
        storage_key: bytes,
        unit_key: SigningKey | None,
        seal_key: SigningKey | None,
        on_halt: Callable[[str], None],
        space: DiskSpace | None = None,
        verify_workers: int = 1,
        embargo_days: int = EMBARGO_DAYS,
        webhooks: Sequence[Webhook] = (),
    ) -> None:
        """Opens the details below `data`. Raises StorageDamaged, StorageLocked."""
        self.name, self.organisation = name, organisation
        self.ledger, self._peers, self._on_halt = ledger, peers, on_halt
        self._block_writer = ThreadPoolExecutor(1, "blocks")
        self._details_writer = ThreadPoolExecutor(1, "details")
        self._workers = ThreadPoolExecutor(verify_workers, "verify")
        issuers = supervised_by(ledger, organisation)
        self.details = DetailsStore.open(data, storage_key, issuers, self._body_of, self._details_writer)
        self.payers = PayerStore(ledger, self.details)
        self._index = SealIndex(self.details.database, ledger)
        self._lives = LifeIndex(self.details.database, ledger)
        send = send_to_validators(peers)
        self._space = space or boundless()
        self._submissions = Submissions(ledger, self.details.database, self._details_writer, send, space=self._space)
        withholdings = Withholdings(self.details.database, self._details_writer)
        self.sealer: Sealer | None = None
        if seal_key is not None:
            self.sealer = Sealer(
                ledger,
                self.details,
                self._index,
                office=organisation,
                key=seal_key,
                send=send,
                thread=self._workers,
                questioned=withholdings.reason_of,
            )
        self.evidence = EvidenceStore.open(data, ledger.genesis)
        self._watch = EvidenceWatch(self.evidence, peers, self._workers)
        self.feed = Feed(ledger.head.height)
        followed: list[Callable[[FinalView], None]] = [
            self.details.on_final,
            self.payers.on_final,
            self._index.on_final,
            self._lives.on_final,
            self._submissions.on_final,
        ]
        if self.sealer is not None:
            followed.append(self.sealer.on_final)
        self.follower = BlockFollower(
            ledger, peers, self.feed, writer=self._block_writer, pool=self._workers, on_final=followed
        )
        self.desk = Mirror(
            name,
            organisation,
            ledger,
            self.feed,
            peers,
            self.details,
            self._index,
            self._lives,
            self._submissions,
            sealer=self.sealer,
            unit_key=unit_key,
            evidence=self.evidence,
            approvals=Approvals(data, storage_key, ledger.genesis.parameters),
            withholdings=withholdings,
            payers=self.payers,
            embargo_days=embargo_days,
        )
        self.webhooks = Webhooks(webhooks, self.desk.events, self.details.database, self._details_writer, self._kind_of)
        ledger.on_admitted.append(self._admit)
        self._answers = Answers(ledger, self.feed, self.evidence)
        self._tasks: list[asyncio.Task[None]] = []
        self._is_failed = False

    def _admit(self, name: str) -> None:
        """A block has admitted an organisation: if it is below this office, its details come here."""
        body = self.ledger.state.get(keyspace.organisation(name), OrganisationBody)
        if body is not None and body.supervisor == self.organisation:
            self.details.add_issuer(name)
            if self.sealer is not None:
                self.sealer.add_issuer(name)

    def _kind_of(self, organisation: str) -> str | None:
        body = self.ledger.state.get(keyspace.organisation(organisation), OrganisationBody)
        return body.kind if body is not None else None

    def _body_of(self, bill: str) -> BillBody | None:
        return self.ledger.state.get(keyspace.bill(bill), BillBody)

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, transport: Transport) -> None:
        self._peers.transport = transport
        parts: list[Coroutine[Any, Any, None]] = [
            self.follower.run(),
            self._submissions.run(),
            self._watch.run(),
            self.desk.counts.run(),
            self.desk.anchors.run(),
            self.webhooks.run(),
        ]
        if self.sealer is not None:
            parts.append(self.sealer.run())
        self._tasks = [asyncio.get_running_loop().create_task(self._guard(part)) for part in parts]

    async def _guard(self, part: Coroutine[Any, Any, None]) -> None:
        try:
            await part
        except Exception as error:
            self._is_failed = True
            log.critical("node_stops", error=type(error).__name__, exc_info=not isinstance(error, ChainError))
            self._on_halt(f"{type(error).__name__}: {error}")

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._is_failed:
            with contextlib.suppress(StorageFailed):  # counts alone: what else is to be closed must be
                await self.desk.counts.write()
        for thread in (self._workers, self._details_writer, self._block_writer):
            thread.shutdown(wait=True, cancel_futures=True)
        if not self._is_failed:
            self._index.close()
            self._lives.close()
            self.details.close()
            self.ledger.close()

    # ── other nodes ──────────────────────────────────────────────────────────────────────────────────────────────────

    def on_link_up(self, link: Link) -> None:
        """Whoever needs a link looks for it when it is needed."""

    def on_link_down(self, link: Link) -> None:
        """Questions under way on it fail by themselves."""

    async def on_message(self, link: Link, kind: int, payload: bytes) -> None:
        if kind != CONSENSUS:  # a validator that takes us for the one of our organisation: it will notice
            raise PeerRefused("kind_unknown")

    async def on_request(self, link: Link, payload: bytes) -> bytes:
        organisation = link.peer.organisation
        if len(payload) > QUESTION_BYTES_MAX and organisation in self.details.issuers:  # read, it takes ten times that
            await self.follower.level(DETAILS_STEP_BACK_S)
            async with link.answering:
                return await self._answer(link, payload, PUT_DETAILS_BYTES_MAX)
        return await self._answer(link, payload, QUESTION_BYTES_MAX)

    async def _answer(self, link: Link, payload: bytes, bytes_max: int) -> bytes:
        organisation = link.peer.organisation
        try:
            question = decode_question(payload, bytes_max)
        except ChainError as error:
            raise PeerRefused(error.code) from None
        match question:
            case PutDetails():
                self._verify_supervised(organisation)
                if self._space.is_low():  # the gateway keeps them and sends them again
                    raise PeerRefused(DISK_NEARLY_FULL)
                await self.follower.level(DETAILS_STEP_BACK_S)
                try:
                    kept = await self.details.put(organisation, question.details)
                    failpoint("mirror.details_kept")
                    return encode(DetailsKept(kept))
                except (StorageFailed, StorageDamaged) as error:
                    raise self._stopping(error) from None
                except ChainError as error:
                    raise PeerRefused(error.code) from None
            case GetDetails():
                self._verify_supervised(organisation)
                async with turn_of(link):
                    return encode(DetailsAnswer(await self.details.get_many(organisation, question.bills)))
            case PutPayers():
                self._verify_supervised(organisation)
                if self._space.is_low():
                    raise PeerRefused(DISK_NEARLY_FULL)
                try:
                    return encode(PayersKept(await self.payers.put(organisation, question.payers)))
                except (StorageFailed, StorageDamaged) as error:
                    raise self._stopping(error) from None
                except ChainError as error:
                    raise PeerRefused(error.code) from None
            case GetPayers():
                self._verify_supervised(organisation)
                async with turn_of(link):
                    return encode(PayersAnswer(await self.payers.get_many(organisation, question.bills)))
            case FindBills():
                self._verify_supervised(organisation)
                found = self.details.bills_of_group(organisation, question.group, question.after, question.count)
                return encode(BillsAnswer(found))
            case _:
                try:
                    return encode(await self._answers.answer(question, organisation, link))
                except (StorageFailed, StorageDamaged) as error:
                    raise self._stopping(error) from None

    def _stopping(self, error: ChainError) -> PeerRefused:
        """Our own disk is at fault: the node ends, and says no more than that it is away."""
        self._is_failed = True
        self._on_halt(f"{type(error).__name__}: {error}")
        return PeerRefused("unavailable")

    def _verify_supervised(self, organisation: str) -> None:
        if organisation not in self.details.issuers:
            raise PeerRefused("not_supervised")

    # ── operators ────────────────────────────────────────────────────────────────────────────────────────────────────

    def not_ready(self) -> list[str]:
        reasons = [DISK_NEARLY_FULL] if self._space.is_low() else []
        return reasons if self._peers.validators() else [*reasons, "no_validator_link"]

    def status(self) -> dict[str, Any]:
        head = self.ledger.head
        seals = {}
        if self.sealer is not None:
            seals = {issuer: self.sealer.standing(issuer) for issuer in sorted(self.details.issuers)}
        return {
            "height": head.height,
            "digest": head.digest.hex(),
            "state_root": head.state_root.hex(),
            "state_count": head.state_count,
            "time_ms": head.time_ms,
            "follows": self.follower.server or None,
            "evidence": len(self.evidence.pieces),
            "evidence_against": self.evidence.organisations(),
            "submissions": self._submissions.count,
            "details_not_final": self.details.not_final,
            "payers_not_final": self.payers.waiting,
            "seals": seals,
            "seal_lag_ms": self.sealer.lag_ms if self.sealer else None,
            "webhooks": self.webhooks.status(),
        }

    def figures(self) -> dict[str, float]:
        figures: dict[str, float] = {
            "consensus_height": self.ledger.head.height,
            "state_records": self.ledger.state.count,
            "submissions": self._submissions.count,
            "evidence": len(self.evidence.pieces),
            "details_turned_away_total": self.details.turned_away,
            "accesses_logged": self.desk.bills.accesses.number,
            "accesses_anchored": anchor_of(self.ledger, self.organisation)[0],
            "webhooks_failing": self.webhooks.failing,
        }
        if self.sealer is not None:
            figures["seal_lag_seconds"] = (self.sealer.lag_ms or 0) / 1000
            figures["seal_alarm"] = float(self.sealer.is_alarmed)
        return figures

    def labelled_figures(self) -> dict[str, dict[str, float]]:
        transport = self._peers.transport
        incidents = transport.incidents if transport else Counter[str]()
        figures: dict[str, dict[str, float]] = {
            "follow_total": dict(self.follower.counts),
            "evidence_watch_total": dict(self._watch.counts),
            "peer_incidents_total": dict(incidents),
            "batch_verifications_total": dict(self.desk.batches.counts),
            "webhooks_total": dict(self.webhooks.counts),
        }
        if self.sealer is not None:
            figures["sealer_total"] = dict(self.sealer.counts)
        return figures
