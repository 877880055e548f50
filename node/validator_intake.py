"""What a validator takes from its peers: messages of consensus, blocks that it asked for, transactions."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from chain.block import FinalBlock
from chain.errors import ChainError
from chain.failpoint import failpoint
from chain.transaction import Transaction
from chain.validators import ValidatorSet
from consensus.errors import ConsensusError, ForeignEpoch
from consensus.events import BlockFetched, MessageReceived, PeerConnected
from consensus.model import (
    BLOCKS_PER_FETCH_MAX,
    Blocks,
    Bodies,
    Commit,
    Fetch,
    FetchBodies,
    NewView,
    PeerMessage,
    Prepare,
    PrePrepare,
    Status,
    ViewChange,
)
from consensus.wire import (
    decode_message,
    encode_message,
    epoch_of,
    message_bytes_max,
    verify_final_block,
    verify_message,
)
from node.answers import AGENCIES, ANSWER_BYTES_MAX
from node.bundle_queue import Bundle, BundleQueue
from node.errors import PeerRefused
from node.link import Link
from node.messages import CONSENSUS, decode_bundle
from node.validator_effects import BLOCKS, BODIES, Effects, send_bundles
from node.validator_parts import ValidatorParts

REFUSED_WORK_S = 0.000_15  # of a transaction of another validator that was checked for nothing
# What an honest validator does not pass on. A full pool or disk is ours, a repeated or expired one a race: they cost nobody,
# for a link beyond its share is read later, and votes come over it too.
CHARGED = frozenset({"bad_signature", "suite_unknown", "transaction_malformed", "transaction_too_large"})
ROOM_WAIT_S, ROOM_LOOK_S = 2.0, 0.01  # that a client's bundle is kept for, when enough of its organisation waits
HELD_MAX, HELD_BYTES_MAX = 32, 2 << 20  # such bundles of a link: they count towards no allowance any more
UNREAD_WORK_S = 0.005  # what one more is taken for, though it costs less: so a link that floods is read seldom
BEHIND_BLOCKS = 8  # certified and not executed here yet: who is level has one or two
SERVED_EVERY_S = 0.8  # blocks for one that has no seat any more

log = structlog.get_logger()


class Intake:
    def __init__(
        self,
        parts: ValidatorParts,
        effects: Effects,
        start: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        """`start` runs work beside the loop and stops the node if it fails."""
        self._parts, self._effects, self._start = parts, effects, start
        # of clients: bundles that wait for room, each with the time since when
        self._held: dict[Link, deque[tuple[bytes, float]]] = {}
        self._ledger, self._proposals = parts.ledger, parts.proposals
        self._seats, self._answers_due, self._refusals = parts.seats, parts.answers_due, parts.refusals
        self._bundles = BundleQueue()  # of other validators, waiting to be checked
        self._agencies = {entry.id for entry in parts.ledger.genesis.organisations if entry.kind in AGENCIES}
        self._served_s: dict[str, float] = {}  # organisation without a seat -> when it was sent blocks

    # ── consensus ────────────────────────────────────────────────────────────────────────────────────────────────────

    def connected(self, seat: int | None) -> None:
        """A link leads to a validator from now on."""
        if seat is not None:
            self._effects.take(PeerConnected(seat, self._effects.now_ms()))

    def may_validate(self, organisation: str) -> bool:
        """Whether consensus may come from there: it has a seat, had one, or may have got one that is not known here."""
        return organisation in self._agencies

    async def on_consensus(self, link: Link, payload: bytes) -> None:
        """From an organisation that `may_validate`, over its link."""
        runtime, name = self._effects.runtime, link.organisation
        members = runtime.replica.members if runtime is not None else self._ledger.members
        upcoming = runtime.replica.upcoming if runtime is not None else None
        if not self._is_asked(name, payload, max(members.n, upcoming.n if upcoming else 0)):
            self._refusals["unasked"] += 1
            return
        try:
            with charged(link):
                message = decode_message(payload)
            if runtime is None or members.seat_of(name) is None:
                await self._on_stranger(link, message, has_replica=runtime is not None)
            former = self._ledger.former
            if upcoming is not None and epoch_of(message) == upcoming.epoch:
                members, former = upcoming, members
            seat = members.seat_of(name)
            if runtime is None or seat is None:
                return
            if runtime.replica.blocks_fetched and self._says_only_that_it_is_ahead(message, members):
                return
            with charged(link):
                verify_message(message, members, self._ledger.chain_id, former=former)
        except ForeignEpoch:  # at a switch some are a block ahead
            self._refusals[ForeignEpoch.__name__] += 1
            return
        except (ChainError, ConsensusError) as error:
            self._refusals.record(type(error).__name__, organisation=name)
            return
        self.connected(self._seats.speaks(link))
        failpoint("intake.message")
        match message:
            case PrePrepare() | Prepare() | Commit() | ViewChange() | NewView() | Status() | Fetch():
                self._effects.take(MessageReceived(seat, message, self._effects.now_ms()))
            case FetchBodies():
                if link.waiting_bytes > ANSWER_BYTES_MAX:  # it asks again; what waits must be taken first
                    return
                with charged(link):
                    bodies = self._proposals.bodies_within(message.transactions, ANSWER_BYTES_MAX)
                    if bodies:
                        link.send(CONSENSUS, encode_message(Bodies(bodies)))
            case Bodies():
                self._proposals.offer(message.transactions)
            case Blocks():
                await self._on_blocks(seat, message)

    def _is_asked(self, organisation: str, payload: bytes, n: int) -> bool:
        """Whether a message may be as large as it is: answers if they were asked for, others within their own bound.

        Said before it is decoded: that costs a second of this node for what a peer writes in a moment.
        """
        kind = payload[:2]
        if kind == BODIES:
            return self._answers_due.take(kind, organisation)
        if kind == BLOCKS:  # they are pushed too, to whose ViewChange is behind
            return self._answers_due.take(kind, organisation) or self._answers_due.may_push(
                organisation, asyncio.get_running_loop().time()
            )
        return len(payload) <= message_bytes_max(n, self._ledger.genesis.parameters.block_transactions_max)

    def _says_only_that_it_is_ahead(self, message: PeerMessage, members: ValidatorSet) -> bool:
        """Votes above those that the core keeps, while blocks are here that lead there: a Status says as much, and a
        signature is not worth checking for it. One in my own name is perhaps one that was forgotten (rule 14)."""
        match message:
            case PrePrepare():
                seat = members.primary(message.view)
            case Prepare() | Commit():
                seat = message.seat
            case _:
                return False
        return message.height > self._ledger.head.height + 2 and seat != members.seat_of(self._parts.organisation)

    async def _on_stranger(self, link: Link, message: PeerMessage, has_replica: bool) -> None:
        """Between a node and one without a seat in its set only blocks go, so that nobody is left behind by changes of
        the set, however few members two sets share: who has lost its seat learns it from them (rule 15)."""
        head = self._ledger.head.height
        match message:
            case Status() if message.height < head:
                self._serve(link, message.height + 1, BLOCKS_PER_FETCH_MAX)
            case Status() if message.height > head and has_replica:
                self._answers_due.ask(BLOCKS, link.organisation)
                link.send(CONSENSUS, encode_message(Fetch(head + 1, BLOCKS_PER_FETCH_MAX)), urgent=True)
            case Fetch():
                self._serve(link, message.from_height, message.count)
            case Blocks() if has_replica:
                await self._on_blocks(None, message)
            case _:
                pass  # votes of a set that is not ours

    def _serve(self, link: Link, from_height: int, count: int) -> None:
        now_s, last_s = asyncio.get_running_loop().time(), self._served_s.get(link.organisation)
        if last_s is None or now_s - last_s >= SERVED_EVERY_S:
            self._served_s[link.organisation] = now_s
            self._effects.serve_blocks(link, from_height, count)

    async def _on_blocks(self, seat: int | None, message: Blocks) -> None:
        """All of them are checked, then handed over at once: after the first alone the core would ask again.

        Each certified header says who votes on the block after it: so they count in one row from the head on, as far
        as the sets are known that they name.
        """
        taken: list[tuple[FinalBlock, list[bytes]]] = []
        ledger = self._ledger
        sets = {members.digest(): members for members in (ledger.members, ledger.following)}
        named, parent = ledger.members.digest(), ledger.head.digest
        for final in message.blocks:
            header = final.block.header
            if header.height <= ledger.head.height:
                continue
            if header.parent != parent or named not in sets or header.validators != named:
                break
            try:
                digests = verify_final_block(final, sets[named], ledger.chain_id)
            except (ChainError, ConsensusError) as error:
                self._refusals.record(type(error).__name__, seat=seat)
                break
            taken.append((final, digests))
            if len(taken) == BLOCKS_PER_FETCH_MAX:
                break
            named, parent = header.next_validators, header.digest()
            await asyncio.sleep(0)  # votes of others go in between
        for final, _digests in taken:
            self._proposals.keep_block(final.block.header.height, final.block.transactions)
        now = self._effects.now_ms()
        self._effects.take(
            *(BlockFetched(seat, final.block.header, digests, final.certificate, now) for final, digests in taken)
        )

    # ── transactions ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def on_bundle(self, link: Link, payload: bytes, from_validator: bool) -> None:
        """A client's link is read on when its bundle is admitted: so a flood waits with whoever makes it. While its
        organisation has enough in the pool, some bundles of a link wait beside it undecoded, for answers come over it too,
        and others are dropped. Consensus must not wait for signatures: bundles on its links are checked in their turn, or
        dropped; all of them while many blocks are here that were decided without me: most of it stands in the next ones."""
        runtime = self._effects.runtime
        if from_validator and runtime is not None and runtime.replica.blocks_fetched >= BEHIND_BLOCKS:
            self._parts.admission.refused["behind"] += 1
            return
        if not from_validator and (link in self._held or not self._has_room(link.organisation)):
            self._hold(link, payload)
            return
        try:
            with charged(link):
                transactions = decode_bundle(payload)
        except ChainError as error:
            raise PeerRefused(error.code) from None
        if not from_validator:
            await self._admit(transactions, from_validator)
        elif not self._bundles.put(Bundle(link, transactions, len(payload))):
            refused = self._parts.admission.refused
            refused["bundles_full"] += len(transactions)  # the sender repeats what stays unrecorded

    def _has_room(self, organisation: str) -> bool:
        """Whether no more than it may have waits of an organisation."""
        return self._parts.pool.weight_of(organisation) <= self._proposals.pace.backlog_max

    def _hold(self, link: Link, payload: bytes) -> None:
        held = self._held.get(link, deque())
        size = len(payload) + sum(len(waiting) for waiting, _since in held)
        if len(held) >= HELD_MAX or size > HELD_BYTES_MAX:
            self._parts.admission.refused["bundle_unread"] += 1
            link.spend(UNREAD_WORK_S)
            return
        held.append((payload, asyncio.get_running_loop().time()))
        if link not in self._held:
            self._held[link] = held
            self._start(self._admit_held(link, held))

    async def _admit_held(self, link: Link, held: deque[tuple[bytes, float]]) -> None:
        """One after the other, as there is room; what has waited for ROOM_WAIT_S is dropped."""
        clock = asyncio.get_running_loop().time
        try:
            while held and not link.is_closed:
                if clock() - held[0][1] > ROOM_WAIT_S:
                    held.popleft()
                    self._parts.admission.refused["bundle_unread"] += 1
                elif not self._has_room(link.organisation):
                    await asyncio.sleep(ROOM_LOOK_S)
                else:
                    await self._admit_one(link, held.popleft()[0])
        finally:
            del self._held[link]

    async def _admit_one(self, link: Link, payload: bytes) -> None:
        try:
            with charged(link):
                transactions = decode_bundle(payload)
        except ChainError as error:
            link.refuse(error.code)
        else:
            await self._admit(transactions, from_validator=False)

    async def admit_bundles(self) -> None:
        """Those of other validators in their turn, until cancelled. An honest one sends what it has checked itself: so
        what is refused for good counts towards the share of whoever sent it."""
        while True:
            bundle = await self._bundles.get()
            refused = await self._admit(bundle.transactions, from_validator=True)
            bundle.link.spend(refused * REFUSED_WORK_S)

    async def _admit(self, transactions: list[Transaction], from_validator: bool) -> int:
        """How many were refused for what an honest validator does not pass on."""
        backlog_max = math.inf if from_validator else self._proposals.pace.backlog_max
        admitted, codes = await self._parts.admission.admit(transactions, backlog_max)
        if self._effects.runtime is None:  # no seat: others have to do it
            send_bundles([received.transaction for received in admitted], self._seats.links())
            self._parts.pool.remove([received.digest for received in admitted])
            return sum(code in CHARGED for code in codes)
        for code in codes:
            if code:
                log.debug("transaction_refused", code=code)
        if not from_validator:
            failpoint("intake.bundle_admitted")
        if admitted and not from_validator:  # rule 10: passed on once
            send_bundles([received.transaction for received in admitted], self._seats.links())
        self._effects.tell_work()
        return sum(code in CHARGED for code in codes)


@contextmanager
def charged(link: Link) -> Iterator[None]:
    """What is done here, on the loop, counts towards the link's share of its time."""
    began_s = time.thread_time()
    try:
        yield
    finally:
        link.spend(time.thread_time() - began_s)
