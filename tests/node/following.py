"""What the stories of a mirror are told with: validators that answer from a real chain, honest or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from chain.block_log import BlockLog
from chain.codec import decode, encode
from chain.genesis import Genesis
from chain.ledger import Ledger
from chain.transaction import Transaction
from node.errors import LinkClosed
from node.messages import BUNDLE, BlocksAnswer, GetBlocks, decode_bundle
from node.peers import PeerLink
from tests.chain.making import Chain

Answer = Callable[[GetBlocks], BlocksAnswer | bytes | Exception]


class FakeLink:
    """A validator that answers from `chain`, or as `answer` says. What it has not got yet is waited for."""

    def __init__(self, node: str, chain: Chain, answer: Answer | None = None) -> None:
        self.node, self.organisation = node, node
        self.chain, self.answer = chain, answer
        self.grown = asyncio.Event()
        self.asked: list[GetBlocks] = []
        self.bundles: list[Transaction] = []
        self.on_bundle: Callable[[list[Transaction]], None] | None = None

    async def request(self, payload: bytes, timeout_s: float) -> bytes:
        question = decode(payload, GetBlocks)
        self.asked.append(question)
        if self.answer is not None:
            given = self.answer(question)
            await asyncio.sleep(0)
            if isinstance(given, Exception):
                raise given
            return given if isinstance(given, bytes) else encode(given)
        while self.chain.height < question.from_height:
            self.grown.clear()
            await self.grown.wait()
        last = min(self.chain.height, question.from_height + question.count - 1)
        log = self.chain.ledger.log
        return encode(BlocksAnswer([log.read(height) for height in range(question.from_height, last + 1)]))

    def send(self, kind: int, payload: bytes, *, urgent: bool = False) -> bool:
        assert kind == BUNDLE
        transactions = decode_bundle(payload)
        self.bundles += transactions
        if self.on_bundle:
            self.on_bundle(transactions)
        return True


class FakePeers:
    def __init__(self, *links: FakeLink) -> None:
        self.links = list(links)

    def validators(self) -> list[PeerLink]:
        return list(self.links)

    def node(self, name: str) -> PeerLink | None:
        return next((link for link in self.links if link.node == name), None)

    def grow(self) -> None:
        """Tell those that wait that the chain is longer."""
        for link in self.links:
            link.grown.set()


def silent(_question: GetBlocks) -> Exception:
    return LinkClosed("gone")


@contextmanager
def threads() -> Iterator[tuple[ThreadPoolExecutor, ThreadPoolExecutor]]:
    """(writer, pool)"""
    with ThreadPoolExecutor(1) as writer, ThreadPoolExecutor(2) as pool:
        yield writer, pool


def make_ledger(data: Path, genesis: Genesis) -> Ledger:
    """A mirror's ledger in files, at height 0."""
    data.mkdir(parents=True, exist_ok=True)
    Ledger.create(data, genesis)
    return open_ledger(data, genesis)


def open_ledger(data: Path, genesis: Genesis) -> Ledger:
    return Ledger.open(data, genesis, log=BlockLog.open(data / "blocks"), indexes=True)


def drop_ledger(ledger: Ledger) -> None:
    """What kill -9 does: nothing is flushed, locks go."""
    ledger.state.store.close()
    ledger.log.close()
