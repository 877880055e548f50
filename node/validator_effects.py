"""What a validator does about each effect of its replica: saves, sends, executes, accuses. The Shell of `runtime.py`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

import msgspec
import structlog

from chain.codec import encode
from chain.execute import Execution
from chain.failpoint import failpoint
from chain.final_view import FinalView
from chain.proving import set_changes
from chain.transaction import Transaction
from chain.validators import ValidatorSet
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
from consensus.events import BlockChecked, Event, NextEpoch, PassedOver, PeerUnreachable, ProposalReady, WorkChanged
from consensus.evidence import conviction_of, encode_evidence
from consensus.model import (
    BLOCKS_PER_FETCH_MAX,
    Blocks,
    Bodies,
    Fetch,
    FetchBodies,
    PeerMessage,
    ProposalSaved,
    ViewChangeSaved,
    Vote,
    record_height,
)
from consensus.wire import encode_message, encode_record
from node.answers import ANSWER_BYTES_MAX, final_block_bytes
from node.evidence_store import certified_at
from node.evidence_watch import raise_alarm
from node.link import Link
from node.mempool import PASSED_OVER_BLOCKS
from node.messages import BUNDLE, CONSENSUS, encode_bundles
from node.proposals import Checked, can_run
from node.runtime import Clock, Runtime
from node.saver import saved_entry
from node.validator_parts import ValidatorParts
from node.vote_memory import GIVEN_UP, NO_SEAT, VOTE_FORGOTTEN

PASS_ON_MAX = 500  # waiting transactions sent to the primary once more
BLOCKS_TAG = Blocks.__struct_config__.tag
BODIES, BLOCKS = encode_message(Bodies([]))[:2], encode_message(Blocks([]))[:2]  # how such messages begin

log = structlog.get_logger()


class Effects:
    """`start` runs work beside the loop and stops the node if it fails; `stop_for` stops it; `on_left` is what to do
    when its organisation has no seat any more. `runtime` is None while there is no replica."""

    def __init__(
        self,
        parts: ValidatorParts,
        start: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        stop_for: Callable[[str], None],
        on_left: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._parts, self._start, self._stop_for, self._on_left = parts, start, stop_for, on_left
        self._ledger, self._pool, self._proposals = parts.ledger, parts.pool, parts.proposals
        self._memory = parts.memory
        self._saver, self._seats, self._answers_due = parts.saver, parts.seats, parts.answers_due
        self._was_waiting = False
        self.accusations = 0  # pairs of contradicting votes seen in this life
        self.learner_reason = ""
        self.runtime: Runtime | None = None
        self.clock = Clock()

    def now_ms(self) -> int:
        return self.clock.now_ms()

    def take(self, *events: Event) -> None:
        """Steps of the replica, if there is one."""
        if self.runtime is not None:
            self.runtime.take(*events)

    def tell_work(self) -> None:
        """Whether transactions wait, if that has changed."""
        waiting = len(self._pool) > 0
        if waiting != self._was_waiting:
            self._was_waiting = waiting
            self.take(WorkChanged(waiting, self.now_ms()))

    def step_failed(self, error: Exception) -> None:
        """A broken invariant of ours stops the node."""
        log.error("step_failed", exc_info=error)
        self._stop_for(f"{type(error).__name__}: {error}")

    # ── saving and deciding ──────────────────────────────────────────────────────────────────────────────────────────

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
            self._saver.keep = [payload]
        self._saver.entry(self._ledger.head.height + 1 if height is None else height, payload)

    def finalise(self, effect: Finalise) -> list[Event]:
        digest = effect.header.digest()
        execution = self._proposals.execution(digest)
        if execution is None:
            raise RuntimeError(f"block {effect.header.height} is final and was not executed here")
        view = self._ledger.adopt(execution, effect.certificate)
        self._proposals.pace.ended(effect.header.height, len(view.received), len(view.outcomes))
        failpoint("effects.adopted")
        self._saver.block(effect.header.height, digest, final_block_bytes(view))
        self._proposals.decided(effect.transactions)
        self._pool.remove(effect.transactions)
        parent = self._ledger.parent()
        self._pool.drop_unrunnable(lambda received: can_run(parent, received))
        events: list[Event] = []
        self._was_waiting = len(self._pool) > 0
        events.append(WorkChanged(self._was_waiting, self.now_ms()))
        passed_over = self._count_passed_over(view) if self._was_waiting else 0
        if passed_over == PASSED_OVER_BLOCKS:
            events.append(PassedOver(self.now_ms()))
        elif passed_over == PASSED_OVER_BLOCKS // 2 and self.runtime is not None:  # the primary may never have got it
            self.pass_on(PassOn(self.runtime.replica.primary))
        return events

    def _count_passed_over(self, view: FinalView) -> int:
        parameters = self._ledger.genesis.parameters
        used_bytes = sum(received.size_bytes for received in view.received)
        if len(view.received) >= parameters.block_transactions_max:
            return 0
        served: set[str] = set()  # an honest primary goes round by organisation
        if self._proposals.pace.is_full(len(view.received), len(view.outcomes)):
            served = {received.transaction.organisation for received in view.received}
        return self._pool.count_passed_over(
            view.header.time_ms,
            parameters.block_operations_max - len(view.outcomes),
            parameters.block_bytes_max - used_bytes,
            served,
        )

    # ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def broadcast(self, effect: Broadcast) -> None:
        payload, names = encode_message(effect.message), self._seats.organisations()
        self._saver.send(lambda: self._send_all(payload, names), len(payload))

    def _send_all(self, payload: bytes, organisations: list[str]) -> None:
        for name in organisations:
            link = self._seats.link(name)
            if link is not None:
                link.send(CONSENSUS, payload, urgent=True)

    def send(self, effect: Send) -> None:
        name = self._seats.name(effect.seat)  # now: another set may have other seats when it leaves
        self._saver.send(lambda: self._send_one(name, effect.message))

    def _send_one(self, organisation: str, message: PeerMessage) -> None:
        self._seats.send(organisation, message)  # one that is lost is repeated: rule 11

    def send_blocks(self, effect: SendBlocks) -> None:
        name = self._seats.name(effect.seat)
        self._saver.send(lambda: self.serve_blocks(self._seats.link(name), effect.from_height, effect.count))

    def serve_blocks(self, link: Link | None, from_height: int, count: int) -> None:
        """Flushed blocks from the log, as many as fit."""
        if link is None or link.waiting_bytes > ANSWER_BYTES_MAX:  # it asks again; what waits must be taken first
            return
        began_s = time.thread_time()
        blocks: list[msgspec.Raw] = []
        size = 0
        for height in range(max(from_height, 1), min(from_height + count, self._parts.feed.height + 1)):
            data = self._ledger.log.read(height)
            size += len(data)
            if blocks and size > ANSWER_BYTES_MAX:
                break
            blocks.append(msgspec.Raw(data))
        if blocks:
            link.send(CONSENSUS, encode([BLOCKS_TAG, blocks]))
        link.spend(time.thread_time() - began_s)

    def fetch_blocks(self, effect: FetchBlocks) -> list[Event]:
        name = self._seats.name(effect.seat)
        if not self._seats.send(name, Fetch(effect.from_height, effect.count)):
            return [PeerUnreachable(effect.seat, self.now_ms())]
        self._answers_due.ask(BLOCKS, name)
        return []

    def pass_on(self, effect: PassOn) -> None:
        link = self._seats.link(self._seats.name(effect.seat))
        if link is not None:
            send_bundles([received.transaction for received in self._pool.all(PASS_ON_MAX)], [link])

    # ── proposing and checking ───────────────────────────────────────────────────────────────────────────────────────

    def propose(self, effect: Propose) -> list[Event]:
        least = self._ledger.genesis.parameters.block_interval_min_ms
        interval = self._proposals.pace.interval_ms(least) if least else 0
        wait_ms = self._ledger.head.time_ms + interval - self.now_ms() if self._ledger.head.height else 0
        if interval and 0 < wait_ms <= interval:
            asyncio.get_running_loop().call_later(wait_ms / 1000, self._propose_later, effect)
            return []
        return self._proposal(effect)

    def _propose_later(self, effect: Propose) -> None:
        if self.runtime is None or self.runtime.halted:
            return
        events: list[Event] = []
        try:
            events = self._proposal(effect)
        except Exception as error:
            self.runtime.stop()
            self.step_failed(error)
        self.take(*events)

    def _proposal(self, effect: Propose) -> list[Event]:
        now = self.now_ms()
        self._proposals.pace.began(effect.height)
        execution = None
        if effect.parent == self._ledger.head.digest and not self._parts.space.is_low():  # another primary will
            proposer = self._parts.organisation
            failpoint("effects.proposing")
            execution = self._proposals.build(max(effect.time_min_ms, now), proposer, effect.may_be_empty)
        if execution is None:
            nothing: list[Event] = [ProposalReady(effect.view, effect.height, None, [], now)]
            if self._was_waiting and not len(self._pool):  # what waited could not run any more and was dropped
                self._was_waiting = False
                nothing.append(WorkChanged(False, now))
            return nothing
        digests = [received.digest for received in execution.transactions]
        next_epoch = self._next_epoch(execution)
        return [ProposalReady(effect.view, effect.height, execution.header, digests, now, next_epoch)]

    def check_block(self, effect: CheckBlock) -> list[Event]:
        self._proposals.pace.began(effect.header.height)
        checked = self._proposals.check_now(effect)
        if checked is not None:
            return [self._verdict(checked)]
        self._start(self._check_later(effect))
        return []

    async def _check_later(self, effect: CheckBlock) -> None:
        if self.runtime is None:
            return
        checked = await self._proposals.check(
            effect,
            lambda turn, seat, digests: self._ask_bodies(turn, seat, digests, effect.header.height),
            self.runtime.replica.holders,
            self._seats.others(),
        )
        if checked is not None and self.runtime is not None and not self.runtime.halted:
            self.take(self._verdict(checked))

    def _ask_bodies(self, turn: int, seat: int, digests: list[bytes], height: int) -> None:
        """Who has the block already serves its bodies no more, but the block."""
        name = self._seats.name(seat)
        self._answers_due.ask(BODIES, name)
        self._seats.send(name, FetchBodies(digests))
        if turn >= 2:
            self._answers_due.ask(BLOCKS, name)
            self._seats.send(name, Fetch(height, BLOCKS_PER_FETCH_MAX))  # those after it may be as bad here

    def _verdict(self, checked: Checked) -> BlockChecked:
        if not checked.valid:
            log.warning("block_invalid", code=checked.code, digest=checked.digest.hex()[:16])
        failpoint("effects.checked")
        execution = self._proposals.execution(checked.digest)
        next_epoch = self._next_epoch(execution) if execution is not None else None
        return BlockChecked(checked.digest, checked.valid, checked.code, self.now_ms(), next_epoch)

    # ── epochs ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _next_epoch(self, execution: Execution) -> NextEpoch | None:
        """What a block, executed on the head, says about who votes two heights above it; None if it says nothing."""
        if execution.following.epoch != execution.header.height + 2:
            return None
        memory, saver = self._memory, self._saver
        if memory.journal is None and self._parts.organisation in execution.renewed:
            memory.look_again()
            saver.journal = memory.journal
        for public in memory.noted_keys():
            saver.work(partial(memory.take_key, public))
        return memory.opening(self._ledger, execution.following, execution)

    def enter_epoch(self, effect: EnterEpoch) -> None:
        self._seats.members = effect.members
        self._saver.keep = []  # ViewChanges of the epoch before are void
        why_not = "" if effect.may_vote else self._memory.why_not(effect.members, self._ledger)
        self.learner_reason = "" if effect.may_vote else why_not or self.learner_reason
        names = [member.organisation for member in effect.members.members]
        log.info("epoch", epoch=effect.members.epoch, validators=names, learner=self.learner_reason or None)

    def leave_set(self, effect: LeaveSet) -> None:
        self._seats.members = effect.members
        self._saver.keep = []
        self.learner_reason = NO_SEAT
        log.warning("left_set", epoch=effect.members.epoch)
        self._start(self._on_left())

    def become_learner(self, effect: BecomeLearner) -> None:
        """A vote was forgotten, or an epoch began in which the journal counts for nothing."""
        self.learner_reason = self._memory.why_not(self._seats.members, self._ledger) or VOTE_FORGOTTEN
        log.error("learner", reason=self.learner_reason, detail=effect.reason)
        self.give_up()

    def give_up(self) -> None:
        """Let go of a journal that counts for nothing any more, so that a fresh one can take its place."""
        if self.learner_reason in GIVEN_UP and self._memory.journal is not None:
            has_forgotten = self.learner_reason == VOTE_FORGOTTEN
            self._memory.give_up(self.learner_reason)
            self._saver.drop_journal(has_forgotten)
            if has_forgotten:
                self._saver.work(self._memory.mark)

    # ── for operators ────────────────────────────────────────────────────────────────────────────────────────────────

    def accuse(self, effect: Accuse) -> None:
        """Rule 16: kept by the writer, once the block before the votes' epoch is flushed, which leads to their set."""
        self.accusations += 1
        first, second = effect.first, effect.second
        if self._parts.evidence.has_room(conviction_of(first, second, self._seats.members)):
            sets = self._ledger.sets()
            self._saver.work(lambda: self._keep_evidence(first, second, sets))

    def _keep_evidence(self, first: Vote, second: Vote, sets: list[ValidatorSet]) -> None:
        ledger = self._ledger
        changes = set_changes(sets, lambda height: certified_at(ledger.log, height), first.epoch)
        try:
            kept = self._parts.evidence.add(encode_evidence(ledger.chain_id, changes, first, second))
        except ConsensusError as error:  # it convicts nobody: whoever checked the votes was wrong
            log.error("evidence_refused", code=error.code, seat=first.seat, height=first.height)
            return
        if kept is not None:
            raise_alarm(kept, self._parts.organisation)

    def refuse(self, effect: Refuse) -> None:
        self._parts.refusals.record(type(effect.error).__name__, seat=effect.seat)

    def halt(self, effect: Halt) -> None:
        self._stop_for(effect.reason)


def send_bundles(transactions: list[Transaction], links: Iterable[Link]) -> None:
    """Gossip: it may be dropped, and is repeated elsewhere."""
    for payload in encode_bundles(transactions):
        for link in list(links):
            link.send(BUNDLE, payload)
