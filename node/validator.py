"""A validator: consensus joined to the ledger, the pool, the disk and its peers. Serves nobody but nodes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from chain.codec import decode, encode
from chain.errors import ChainError, StorageDamaged, StorageFailed
from chain.ledger import Ledger
from consensus.errors import ConsensusError
from consensus.events import Started
from consensus.model import Head, ViewChangeSaved, record_height
from consensus.replica import Replica, Settings
from consensus.wire import decode_record
from node.errors import PeerRefused
from node.journal import Journal
from node.link import Link
from node.messages import BUNDLE, CONSENSUS, decode_question
from node.runtime import Clock, Runtime
from node.saver import SavedEntry
from node.transport import Transport
from node.validator_effects import Effects
from node.validator_intake import Intake
from node.validator_parts import ValidatorParts
from node.validator_report import figures_of, status_of

OnHalt = Callable[[str], None]  # told why, when the node must stop

log = structlog.get_logger()


class Validator:
    """A LinkHandler for the transport; joins intake and effects to the loop between them."""

    kind = "validator"

    def __init__(
        self,
        name: str,
        organisation: str,
        ledger: Ledger,
        journal: Journal | None,
        sign: Callable[[bytes], bytes],
        on_halt: OnHalt,
    ) -> None:
        self.name, self.organisation = name, organisation
        self.ledger, self.journal = ledger, journal
        self._on_halt = on_halt
        seat = ledger.members.seat_of(organisation)
        if seat is None:
            raise ConsensusError(f"{organisation} has no seat among the validators")
        self.seat = seat
        self.parts = ValidatorParts(organisation, ledger, journal)
        self.effects = Effects(self.parts, self._start, self._stop_for)
        self.intake = Intake(self.parts, self.effects)
        self.pool, self.feed, self.saver = self.parts.pool, self.parts.feed, self.parts.saver
        self.transport: Transport | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._halt_reason = ""
        replica = Replica.restore(self._settings(sign), self._head(), self._records())
        self.runtime = self.effects.runtime = Runtime(replica, self.effects, Clock())

    def _settings(self, sign: Callable[[bytes], bytes]) -> Settings:
        journal, last = self.journal, self.ledger.log.last_journal_sequence
        may_vote = journal is not None and journal.last_sequence >= last
        if not may_vote:
            self.effects.learner_reason = "journal_missing" if journal is None else "journal_behind_block_log"
        return Settings(
            chain_id=self.ledger.chain_id,
            members=self.ledger.members,
            seat=self.seat,
            sign=sign,
            heartbeat_ms=self.ledger.genesis.parameters.heartbeat_ms,
            may_vote=may_vote,
        )

    def _head(self) -> Head:
        head = self.ledger.head
        view = self.ledger.final(head.height) if head.height else None
        return Head(head.height, head.digest, head.time_ms, view.certificate if view else None)

    def _records(self) -> list[Any]:
        records = []
        promised = 0
        for entry in self.journal.records() if self.journal else ():
            saved = decode(entry.payload, SavedEntry)
            record = decode_record(saved.record)
            if isinstance(record, ViewChangeSaved) and record.view_change.view > promised:
                promised = record.view_change.view
                self.saver.keep = [entry.payload]
            height = record_height(record)
            if height is not None and height > self.ledger.head.height:
                self.parts.proposals.keep(saved.bodies)
            records.append(record)
        return records

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, transport: Transport) -> None:
        """Begin: the transport is up, its handler is this."""
        self.transport = transport
        self._start(self.saver.run())
        self._start(self.intake.admit_bundles())
        self.runtime.take(Started(self.effects.now_ms()))
        if self.learner_reason:
            log.warning("learner", reason=self.learner_reason)

    async def stop(self) -> None:
        """Finish the block: what was decided is flushed, then everything ends."""
        self.runtime.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._halt_reason:
            await self.saver.drain()
        self.parts.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            error = task.exception()
            self._stop_for(f"{type(error).__name__}: {error}")

    def _stop_for(self, reason: str) -> None:
        if not self._halt_reason:
            self._halt_reason = reason
            log.critical("node_stops", reason=reason)
            self.runtime.stop()
            self._on_halt(reason)

    # ── links ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def on_link_up(self, link: Link) -> None:
        self.intake.connected(self.parts.seats.link_up(link))

    def on_link_down(self, link: Link) -> None:
        links = self.transport.links.values() if self.transport else ()
        self.intake.connected(self.parts.seats.link_down(link, links))

    async def on_message(self, link: Link, kind: int, payload: bytes) -> None:
        seat = self.parts.seats.members.seat_of(link.peer.organisation)
        if kind == CONSENSUS and seat is not None and seat != self.seat:
            await self.intake.on_consensus(link, seat, payload)
        elif kind == BUNDLE:
            await self.intake.on_bundle(payload, from_validator=seat is not None)
        else:
            raise PeerRefused("kind_unknown")

    async def on_request(self, link: Link, payload: bytes) -> bytes:
        try:
            question = decode_question(payload)
        except ChainError as error:
            raise PeerRefused(error.code) from None
        try:
            return encode(await self.parts.answers.answer(question, link.peer.organisation))
        except (StorageDamaged, StorageFailed) as error:
            self._stop_for(f"{type(error).__name__}: {error}")
            raise PeerRefused("unavailable") from None

    # ── for operators ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def learner_reason(self) -> str:
        """Why it does not vote; empty if it does."""
        return self.effects.learner_reason

    @property
    def linked_validators(self) -> list[str]:
        """Organisations of the other validators that are linked, sorted."""
        return self.parts.seats.linked()

    def not_ready(self) -> list[str]:
        """Why it does not take part fully; empty when ready."""
        reasons = []
        linked, needed = len(self.parts.seats), self.parts.seats.members.quorum - 1
        if linked < needed:
            reasons.append(f"links to {linked} other validators, {needed} are needed")
        if self.learner_reason:
            reasons.append(f"follows without voting: {self.learner_reason}")
        return reasons

    def status(self) -> dict[str, Any]:
        return status_of(self)

    def figures(self) -> dict[str, float]:
        return figures_of(self)

    def labelled_figures(self) -> dict[str, dict[str, float]]:
        incidents = self.transport.incidents if self.transport else Counter[str]()
        return {
            "mempool_rejected_total": dict(self.parts.admission.refused),
            "messages_refused_total": dict(self.parts.refusals),
            "peer_incidents_total": dict(incidents),
        }
