"""The writer of a simulated node: records, blocks and the words that follow from them, in the order they were made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chain.transaction import ReceivedTransaction
from consensus.effects import Broadcast, Persist, Send, SendBlocks
from consensus.model import ProposalSaved, ViewChangeSaved
from tests.simulator.disk import StoredBlock, StoredEntry

if TYPE_CHECKING:
    from tests.simulator.node import Node


@dataclass(frozen=True)
class Addressed:
    """Something to send, and the organisation that it goes to."""

    number: int
    effect: Send | SendBlocks


Job = Persist | Broadcast | Addressed | StoredBlock  # what the writer takes, in order


class Crashed(Exception):
    """The node stopped in the middle of its effects."""


class Saver:
    def __init__(self, node: Node) -> None:
        self._node = node
        self.jobs: list[Job] = []
        self._is_planned = False
        self.has_forgotten = False  # a vote, so that the journal is not what it seems

    def put(self, job: Persist | Broadcast | Addressed) -> None:
        self.jobs.append(job)
        self.plan()

    def put_block(self, block: StoredBlock) -> None:
        """Order matters: a block goes through the same queue as the votes that follow from it. Written with the next
        flush, which is for the caller to plan or do."""
        self.jobs.append(block)

    def plan(self) -> None:
        node, world = self._node, self._node.world
        if not self._is_planned:
            self._is_planned = True
            delay = world.spread(world.options.flush_ms) * node.slowness
            if not world.is_healed and world.draw.random() < world.options.slow_disk:
                world.sometimes["D11 slow disk"] += 1
                delay += 1_000
            node.after(delay, self._write)

    def _write(self) -> None:
        """Takes all that waits: writes, one flush before the first word that follows, words."""
        self._is_planned = False
        batch, self.jobs = self.jobs, []
        try:
            for job in batch:
                self._node.count_to_crash()
                self._write_one(job)
            if self._node.world.draw.random() < 0.5:
                self.flush()
        except Crashed:
            self._node.crash()

    def _write_one(self, job: Job) -> None:
        node = self._node
        match job:
            case Persist():
                self._save(job)
            case StoredBlock():
                self._write_item(job)
            case Broadcast():
                self.flush()
                members = node.replica.members if node.replica is not None else node.members
                for member in members.members:
                    if member.organisation != node.organisation:
                        node.say(int(member.organisation[-2:]), job.message)
            case Addressed(number, Send(_, message)):
                self.flush()
                node.say(number, message)
            case Addressed(number, SendBlocks(_, first, count)):
                self.flush()
                node.serve(number, first, count)

    def _save(self, effect: Persist) -> None:
        node, world, record = self._node, self._node.world, effect.record
        if node.is_honest:
            world.checks.on_persist(node, record)
        if isinstance(record, ViewChangeSaved):
            world.sometimes["view left"] += 1
            state = node.replica._state if node.replica is not None else None
            if state is not None and state.accompanied_ms == state.now_ms:
                world.sometimes["rule 6 followed one who left alone"] += 1
            if record.view_change.prepared is not None:
                world.sometimes["view left with a prepared block"] += 1
        known, bodies = node.proposals.bodies, list[ReceivedTransaction]()
        if isinstance(record, ProposalSaved):
            bodies = [known[digest] for digest in record.proposal.transactions if digest in known]
        self._write_item(StoredEntry(record, bodies))

    def _write_item(self, item: StoredBlock | StoredEntry) -> None:
        disk, world = self._node.disk, self._node.world
        if disk.writes_left is not None and not world.is_healed:
            disk.writes_left -= 1
            if disk.writes_left < 0:
                world.sometimes["D9 the disk is full: the node stops"] += 1
                disk.writes_left = world.options.full_after
                raise Crashed
        disk.unflushed.append(item)

    def flush(self) -> None:
        """Raises Crashed."""
        node, world, disk = self._node, self._node.world, self._node.disk
        if not world.is_healed and node.is_honest and world.draw.random() < world.options.flush_error:
            world.sometimes["D4 a flush fails: the node stops"] += 1
            raise Crashed
        for block in [job for job in self.jobs if isinstance(job, StoredBlock)]:
            # what follows in this batch was made after these blocks
            self.jobs.remove(block)
            self._write_item(block)
        disk.flush()
        ledger = node.ledger
        if ledger is not None and ledger.head.height <= len(disk.blocks):
            if world.draw.random() < 0.3:
                ledger.flush()
            # Only who takes part: one that fetches what damage took keeps what it promised in epochs above.
            if node.replica is not None and world.draw.random() < 0.5:
                disk.prune(ledger.members.epoch)
        world.checks.on_flushed(node)

    def sequence(self) -> int:
        """What a block says of the journal: what it holds for certain, or more than it ever will if it forgot a vote."""
        disk = self._node.disk
        last = disk.blocks[-1].journal_sequence if disk.blocks else 0
        for item in disk.unflushed:
            if isinstance(item, StoredBlock):
                last = item.journal_sequence
        forgotten = disk.journal.last_sequence + 1 if self.has_forgotten else 0
        own = disk.journal.last_sequence if not disk.journal.trouble else 0
        return max(last, own, forgotten)
