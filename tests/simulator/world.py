"""One run: a queue of actions ordered by (time, counter), the network between nodes, the faults, and the verdict."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from consensus.errors import ConsensusError
from consensus.model import Commit, PeerMessage, Status
from consensus.wire import decode_message, encode_message, verify_message
from tests.simulator.application import CHAIN_ID
from tests.simulator.checks import Broken, Checks
from tests.simulator.keys import Keys
from tests.simulator.options import Options

if TYPE_CHECKING:
    from tests.simulator.node import Node

PROGRESS_WITHIN_MS = 180_000  # after healing, everything that waits is final everywhere within this
KINDS_LOST = ("Commit", "Commit", "Prepare", "PrePrepare", "NewView", "Status", "")  # one at a time, for some seconds
KIND_LOST_MS = 1_500  # mean
EVENTS_MAX = 3_000_000  # of one run: more is a storm


@dataclass(frozen=True)
class SimulatedBlocks:
    """Stands for model.Blocks, with opaque transactions: (header, digests, certificate) each."""

    blocks: list[Any]


@dataclass(frozen=True)
class SimulatedBodies:
    """Stands for model.Bodies."""

    transactions: list[bytes]


@dataclass(frozen=True)
class Gossip:
    """Transactions on their way between mempools."""

    transactions: list[bytes]


Payload = PeerMessage | SimulatedBlocks | SimulatedBodies | Gossip


@dataclass
class Verdict:
    seed: int
    result: str  # PASS, STALLED, DIVERGED, BROKEN
    detail: str
    digest: str  # of everything that happened
    simulated_ms: int
    heal_ms: int  # from healing to the end
    heights: int
    sometimes: Counter[str] = field(default_factory=Counter)


class World:
    def __init__(self, options: Options, log: Callable[[str], None] | None = None) -> None:
        self.options = options
        self.log = log
        self.draw = random.Random(f"world {options.seed}")
        self.keys = Keys(options.n, options.is_real_crypto)
        self.checks = Checks(self.keys)
        self.sometimes: Counter[str] = Counter()
        self.now = 0
        self.is_healed = False
        self.groups: list[set[int]] | None = None  # a partition
        self.one_way: tuple[int, int] | None = None  # messages from one seat to another are lost
        self.kind_lost = ""
        self.favoured: int | None = None  # of a hunt: the only one that Commits reach
        self.cut_off: int | None = None  # of a hunt: hears only liars, and only they hear it
        self.nodes: dict[int, list[Node]] = {}  # seat -> its node; a liar may have two brains
        self.demanded: list[bytes] = []
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._counter = 0
        self._verified: dict[int, tuple[Payload, bool]] = {}
        self._trace = sha256()
        self._transactions = 0
        self._build()

    def _build(self) -> None:
        from tests.simulator.liar import build_liar
        from tests.simulator.node import Node

        for seat in range(self.options.n):
            if seat in self.options.liars:
                self.nodes[seat] = build_liar(self, seat)
            else:
                self.nodes[seat] = [Node(self, seat)]

    @property
    def honest(self) -> list[Node]:
        return [self.nodes[seat][0] for seat in range(self.options.n) if seat not in self.options.liars]

    # -- time ----------------------------------------------------------------------------------------------------------

    def after(self, delay_ms: float, action: Callable[[], None]) -> None:
        self._counter += 1
        heapq.heappush(self._queue, (self.now + max(0, int(delay_ms)), self._counter, action))

    def spread(self, mean_ms: int) -> float:
        """A delay around a mean; nothing when that is 0."""
        return self.draw.expovariate(1 / mean_ms) if mean_ms else 0.0

    def trace(self, seat: int, what: str) -> None:
        self._trace.update(f"{self.now} {seat} {what}\n".encode())
        if self.log is not None:
            self.log(f"{self.now:>7} {seat} {what}")

    # -- network -------------------------------------------------------------------------------------------------------

    def send(self, source: int, target: int, payload: Payload) -> None:
        options, draw = self.options, self.draw
        if not self.is_healed:
            if self._is_cut(source, target) or draw.random() < options.loss:
                return
            if self._is_hunted(source, target, payload):
                return
            if type(payload).__name__ == self.kind_lost and draw.random() < options.kind_loss:
                return
            if draw.random() < options.duplicate:
                self.after(self.spread(options.delay_ms), lambda: self.deliver(source, target, payload))
            if draw.random() < options.replay:
                self.after(draw.uniform(500, 8_000), lambda: self.deliver(source, target, payload))
        self.after(1 + self.spread(options.delay_ms), lambda: self.deliver(source, target, payload))

    def _is_cut(self, source: int, target: int) -> bool:
        if self.one_way == (source, target):
            return True
        return self.groups is not None and not any(source in group and target in group for group in self.groups)

    def deliver(self, source: int, target: int, payload: Payload) -> None:
        if self.options.is_bytes_on_wire and not isinstance(payload, SimulatedBlocks | SimulatedBodies | Gossip):
            payload = decode_message(encode_message(payload))
        if not self._is_whole(payload):
            self.sometimes["message refused by its check"] += 1
            return
        for node in self.nodes[target]:
            node.receive(source, payload)

    def _is_whole(self, payload: Payload) -> bool:
        """What the runtime does off its loop; once per message, since it is pure."""
        if isinstance(payload, SimulatedBlocks | SimulatedBodies | Gossip):
            return True
        found = self._verified.get(id(payload))
        if found is not None and found[0] is payload:
            return found[1]
        try:
            verify_message(payload, self.keys.members, CHAIN_ID, self.keys.verify)
            is_whole = True
        except ConsensusError:
            is_whole = False
        self._verified[id(payload)] = (payload, is_whole)
        return is_whole

    # -- faults --------------------------------------------------------------------------------------------------------

    def _is_hunted(self, source: int, target: int, payload: Payload) -> bool:
        liars = self.options.liars
        if self.cut_off in (source, target):
            return source not in liars and target not in liars
        if self.favoured is None or target in liars or target == self.favoured:
            return False
        return isinstance(payload, Commit | Status) and self.draw.random() < 0.95

    def _hunt(self) -> None:
        """What the safety argument fears: a block that is final at one member, which is then silent."""
        self.cut_off = None
        if not self.is_healed and self.options.is_hunted:
            self.favoured = self.draw.choice(self.honest).seat

    def on_final(self, seat: int) -> None:
        if not self.is_healed and seat == self.favoured and self.cut_off is None and self.draw.random() < 0.8:
            self.sometimes["final at one, which is then cut off"] += 1
            self.trace(seat, "cut off")
            self.cut_off, self.favoured = seat, None
            self.after(self.draw.uniform(1_500, 7_000), self._hunt)

    def _lose_a_kind(self) -> None:
        if not self.is_healed and self.options.kind_loss:
            self.kind_lost = self.draw.choice(KINDS_LOST)
            self.after(self.spread(KIND_LOST_MS), self._lose_a_kind)

    def _plan_partition(self) -> None:
        if not self.is_healed and self.options.partition_every_ms:
            self.after(self.spread(self.options.partition_every_ms), self._start_partition)

    def _start_partition(self) -> None:
        if self.is_healed:
            return
        seats = list(range(self.options.n))
        kind = self.draw.choice(["halves", "isolate", "ring", "one way"])
        self.draw.shuffle(seats)
        if kind == "halves":
            middle = self.draw.randint(1, len(seats) - 1)
            self.groups = [set(seats[:middle]), set(seats[middle:])]
        elif kind == "isolate":
            self.groups = [set(seats[1:]), {seats[0]}]
        elif kind == "ring":
            self.groups = [{seats[i], seats[(i + 1) % len(seats)]} for i in range(len(seats))]
        else:
            self.one_way = (seats[0], seats[1])
        self.sometimes[f"partition: {kind}"] += 1
        self.trace(-1, f"partition {kind} {seats}")
        self.after(self.spread(self.options.partition_ms), self._end_partition)

    def _end_partition(self) -> None:
        self.groups = self.one_way = None
        self.trace(-1, "partition ends")
        self.connect_all()
        self._plan_partition()

    def connect_all(self) -> None:
        for seat in range(self.options.n):
            for node in self.nodes[seat]:
                for other in range(self.options.n):
                    if other != seat:
                        node.connect(other)

    def _plan_crash(self) -> None:
        if not self.is_healed and self.options.crash_every_ms:
            self.after(self.spread(self.options.crash_every_ms), self._arm_crash)

    def _arm_crash(self) -> None:
        if not self.is_healed:
            self.draw.choice(self.honest).effects_to_crash = self.draw.randint(0, 12)
        self._plan_crash()

    def _set_a_clock(self) -> None:
        if not self.is_healed and self.options.skew_ms:
            node = self.draw.choice(self.honest)
            node.skew_ms = self.draw.randint(-self.options.skew_ms // 2, self.options.skew_ms // 2)
            self.after(self.spread(2_000), self._set_a_clock)

    def _submit(self) -> None:
        if self.is_healed:
            return
        self.new_transaction(self.draw.choice(self.honest))
        self.after(self.spread(self.options.submit_every_ms), self._submit)

    def new_transaction(self, node: Node) -> bytes:
        self._transactions += 1
        transaction = sha256(b"transaction %d" % self._transactions).digest()
        node.submit(transaction)
        return transaction

    # -- the run -------------------------------------------------------------------------------------------------------

    def run(self) -> Verdict:
        result, detail = "PASS", ""
        healed_at = self.options.fault_ms
        try:
            for seat in range(self.options.n):
                for node in self.nodes[seat]:
                    node.start()
            self.connect_all()
            self._submit()
            self._plan_partition()
            self._plan_crash()
            self._lose_a_kind()
            self._hunt()
            self._set_a_clock()
            self._run_until(lambda: False, self.options.fault_ms)
            self._heal()
            healed_at = self.now
            if not self._run_until(self._is_done, self.now + PROGRESS_WITHIN_MS):
                result, detail = "STALLED", self._where_all_stand()
        except Broken as broken:
            result, detail = broken.verdict, str(broken)
        for height, digest in sorted(self.checks.final.items()):
            self._trace.update(b"%d %s" % (height, digest))
        heights = len(self.checks.final) - 1
        heal_ms = self.now - healed_at
        return Verdict(
            self.options.seed, result, detail, self._trace.hexdigest(), self.now, heal_ms, heights, self.sometimes
        )

    def _run_until(self, is_done: Callable[[], bool], end: int) -> bool:
        while self._queue and self._queue[0][0] <= end:
            self.now, _, action = heapq.heappop(self._queue)
            action()
            if self._counter > EVENTS_MAX:
                raise Broken("STALLED", f"a storm: {EVENTS_MAX} events")
            if is_done():
                return True
        self.now = end
        return False

    def _heal(self) -> None:
        """No more faults; at most f go on lying. Whatever waits at an honest node now must become final everywhere."""
        self.is_healed = True
        self.groups = self.one_way = self.favoured = self.cut_off = None
        self.trace(-1, "healed")
        for node in self.honest:
            node.effects_to_crash = None
            if node.replica is None:
                node.start()
        self.connect_all()
        waiting = {transaction: None for node in self.honest for transaction in node.mempool}
        fresh = self.new_transaction(self.draw.choice(self.honest))
        self.demanded = [*waiting, fresh]

    def _is_done(self) -> bool:
        """All demanded is final, and all honest nodes have the same height."""
        if self.demanded:
            last = self.demanded[-1]
            if all(last in node.application.included for node in self.honest):
                self.demanded.pop()
            return False
        return len({node.head.height for node in self.honest}) == 1

    def _where_all_stand(self) -> str:
        return f"{len(self.demanded)} wait; " + "; ".join(node.where() for node in self.honest)
