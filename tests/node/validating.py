"""What the stories of validators are told with: real ones, with ledger, journal and block log in files, on links that
lose and delay what the story says. The only thing that is not real is the network."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from msgspec import structs

from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode
from chain.genesis import Genesis, GenesisKey, GenesisOrganisation
from chain.ledger import Ledger
from chain.operation import (
    ApproveChange,
    Operation,
    ProposeChange,
    RangeRef,
    Renew,
    SealBills,
    SeatChange,
    TakeLease,
    operation_digest,
)
from chain.records import UNIT
from chain.transaction import Entry, Transaction, receive_transaction, sign_transaction
from chain.validators import Member, ValidatorSet
from consensus.model import Commit, NewView, Prepare, PrePrepare, ProposalSaved, ViewChangeSaved, kind_of
from consensus.wire import decode_message, decode_record, obliged_proposal, prepare_of
from node.journal import Journal
from node.keystore import save_signing_key
from node.link import Link
from node.messages import BUNDLE, CONSENSUS, encode_bundles
from node.peer_certificate import PeerIdentity
from node.renewal import fresh_journal
from node.saver import SavedEntry
from node.transport import Transport
from node.validator import Validator
from node.vote_keys import VoteKeys
from node.vote_memory import VoteMemory
from tests.chain.making import CODE, VALIDATORS, genesis, key_of
from tests.node.table_links import TableLink, TableLinks, organisation_of

PATIENCE_S = 60.0  # a second or two when the machine is idle

Lost = Callable[[str, str, int, bytes], bool]  # (from, to, kind of frame, payload)


Slot = tuple[str, int, int, int, int]  # organisation, epoch, kind, view, height


class Client(SimpleNamespace):
    """A gateway's link, as far as bundles go; each is itself, as links are."""

    __hash__ = object.__hash__


class Died(OSError):
    """The process ended here."""


class Table:
    """Four validators. `nodes` are those that run; `said` is every vote that ever left one of them.

    `more` are organisations that have no seat in genesis, and could get one.
    """

    def __init__(
        self, place: Path, more: tuple[str, ...] = (), seats: Sequence[str] = VALIDATORS, **parameters: Any
    ) -> None:
        self.place, self.seats = place, sorted(seats)
        created_ms = time.time_ns() // 1_000_000 - 1_000
        parameters["validators"] = [Member(name, key_of(f"{name}/vote").public) for name in self.seats]
        self.genesis: Genesis = with_agencies(genesis(created_ms=created_ms, **parameters), more)
        self.chain_id = self.genesis.digest()
        self.members = self.genesis.validator_set()
        self.nodes: dict[str, Validator] = {}
        self.links: dict[tuple[str, str], TableLink] = {}
        self.halted: dict[str, str] = {}
        self.said: dict[Slot, bytes] = {}  # -> digest
        self.twice: list[Slot] = []  # where a second vote was said: there must be none
        self.sets: dict[int, ValidatorSet] = {self.members.epoch: self.members}  # epoch -> ; as nodes know them
        self.refused: list[tuple[str, str, str]] = []
        self.delay_s = 0.0
        self.lost: Lost = lambda _sender, _target, _kind, _payload: False
        self._leases = 0
        for name in self.seats:
            self.make(name)

    # ── nodes ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def make(self, name: str, key: str = "vote") -> None:
        """A home for a validator, as `network init` and `node init-validator` make it."""
        data, own = self.place / name, key_of(f"{organisation_of(name)}/{key}")
        data.mkdir(parents=True)
        Ledger.create(data, self.genesis)
        Journal.create(data / "journal", [own.public]).close()
        (data / "config").mkdir()
        save_signing_key(data / "config" / "vote.key", own)

    def start(self, *names: str) -> None:
        for name in names or self.seats:
            self._open(name)
        for name in names or self.seats:
            for other in list(self.nodes):
                strangers = organisation_of(other) != organisation_of(name)
                if strangers and (name, other) not in self.links:
                    self._join(name, other)

    def _open(self, name: str) -> None:
        data, organisation = self.place / name, organisation_of(name)
        memory = VoteMemory(organisation, data / "journal", VoteKeys(data / "config"))
        journal = memory.journal
        log = BlockLog.open(
            data / "blocks",
            journal_has_votes_above=journal.has_records_above if journal else False,
            floor=journal.floor if journal else None,
            digest_of=lambda record: decode(record, FinalBlock).block.header.digest(),
        )
        ledger = Ledger.open(data, self.genesis, log=log, indexes=False)
        self.halted.pop(name, None)
        node = Validator(name, organisation, ledger, memory, lambda reason: self.halted.update({name: reason}))
        self.nodes[name] = node
        links = TableLinks(self, name)
        transport = SimpleNamespace(links=links, incidents=Counter(), link_to=lambda _node: None)
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
        if node.saver.journal:
            node.saver.journal.close()

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
        peer = Client(
            peer=PeerIdentity("hospital-a", "hospital-a"),
            organisation="hospital-a",
            is_closed=False,
            spend=lambda _seconds: None,
        )
        for payload in encode_bundles(transactions):
            await self.nodes[name].on_message(cast(Link, peer), BUNDLE, payload)

    async def until(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():  # noqa: ASYNC110 (of four nodes' insides, which nobody announces)
                    await asyncio.sleep(0.005)
        except TimeoutError:
            stands = {name: node.status() for name, node in self.nodes.items()}
            raise AssertionError(f"did not come: {stands}, halted {self.halted}") from None

    async def height(self, height: int, *names: str) -> None:
        """Wait until these (all) have flushed a height."""
        chosen = names or tuple(self.nodes)
        await self.until(lambda: all(self.nodes[name].feed.height >= height for name in chosen))

    # ── sets and renewals ────────────────────────────────────────────────────────────────────────────────────────────

    def by(self, organisation: str, operation: Operation) -> Transaction:
        return self.sign(operation, self.highest() + 200, organisation)

    def highest(self) -> int:
        return max(node.ledger.head.height for node in self.nodes.values())

    def newest(self) -> ValidatorSet:
        """As the one that is furthest knows it; it may not vote yet."""
        return max((node.ledger.following for node in self.nodes.values()), key=lambda members: members.epoch)

    def change(self, *changes: SeatChange) -> list[Transaction]:
        """A proposal by the newest set's first member, and approvals until there is a quorum; to be run in this order."""
        newest = self.newest()
        proposal = ProposeChange(newest.epoch, sorted(changes, key=lambda change: change.organisation), 10_000)
        names = [member.organisation for member in newest.members][: newest.quorum]
        approval = ApproveChange(operation_digest(proposal))
        return [self.by(names[0], proposal), *(self.by(name, approval) for name in names[1:])]

    async def carry_out(self, via: str, *transactions: Transaction) -> None:
        """One after the other, so that none comes before what it needs."""
        for transaction in transactions:
            await self.submit(via, transaction)
            await self.until(lambda: recorded(self.nodes[via], transaction))  # noqa: B023 (awaited here)

    async def switched(self, *names: str) -> int:
        """Wait until these (all) stand in the newest epoch; returns it."""
        epoch = self.newest().epoch
        chosen = names or tuple(self.nodes)
        await self.until(lambda: all(self.nodes[name].ledger.members.epoch >= epoch for name in chosen))
        return epoch

    def renew(self, name: str, anew: bool = False) -> Transaction:
        """What `medbill node renew` does: a fresh journal, and the operation to be sent."""
        return self.by(organisation_of(name), Renew(fresh_journal(self.place / name, anew=anew)))

    # ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────────

    def set_of(self, epoch: int) -> ValidatorSet:
        if epoch not in self.sets:
            self.sets.update({old.epoch: old for node in self.nodes.values() for old in node.ledger.sets()})
        return self.sets[epoch]

    def hear(self, sender: str, kind: int, payload: bytes) -> None:
        """Rule 13: no two votes of one member in one slot, over all its lives and copies."""
        if kind != CONSENSUS:
            return
        message = decode_message(payload)
        if isinstance(message, NewView):
            proposal = obliged_proposal(message)
            message = proposal if proposal is not None else message
        if not isinstance(message, PrePrepare | Prepare | Commit):
            return
        members = self.set_of(message.epoch)
        vote = prepare_of(message, members) if isinstance(message, PrePrepare) else message
        if members.seat_of(organisation_of(sender)) != vote.seat:
            return
        slot = (organisation_of(sender), vote.epoch, kind_of(vote), vote.view, vote.height)
        if self.said.setdefault(slot, vote.digest) != vote.digest:
            self.twice.append(slot)

    def votes_of(self, organisation: str) -> int:
        """How many it has said so far."""
        return sum(slot[0] == organisation for slot in self.said)

    def verify_saved(self, name: str) -> None:
        """Saved before said: each vote that left a node that is down now lies in its journal, or its height is final."""
        data = self.place / name
        log = BlockLog.open_read_only(data / "blocks")
        journal = Journal.open(data / "journal")
        saved = set()
        for entry in journal.records():
            record = decode_record(decode(entry.payload, SavedEntry).record)
            if not isinstance(record, ViewChangeSaved):
                vote = record.prepare if isinstance(record, ProposalSaved) else record.commit
                saved.add((vote.epoch, kind_of(vote), vote.view, vote.height, vote.digest))
        journal.close()
        for (owner, *slot), digest in self.said.items():
            if owner == name and slot[3] > log.height:
                assert (*slot, digest) in saved
        log.close()

    def verify_same(self) -> None:
        """No fork: at each height one block, on all that run."""
        digests: dict[int, bytes] = {}
        for node in self.nodes.values():
            for height in range(1, node.feed.height + 1):
                digest = decode(node.ledger.log.read(height), FinalBlock).block.header.digest()
                assert digests.setdefault(height, digest) == digest, height
        assert not self.halted, self.halted
        assert not self.twice, f"two votes in {self.twice}"


def recorded(node: Validator, transaction: Transaction) -> bool:
    return node.ledger.is_remembered(receive_transaction(node.ledger.chain_id, transaction).digest)


async def all_recorded(table: Table, *transactions: Transaction) -> None:
    """Final and flushed on all that run."""
    nodes = table.nodes.values()
    await table.until(lambda: all(recorded(node, entry) for node in nodes for entry in transactions))
    await table.until(lambda: all(node.feed.height >= node.ledger.head.height for node in nodes))


async def grow(table: Table, blocks: int, name: str = VALIDATORS[0]) -> None:
    """So many blocks, given to one validator; it has flushed them."""
    for _ in range(blocks):
        before = table.nodes[name].feed.height
        await table.submit(name, table.transaction())
        await table.height(before + 1, name)


def with_agencies(made: Genesis, names: tuple[str, ...]) -> Genesis:
    """The same with more audit offices, which have keys and could validate."""
    organisations = [
        *made.organisations,
        *(GenesisOrganisation(name, f"Organisation {name}", "audit", "330000", 1, "", [], b"") for name in names),
    ]
    keys = [*made.keys, *(GenesisKey(name, UNIT, key_of(f"{name}/unit").public) for name in names)]
    return structs.replace(
        made,
        organisations=sorted(organisations, key=lambda entry: entry.id),
        keys=sorted(keys, key=lambda key: (key.organisation, key.purpose)),
    )


class Fuse:
    """Ends a validator's process in its writer thread, before the n-th write or flush; `places` counts them."""

    def __init__(self, node: Validator, at: int) -> None:
        self.places: deque[str] = deque(maxlen=10_000)
        self.at = at
        self.dead = False
        for part, name in ((node.ledger.log, "append"), (node.ledger.log, "flush")):
            self._wrap(part, name, f"log.{name}")
        if node.saver.journal:
            for name in ("append", "flush"):
                self._wrap(node.saver.journal, name, f"journal.{name}")
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
