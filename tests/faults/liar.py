"""Somebody who holds one validator's keys and serves blocks, parts and records that do not hold. RELIABILITY 2.2 Y11.

The process of that validator does not run. Its place is taken by an ordinary transport, so that all others dial it as
they dial the validator, and each question gets the lie of the hour: made of what an honest validator says, bent. To
validators it says every half second that it stands a million blocks higher, so that they ask it for blocks.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar, cast, overload

from msgspec import structs

from chain.block import FinalBlock, Header, transactions_root
from chain.codec import decode, encode
from chain.errors import ChainError
from chain.genesis import genesis_from_json
from chain.validators import Certificate
from consensus.model import Blocks, Fetch, Status
from consensus.wire import decode_message, encode_message
from node.errors import PeerError, PeerRefused
from node.home import NodeHome
from node.link import Link
from node.messages import (
    BLOCKS_MAX,
    CONSENSUS,
    PARTS_MAX,
    BlocksAnswer,
    GetBlocks,
    GetMine,
    GetRecord,
    MineAnswer,
    Part,
    RecordAnswer,
    decode_answer,
    decode_question,
)
from node.peer_certificate import PeerContexts
from node.transport import Transport
from tests.faults.watch import GUEST
from tests.faults.wired import Wired
from tests.network.caller import Caller, tls_context
from tests.network.running import VALIDATORS

LIAR = "insurance"  # its process does not run, its keys do
HONEST = tuple(name for name in VALIDATORS if name != LIAR)
TOO_HIGH = 1_000_000
SAY_S = 0.5

TRUTH, FALSE_HEIGHT, BENT, PATH = "the truth", "a false height", "a bent block after a good one", "a wrong path"
FEW, JUNK, SAME, WITHHELD = "too few signatures", "junk signatures", "the same without end", "nothing"
LIES = (FALSE_HEIGHT, BENT, PATH, FEW, JUNK, SAME, WITHHELD)

T = TypeVar("T", FinalBlock, Part)


class Liar:
    """`with Liar(network) as liar: liar.lie = …`. What it told is counted by (node, lie)."""

    def __init__(self, network: Wired) -> None:
        self.lie = TRUTH
        self.turns: tuple[str, ...] = ()  # if any, validators get these in turn
        self.told: Counter[tuple[str, str]] = Counter()
        self._network, self._home = network, NodeHome(network.node_home(LIAR))
        self._genesis = genesis_from_json((network.home / "genesis.json").read_bytes())
        self._n = len(self._genesis.validator_set().members)
        self.records = 0  # that it told of with a wrong path
        self._guest_is_free = threading.Lock()
        self._over = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="liar", daemon=True)
        self._tasks: list[asyncio.Task[None]] = []

    def __enter__(self) -> Liar:
        self._thread.start()
        self._run(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def told_to(self, node: str, lie: str | None = None) -> int:
        return sum(count for (whom, what), count in self.told.items() if whom == node and lie in (None, what))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _open(self) -> None:
        contexts = PeerContexts(self._home.tls_certificate, self._home.tls_key, self._genesis.authorities())
        self._transport = Transport(contexts, self._genesis.digest(), self)
        self._transport.listen("127.0.0.1", self._network.nodes[LIAR]["peer_port"])
        self._tasks.append(self._loop.create_task(self._claim()))

    async def _close(self) -> None:
        self._over.set()
        await self._transport.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ── what it is asked ─────────────────────────────────────────────────────────────────────────────────────────────

    def on_link_up(self, link: Link) -> None:
        """All of them dial it."""

    def on_link_down(self, link: Link) -> None:
        """They dial again."""

    async def on_request(self, link: Link, payload: bytes) -> bytes:
        question, lie = decode_question(payload), self.lie
        if lie == WITHHELD:
            self.told[link.node, lie] += 1
            await self._over.wait()
            raise PeerRefused("unavailable")
        answer: BlocksAnswer | MineAnswer | RecordAnswer
        match question:
            case GetBlocks() if lie == TRUTH:
                answer = await self._blocks(question)
            case GetMine() | GetRecord() if lie == TRUTH:
                answer = await self._as_guest(question)
            case GetBlocks():
                blocks = await self._lies(lie, question.from_height, BLOCKS_MAX, self._block, _bent_block)
                answer = BlocksAnswer([encode(final) for final in blocks])
            case GetMine():
                answer = MineAnswer(await self._lies(lie, question.from_height, PARTS_MAX, self._part, _bent_part))
            case GetRecord():
                answer = await self._record(lie, question)
            case _:
                raise PeerRefused("not_served_here")
        self.told[link.node, lie] += 1
        return encode(answer)

    async def on_message(self, link: Link, kind: int, payload: bytes) -> None:
        """Of all that validators say, only Fetch is heard."""
        if kind != CONSENSUS:
            return
        message = decode_message(payload)
        if isinstance(message, Fetch):
            self._tasks.append(self._loop.create_task(self._serve(link, message.from_height)))

    async def _serve(self, link: Link, height: int) -> None:
        with contextlib.suppress(PeerError, ChainError):
            lie = self.turns[self.told_to(link.node) % len(self.turns)] if self.turns else self.lie
            if lie != WITHHELD and lie != TRUTH:
                blocks = await self._lies(lie, height, BLOCKS_MAX, self._block, _bent_block)
                link.send(CONSENSUS, encode_message(Blocks(blocks)))
            self.told[link.node, lie] += 1

    async def _claim(self) -> None:
        """To each validator: that it is far behind; and, as the hour is, the first block over and over."""
        while True:
            links = [link for link in self._transport.links.values() if link.node in HONEST]
            high = Status(1, 0, True, TOO_HIGH, random.randbytes(32), [], [0] * self._n)
            for link in links:
                link.send(CONSENSUS, encode_message(high), urgent=True)
                with contextlib.suppress(PeerError, ChainError):
                    if self.lie == SAME:
                        again = encode_message(Blocks([await self._block(1)]))
                        for _ in range(50):
                            link.send(CONSENSUS, again)
            await asyncio.sleep(SAY_S)

    # ── what it knows ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _blocks(self, question: GetBlocks) -> BlocksAnswer:
        """As an honest validator has them."""
        link = next((link for link in self._transport.links.values() if link.node in HONEST), None)
        if link is None:
            raise PeerRefused("unavailable")
        return cast(BlocksAnswer, decode_answer(await link.request(encode(question), 5_000), BlocksAnswer))

    async def _block(self, height: int) -> FinalBlock:
        """Raises PeerRefused if there is none."""
        for data in (await self._blocks(GetBlocks(height, 1, 0))).blocks:
            return decode(data, FinalBlock)
        raise PeerRefused("unavailable")

    async def _part(self, height: int) -> Part:
        for part in (await self._as_guest(GetMine(height, 1, 0))).parts:
            return part
        raise PeerRefused("unavailable")

    @overload
    async def _as_guest(self, question: GetMine) -> MineAnswer: ...

    @overload
    async def _as_guest(self, question: GetRecord) -> RecordAnswer: ...

    async def _as_guest(self, question: GetMine | GetRecord) -> MineAnswer | RecordAnswer:
        """Asked in the name of the hospital that is lied to."""
        kind = MineAnswer if isinstance(question, GetMine) else RecordAnswer

        def ask() -> Any:
            with self._guest_is_free:  # a second link in one name ends the first
                context = tls_context(self._network.node_home(GUEST) / "config")
                with Caller(self._network.nodes[HONEST[0]]["peer_port"]).shake_hands(context) as caller:
                    return caller.say_hello(self._network.chain_id).ask(question, kind)

        return cast(MineAnswer | RecordAnswer, await asyncio.to_thread(ask))

    # ── what it makes of it ──────────────────────────────────────────────────────────────────────────────────────────

    async def _lies(
        self,
        lie: str,
        height: int,
        count_max: int,
        truth: Callable[[int], Coroutine[Any, Any, T]],
        bend: Callable[[T, Header], T],
    ) -> list[T]:
        """About the blocks from a height on, of which there may be none yet."""
        if lie == SAME:
            return [await truth(1)] * count_max
        try:
            first = await truth(height)
        except PeerRefused:  # nobody has it: make it up
            before = await truth(height - 1)
            first = bend(before, _next(_header(before)))
        header = _header(first)
        if lie == FALSE_HEIGHT:
            return [bend(first, structs.replace(header, height=header.height + TOO_HIGH))]
        if lie == BENT:
            return [first, bend(first, _next(header))]
        if lie == PATH:
            return [cast(T, await self._with_a_wrong_path(first)) if isinstance(first, Part) else bend(first, header)]
        return [structs.replace(first, certificate=_bad(first.certificate, lie))]

    async def _with_a_wrong_path(self, part: Part) -> Part:
        """A true transaction of the hospital, as if this block held it."""
        parts = (await self._as_guest(GetMine(1, PARTS_MAX, 0))).parts
        return structs.replace(part, transactions=next(other.transactions for other in parts if other.transactions))

    async def _record(self, lie: str, question: GetRecord) -> RecordAnswer:
        current = (await self._as_guest(question)).current
        if current is None:
            return RecordAnswer(None)
        if lie in (FEW, JUNK):
            return RecordAnswer(structs.replace(current, certificate=_bad(current.certificate, lie)))
        self.records += 1
        return RecordAnswer(structs.replace(current, path=[random.randbytes(32), *current.path[1:]]))


def _header(answer: FinalBlock | Part) -> Header:
    return answer.header if isinstance(answer, Part) else answer.block.header


def _next(header: Header) -> Header:
    """Of an empty block that would follow, if its roots were true and anybody had signed it."""
    return structs.replace(
        header,
        height=header.height + 1,
        parent=header.digest(),
        time_ms=header.time_ms + 1,
        transactions_root=transactions_root([]),
    )


def _bent_block(final: FinalBlock, header: Header) -> FinalBlock:
    """Under another header, without its transactions."""
    return structs.replace(final, block=structs.replace(final.block, header=header, transactions=[]))


def _bent_part(part: Part, header: Header) -> Part:
    return structs.replace(part, header=header, keys=[], transactions=[], cover=[], seals=[])


def _bad(certificate: Certificate, lie: str) -> Certificate:
    if lie == FEW:
        return structs.replace(certificate, signatures=certificate.signatures[:2])
    junk = [structs.replace(entry, signature=random.randbytes(64)) for entry in certificate.signatures]
    return structs.replace(certificate, signatures=junk)
