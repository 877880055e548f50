"""The network between nodes: N1 - N13 of the catalogue."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from tests.simulator.payloads import Payload

if TYPE_CHECKING:
    from tests.simulator.world import World

KINDS_LOST = ("Commit", "Commit", "Prepare", "PrePrepare", "NewView", "Status", "")  # one at a time, for some seconds
KIND_LOST_MS = 1_500  # mean
HELD_MAX = 400  # messages that wait in a clogged path
PARTITIONS = (
    "N8 halves",
    "N9 one alone",
    "N10 ring of majorities",
    "N11 one way",
    "N12 bridge",
    "N12 the primary reaches only f",
    "N12 flapping",
    "N12 swizzle",
)


class Network:
    def __init__(self, world: World) -> None:
        self.world, self.draw = world, world.draw
        self.groups: list[set[int]] | None = None
        self.lost: set[tuple[int, int]] = set()  # paths that lose everything
        self.clogged: dict[tuple[int, int], list[Payload]] = {}  # path -> what waits in it
        self.half_open: set[tuple[int, int]] = set()  # clogged paths that never give back what went in
        self.under_way: Counter[tuple[int, int]] = Counter()
        self.kind_lost = ""

    def begin(self) -> None:
        self._lose_a_kind()
        self._plan_partition()
        self._plan_clog()

    def send(self, source: int, target: int, payload: Payload) -> None:
        world, options, draw = self.world, self.world.options, self.draw
        path = (source, target)
        if not world.is_healed:
            if self._is_cut(path) or draw.random() < options.loss:
                return
            if path in self.clogged:
                if len(self.clogged[path]) < HELD_MAX:
                    self.clogged[path].append(payload)
                return
            if type(payload).__name__ == self.kind_lost and draw.random() < options.kind_loss:
                return
            if options.queue_max and self.under_way[path] >= options.queue_max:
                world.sometimes["N7 a full queue drops"] += 1
                return
            if draw.random() < options.duplicate:
                self._carry(path, payload, world.spread(options.delay_ms))
            if draw.random() < options.replay:
                world.sometimes["N5 replayed"] += 1
                self._carry(path, payload, draw.uniform(500, 8_000))
            if draw.random() < options.late_replay:
                world.sometimes["N5 replayed much later"] += 1
                self._carry(path, payload, draw.uniform(options.fault_ms / 3, options.fault_ms))
        delay = 1 + world.spread(options.delay_ms)
        if not world.is_healed and draw.random() < options.heavy_tail:
            world.sometimes["N4 a very late message"] += 1
            delay *= 50
        self._carry(path, payload, delay)

    def _carry(self, path: tuple[int, int], payload: Payload, delay: float) -> None:
        self.under_way[path] += 1

        def arrive() -> None:
            self.under_way[path] -= 1
            self.world.deliver(*path, payload)

        self.world.after(delay, arrive)

    def heal(self) -> None:
        self.groups = None
        self.lost.clear()
        for path in list(self.clogged):
            self._unclog(path)

    # -- what goes wrong -----------------------------------------------------------------------------------------------

    def _is_cut(self, path: tuple[int, int]) -> bool:
        if path in self.lost:
            return True
        source, target = path
        return self.groups is not None and not any(source in group and target in group for group in self.groups)

    def _lose_a_kind(self) -> None:
        if not self.world.is_healed and self.world.options.kind_loss:
            self.kind_lost = self.draw.choice(KINDS_LOST)
            self.world.after(self.world.spread(KIND_LOST_MS), self._lose_a_kind)

    def _plan_clog(self) -> None:
        every = self.world.options.clog_every_ms
        if not self.world.is_healed and every:
            self.world.after(self.world.spread(every), self._clog)

    def _clog(self) -> None:
        """A path takes everything and gives nothing for a while; a half-open one never gives it."""
        if self.world.is_healed:
            return
        source, target = self.draw.sample(list(self.world.organisations), 2)
        path = (source, target)
        if path not in self.clogged:
            self.clogged[path] = []
            name = "N6 clogged path"
            if self.draw.random() < self.world.options.drip:
                self.half_open.add(path)
                name = "N13 half-open path"
            self.world.sometimes[name] += 1
            self.world.after(self.world.spread(2_000), partial(self._unclog, path))
        self._plan_clog()

    def _unclog(self, path: tuple[int, int]) -> None:
        waiting = self.clogged.pop(path, [])
        if path in self.half_open:
            self.half_open.discard(path)
            waiting = []
        for payload in waiting:
            self._carry(path, payload, self.world.spread(self.world.options.delay_ms))

    def _plan_partition(self) -> None:
        every = self.world.options.partition_every_ms
        if not self.world.is_healed and every:
            self.world.after(self.world.spread(every), self._start_partition)

    def _start_partition(self) -> None:
        world = self.world
        if world.is_healed:
            return
        numbers = list(world.organisations)
        kind = self.draw.choice(PARTITIONS)
        self.draw.shuffle(numbers)
        n = len(numbers)
        if kind == "N8 halves":
            middle = self.draw.randint(1, n - 1)
            self.groups = [set(numbers[:middle]), set(numbers[middle:])]
        elif kind == "N9 one alone":
            self.groups = [set(numbers[1:]), {numbers[0]}]
        elif kind == "N10 ring of majorities":
            self.groups = [{numbers[(start + step) % n] for step in range(n // 2 + 1)} for start in range(n)]
        elif kind == "N11 one way":
            self.lost.add((numbers[0], numbers[1]))
        elif kind == "N12 bridge":
            middle = n // 2
            self.groups = [set(numbers[: middle + 1]), set(numbers[middle:])]
        elif kind == "N12 the primary reaches only f":
            self._isolate_primary(numbers)
        elif kind == "N12 flapping":
            self.groups = [set(numbers[1:]), {numbers[0]}]
            world.after(150, partial(self._flap, self.groups, 6))
        else:
            self._swizzle(numbers)
        world.sometimes[f"partition: {kind}"] += 1
        world.trace(-1, f"partition {kind} {numbers}")
        world.after(world.spread(world.options.partition_ms), self._end_partition)

    def _isolate_primary(self, numbers: list[int]) -> None:
        views = [node.replica for node in self.world.honest if node.replica is not None]
        if not views:
            return
        members = views[0].members
        primary = int(members.members[views[0].primary].organisation[-2:])
        others = [number for number in numbers if number != primary]
        self.lost.update((primary, other) for other in others[members.f :])

    def _flap(self, groups: list[set[int]], times: int) -> None:
        if self.world.is_healed or times == 0:
            return
        self.groups = None if self.groups else groups
        self.world.after(150, partial(self._flap, groups, times - 1))

    def _swizzle(self, numbers: list[int]) -> None:
        """Nodes are cut off one by one, and come back in another order."""
        for place, number in enumerate(numbers[: len(numbers) // 2]):
            pairs = [(number, other) for other in numbers if other != number]
            paths = {path for one, other in pairs for path in ((one, other), (other, one))}
            self.world.after(100 * place, partial(self.lost.update, paths))

    def _end_partition(self) -> None:
        self.groups = None
        self.lost.clear()
        self.world.trace(-1, "partition ends")
        self.world.connect_all()
        self._plan_partition()
