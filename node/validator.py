"""A validator: consensus joined to the ledger, the pool, the disk and its peers. Serves nobody but nodes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from chain.codec import encode
from chain.errors import ChainError, StorageDamaged, StorageFailed
from chain.final_view import FinalView
from chain.ledger import Ledger
from consensus.errors import JournalDamaged
from consensus.events import Started
from consensus.model import Head, JournalRecord, ViewChangeSaved, record_height
from consensus.replica import Replica, Settings
from node.disk_space import CODE as DISK_NEARLY_FULL
from node.disk_space import DiskSpace, boundless
from node.errors import PeerRefused
from node.follow import BlockFollower
from node.link import Link
from node.messages import BUNDLE, CONSENSUS, decode_question
from node.peers import AgencyPeers
from node.runtime import Runtime
from node.transport import Transport
from node.validator_effects import Effects, send_bundles
from node.validator_intake import Intake
from node.validator_parts import ValidatorParts
from node.validator_report import figures_of, status_of
from node.vote_memory import GIVEN_UP, JOURNAL_BEHIND, JOURNAL_DAMAGED, VoteMemory

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
        memory: VoteMemory,
        on_halt: OnHalt,
        space: DiskSpace | None = None,
        verify_workers: int = 1,
    ) -> None:
        self.name, self.organisation = name, organisation
        self.ledger, self.memory = ledger, memory
        self._on_halt = on_halt
        self.parts = ValidatorParts(organisation, ledger, memory, space or boundless(), verify_workers)
        self.effects = Effects(self.parts, self._start, self._stop_for, self._leave)
        self.intake = Intake(self.parts, self.effects, self._start)
        self.pool, self.feed, self.saver = self.parts.pool, self.parts.feed, self.parts.saver
        self.follower: BlockFollower | None = None  # while it has no seat
        self.transport: Transport | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._part: asyncio.Task[None] | None = None  # the saver's loop, or the follower's
        self._is_turning = False  # from following to voting
        self._halt_reason = ""
        if memory.journal is not None and memory.journal.last_sequence < ledger.log.last_journal_sequence:
            self._distrust(JOURNAL_BEHIND)
        self._open_replica()

    @property
    def runtime(self) -> Runtime | None:
        """The loop around the replica; None without a seat."""
        return self.effects.runtime

    # ── votes ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open_replica(self) -> None:
        """Be a member of the current set, as far as the journal allows (rules 13 to 15); without a seat, none."""
        ledger, memory, effects = self.ledger, self.memory, self.effects
        effects.learner_reason = memory.why_not(ledger.members, ledger)
        seat = ledger.members.seat_of(self.organisation)
        self.parts.seats.members = ledger.members
        if seat is None:
            effects.runtime = None
            return
        if effects.learner_reason in GIVEN_UP and memory.journal is not None:
            self._distrust(effects.learner_reason)
        try:
            replica = Replica.restore(self._settings(seat), self._head(), self._records())
        except (JournalDamaged, StorageDamaged) as error:
            log.error("journal_damaged", detail=str(error))
            self._distrust(JOURNAL_DAMAGED)
            memory.mark()
            replica = Replica.restore(self._settings(seat), self._head(), [])
        effects.runtime = Runtime(replica, effects, effects.clock)

    def _distrust(self, trouble: str) -> None:
        """Nothing has been written in this life: the journal is let go at once."""
        if self.memory.journal is not None:
            self.memory.journal.close()
        self.memory.give_up(trouble)
        self.saver.journal = None
        self.effects.learner_reason = trouble

    def _settings(self, seat: int) -> Settings:
        ledger, memory = self.ledger, self.memory
        following = ledger.following
        return Settings(
            chain_id=ledger.chain_id,
            members=ledger.members,
            seat=seat,
            sign=memory.sign_in(ledger.members),
            heartbeat_ms=ledger.genesis.parameters.heartbeat_ms,
            may_vote=not self.effects.learner_reason,
            next_epoch=memory.opening(ledger, following) if following.epoch == ledger.head.height + 2 else None,
            must_hear=True,
        )

    def _head(self) -> Head:
        head = self.ledger.head
        view = self.ledger.final(head.height) if head.height else None
        return Head(head.height, head.digest, head.time_ms, view.certificate if view else None)

    def _records(self) -> list[JournalRecord]:
        records = []
        promised = (self.ledger.members.epoch, 0)  # those of former epochs are void
        for record, saved, payload in self.memory.records():
            if isinstance(record, ViewChangeSaved):
                epoch_view = (record.view_change.epoch, record.view_change.view)
                if epoch_view > promised:
                    promised, self.saver.keep = epoch_view, [payload]
            height = record_height(record)
            if height is not None and height > self.ledger.head.height:
                self.parts.proposals.keep(saved.bodies)
            records.append(record)
        return records

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, transport: Transport) -> None:
        """Begin: the transport is up, its handler is this."""
        self.transport = transport
        self._start(self.intake.admit_bundles())
        self._begin()

    def _begin(self) -> None:
        """As a member, or following until there is a seat."""
        if self.runtime is not None:
            self._part = self._start(self.saver.run())
            self.runtime.take(Started(self.effects.now_ms()))
        else:
            self._follow()
        if self.learner_reason:
            log.warning("learner", reason=self.learner_reason)

    def _follow(self) -> None:
        peers = AgencyPeers(self.ledger.genesis, self.transport)
        self.follower = BlockFollower(
            self.ledger,
            peers,
            self.feed,
            writer=self.parts.writer,
            pool=self.parts.threads,
            on_final=[self._on_followed],
            sequence=self.saver.sequence,
        )
        self._part = self._start(self.follower.run())

    def _on_followed(self, _view: FinalView) -> None:
        self.parts.seats.members = self.ledger.members
        if self.ledger.members.seat_of(self.organisation) is not None and not self._is_turning:
            self._is_turning = True
            self._start(self._take_seat())

    async def _take_seat(self) -> None:
        """The block before the first that it votes on is final here: from follower to member."""
        await self._end_part()
        self.follower = None
        self.memory.look_again()
        for public in self.memory.noted_keys():
            self.memory.take_key(public)
        self.saver.journal = self.memory.journal
        self.parts.proposals.decided()
        self._open_replica()
        self._is_turning = False
        log.info("takes_seat", epoch=self.ledger.members.epoch, learner=self.learner_reason or None)
        self._begin()

    async def _leave(self) -> None:
        """No seat any more: what was decided is flushed, what waits goes to others, and it follows."""
        await self._end_part()
        await self.saver.drain()
        waiting = self.pool.all(len(self.pool))
        send_bundles([received.transaction for received in waiting], self.parts.seats.links())
        self.pool.remove([received.digest for received in waiting])
        self.effects.runtime = None
        self._begin()

    async def _end_part(self) -> None:
        if self._part is not None:
            self._part.cancel()
            await asyncio.gather(self._part, return_exceptions=True)

    async def stop(self) -> None:
        """Finish the block: what was decided is flushed, then everything ends."""
        if self.runtime is not None:
            self.runtime.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._halt_reason:
            await self.saver.drain()
        self.parts.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            error = task.exception()
            self._stop_for(f"{type(error).__name__}: {error}")

    def _stop_for(self, reason: str) -> None:
        if not self._halt_reason:
            self._halt_reason = reason
            log.critical("node_stops", reason=reason)
            if self.runtime is not None:
                self.runtime.stop()
            self._on_halt(reason)

    # ── links ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def on_link_up(self, link: Link) -> None:
        self.intake.connected(self.parts.seats.link_up(link))

    def on_link_down(self, link: Link) -> None:
        links = self.transport.links.values() if self.transport else ()
        self.intake.connected(self.parts.seats.link_down(link, links))

    async def on_message(self, link: Link, kind: int, payload: bytes) -> None:
        name = link.organisation
        if kind == CONSENSUS and name != self.organisation and self.intake.may_validate(name):
            await self.intake.on_consensus(link, payload)
        elif kind == BUNDLE:
            await self.intake.on_bundle(link, payload, from_validator=name in self.parts.seats.organisations())
        else:
            raise PeerRefused("kind_unknown")

    async def on_request(self, link: Link, payload: bytes) -> bytes:
        try:
            question = decode_question(payload)
        except ChainError as error:
            raise PeerRefused(error.code) from None
        try:
            return encode(await self.parts.answers.answer(question, link.organisation, link))
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
        reasons = [DISK_NEARLY_FULL] if self.parts.space.is_low() else []
        runtime = self.runtime
        linked, needed = len(self.parts.seats), self.parts.seats.members.quorum - 1 if runtime is not None else 1
        if linked < needed:
            reasons.append(f"links to {linked} other validators, {needed} are needed")
        if runtime is not None and self.learner_reason:
            reasons.append(f"follows without voting: {self.learner_reason}")
        elif runtime is not None and runtime.replica.waits_to_hear:
            reasons.append("asks the others first what they hold of its votes")
        elif runtime is not None and not runtime.replica.is_active:
            reasons.append(f"waits for view {runtime.replica.view}")
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
