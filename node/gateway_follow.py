"""A gateway keeps up: every header with its certificate, and its own organisation's part of each block.

It asks one validator at a time and waits there for the next block, so it hears at once and polls nobody. An answer
that does not hold makes it ask another. Source: PROTOCOL rule 17.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from chain.block import Header, history_leaf
from chain.errors import ChainError, ProofMismatch, StorageDamaged
from chain.failpoint import failpoint
from chain.merkle import hash_leaf, root_of_peaks, updated_nodes
from chain.proof import CurrentRecord
from chain.set_history import SetHistory
from chain.validators import ValidatorSet
from node.errors import PeerError
from node.gateway_servers import ANSWER_TIMEOUT_S, Servers
from node.gateway_store import (
    PENDING_MAX,
    POSITION_KEY,
    CertifiedHeader,
    GatewayStore,
    Position,
    header_key,
    history_key,
    set_key,
)
from node.messages import PARTS_MAX, GetMine, MineAnswer, Part
from node.own_outcomes import joined
from node.part_check import Before, CheckedPart, Ledger, check_part, check_parts
from node.peers import PeerLink

WAIT_MS = 2_000  # at the server, for the next block; then the next server is asked, so that none can hold it back long
RETRY_MS = 100  # after no link, no answer, or an answer too early

Settle = Callable[[CheckedPart, bool], None]  # (part, whether it was followed before)


class GatewayFollow:
    """Where the gateway stands, and the task that moves it on."""

    def __init__(self, ledger: Ledger, store: GatewayStore, servers: Servers, settle: Settle) -> None:
        self._ledger, self._store, self._servers, self._settle = ledger, store, servers, settle
        self.sets = SetHistory(store.validator_set, store.epochs())  # as far as the next block
        self.caught_up = asyncio.Event()  # a validator had nothing more, once since the start
        self.before = self._load()

    def _put_history(self, rows: list[dict[int, bytes]]) -> None:
        for level, row in enumerate(rows):
            for index, node in row.items():
                self._store.put(history_key(level, index), node)

    def _load(self) -> Before:
        position = self._store.position()
        if position is None:
            self._put_history(updated_nodes(self._store, 0, {}, [hash_leaf(history_leaf(self._ledger.chain_id))]))
            start = Before.genesis(self._ledger)
            self._keep_set(start.voters)
            self._store.put(POSITION_KEY, Position(self._ledger.chain_id, 0, start.digest, start.time_ms))
            return start
        return self._before(position.height + 1)

    @property
    def height(self) -> int:
        return self.before.height

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            link = self._servers.choose()
            if link is None or not await self._follow(link):
                await asyncio.sleep(RETRY_MS / 1000)

    async def _follow(self, link: PeerLink) -> bool:
        """One question; False if it brought nothing and the next one has time."""
        wait_ms = WAIT_MS if self.caught_up.is_set() else 0
        clock = asyncio.get_running_loop().time
        asked = clock()
        try:
            question = GetMine(self.height + 1, PARTS_MAX, wait_ms)
            answer = await self._servers.ask(link, question, MineAnswer, wait_ms / 1000 + ANSWER_TIMEOUT_S)
            checked = await asyncio.to_thread(check_parts, self._ledger, self.before, answer.parts)
        except PeerError:
            self._servers.pass_by(link)
            return False
        except ChainError as lie:
            self._servers.leave_alone(link, lie)
            return False  # where nobody else is there, the liar is not asked on and on
        if not checked:
            self.caught_up.set()
            self._servers.pass_by(link)  # nobody is believed to be the only one who knows
            return (clock() - asked) * 1000 >= wait_ms / 2 > 0
        self._servers.preferred = link.node
        for part in checked:
            failpoint("gateway_follow.checked")
            self._adopt(part)
            failpoint("gateway_follow.settled")
            await asyncio.sleep(0)  # catching up must not hold up the counter
            if self._store.pending > PENDING_MAX:
                await self._store.flushed()
        return True

    def _adopt(self, checked: CheckedPart) -> None:
        """Take over a block that was checked: header, history, set, position and what it settles, in one change."""
        header, store = checked.part.header, self._store
        if root_of_peaks(store, header.height) != header.history_root:
            raise StorageDamaged("gateway history", f"its root is not what block {header.height} says")
        leaf = hash_leaf(history_leaf(checked.digest))
        self._put_history(updated_nodes(store, header.height, {}, [leaf]))
        store.put(header_key(header.height), CertifiedHeader(header, checked.part.certificate))
        position = Position(self._ledger.chain_id, header.height, checked.digest, header.time_ms)
        store.put(POSITION_KEY, position)
        if checked.voters.epoch == header.height + 1:
            self._keep_set(checked.voters)
        self.before = Before.block(header, checked.voters)
        failpoint("gateway_follow.put")
        self._settle(checked, False)

    def _keep_set(self, members: ValidatorSet) -> None:
        self._store.put(set_key(members.epoch), members)
        self.sets.add(members)

    # ── looking again ────────────────────────────────────────────────────────────────────────────────────────────────

    async def record(self, key: bytes) -> CurrentRecord | None:
        """A record as it stands now, at a header that is ours where we have it; None if nobody has it or answers."""
        return (await self.ask_record(key))[0]

    async def ask_record(self, key: bytes) -> tuple[CurrentRecord | None, bool]:
        """The same, and whether anybody answered."""
        current, is_answered = await self._servers.ask_record(key, self._voters_of)
        if current is not None and current.header.height <= self.height:
            kept = self._store.header(current.header.height)
            if kept is None or kept.header != current.header:
                raise StorageDamaged(f"gateway header {current.header.height}", "not what a quorum signed")
        return current, is_answered

    def _voters_of(self, header: Header) -> ValidatorSet | None:
        members = self.sets.at(max(header.height, 1))
        is_ahead = header.height > self.height + 1
        return None if is_ahead and header.validators != members.digest() else members

    async def look_again(self, height: int, wanted: Callable[[CheckedPart], bool]) -> bool:
        """Ask for a followed block's part again, of each validator in turn, until one shows what is wanted.

        A validator that left a transaction out of its answer is found out in this way.
        """
        if not 1 <= height <= self.height:
            return False
        before = self._before(height)
        kept = self._store.header(height)
        for link in self._servers.links():
            try:
                answer = await self._servers.ask(link, GetMine(height, 1, 0), MineAnswer, ANSWER_TIMEOUT_S)
                if len(answer.parts) != 1:
                    continue
                if kept is None or answer.parts[0].header != kept.header:
                    raise ProofMismatch(f"another block {height}")
                known = self._store.part(height)
                checked = await asyncio.to_thread(_checked_with, known, answer.parts[0], self._ledger, before)
            except PeerError:
                continue
            except ChainError as lie:
                self._servers.leave_alone(link, lie)
                continue
            if wanted(checked):
                self._settle(checked, True)
                return True
            self._servers.pass_by(link)
        return False

    def _before(self, height: int) -> Before:
        """The block before `height`. Raises StorageDamaged."""
        if height == 1:
            return Before.genesis(self._ledger)
        kept = self._store.header(height - 1)
        if kept is None:
            raise StorageDamaged(f"gateway header {height - 1}", "missing")
        return Before.block(kept.header, self.sets.at(height))


def _checked_with(known: Part | None, part: Part, ledger: Ledger, before: Before) -> CheckedPart:
    return check_part(ledger, before, part if known is None else joined(known, part))
