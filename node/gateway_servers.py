"""The validators that a gateway asks and sends to: the one that answers is preferred, one that lies is left alone.

Nothing of an answer is believed without its proof, so any validator will do, and a bad one costs time only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar, cast

import structlog

from chain.block import Header
from chain.codec import Wire, encode
from chain.errors import ChainError
from chain.proof import CurrentRecord
from chain.validators import ValidatorSet
from node.errors import PeerError
from node.messages import BUNDLE, GetRecord, Question, RecordAnswer, decode_answer
from node.part_check import Ledger, verify_current
from node.peers import PeerLink, Peers

LEFT_ALONE_S = 60.0  # after a lie
ANSWER_TIMEOUT_S = 2.0  # beyond what a question may wait at the server
RECORD_TIMEOUT_S = 2.0

T = TypeVar("T", bound=Wire)
VotersOf = Callable[[Header], ValidatorSet | None]  # who votes on a header; None: beyond a change not followed yet


class Servers:
    """Chooses among the links that are up."""

    def __init__(self, peers: Peers, ledger: Ledger, now_s: Callable[[], float] = time.monotonic) -> None:
        self._peers, self._ledger, self._now_s = peers, ledger, now_s
        self._left_alone: dict[str, float] = {}  # node -> until when; as many as there are validators
        self.preferred = ""  # the node that answered last
        self.lies = 0  # answers that did not hold

    def links(self) -> list[PeerLink]:
        """The preferred one first. Liars only where there is nobody else."""
        up = sorted(self._peers.validators(), key=lambda link: (link.node != self.preferred, link.node))
        now = self._now_s()
        honest = [link for link in up if self._left_alone.get(link.node, 0.0) <= now]
        return honest or up

    def choose(self) -> PeerLink | None:
        """The one to ask next, or None while no link is up."""
        links = self.links()
        return links[0] if links else None

    def pass_by(self, link: PeerLink) -> None:
        """Prefer the next one in turn: this one was silent or has nothing new."""
        names = sorted(other.node for other in self.links())
        if len(names) > 1 and link.node in names:
            self.preferred = names[(names.index(link.node) + 1) % len(names)]

    def leave_alone(self, link: PeerLink, lie: ChainError) -> None:
        """It told something that does not hold."""
        self.lies += 1
        self._left_alone[link.node] = self._now_s() + LEFT_ALONE_S
        structlog.get_logger("gateway").warning("answer_refused", peer=link.node, code=lie.code)
        self.pass_by(link)

    async def ask(self, link: PeerLink, question: Question, kind: type[T], timeout_s: float) -> T:
        """Raises PeerError if there is no answer, Malformed if it is not one."""
        return cast(T, decode_answer(await link.request(encode(question), timeout_s), kind))

    async def record(self, key: bytes, voters_of: VotersOf) -> CurrentRecord | None:
        """A record as it stands now, proven; None if nobody has it or nobody answers."""
        return (await self.ask_record(key, voters_of))[0]

    async def ask_record(self, key: bytes, voters_of: VotersOf) -> tuple[CurrentRecord | None, bool]:
        """The same, and whether anybody answered. That nobody has it is no proof that nobody could."""
        is_answered = False
        for link in self.links():
            try:
                answer = await self.ask(link, GetRecord(key), RecordAnswer, RECORD_TIMEOUT_S)
                is_answered = True
                members = voters_of(answer.current.header) if answer.current is not None else None
                if answer.current is not None and members is not None:
                    verify_current(self._ledger, key, answer.current, members)
                    return answer.current, True
            except PeerError:
                continue
            except ChainError as lie:
                self.leave_alone(link, lie)
        return None, is_answered

    def send_bundle(self, payload: bytes, to_all: bool) -> None:
        """Pass transactions on: to the preferred validator, or to all. What a full queue drops is sent again later."""
        for link in self.links():
            if link.send(BUNDLE, payload) and not to_all:
                return
