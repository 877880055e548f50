"""What the stories of validators are told with: real ones, with ledger, journal and block log in files, on links that
lose and delay what the story says. The only thing that is not real is the network."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode
from chain.genesis import Genesis
from chain.ledger import Ledger
from chain.operation import Operation, RangeRef, SealBills, TakeLease
from chain.transaction import Entry, Transaction, sign_transaction
from consensus.model import Commit, NewView, Prepare, PrePrepare, ProposalSaved, ViewChangeSaved, kind_of
from consensus.wire import decode_message, decode_record, obliged_proposal, prepare_of
from node.errors import PeerRefused
from node.journal import Journal
from node.link import Link
from node.messages import BUNDLE, CONSENSUS, encode_bundle
from node.peer_certificate import PeerIdentity
from node.saver import SavedEntry
from node.transport import Transport
from node.validator import Validator
from tests.chain.making import CODE, VALIDATORS, genesis, key_of

PATIENCE_S = 15.0

Lost = Callable[[str, str, int, bytes], bool]  # (from, to, kind of frame, payload)


class Died(OSError):
    """The process ended here."""


class TableLink:
    """One direction of a link: what `owner` sends goes to `other`'s handler, in order, a moment later."""

    waiting_bytes = 0

    def __init__(self, table: Table, owner: str, other: str) -> None:
        self.table, self.owner = table, owner
        self.peer = PeerIdentity(other, other)
        self.node = self.organisation = other
        self.is_closed = False
        self._queue: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self.task = asyncio.get_running_loop().create_task(self._deliver())

    def send(self, kind: int, payload: bytes, *, urgent: bool = False) -> bool:
        if self.is_closed:
            return False
        self.table.hear(self.owner, kind, payload)
        if not self.table.lost(self.owner, self.node, kind, payload):
            self._queue.put_nowait((kind, payload))
        return True

    async def _deliver(self) -> None:
        while True:
            kind, payload = await self._queue.get()
            await asyncio.sleep(self.table.delay_s)
            target = self.table.nodes.get(self.node)
            back = self.table.links.get((self.node, self.owner))
            if target is None or back is None or back.is_closed:
                continue
            try:
                await target.on_message(cast(Link, back), kind, payload)
            except PeerRefused as refused:
                self.table.refused.append((self.owner, self.node, refused.code))


class Table:
    """Four validators. `nodes` are those that run; `said` is every vote that ever left one of them."""

    def __init__(self, place: Path, **parameters: Any) -> None:
        self.place = place
        created_ms = time.time_ns() // 1_000_000 - 1_000
        self.genesis: Genesis = genesis(created_ms=created_ms, **parameters)
        self.chain_id = self.genesis.digest()
        self.members = self.genesis.validator_set()
        self.nodes: dict[str, Validator] = {}
        self.links: dict[tuple[str, str], TableLink] = {}
        self.halted: dict[str, str] = {}
        self.said: dict[tuple[int, int, int, int], bytes] = {}  # (seat, kind, view, height) -> digest
        self.refused: list[tuple[str, str, str]] = []
        self.delay_s = 0.0
        self.lost: Lost = lambda _sender, _target, _kind, _payload: False
        self._leases = 0
        for name in VALIDATORS:
            (place / name).mkdir(parents=True)
            Ledger.create(place / name, self.genesis)
            Journal.create(place / name / "journal").close()

    # ── nodes ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, *names: str) -> None:
        for name in names or VALIDATORS:
            self._open(name)
        for name in names or VALIDATORS:
            for other in list(self.nodes):
                if other != name and (name, other) not in self.links:
                    self._join(name, other)

    def _open(self, name: str) -> None:
        data = self.place / name
        journal = Journal.open(data / "journal") if (data / "journal").exists() else None
        log = BlockLog.open(
            data / "blocks",
            journal_has_votes_above=journal.has_records_above if journal else False,
            floor=journal.floor if journal else None,
            digest_of=lambda record: decode(record, FinalBlock).block.header.digest(),
        )
        ledger = Ledger.open(data, self.genesis, log=log, indexes=False)
        self.halted.pop(name, None)
        key = key_of(f"{name}/vote")
        node = Validator(name, name, ledger, journal, key.sign, lambda reason: self.halted.update({name: reason}))
        self.nodes[name] = node
        transport = type("TableTransport", (), {"links": {}, "incidents": Counter()})()
        node.start(cast(Transport, transport))

    def _join(self, left: str, right: str) -> None:
        for owner, other in ((left, right), (right, left)):
            self.links[owner, other] = TableLink(self, owner, other)
        for owner, other in ((left, right), (right, left)):
            self.nodes[owner].on_link_up(cast(Link, self.links[owner, other]))

    async def kill(self, name: str) -> None:
        """What kill -9 does: nothing is flushed any more, what was written stays."""
        node = self.nodes.pop(name)
        node._halt_reason = node._halt_reason or "killed"
        await self._part(name, node)
        await node.stop()
        self._release(node)

    async def stop(self, name: str) -> None:
        """What SIGTERM does."""
        node = self.nodes.pop(name)
        await self._part(name, node)
        await node.stop()
        self._release(node)

    async def _part(self, name: str, node: Validator) -> None:
        for owner, other in [pair for pair in self.links if name in pair]:
            link = self.links.pop((owner, other))
            link.is_closed = True
            link.task.cancel()
            await asyncio.gather(link.task, return_exceptions=True)
            if owner in self.nodes:
                self.nodes[owner].on_link_down(cast(Link, link))

    @staticmethod
    def _release(node: Validator) -> None:
        node.ledger.state.store.close()
        node.ledger.log.close()
        if node.journal:
            node.journal.close()

    async def end(self) -> None:
        for name in list(self.nodes):
            await self.kill(name)

    # ── work ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def transaction(self, valid_until: int = 250, organisation: str = "hospital-a") -> Transaction:
        """A lease of one number: never the same twice."""
        self._leases += 1
        lease = TakeLease(RangeRef(organisation, CODE, 1), self._leases, 1, organisation, "A01")
        return self.sign(lease, valid_until, organisation)

    def large_transaction(self, names: int = 25_000, organisation: str = "finance-city") -> Transaction:
        """A seal that names so many bills, 20 bytes each; it will be refused, in a block."""
        self._leases += 1
        bills = [f"{self._leases:08d}{number:010d}" for number in range(names)]
        return self.sign(SealBills([], bytes(32), [], bills), 250, organisation)

    def sign(self, operation: Operation, valid_until: int, organisation: str) -> Transaction:
        key = key_of(f"{organisation}/unit")
        return sign_transaction(self.chain_id, organisation, key, valid_until, [Entry(False, operation)])

    async def submit(self, name: str, *transactions: Transaction) -> None:
        """As a gateway does."""
        peer = type("Client", (), {"peer": PeerIdentity("hospital-a", "hospital-a")})()
        await self.nodes[name].on_message(cast(Link, peer), BUNDLE, encode_bundle(list(transactions)))

    async def until(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():  # noqa: ASYNC110 (of four nodes' insides, which nobody announces)
                    await asyncio.sleep(0.005)
        except TimeoutError:
            stands = {name: (node.runtime.replica.height, node.status()) for name, node in self.nodes.items()}
            raise AssertionError(f"did not come: {stands}, halted {self.halted}") from None

    async def height(self, height: int, *names: str) -> None:
        """Wait until these (all) have flushed a height."""
        chosen = names or tuple(self.nodes)
        await self.until(lambda: all(self.nodes[name].feed.height >= height for name in chosen))

    # ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────────

    def hear(self, sender: str, kind: int, payload: bytes) -> None:
        """Rule 13: no two votes of one member in one slot, over all its lives."""
        if kind != CONSENSUS:
            return
        message = decode_message(payload)
        if isinstance(message, NewView):
            proposal = obliged_proposal(message)
            message = proposal if proposal is not None else message
        vote = prepare_of(message, self.members) if isinstance(message, PrePrepare) else message
        if not isinstance(vote, Prepare | Commit) or self.members.seat_of(sender) != vote.seat:
            return
        slot = (vote.seat, kind_of(vote), vote.view, vote.height)
        assert self.said.setdefault(slot, vote.digest) == vote.digest, f"two votes in {slot}"

    def verify_saved(self, name: str) -> None:
        """Saved before said: each vote that left a node that is down now lies in its journal, or its height is final."""
        seat, data = self.members.seat_of(name), self.place / name
        log = BlockLog.open_read_only(data / "blocks")
        journal = Journal.open(data / "journal")
        saved, promised = set(), 0
        for entry in journal.records():
            record = decode_record(decode(entry.payload, SavedEntry).record)
            if isinstance(record, ViewChangeSaved):
                promised = max(promised, record.view_change.view)
            else:
                vote = record.prepare if isinstance(record, ProposalSaved) else record.commit
                saved.add((seat, kind_of(vote), vote.view, vote.height, vote.digest))
        journal.close()
        for (owner, kind, view, height), digest in self.said.items():
            if owner == seat and height > log.height:
                assert (owner, kind, view, height, digest) in saved
        log.close()

    def verify_same(self) -> None:
        """No fork: at each height one block, on all that run."""
        digests: dict[int, bytes] = {}
        for node in self.nodes.values():
            for height in range(1, node.feed.height + 1):
                digest = decode(node.ledger.log.read(height), FinalBlock).block.header.digest()
                assert digests.setdefault(height, digest) == digest, height
        assert not self.halted, self.halted


class Fuse:
    """Ends a validator's process in its writer thread, before the n-th write or flush; `places` counts them."""

    def __init__(self, node: Validator, at: int) -> None:
        self.places: deque[str] = deque(maxlen=10_000)
        self.at = at
        self.dead = False
        for part, name in ((node.ledger.log, "append"), (node.ledger.log, "flush")):
            self._wrap(part, name, f"log.{name}")
        if node.journal:
            for name in ("append", "flush"):
                self._wrap(node.journal, name, f"journal.{name}")
        self._wrap(node.ledger.state.store, "write", "state.write")

    def _wrap(self, part: Any, name: str, place: str) -> None:
        real = getattr(part, name)

        def guarded(*arguments: Any, **named: Any) -> Any:
            self.places.append(place)
            if self.dead or len(self.places) == self.at:
                self.dead = True
                raise Died(place)
            return real(*arguments, **named)

        setattr(part, name, guarded)
