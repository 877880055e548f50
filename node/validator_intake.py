"""What a validator takes from its peers: messages of consensus, blocks that it asked for, transactions."""

from __future__ import annotations

import asyncio

import structlog

from chain.block import FinalBlock
from chain.errors import ChainError
from chain.transaction import Transaction
from consensus.errors import ConsensusError
from consensus.events import BlockFetched, MessageReceived, PeerConnected
from consensus.model import (
    BLOCKS_PER_FETCH_MAX,
    Blocks,
    Bodies,
    Commit,
    Fetch,
    FetchBodies,
    NewView,
    Prepare,
    PrePrepare,
    Status,
    ViewChange,
)
from consensus.wire import decode_message, message_bytes_max, verify_final_block, verify_message
from node.answers import ANSWER_BYTES_MAX
from node.errors import PeerRefused
from node.link import Link
from node.messages import decode_bundle
from node.validator_effects import BLOCKS, BODIES, Effects, send_bundles
from node.validator_parts import ValidatorParts

BUNDLES_MAX = 256  # of other validators, waiting to be checked; and so many bytes
BUNDLES_BYTES_MAX = 64 << 20

log = structlog.get_logger()


class Intake:
    def __init__(self, parts: ValidatorParts, effects: Effects) -> None:
        self._parts, self._effects = parts, effects
        self._ledger, self._proposals = parts.ledger, parts.proposals
        self._seats, self._answers_due, self._refusals = parts.seats, parts.answers_due, parts.refusals
        self._bundles: asyncio.Queue[tuple[list[Transaction], int]] = asyncio.Queue(BUNDLES_MAX)  # and their bytes
        self._bundles_bytes = 0
        parameters = parts.ledger.genesis.parameters
        self._message_bytes_max = message_bytes_max(parts.seats.members.n, parameters.block_transactions_max)

    # ── consensus ────────────────────────────────────────────────────────────────────────────────────────────────────

    def connected(self, seat: int | None) -> None:
        """A link leads to a validator from now on."""
        if seat is not None:
            self._effects.runtime.take(PeerConnected(seat, self._effects.now_ms()))

    async def on_consensus(self, link: Link, seat: int, payload: bytes) -> None:
        if not self._is_asked(seat, payload):
            self._refusals["unasked"] += 1
            return
        try:
            message = decode_message(payload)
            verify_message(message, self._seats.members, self._ledger.chain_id)
        except (ChainError, ConsensusError) as error:
            self._refusals[type(error).__name__] += 1
            log.warning("message_refused", seat=seat, error=type(error).__name__)
            return
        self.connected(self._seats.speaks(seat, link))
        match message:
            case PrePrepare() | Prepare() | Commit() | ViewChange() | NewView() | Status() | Fetch():
                self._effects.runtime.take(MessageReceived(seat, message, self._effects.now_ms()))
            case FetchBodies():
                if link.waiting_bytes > ANSWER_BYTES_MAX:  # it asks again; what waits must be taken first
                    return
                bodies = self._proposals.bodies_within(message.transactions, ANSWER_BYTES_MAX)
                if bodies:
                    self._seats.send(seat, Bodies(bodies))
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
            if height <= self._ledger.head.height:
                continue
            if height > self._ledger.head.height + BLOCKS_PER_FETCH_MAX:
                break
            try:
                digests = verify_final_block(final, self._seats.members, self._ledger.chain_id)
            except (ChainError, ConsensusError) as error:
                self._refusals[type(error).__name__] += 1
                log.warning("block_refused", seat=seat, error=type(error).__name__)
                break
            taken.append((final, digests))
            await asyncio.sleep(0)  # votes of others go in between
        for final, _digests in taken:
            self._proposals.keep_block(final.block.header.height, final.block.transactions)
        now = self._effects.now_ms()
        self._effects.runtime.take(
            *(BlockFetched(seat, final.block.header, digests, final.certificate, now) for final, digests in taken)
        )

    # ── transactions ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def on_bundle(self, payload: bytes, from_validator: bool) -> None:
        """A client's link is read on when its bundle is admitted: so a flood waits with whoever makes it. Consensus
        must not wait for signatures: bundles on its links are checked in their turn, or dropped."""
        try:
            transactions = decode_bundle(payload)
        except ChainError as error:
            raise PeerRefused(error.code) from None
        if not from_validator:
            await self._admit(transactions, from_validator)
        elif self._bundles.full() or self._bundles_bytes + len(payload) > BUNDLES_BYTES_MAX:
            refused = self._parts.admission.refused
            refused["bundles_full"] += len(transactions)  # the sender repeats what stays unrecorded
        else:
            self._bundles_bytes += len(payload)
            self._bundles.put_nowait((transactions, len(payload)))

    async def admit_bundles(self) -> None:
        """Those of other validators in their turn, until cancelled."""
        while True:
            transactions, size = await self._bundles.get()
            self._bundles_bytes -= size
            await self._admit(transactions, from_validator=True)

    async def _admit(self, transactions: list[Transaction], from_validator: bool) -> None:
        admitted, codes = await self._parts.admission.admit(transactions)
        for code in codes:
            if code:
                log.debug("transaction_refused", code=code)
        if admitted and not from_validator:  # rule 10: passed on once
            send_bundles([received.transaction for received in admitted], self._seats.links())
        self._effects.tell_work()
