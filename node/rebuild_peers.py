"""Blocks from peers for a node that does not run: the node's ordinary links, and the one question that mends a log.

It listens and dials as the node would, since of two validators only the lower name dials; whatever else peers send is
not heard. The loop has a thread of its own, so that whoever rebuilds may work without waiting for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

from chain.codec import encode
from chain.errors import ChainError
from chain.genesis import Genesis
from node.admissions import authorities_of
from node.config import NodeConfig
from node.errors import NodeError, PeerError, PeerRefused, RequestTimedOut
from node.home import NodeHome
from node.link import Link
from node.messages import BLOCKS_MAX, BlocksAnswer, DetailsAnswer, GetBlocks, GetDetails, decode_answer
from node.peer_certificate import PeerContexts, PeerIdentity
from node.transport import Transport

LINK_WAIT_S = 20.0  # for the first link, and for another one when all have failed
ASK_TIMEOUT_S = 30.0
LOOK_S = 0.05
SETTLE_S = 1.0  # after the first link: so that not always the same peer is the only one

T = TypeVar("T")


class NoPeer(NodeError):
    """Nobody linked has the block, or nobody is linked. The same command may succeed later."""

    code = "unreachable"


class _Deaf:
    """A LinkHandler that takes nothing and answers nothing: the node is being mended."""

    def on_link_up(self, link: Link) -> None:
        """It is asked when it is needed."""

    def on_link_down(self, link: Link) -> None:
        """A question under way on it fails by itself."""

    async def on_message(self, link: Link, kind: int, payload: bytes) -> None:
        """Votes and bundles are for a node that runs."""

    async def on_request(self, link: Link, payload: bytes) -> bytes:
        raise PeerRefused("unavailable")


class PeerBlocks:
    """Use it in a `with`. Called from one thread."""

    def __init__(self, home: NodeHome, config: NodeConfig, genesis: Genesis) -> None:
        """Raises what the node's own certificate and keys raise."""
        self._config, self._genesis = config, genesis
        self._contexts = PeerContexts(
            home.tls_certificate, home.tls_key, authorities_of(home, config.organisation, genesis)
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rebuild-peers", daemon=True)
        self._transport: Transport | None = None
        self._refused: dict[str, str] = {}  # peer -> why it is not asked any more; as many as peers
        self._silent: set[str] = set()  # peers that let a question time out: asked where nobody else is left
        self._held: dict[int, tuple[str, bytes]] = {}  # height -> peer, block: of one answer, BLOCKS_MAX at most

    def __enter__(self) -> PeerBlocks:
        self._thread.start()
        try:
            self._run(self._open())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            self._run(self._transport.close())
        self._end()

    def block(self, height: int) -> tuple[str, bytes] | None:
        """(peer, bytes of the block); None if all linked peers say that there is none yet. Raises NoPeer."""
        if height not in self._held:
            self._held = {}
            found = self._run(self._fetch(height))
            if found is None:
                return None
            peer, blocks = found
            self._held = {height + number: (peer, data) for number, data in enumerate(blocks)}
        return self._held.pop(height)

    def refuse(self, peer: str, why: str) -> None:
        """What it answered does not hold: it is asked no more."""
        self._refused[peer] = why
        self._held = {}

    def details(self, bills: list[str]) -> DetailsAnswer | None:
        """From the archive of a gateway's office; None if it is not linked or does not answer."""
        office = self._config.office
        if office is None:
            return None
        return self._run(self._ask_details(office.name, bills))

    async def _open(self) -> None:
        self._transport = transport = Transport(self._contexts, self._genesis.digest(), _Deaf())
        if self._config.listen is not None:
            transport.listen(self._config.listen.host, self._config.listen.port)
        for peer in self._config.peers:
            transport.dial(PeerIdentity(peer.name, peer.organisation), peer.host, peer.port)

    async def _fetch(self, height: int) -> tuple[str, list[bytes]] | None:
        """One answer of whoever has the block. Those that fail are passed over until nobody is left."""
        deadline = time.monotonic() + LINK_WAIT_S
        failed: set[str] = set()
        empty: set[str] = set()
        while True:
            links = [link for link in self._links() if link.node not in failed | empty]
            if not links:
                if empty and not failed and time.monotonic() > deadline - LINK_WAIT_S + SETTLE_S:
                    return None
                if time.monotonic() > deadline:
                    if empty:
                        return None
                    raise NoPeer(self._nobody(height))
                failed.clear()
                await asyncio.sleep(LOOK_S)
                continue
            links = [link for link in links if link.node not in self._silent] or links
            link = links[height // BLOCKS_MAX % len(links)]
            try:
                data = await link.request(encode(GetBlocks(height, BLOCKS_MAX, 0)), int(ASK_TIMEOUT_S * 1000))
                answer = decode_answer(data, BlocksAnswer)
                assert isinstance(answer, BlocksAnswer)
            except (PeerError, ChainError) as error:
                if isinstance(error, PeerRefused) and error.code in ("forbidden", "not_served_here", "kind_unknown"):
                    self._refused[link.node] = error.code
                if isinstance(error, RequestTimedOut):
                    self._silent.add(link.node)
                failed.add(link.node)
                continue
            if answer.blocks:
                return link.node, answer.blocks
            empty.add(link.node)

    async def _ask_details(self, archive: str, bills: list[str]) -> DetailsAnswer | None:
        deadline = time.monotonic() + LINK_WAIT_S
        while time.monotonic() < deadline:
            link = self._transport.link_to(archive) if self._transport else None
            if link is not None:
                with contextlib.suppress(PeerError, ChainError):
                    answer = decode_answer(
                        await link.request(encode(GetDetails(bills)), int(ASK_TIMEOUT_S * 1000)), DetailsAnswer
                    )
                    assert isinstance(answer, DetailsAnswer)
                    return answer
            await asyncio.sleep(LOOK_S)
        return None

    def _links(self) -> list[Link]:
        links = self._transport.links.values() if self._transport else []
        return sorted((link for link in links if link.node not in self._refused), key=lambda link: link.node)

    def _nobody(self, height: int) -> str:
        told = "".join(f"; {peer}: {why}" for peer, why in sorted(self._refused.items()))
        return f"no peer gives block {height} within {LINK_WAIT_S:.0f} s{told}"

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
