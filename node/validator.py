"""A validator: consensus joined to the ledger, the pool, the disk and its peers. Serves nobody but nodes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import structlog

from chain.block import FinalBlock
from chain.codec import decode, encode
from chain.errors import ChainError, StorageDamaged, StorageFailed
from chain.final_view import FinalView
from chain.ledger import Ledger
from chain.transaction import Transaction
from consensus.effects import (
    Accuse,
    BecomeLearner,
    Broadcast,
    CheckBlock,
    EnterEpoch,
    FetchBlocks,
    Finalise,
    Halt,
    LeaveSet,
    PassOn,
    Persist,
    Propose,
    Refuse,
    Send,
    SendBlocks,
)
from consensus.errors import ConsensusError
from consensus.events import (
    BlockChecked,
    BlockFetched,
    Event,
    MessageReceived,
    PassedOver,
    PeerConnected,
    ProposalReady,
    Started,
    WorkChanged,
)
from consensus.model import (
    BLOCKS_PER_FETCH_MAX,
    Blocks,
    Bodies,
    Commit,
    Fetch,
    FetchBodies,
    Head,
    NewView,
    PeerMessage,
    Prepare,
    PrePrepare,
    ProposalSaved,
    Status,
    ViewChange,
    ViewChangeSaved,
    record_height,
)
from consensus.replica import Replica, Settings
from consensus.wire import (
    decode_message,
    decode_record,
    encode_message,
    encode_record,
    message_bytes_max,
    verify_final_block,
    verify_message,
)
from node.admission import Admission
from node.answers import ANSWER_BYTES_MAX, Answers, final_block_bytes
from node.answers_due import AnswersDue
from node.errors import PeerRefused
from node.feed import Feed
from node.journal import Journal
from node.link import Link
from node.mempool import PASSED_OVER_BLOCKS, CheckedSignatures, Mempool
from node.messages import (
    BUNDLE,
    CONSENSUS,
    decode_bundle,
    decode_question,
    encode_bundles,
)
from node.proposals import Checked, Proposals, can_run
from node.runtime import Clock, Runtime
from node.saver import SavedEntry, Saver, saved_entry
from node.seats import Seats
from node.transport import Transport
from node.validator_report import figures_of, status_of

PASS_ON_MAX = 2_000  # waiting transactions sent to the primary once more
BUNDLES_MAX = 256  # of other validators, waiting to be checked; and so many bytes
BUNDLES_BYTES_MAX = 64 << 20
EVIDENCE_MAX = 1_000  # accusations kept
BLOCKS_TAG = Blocks.__struct_config__.tag
BODIES, BLOCKS = encode_message(Bodies([]))[:2], encode_message(Blocks([]))[:2]  # how such messages begin

OnHalt = Callable[[str], None]  # told why, when the node must stop

log = structlog.get_logger()


class Validator:
    """A LinkHandler for the transport and a Shell for the runtime."""

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
        self._members = ledger.members
        seat = self._members.seat_of(organisation)
        if seat is None:
            raise ConsensusError(f"{organisation} has no seat among the validators")
        self.seat = seat
        self.pool = Mempool()
        self._checked = CheckedSignatures()
        self._threads = ThreadPoolExecutor(2, "verify")
        self._writer = ThreadPoolExecutor(1, "writer")
        self.admission = Admission(ledger.chain_id, ledger.parent, self.pool, self._checked, self._threads)
        self._proposals = Proposals(ledger.chain_id, ledger.parent, self.pool, self._checked, self.admission)
        self.feed = Feed(ledger.head.height)
        self.saver = Saver(ledger, journal, self._writer, self.feed.publish)
        self._answers = Answers(ledger, self.feed)
        self.transport: Transport | None = None
        self._seats = Seats(self._members, seat)
        self._tasks: set[asyncio.Task[None]] = set()
        self._bundles: asyncio.Queue[tuple[list[Transaction], int]] = asyncio.Queue(BUNDLES_MAX)  # and their bytes
        self._bundles_bytes = 0
        self._answers_due = AnswersDue()
        parameters = ledger.genesis.parameters
        self._message_bytes_max = message_bytes_max(self._members.n, parameters.block_transactions_max)
        self.evidence: list[tuple[Prepare | Commit, Prepare | Commit]] = []  # at most EVIDENCE_MAX
        self.refusals: Counter[str] = Counter()  # class of a refused message -> how many
        self.learner_reason = ""
        self._was_waiting = False
        self._halt_reason = ""
        replica = Replica.restore(self._settings(sign), self._head(), self._records())
        self.runtime = Runtime(replica, self, Clock())

    def _settings(self, sign: Callable[[bytes], bytes]) -> Settings:
        journal, last = self.journal, self.ledger.log.last_journal_sequence
        may_vote = journal is not None and journal.last_sequence >= last
        if not may_vote:
            self.learner_reason = "journal_missing" if journal is None else "journal_behind_block_log"
        return Settings(
            chain_id=self.ledger.chain_id,
            members=self._members,
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
                self._proposals.keep(saved.bodies)
            records.append(record)
        return records

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, transport: Transport) -> None:
        """Begin: the transport is up, its handler is this."""
        self.transport = transport
        self._start(self.saver.run())
        self._start(self._admit_bundles())
        self.runtime.take(Started(self._now()))
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
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._writer.shutdown(wait=True)

    def _start(self, work: Any) -> None:
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

    def _now(self) -> int:
        return self.runtime.clock.now_ms()

    def _take(self, event: Event) -> None:
        """One step; a broken invariant of ours stops the node (`step_failed`)."""
        self.runtime.take(event)

    def step_failed(self, error: Exception) -> None:
        log.error("step_failed", exc_info=error)
        self._stop_for(f"{type(error).__name__}: {error}")

    # ── links ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def on_link_up(self, link: Link) -> None:
        self._connected(self._seats.link_up(link))

    def on_link_down(self, link: Link) -> None:
        self._connected(self._seats.link_down(link, self.transport.links.values() if self.transport else ()))

    def _connected(self, seat: int | None) -> None:
        if seat is not None:
            self._take(PeerConnected(seat, self._now()))

    async def on_message(self, link: Link, kind: int, payload: bytes) -> None:
        seat = self._members.seat_of(link.peer.organisation)
        if kind == CONSENSUS and seat is not None and seat != self.seat:
            await self._on_consensus(link, seat, payload)
        elif kind == BUNDLE:
            await self._on_bundle(payload, from_validator=seat is not None)
        else:
            raise PeerRefused("kind_unknown")

    async def on_request(self, link: Link, payload: bytes) -> bytes:
        try:
            question = decode_question(payload)
        except ChainError as error:
            raise PeerRefused(error.code) from None
        try:
            return encode(await self._answers.answer(question, link.peer.organisation))
        except (StorageDamaged, StorageFailed) as error:
            self._stop_for(f"{type(error).__name__}: {error}")
            raise PeerRefused("unavailable") from None

    async def _on_bundle(self, payload: bytes, from_validator: bool) -> None:
        """A client's link is read on when its bundle is admitted: so a flood waits with whoever makes it. Consensus
        must not wait for signatures: bundles on its links are checked in their turn, or dropped."""
        try:
            transactions = decode_bundle(payload)
        except ChainError as error:
            raise PeerRefused(error.code) from None
        if not from_validator:
            await self._admit(transactions, from_validator)
        elif self._bundles.full() or self._bundles_bytes + len(payload) > BUNDLES_BYTES_MAX:
            self.admission.refused["bundles_full"] += len(transactions)  # the sender repeats what stays unrecorded
        else:
            self._bundles_bytes += len(payload)
            self._bundles.put_nowait((transactions, len(payload)))

    async def _admit_bundles(self) -> None:
        while True:
            transactions, size = await self._bundles.get()
            self._bundles_bytes -= size
            await self._admit(transactions, from_validator=True)

    async def _admit(self, transactions: list[Transaction], from_validator: bool) -> None:
        admitted, codes = await self.admission.admit(transactions)
        for code in codes:
            if code:
                log.debug("transaction_refused", code=code)
        if admitted and not from_validator:  # rule 10: passed on once
            self._gossip([received.transaction for received in admitted], self._seats.links())
        self._tell_work()

    def _gossip(self, transactions: list[Transaction], links: Any) -> None:
        for payload in encode_bundles(transactions):
            for link in list(links):
                link.send(BUNDLE, payload)

    def _tell_work(self) -> None:
        waiting = len(self.pool) > 0
        if waiting != self._was_waiting:
            self._was_waiting = waiting
            self._take(WorkChanged(waiting, self._now()))

    async def _on_consensus(self, link: Link, seat: int, payload: bytes) -> None:
        if not self._is_asked(seat, payload):
            self.refusals["unasked"] += 1
            return
        try:
            message = decode_message(payload)
            verify_message(message, self._members, self.ledger.chain_id)
        except (ChainError, ConsensusError) as error:
            self.refusals[type(error).__name__] += 1
            log.warning("message_refused", seat=seat, error=type(error).__name__)
            return
        self._connected(self._seats.speaks(seat, link))
        match message:
            case PrePrepare() | Prepare() | Commit() | ViewChange() | NewView() | Status() | Fetch():
                self._take(MessageReceived(seat, message, self._now()))
            case FetchBodies():
                if link.waiting_bytes > ANSWER_BYTES_MAX:  # it asks again; what waits must be taken first
                    return
                bodies = self._proposals.bodies_within(message.transactions, ANSWER_BYTES_MAX)
                if bodies:
                    self._send_to(seat, Bodies(bodies))
            case Bodies():
                self._proposals.offer(message.transactions)
            case Blocks():
                await self._on_blocks(seat, message)

    def _is_asked(self, seat: int, payload: bytes) -> bool:
        """Whether a message may be as large as it is: answers if they were asked for, others within their own bound.

        Said before it is decoded: that costs a second of this node for what a peer writes in a moment.
        """
        kind = payload[:2]
        if kind == BODIES:
            return self._answers_due.take(kind, seat)
        if kind == BLOCKS:  # they are pushed too, to whose ViewChange is behind
            return self._answers_due.take(kind, seat) or self._answers_due.may_push(
                seat, asyncio.get_running_loop().time()
            )
        return len(payload) <= self._message_bytes_max

    async def _on_blocks(self, seat: int, message: Blocks) -> None:
        """All of them are checked, then handed over at once: after the first alone the core would ask again."""
        taken: list[tuple[FinalBlock, list[bytes]]] = []
        for final in message.blocks:
            height = final.block.header.height
            if height <= self.ledger.head.height:
                continue
            if height > self.ledger.head.height + BLOCKS_PER_FETCH_MAX:
                break
            try:
                digests = verify_final_block(final, self._members, self.ledger.chain_id)
            except (ChainError, ConsensusError) as error:
                self.refusals[type(error).__name__] += 1
                log.warning("block_refused", seat=seat, error=type(error).__name__)
                break
            taken.append((final, digests))
            await asyncio.sleep(0)  # votes of others go in between
        for final, _digests in taken:
            self._proposals.keep_block(final.block.header.height, final.block.transactions)
        now = self._now()
        self.runtime.take(
            *(BlockFetched(seat, final.block.header, digests, final.certificate, now) for final, digests in taken)
        )

    # ── effects ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def persist(self, effect: Persist) -> None:
        record = effect.record
        bodies: list[Transaction] = []
        height = record_height(record)
        if isinstance(record, ProposalSaved):
            bodies = self._proposals.bodies(record.proposal.transactions)
            if len(bodies) != len(record.proposal.transactions):
                raise RuntimeError("a vote for a proposal whose bodies are not here")
        payload = saved_entry(encode_record(record), bodies)
        if isinstance(record, ViewChangeSaved):
            self.saver.keep = [payload]
        self.saver.entry(self.ledger.head.height + 1 if height is None else height, payload)

    def finalise(self, effect: Finalise) -> list[Event]:
        digest = effect.header.digest()
        execution = self._proposals.execution(digest)
        if execution is None:
            raise RuntimeError(f"block {effect.header.height} is final and was not executed here")
        view = self.ledger.adopt(execution, effect.certificate)
        self.saver.block(effect.header.height, digest, final_block_bytes(view))
        self._proposals.decided()
        self.pool.remove(effect.transactions)
        parent = self.ledger.parent()
        self.pool.drop_unrunnable(lambda received: can_run(parent, received))
        events: list[Event] = []
        self._was_waiting = len(self.pool) > 0
        events.append(WorkChanged(self._was_waiting, self._now()))
        passed_over = self._count_passed_over(view) if self._was_waiting else 0
        if passed_over == PASSED_OVER_BLOCKS:
            events.append(PassedOver(self._now()))
        elif passed_over == PASSED_OVER_BLOCKS // 2:  # the primary may never have got it
            self.pass_on(PassOn(self.runtime.replica.primary))
        return events

    def _count_passed_over(self, view: FinalView) -> int:
        parameters = self.ledger.genesis.parameters
        used_bytes = sum(received.size_bytes for received in view.received)
        if len(view.received) >= parameters.block_transactions_max:
            return 0
        return self.pool.count_passed_over(
            parameters.block_operations_max - len(view.outcomes), parameters.block_bytes_max - used_bytes
        )

    def broadcast(self, effect: Broadcast) -> None:
        payload = encode_message(effect.message)
        self.saver.send(lambda: self._send_all(payload))

    def _send_all(self, payload: bytes) -> None:
        for link in self._seats.links():
            link.send(CONSENSUS, payload, urgent=True)

    def send(self, effect: Send) -> None:
        self.saver.send(lambda: self._send_to(effect.seat, effect.message))

    def _send_to(self, seat: int, message: PeerMessage) -> None:
        link = self._seats.get(seat)
        if link is not None:
            link.send(CONSENSUS, encode_message(message), urgent=not isinstance(message, Blocks | Bodies))

    def send_blocks(self, effect: SendBlocks) -> None:
        self.saver.send(lambda: self._send_blocks(effect))

    def _send_blocks(self, effect: SendBlocks) -> None:
        link = self._seats.get(effect.seat)
        if link is None or link.waiting_bytes > ANSWER_BYTES_MAX:  # it asks again; what waits must be taken first
            return
        blocks: list[msgspec.Raw] = []
        size = 0
        for height in range(effect.from_height, min(effect.from_height + effect.count, self.feed.height + 1)):
            data = self.ledger.log.read(height)
            size += len(data)
            if blocks and size > ANSWER_BYTES_MAX:
                break
            blocks.append(msgspec.Raw(data))
        if blocks:
            link.send(CONSENSUS, encode([BLOCKS_TAG, blocks]))

    def propose(self, effect: Propose) -> list[Event]:
        interval = self.ledger.genesis.parameters.block_interval_min_ms
        wait_ms = self.ledger.head.time_ms + interval - self._now() if self.ledger.head.height else 0
        if interval and 0 < wait_ms <= interval:
            asyncio.get_running_loop().call_later(wait_ms / 1000, self._propose_later, effect)
            return []
        return self._proposal(effect)

    def _propose_later(self, effect: Propose) -> None:
        if self.runtime.halted:
            return
        events: list[Event] = []
        try:
            events = self._proposal(effect)
        except Exception as error:
            self.runtime.stop()
            self.step_failed(error)
        for event in events:
            self._take(event)

    def _proposal(self, effect: Propose) -> list[Event]:
        now = self._now()
        execution = None
        if effect.parent == self.ledger.head.digest:
            execution = self._proposals.build(max(effect.time_min_ms, now), self.organisation, effect.may_be_empty)
        if execution is None:
            nothing: list[Event] = [ProposalReady(effect.view, effect.height, None, [], now)]
            if self._was_waiting and not len(self.pool):  # what waited could not run any more and was dropped
                self._was_waiting = False
                nothing.append(WorkChanged(False, now))
            return nothing
        digests = [received.digest for received in execution.transactions]
        return [ProposalReady(effect.view, effect.height, execution.header, digests, now)]

    def check_block(self, effect: CheckBlock) -> list[Event]:
        checked = self._proposals.check_now(effect)
        if checked is not None:
            return [self._verdict(checked)]
        self._start(self._check_later(effect))
        return []

    async def _check_later(self, effect: CheckBlock) -> None:
        checked = await self._proposals.check(
            effect,
            lambda turn, seat, digests: self._ask_bodies(turn, seat, digests, effect.header.height),
            self.runtime.replica.holders,
            [seat for seat in range(self._members.n) if seat != self.seat],
        )
        if checked is not None and not self.runtime.halted:
            self._take(self._verdict(checked))

    def _ask_bodies(self, turn: int, seat: int, digests: list[bytes], height: int) -> None:
        """Who has the block already serves its bodies no more, but the block."""
        self._answers_due.ask(BODIES, seat)
        self._send_to(seat, FetchBodies(digests))
        if turn >= 2:
            self._answers_due.ask(BLOCKS, seat)
            self._send_to(seat, Fetch(height, 1))

    def _verdict(self, checked: Checked) -> BlockChecked:
        if not checked.valid:
            log.warning("block_invalid", code=checked.code, digest=checked.digest.hex()[:16])
        return BlockChecked(checked.digest, checked.valid, checked.code, self._now())

    def fetch_blocks(self, effect: FetchBlocks) -> None:
        self._answers_due.ask(BLOCKS, effect.seat)
        self._send_to(effect.seat, Fetch(effect.from_height, effect.count))

    def pass_on(self, effect: PassOn) -> None:
        link = self._seats.get(effect.seat)
        if link is not None:
            self._gossip([received.transaction for received in self.pool.all(PASS_ON_MAX)], [link])

    def accuse(self, effect: Accuse) -> None:
        if len(self.evidence) < EVIDENCE_MAX:
            self.evidence.append((effect.first, effect.second))
        member = self._members.members[effect.first.seat]
        log.error("equivocation", organisation=member.organisation, key=member.key.hex(), height=effect.first.height)

    def refuse(self, effect: Refuse) -> None:
        self.refusals[type(effect.error).__name__] += 1
        log.info("message_not_taken", seat=effect.seat, error=type(effect.error).__name__)

    def become_learner(self, effect: BecomeLearner) -> None:
        self.learner_reason = effect.reason
        self.saver.has_forgotten = True
        log.error("learner", reason=effect.reason)

    def enter_epoch(self, effect: EnterEpoch) -> None:
        self._stop_for(f"epoch {effect.members.epoch}: this release does not change its set while it runs")

    def leave_set(self, effect: LeaveSet) -> None:
        self._stop_for(f"epoch {effect.members.epoch}: no seat any more")

    def halt(self, effect: Halt) -> None:
        self._stop_for(effect.reason)

    # ── for operators ────────────────────────────────────────────────────────────────────────────────────────────────

    def not_ready(self) -> list[str]:
        """Why it does not take part fully; empty when ready."""
        reasons = []
        if len(self._seats) + 1 < self._members.quorum:
            reasons.append(f"links to {len(self._seats)} other validators, {self._members.quorum - 1} are needed")
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
            "mempool_rejected_total": dict(self.admission.refused),
            "messages_refused_total": dict(self.refusals),
            "peer_incidents_total": dict(incidents),
        }

    @property
    def linked_validators(self) -> list[str]:
        """Organisations of the other validators that are linked, sorted."""
        return sorted(self._members.members[seat].organisation for seat in self._seats)
