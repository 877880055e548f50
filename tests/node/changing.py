"""Real validators whose set, keys and disks change under seeded kills, losses and load: then everything heals.

At most f members at a time have lost their memory of votes (a restored, rolled-back, wiped or spoilt journal, a key that
came late), and come back by renewals of their own. Nobody ever says two votes in one slot, at each height there is one
block, with a certificate of the set that the chain gives it; at the end all members vote. As in `chaos.py` a seed chooses
the faults and not the whole run. `python -m tests.node.changing FROM COUNT`
"""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import structlog

from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode
from chain.errors import StorageLocked
from chain.operation import Renew, SeatChange
from chain.rules import membership
from chain.validators import COMMIT, max_faulty, verify_certificate
from consensus import catch_up, timers
from node.vote_keys import make_vote_key
from node.vote_memory import NO_SEAT, WAITS_FOR_RENEWAL
from tests.chain.making import VALIDATORS, key_of
from tests.node.test_learners import FAULTS
from tests.node.validating import Table, grow

ACTS = 60
RENEWAL_BLOCKS = 3  # in life 1,000: a story has to be short
MORE = ("audit-a", "audit-b", "audit-c")
HEAL_S = 180.0  # on a machine with other work; a second or two when it is idle


class Play:
    """One seed."""

    def __init__(self, place: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.place = place
        self.table: Table = Table(place / "nodes", more=MORE)
        for name in MORE:
            self.table.make(name)
        self.names = sorted([*VALIDATORS, *MORE])
        self.forgetful: set[str] = set()  # spoilt, and not seen voting again
        self.backups: dict[str, int] = {}  # node -> journal sequence that its block log named then
        self.keys: Counter[str] = Counter()
        self.rare: Counter[str] = Counter()  # what happened, and how often

    async def run(self) -> tuple[int, int]:
        """(height, epochs). Raises AssertionError."""
        table, chance = self.table, self.chance
        loss = chance.choice([0.0, 0.0, 0.02, 0.1])
        table.lost = lambda _sender, _target, _kind, _payload: chance.random() < loss
        table.delay_s = chance.choice([0.0, 0.0, 0.002])
        table.start(*self.names)
        try:
            for _ in range(ACTS):
                await self.act()
                assert not table.twice, f"two votes: {table.twice}"
            table.lost = lambda _sender, _target, _kind, _payload: False
            await self.heal()
            self.verify()
            return table.highest(), len(table.sets)
        finally:
            await table.end()

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def act(self) -> None:
        """One thing, and a moment."""
        table, chance = self.table, self.chance
        for name in [name for name in table.nodes if name in table.halted]:
            raise AssertionError(f"{name} stopped: {table.halted[name]}")
        self.look()
        running, down = sorted(table.nodes), sorted(set(self.names) - set(table.nodes))
        kind = chance.random()
        if kind < 0.4 and running:
            await table.submit(chance.choice(running), table.transaction())
        elif kind < 0.5 and running:
            await self.end(chance.choice(running))
        elif kind < 0.6 and running:
            await self.forget(chance.choice(running))
        elif kind < 0.7:
            await self.renew()
        elif kind < 0.85 and running:
            await self.change()
        elif down:
            table.start(chance.choice(down))
        await asyncio.sleep(chance.choice([0.0, 0.005, 0.05, 0.2]))

    def look(self) -> None:
        """Who votes again, or has left, has no lack any more; who joins with one has."""
        for name, node in self.table.nodes.items():
            if node.learner_reason in ("", NO_SEAT):
                self.forgetful.discard(name)
            else:
                self.forgetful.add(name)

    async def end(self, name: str) -> None:
        if self.chance.random() < 0.5:
            await self.table.kill(name)
            return
        await self.table.stop(name)
        backup = self.place / f"backup-{name}"
        shutil.rmtree(backup, ignore_errors=True)
        shutil.copytree(self.table.place / name, backup)
        self.backups[name] = named_sequence(backup)

    async def forget(self, name: str) -> None:
        """A fault of the disk, as long as no more than f of the newest set, and of those before it, have one."""
        fault = self.chance.choice(sorted(FAULTS))
        seated = {member.organisation for member in self.table.newest().members}
        if name not in seated or len(self.forgetful | {name}) > max_faulty(min(len(seated), 4)):
            return
        await self.table.kill(name)
        backup = self.place / f"backup-{name}"
        journal = self.table.place / name / "journal" / "journal.log"
        is_newer = name in self.backups and named_sequence(self.table.place / name) > self.backups[name]
        if journal.exists() and (is_newer or fault in ("wiped", "spoilt")):
            FAULTS[fault][0](self.table.place / name, backup)
            self.forgetful.add(name)
            self.rare[fault] += 1
        self.table.start(name)

    async def renew(self) -> None:
        """One of those that have lost something asks for it, and goes on asking."""
        if not self.forgetful or not self.table.nodes:
            return
        name = self.chance.choice(sorted(self.forgetful))
        node = self.table.nodes.get(name)
        try:
            if node is not None and node.learner_reason == WAITS_FOR_RENEWAL:  # it tells the number, and runs on
                transaction = self.table.by(name, Renew(bytes.fromhex(node.memory.waits_for)))
            else:
                transaction = self.table.renew(name)
        except StorageLocked:  # the journal is let go a moment later, or a key is missing and it is sound
            self.rare[f"locked, {node.learner_reason if node else 'stopped'}"] += 1
            return
        if name not in self.table.nodes:
            self.table.start(name)
        await self.table.submit(self.chance.choice(sorted(self.table.nodes)), transaction)
        self.rare["renewals"] += 1

    async def change(self) -> None:
        """Somebody joins, leaves, is replaced or gets another key, if enough are there to say so."""
        table, chance = self.table, self.chance
        seated = [member.organisation for member in table.newest().members]
        outside = [name for name in self.names if name not in seated and name not in self.forgetful]
        kind = chance.choice(["join", "leave", "replace", "rotate"])
        leaves = chance.choice([name for name in seated if name not in self.forgetful] or seated)
        changes = []
        if kind in ("join", "replace") and outside:
            joins = chance.choice(outside)
            changes.append(SeatChange(joins, [self.new_key(joins)]))
        if kind == "rotate":
            changes.append(SeatChange(leaves, [self.new_key(leaves)]))
        if (kind == "leave" and len(seated) > 4) or (kind == "replace" and changes):
            changes.append(SeatChange(leaves, []))
        if changes:
            self.rare[kind] += 1
            for transaction in table.change(*changes):
                await table.submit(chance.choice(sorted(table.nodes)), transaction)
                await asyncio.sleep(0.01)

    def new_key(self, name: str) -> bytes:
        """The first one lies in the home already; each later one is made there."""
        self.keys[name] += 1
        if self.keys[name] == 1 and name in MORE:
            return key_of(f"{name}/vote").public
        data = self.table.place / name
        (data / "journal").mkdir(exist_ok=True)
        return make_vote_key(data / "config", data / "journal")[1]

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def heal(self) -> None:
        """All run; whoever lacks something renews until all members vote, and blocks come."""
        table, started = self.table, time.monotonic()
        for name in self.names:
            if name not in table.nodes:
                table.start(name)
        while True:
            assert time.monotonic() - started < HEAL_S, {name: node.status() for name, node in table.nodes.items()}
            self.look()
            members = [member.organisation for member in table.newest().members]
            silent = [name for name in members if table.nodes[name].learner_reason]
            if not silent and all(table.nodes[name].ledger.members == table.newest() for name in self.names):
                break
            for name in silent:
                if table.nodes[name].learner_reason not in (NO_SEAT, WAITS_FOR_RENEWAL):
                    self.forgetful.add(name)
            await self.renew()
            await table.submit(members[0], table.transaction())
            await asyncio.sleep(0.1)
        await grow(table, 3, members[0])
        await table.height(table.highest())

    def verify(self) -> None:
        table = self.table
        table.verify_same()
        node = next(iter(table.nodes.values()))
        for height in range(1, node.feed.height + 1):
            final = decode(node.ledger.log.read(height), FinalBlock)
            members, header = node.ledger.set_at(height), final.block.header
            verify_certificate(final.certificate, members, COMMIT, table.chain_id, height, header.digest())


def named_sequence(data: Path) -> int:
    """What the last block says of the journal."""
    log = BlockLog.open_read_only(data / "blocks")
    sequence = log.last_journal_sequence
    log.close()
    return sequence


def hasten() -> None:
    """Timers are ten times as fast as in life, and renewals may follow each other."""
    timers.VIEW_TIMEOUT_FIRST_MS = 200
    catch_up.STATUS_MS = 100
    catch_up.STATUS_ANSWERED_MS = 40
    catch_up.FETCH_RETRY_MS = 100
    catch_up.CLAIM_PATIENCE_MS = 30
    membership.RENEWAL_BLOCKS = RENEWAL_BLOCKS


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    hasten()
    first, count = (int(argument) for argument in sys.argv[1:])
    happened: Counter[str] = Counter()
    for number in range(first, first + count):
        with tempfile.TemporaryDirectory() as directory:
            play = Play(Path(directory), number)
            begun = time.monotonic()
            try:
                reached, epochs = asyncio.run(play.run())
            except AssertionError:
                print("seed", number, "again: python -m tests.node.changing", number, 1, flush=True)
                raise
            happened += play.rare
            print(number, "height", reached, "epochs", epochs, f"{time.monotonic() - begun:.1f} s", flush=True)
    print(dict(happened))
