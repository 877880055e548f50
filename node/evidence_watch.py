"""How an archive comes to evidence: it takes no votes of its own, so it asks the validators and keeps what convicts."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import Executor

import structlog

from chain.codec import encode
from chain.errors import ChainError, StorageFailed
from consensus.errors import ConsensusError
from consensus.evidence import Conviction
from node.errors import PeerError
from node.evidence_store import EVIDENCE_MAX, EvidenceStore
from node.messages import EVIDENCE_PER_ANSWER_MAX, EvidenceAnswer, GetEvidence, decode_answer
from node.peers import PeerLink, Peers

ASKED_EVERY_S = 30.0
ANSWER_TIMEOUT_S = 5.0

log = structlog.get_logger()


class EvidenceWatch:
    """`counts`: reason -> pieces or answers that were refused. Asks one validator after the other."""

    def __init__(self, store: EvidenceStore, peers: Peers, thread: Executor) -> None:
        self._store, self._peers, self._thread = store, peers, thread
        self._next: dict[str, int] = {}  # node -> place in its list to ask from; as few as the validators
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Until cancelled. Raises StorageFailed."""
        while True:
            for peer in self._peers.validators():
                await self.ask(peer)
            await asyncio.sleep(ASKED_EVERY_S)

    async def ask(self, peer: PeerLink) -> None:
        """Take all that one validator has and this node has not heard of yet. Raises StorageFailed.

        A list that lies, or that is longer than any may be, ends there: others are to be asked too.
        """
        for _ in range(EVIDENCE_MAX // EVIDENCE_PER_ANSWER_MAX):
            place = self._next.get(peer.node, 0)
            try:
                answer = decode_answer(await peer.request(encode(GetEvidence(place)), ANSWER_TIMEOUT_S), EvidenceAnswer)
            except PeerError:
                self.counts["no_answer"] += 1
                return
            except ChainError:
                self.counts["malformed"] += 1
                return
            if not isinstance(answer, EvidenceAnswer):
                return
            if place > answer.count:  # its file was damaged and made anew, shorter
                self._next[peer.node] = 0
                return
            convict = [await self._keep(data, peer.organisation) for data in answer.pieces]
            self._next[peer.node] = place + len(answer.pieces)
            if len(answer.pieces) < EVIDENCE_PER_ANSWER_MAX or not all(convict):
                return

    async def _keep(self, data: bytes, told_by: str) -> bool:
        """Whether it convicts somebody."""
        try:
            kept = await asyncio.get_running_loop().run_in_executor(self._thread, self._store.add, data)
        except StorageFailed:
            raise
        except ConsensusError as error:
            self.counts[error.code] += 1
            return False
        if kept is not None:
            raise_alarm(kept, told_by)
        return True


def raise_alarm(conviction: Conviction, told_by: str) -> None:
    """The line in the log that an operator must not miss; one per piece that is kept."""
    log.error(
        "equivocation",
        organisation=conviction.organisation,
        key=conviction.key.hex(),
        epoch=conviction.epoch,
        view=conviction.view,
        height=conviction.height,
        kind=conviction.kind,
        told_by=told_by,
    )
