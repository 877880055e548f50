"""What happens to machines, clocks, disks and journals: P1 - P9 and D1 - D14 of the catalogue."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from tests.simulator.disk import Disk, JournalFile
from tests.simulator.province import first_store

if TYPE_CHECKING:
    from tests.simulator.node import Node
    from tests.simulator.world import World

DAY_MS = 86_400_000
PAUSE_MS = 4_000  # mean; longer than the first view timeout
BACKUP_MS = 700  # mean age of what is restored


class Faults:
    def __init__(self, world: World) -> None:
        self.world, self.draw = world, world.draw
        self.losing: set[int] = set()  # organisations whose loss is not mended yet
        self._damaged: set[int] = set()  # organisations that lost blocks; at most f at a time, renewed ones included

    @property
    def is_busy(self) -> bool:
        return bool(self.losing)

    def begin(self) -> None:
        world, options = self.world, self.world.options
        world.network.begin()
        self._plan(options.crash_every_ms, self._arm_crash)
        self._plan(options.pause_every_ms, self._pause_one)
        if options.skew_ms or options.clock_jump or options.drift:
            self._set_a_clock()
        if options.slow > 1:
            self.draw.choice(world.honest).slowness = options.slow
            world.sometimes["P6 a slow node"] += 1
        if options.full_after:
            self.draw.choice(world.honest).disk.writes_left = options.full_after
        for number, loss in zip(options.forgetful, options.losses, strict=True):
            self.losing.add(number)
            world.after(self.draw.uniform(300, options.fault_ms * 0.8), partial(self._begin_loss, number, loss))

    def heal(self) -> None:
        for node in self.world.honest:
            node.effects_to_crash = None
            node.slowness, node.speed = 1, 1.0
            node.skew_ms = self.draw.randint(-100, 100)
            node.disk.writes_left = None
            if node.paused is not None:
                node.resume()
            if not node.is_up and not node.stopped_for:
                node.start()

    def _plan(self, every_ms: int, action: object) -> None:
        if not self.world.is_healed and every_ms:
            self.world.after(self.world.spread(every_ms), action)  # type: ignore[arg-type]

    # -- crashes, pauses, clocks ---------------------------------------------------------------------------------------

    def _arm_crash(self) -> None:
        world = self.world
        if not world.is_healed:
            if self.draw.random() < world.options.crash_all:
                world.sometimes["P3 all crash"] += 1
                for node in world.honest:
                    node.effects_to_crash = self.draw.randint(0, 12)
            else:
                self.draw.choice(world.honest).effects_to_crash = self.draw.randint(0, 12)
        self._plan(world.options.crash_every_ms, self._arm_crash)

    def _pause_one(self) -> None:
        world = self.world
        if world.is_healed:
            return
        some = self.draw.sample(world.honest, self.draw.choice([1, 1, 2]))
        for node in some:
            node.pause()
            world.after(world.spread(PAUSE_MS), partial(self._resume, node))
        world.sometimes["P4 paused, longer than a timeout" if len(some) == 1 else "P4 two are paused"] += 1
        self._plan(world.options.pause_every_ms, self._pause_one)

    def _resume(self, node: Node) -> None:
        if node.paused is not None:
            node.resume()

    def _set_a_clock(self) -> None:
        world, options = self.world, self.world.options
        if world.is_healed:
            return
        node = self.draw.choice(world.honest)
        if self.draw.random() < options.clock_jump:
            node.skew_ms += self.draw.choice([-DAY_MS, DAY_MS])
            world.sometimes["P7 a clock jumps by a day"] += 1
        else:
            node.skew_ms = self.draw.randint(-options.skew_ms // 2, options.skew_ms // 2)
            world.sometimes["P7 a clock is set"] += 1
        if options.drift:
            node.speed = 1 + self.draw.choice([-1, 1]) * options.drift
            world.sometimes["P7 a clock drifts"] += 1
        world.after(world.spread(2_000), self._set_a_clock)

    # -- damage --------------------------------------------------------------------------------------------------------

    def may_damage(self, node: Node) -> None:
        """At a crash: a bit flipped, a file gone, an old page read; the checksum tells at the next start. Never on more
        nodes at a time than may be missing."""
        world, draw = self.world, self.draw
        budget = (world.options.n - 1) // 3 - len(world.faulty | self._damaged - {node.number})
        if draw.random() >= world.options.damage:
            return
        disk = node.disk
        if draw.random() < 0.4 or not disk.blocks or (budget < 1 and node.number not in self._damaged):
            world.sometimes["D5 the state is damaged: dropped and built again"] += 1
            disk.store = first_store(world.options.n, world.options.heartbeat_ms)
            return
        world.sometimes["D5 a block is damaged: fetched again from others"] += 1
        self._damaged.add(node.number)
        height = draw.randint(1, len(disk.blocks))
        disk.must_reach = max(disk.must_reach, len(disk.blocks))
        del disk.blocks[height - 1 :]
        disk.store = first_store(world.options.n, world.options.heartbeat_ms)

    # -- journals ------------------------------------------------------------------------------------------------------

    def _begin_loss(self, number: int, loss: str) -> None:
        """First the copy that is restored later, then the loss."""
        node = self.world.nodes[number][0]
        backup = node.disk.copied()
        delay = self.world.spread(BACKUP_MS) if loss in ("restored", "journal rolled back") else 0
        self.world.after(delay, partial(self._lose, node, loss, backup))

    def _lose(self, node: Node, loss: str, backup: Disk) -> None:
        world = self.world
        world.sometimes[f"D12-D14 {loss}"] += 1
        world.trace(node.number, f"loses: {loss}")
        if loss == "cloned":
            self._clone(node, node.disk.copied())
            return
        node.shut_down(loss)
        disk, options = node.disk, world.options
        if loss == "wiped":
            node.disk = Disk(first_store(options.n, options.heartbeat_ms), JournalFile(trouble="journal_missing"))
        elif loss == "restored":
            backup.journal.trouble = "journal_copied"
            node.disk = backup
        elif loss == "journal gone":
            disk.journal = JournalFile(trouble="journal_missing")
        elif loss == "journal damaged":
            disk.journal.trouble = "journal_damaged"
        else:
            disk.journal = backup.journal
            disk.journal.trouble = "journal_copied"
        world.after(world.spread(500), partial(self._back, node))

    def _clone(self, node: Node, disk: Disk) -> None:
        """Two live copies: the second one has a journal that is not its own, and follows."""
        from tests.simulator.node import Node

        clone = Node(self.world, node.number)
        clone.disk = disk
        disk.journal.trouble = "journal_copied"
        self.world.nodes[node.number].append(clone)
        clone.start()
        self.world.after(self.draw.uniform(500, 3_000), partial(self._end_clone, node, clone))

    def _end_clone(self, node: Node, clone: Node) -> None:
        clone.shut_down("cloned")
        self.world.nodes[node.number].remove(clone)
        self.losing.discard(node.number)

    def _back(self, node: Node) -> None:
        """It comes back as a learner; a little later its organisation makes a fresh journal and sends the renewal."""
        node.stopped_for = ""
        node.start()
        self.world.after(self.world.spread(1_000), partial(self._renew, node))

    def _renew(self, node: Node) -> None:
        world = self.world
        node.shut_down("renewing")
        disk = node.disk
        number = sha256(b"renewal %d %d" % (world.options.seed, node.number)).digest()
        last = max([disk.journal.last_sequence, *(stored.journal_sequence for stored in disk.blocks[-1:])])
        # As `node.renewal`: one number is left out.
        disk.journal = JournalFile(renewal=number, last_sequence=last + 1)  # it answers for no key that has voted
        node.stopped_for = ""
        node.start()
        world.sometimes["rule 14 a learner asks for renewal"] += 1
        world.clients.renew(node.number, number)
        self.losing.discard(node.number)
