"""Keeping up, whole: a mirror takes final blocks from any validator, trusts none, and executes every one.

A question waits at the server until the next block exists, and the one after it is asked while a block is worked out,
so blocks stream while there is something to catch up. Per block: certificate, signatures, execution; then the log's
flush; then it is the head and others hear of it. A server that lies or is silent is left for another. What a quorum
certified and we cannot follow stops the node: then our own state is damaged. Source: PROTOCOL 5 and 17.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from chain.block import FinalBlock, transactions_root
from chain.codec import decode, encode
from chain.errors import BlockInvalid, ChainError, StorageDamaged, StorageFailed, StorageLocked
from chain.execute import Execution, verify_block
from chain.failpoint import failpoint
from chain.final_view import FinalView
from chain.keyspace import key as key_record
from chain.ledger import BLOCKS_UNFLUSHED_MAX, Ledger
from chain.records import KeyBody
from chain.signature import ED25519, is_signature
from chain.transaction import ReceivedTransaction, receive_transaction
from chain.validators import Certificate
from node.errors import PeerError
from node.feed import Feed
from node.messages import BLOCKS_MAX, BlocksAnswer, GetBlocks, decode_answer
from node.peers import PeerLink, Peers
from node.thread_work import finished

WAIT_MS = 2_000  # at one server; then another is asked, because this one may be cut off itself
ANSWER_FIRST_S, ANSWER_MAX_S = 3.0, 20.0  # beyond the waiting; doubling, since a slow line is no silence
STATE_FLUSH_S = 1.0
SIGNATURES_CHUNK = 100  # for one hand-over to a thread
SMALL_BLOCK = 20  # transactions; such a block is worked out in one hand-over, which costs more than its signatures
AVOID_FIRST_S, AVOID_MAX_S = 0.2, 10.0  # a server that failed is left alone for so long, doubling
BEHIND_BLOCKS = 8  # in one answer: who is level gets one or two
SHUN = 10  # times what a failed question took, it is asked only where nobody else is there: so it costs a tenth at most
NOBODY_S = 0.1  # no link is up, or all are avoided: look again


@dataclass(slots=True)
class _Standing:
    """What we think of a server."""

    failures: int = 0  # in a row
    silences: int = 0  # of them
    avoided_until_s: float = 0.0
    shunned_until_s: float = 0.0


class BlockFollower:
    """`ledger.log` and the state's batches are written by `writer`, which has one worker; `pool` checks signatures.

    `on_final` are called on the loop with each new head, after its flush and before the feed tells others.
    """

    def __init__(
        self,
        ledger: Ledger,
        peers: Peers,
        feed: Feed,
        *,
        writer: Executor,
        pool: Executor,
        on_final: list[Callable[[FinalView], None]] | None = None,
        sequence: Callable[[], int] = lambda: 0,
        now_s: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.ledger, self.feed = ledger, feed
        self.on_final = on_final if on_final is not None else []
        self.counts: Counter[str] = Counter()  # blocks, empty, lies, silences: for metrics
        self.server = ""  # whom we ask now
        self._asked_s = 0.0  # since when it has brought nothing
        self._peers, self._writer, self._pool = peers, writer, pool
        self._sequence = sequence  # of a validator's journal, which stands beside each block
        self._now_s, self._pause = now_s, pause
        self._standings: dict[str, _Standing] = {}  # validator -> ...; as many as there are validators
        self._batch_free = asyncio.Event()  # no batch of the state is on its way to the disk
        self._batch_free.set()
        self._batch_due = asyncio.Event()
        self._level = asyncio.Event()  # nothing is known that is not here yet, but for some blocks
        self._level.set()
        self._log = structlog.get_logger("follow")

    async def run(self) -> None:
        """Until cancelled. Raises StorageFailed and StorageDamaged: the node stops."""
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._flush_regularly())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
                raise end

    async def level(self, patience_s: float) -> None:
        """Wait until it is level with its server, but not longer than that: for work that may step back meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._level.wait()

    # ── whom to ask ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _follow(self) -> None:
        while True:
            link = self._choose()
            if link is None:
                await self._pause(NOBODY_S)
                continue
            self.server = link.node
            self._asked_s = self._now_s()
            try:
                await self._follow_link(link)
            except (StorageFailed, StorageDamaged, StorageLocked):
                raise
            except ChainError as error:
                _stop_if_cancelled()  # `finished` tells of the lie that was being worked out, not of the cancelling
                self._avoid(link, "lies", error.code)
            except PeerError as error:
                self._avoid(link, "silences", error.code)

    def _choose(self) -> PeerLink | None:
        """Any server but the last one, of those that are not avoided; one that wasted our time only if all of them did."""
        now = self._now_s()
        links = [link for link in self._peers.validators() if self._standing(link).avoided_until_s <= now]
        links = [link for link in links if self._standing(link).shunned_until_s <= now] or links
        others = [link for link in links if link.node != self.server] or links
        return random.choice(others) if others else None

    def _standing(self, link: PeerLink) -> _Standing:
        return self._standings.setdefault(link.node, _Standing())

    def _avoid(self, link: PeerLink, what: str, code: str) -> None:
        standing, now = self._standing(link), self._now_s()
        wait_s = min(AVOID_FIRST_S * 2 ** min(standing.failures, 16), AVOID_MAX_S)
        standing.failures += 1
        standing.silences += what == "silences"
        standing.avoided_until_s = now + wait_s
        standing.shunned_until_s = now + SHUN * (now - self._asked_s)
        self.counts[what] += 1
        self._log.warning("server_left", server=link.node, why=what, code=code, height=self.ledger.head.height)

    # ── blocks ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _follow_link(self, link: PeerLink) -> None:
        """Until it has nothing new for a while. Raises ChainError for a lie, PeerError for silence."""
        asked: asyncio.Task[BlocksAnswer] | None = None
        try:
            while True:
                answer = await (asked or self._ask(link, self.ledger.head.height + 1))
                if len(answer.blocks) >= BEHIND_BLOCKS:
                    self._level.clear()
                self._asked_s = self._now_s()
                if not answer.blocks:
                    self.counts["empty"] += 1
                    return
                asked = asyncio.create_task(self._ask(link, self.ledger.head.height + len(answer.blocks) + 1))
                for data in answer.blocks:
                    await self.take(data)
                if not asked.done():  # it waits there for what does not exist yet
                    self._level.set()
                self._standing(link).failures = self._standing(link).silences = 0
        finally:
            self._level.set()
            if asked is not None:
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)

    async def _ask(self, link: PeerLink, from_height: int) -> BlocksAnswer:
        question = encode(GetBlocks(from_height, BLOCKS_MAX, WAIT_MS))
        patience_s = min(ANSWER_FIRST_S * 2 ** min(self._standing(link).silences, 16), ANSWER_MAX_S)
        data = await link.request(question, WAIT_MS / 1000 + patience_s)
        answer = decode_answer(data, BlocksAnswer)
        assert isinstance(answer, BlocksAnswer)
        return answer

    async def take(self, data: bytes) -> FinalView:
        """Make canonical bytes of a FinalBlock the head. Raises ChainError if they are not the next final block."""
        if self.ledger.unflushed_blocks >= 2 * BLOCKS_UNFLUSHED_MAX:
            await self._batch_free.wait()
        execution, certificate = await self._work_out(data)
        view = await finished(asyncio.ensure_future(self._adopt(data, execution, certificate)))
        if self.ledger.unflushed_blocks >= BLOCKS_UNFLUSHED_MAX and self._batch_free.is_set():
            self._batch_free.clear()
            self._batch_due.set()
        return view

    async def _adopt(self, data: bytes, execution: Execution, certificate: Certificate) -> FinalView:
        height = execution.header.height
        await asyncio.get_running_loop().run_in_executor(self._writer, self._keep, height, data)
        view = self.ledger.adopt(execution, certificate)
        self.counts["blocks"] += 1
        failpoint("follow.adopted")
        for heard in self.on_final:
            heard(view)
        failpoint("follow.heard")
        self.feed.publish(height)
        return view

    def _keep(self, height: int, data: bytes) -> None:
        """In the writer's thread."""
        failpoint("follow.taken")
        self.ledger.log.append(height, data, self._sequence())
        failpoint("follow.appended")
        self.ledger.log.flush()
        failpoint("follow.flushed")

    async def _work_out(self, data: bytes) -> tuple[Execution, Certificate]:
        """In threads; the state is read there and changed by nobody meanwhile.

        1. bytes; 2. the next height; 3. a quorum's certificate; 4. the transactions that it is about; 5. their
        signatures, which digests leave out; 6. execution: from here on a difference is not the server's fault.
        """
        loop = asyncio.get_running_loop()
        final, received, execution = await finished(loop.run_in_executor(self._pool, self._open, data))  # 1 to 4
        if execution is None:
            chunks = [received[start : start + SIGNATURES_CHUNK] for start in range(0, len(received), SIGNATURES_CHUNK)]
            await asyncio.gather(
                *(loop.run_in_executor(self._pool, self._verify_signatures, chunk) for chunk in chunks)
            )
            execution = await finished(loop.run_in_executor(self._pool, self._execute, final, received))
        return execution, final.certificate

    def _open(self, data: bytes) -> tuple[FinalBlock, list[ReceivedTransaction], Execution | None]:
        ledger = self.ledger
        final = decode(data, FinalBlock)
        header = final.block.header
        if header.height != ledger.head.height + 1 or header.parent != ledger.head.digest:
            raise BlockInvalid("not_next", f"{header.height} after {ledger.head.height}")
        ledger.verify_final(header, final.certificate)
        received = [receive_transaction(ledger.chain_id, transaction) for transaction in final.block.transactions]
        if transactions_root([entry.digest for entry in received]) != header.transactions_root:
            raise BlockInvalid("other_transactions")
        if len(received) > SMALL_BLOCK:
            return final, received, None
        self._verify_signatures(received)
        return final, received, self._execute(final, received)

    def _verify_signatures(self, chunk: list[ReceivedTransaction]) -> None:  # 5
        for received in chunk:
            transaction = received.transaction
            body = self.ledger.state.get(key_record(transaction.organisation, transaction.key_id), KeyBody)
            if body is None:
                continue  # the execution says what it thinks of that
            if transaction.suite != ED25519 or not is_signature(body.public, received.digest, transaction.signature):
                raise BlockInvalid("bad_signature")

    def _execute(self, final: FinalBlock, received: list[ReceivedTransaction]) -> Execution:  # 6
        ledger, header = self.ledger, final.block.header
        try:
            return verify_block(ledger.parent(), header, received, lambda _received, _public: True)
        except BlockInvalid as error:
            raise StorageDamaged(
                f"state, height {ledger.head.height}", f"a quorum certified block {header.height}, here it is {error}"
            ) from None

    # ── the state's batches ──────────────────────────────────────────────────────────────────────────────────────────

    async def _flush_regularly(self) -> None:
        while True:
            try:
                async with asyncio.timeout(STATE_FLUSH_S):
                    await self._batch_due.wait()
            except TimeoutError:
                pass
            self._batch_due.clear()
            await self.flush_state()

    async def flush_state(self) -> None:
        """Bring the state's changes to the disk as one batch. What comes meanwhile goes with the next one."""
        try:
            if self.ledger.unflushed_blocks:
                self._batch_free.clear()
                await finished(asyncio.ensure_future(self._write_batch()))
        finally:
            self._batch_free.set()

    async def _write_batch(self) -> None:
        puts, deletes = self.ledger.state.begin_flush()
        self.ledger.unflushed_blocks = 0
        store = self.ledger.state.store
        await asyncio.get_running_loop().run_in_executor(self._writer, store.write, puts, deletes, True)
        failpoint("follow.state_written")
        self.ledger.state.end_flush()


def _stop_if_cancelled() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
