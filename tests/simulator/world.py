"""One run: a queue of actions ordered by (time, counter), the network between nodes, the faults, and the verdict."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from chain.errors import BlockInvalid
from chain.execute import Execution
from chain.validators import ValidatorSet
from consensus.errors import ConsensusError
from consensus.model import Commit, Message, Status
from consensus.wire import decode_message, encode_message, verify_message
from tests.simulator.checks import Broken, Checks
from tests.simulator.clients import Clients
from tests.simulator.disk import Disk, JournalFile
from tests.simulator.faults import Faults
from tests.simulator.network import Network
from tests.simulator.options import Options
from tests.simulator.payloads import Gossip, Payload, SimulatedBlocks, SimulatedBodies
from tests.simulator.province import SPARES, first_store, genesis_of, member_name, vote_key
from tests.simulator.signers import Signers

if TYPE_CHECKING:
    from tests.simulator.ledger import SimulatedLedger
    from tests.simulator.node import Node

PROGRESS_WITHIN_MS = 300_000  # after healing, everything that waits is final everywhere within this
EVENTS_MAX = 1_000_000  # of one run: more is a storm
BOUNDS_EVERY = 500  # actions between looks at the buffers
BLOCKS_WANTED = 20  # a run goes on, healed, until it has so many


@dataclass
class Verdict:
    seed: int
    result: str  # PASS, STALLED, DIVERGED, BROKEN
    detail: str
    digest: str  # of everything that happened
    simulated_ms: int
    heal_ms: int  # from healing to the end
    heights: int
    is_too_many: bool
    sometimes: Counter[str] = field(default_factory=Counter)


class World:
    def __init__(self, options: Options, log: Callable[[str], None] | None = None) -> None:
        self.options = options
        self.log = log
        self.draw = random.Random(f"world {options.seed}")
        self.signers = Signers(options.is_real_crypto)
        self.genesis = genesis_of(options.n, options.heartbeat_ms)
        self.chain_id = self.genesis.digest()
        self.organisations = range(options.n + SPARES)
        for number in self.organisations:
            self.signers.public(vote_key(number))
        for entry in self.genesis.organisations:
            self.signers.public(f"{entry.id}/unit")
        self.sometimes: Counter[str] = Counter()
        self.executions: dict[bytes, Execution | BlockInvalid] = {}
        self.now = 0
        self.is_healed = False
        self.set_back: set[int] = set()  # machines that were set back below the file system: they may vote twice
        self.faulty = {*options.liars, *options.forgetful}
        self.favoured: int | None = None  # of a hunt: the only one that Commits reach
        self.cut_off: int | None = None  # of a hunt: hears only liars, and only they hear it
        self.demanded: list[bytes] = []
        self.seen: list[tuple[int, Message]] = []  # by honest nodes, in runs with too many liars: (target, message)
        self.split: set[bytes] = set()  # of a planned fork: blocks that liars show to one half of the honest
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._counter = 0
        self._verified: dict[tuple[int, int], tuple[Payload, bool]] = {}
        self._trace = sha256()
        self.checks = Checks(self)
        self.clients = Clients(self)
        self.network = Network(self)
        self.faults = Faults(self)
        self.nodes: dict[int, list[Node]] = {}  # organisation -> its node; a liar may have two brains
        self._build()

    def _build(self) -> None:
        from tests.simulator.liar import build_liar
        from tests.simulator.node import Node

        for number in self.organisations:
            if number in self.options.liars:
                self.nodes[number] = build_liar(self, number)
            else:
                self.nodes[number] = [Node(self, number)]

    def new_disk(self, number: int) -> Disk:
        """Of a home that `init` has made: an empty journal that answers for the first vote key."""
        options = self.options
        journal = JournalFile(keys=[self.signers.public(vote_key(number))])
        return Disk(first_store(options.n, options.heartbeat_ms), journal)

    def note_key(self, number: int, public: bytes) -> None:
        """A vote key was made in the home: its journal answers for it from now on."""
        for node in self.nodes[number]:
            journal = node.disk.journal
            if not journal.trouble and public not in journal.keys:
                journal.keys.append(public)

    @property
    def honest(self) -> list[Node]:
        return [self.nodes[number][0] for number in self.organisations if number not in self.options.liars]

    def running(self) -> list[Node]:
        return [node for node in self.honest if node.is_up and node.paused is None]

    def best_ledger(self) -> SimulatedLedger | None:
        """What a client reads: the highest honest node that runs."""
        running = self.running()
        return max(running, key=lambda node: node.height).ledger if running else None

    def best_height(self) -> int:
        return len(self.checks.final) - 1

    # -- time ----------------------------------------------------------------------------------------------------------

    def after(self, delay_ms: float, action: Callable[[], None]) -> None:
        self._counter += 1
        heapq.heappush(self._queue, (self.now + max(0, int(delay_ms)), self._counter, action))

    def spread(self, mean_ms: int) -> float:
        """A delay around a mean; nothing when that is 0."""
        return self.draw.expovariate(1 / mean_ms) if mean_ms else 0.0

    def trace(self, number: int, what: str) -> None:
        self._trace.update(f"{self.now} {number} {what}\n".encode())
        if self.log is not None:
            self.log(f"{self.now:>7} {number} {what}")

    # -- network -------------------------------------------------------------------------------------------------------

    def send(self, source: int, target: int, payload: Payload) -> None:
        if target in self.nodes and not self._is_hunted(source, target, payload):
            self.network.send(source, target, payload)

    def deliver(self, source: int, target: int, payload: Payload) -> None:
        if self.options.is_bytes_on_wire and not isinstance(payload, SimulatedBlocks | SimulatedBodies | Gossip):
            payload = decode_message(encode_message(payload))
        if self.options.is_too_many and not isinstance(payload, SimulatedBlocks | SimulatedBodies | Gossip):
            self.seen.append((target, payload))  # type: ignore[arg-type]
        for node in self.nodes[target]:
            node.receive(source, payload)

    def connect(self, node: Node) -> None:
        """Its links come up, at both ends."""
        for other in self.organisations:
            if other != node.number:
                node.connect(other)
                for peer in self.nodes.get(other, []):
                    peer.connect(node.number)

    def connect_all(self) -> None:
        for number in self.organisations:
            for node in self.nodes[number]:
                for other in self.organisations:
                    if other != number:
                        node.connect(other)

    def is_whole(self, message: Message, members: ValidatorSet, former: ValidatorSet | None) -> bool:
        """What the runtime does before an event is made; once per message and set, since it is pure."""
        key = (id(message), members.epoch)
        found = self._verified.get(key)
        if found is not None and found[0] is message:
            return found[1]
        try:
            verify_message(message, members, self.chain_id, self.signers.verify, former)
            is_whole = True
        except ConsensusError:
            is_whole = False
        self._verified[key] = (message, is_whole)
        return is_whole

    # -- hunting -------------------------------------------------------------------------------------------------------

    def _is_hunted(self, source: int, target: int, payload: Payload) -> bool:
        if self.is_healed:
            return False
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
            self.favoured = self.draw.choice(
                [node for node in self.honest if node.replica is not None] or self.honest
            ).number

    def on_final(self, number: int) -> None:
        if not self.is_healed and number == self.favoured and self.cut_off is None and self.draw.random() < 0.8:
            self.sometimes["hunt: final at one, which is then cut off"] += 1
            self.trace(number, "cut off")
            self.cut_off, self.favoured = number, None
            self.after(self.draw.uniform(1_500, 7_000), self._hunt)

    # -- disasters -----------------------------------------------------------------------------------------------------

    def may_damage(self, node: Node) -> None:
        self.faults.may_damage(node)

    # -- the run -------------------------------------------------------------------------------------------------------

    def run(self) -> Verdict:
        result, detail = "PASS", ""
        healed_at = self.options.fault_ms
        try:
            for number in self.organisations:
                for node in self.nodes[number]:
                    node.start()
            self.connect_all()
            self.clients.begin()
            self.faults.begin()
            self._hunt()
            self._run_until(lambda: False, self.options.fault_ms)
            if not self.options.is_too_many:
                self._heal()
                healed_at = self.now
                if not self._run_until(self._is_done, self.now + PROGRESS_WITHIN_MS):
                    result, detail = "STALLED", self._where_all_stand()
                else:
                    self.checks.check_end(self.honest)
        except Broken as broken:
            result, detail = broken.verdict, str(broken)
            if self.options.is_too_many and result == "DIVERGED":
                result, detail = self._account(detail)
        for height, digest in sorted(self.checks.final.items()):
            self._trace.update(b"%d %s" % (height, digest))
        heights = len(self.checks.final) - 1
        heal_ms = self.now - healed_at
        return Verdict(
            self.options.seed,
            result,
            detail,
            self._trace.hexdigest(),
            self.now,
            heal_ms,
            heights,
            self.options.is_too_many,
            self.sometimes,
        )

    def _account(self, detail: str) -> tuple[str, str]:
        """I8: what honest nodes saw convicts f + 1 keys or more, and no honest one."""
        from tests.simulator.accountability import convicted

        guilty = convicted(self)
        n = self.options.n
        self.sometimes["I8 a fork by too many liars"] += 1
        if not guilty <= set(self.options.liars):
            return "BROKEN", f"evidence against honest {sorted(guilty - set(self.options.liars))}; {detail}"
        if len(guilty) < (n - 1) // 3 + 1:
            return "BROKEN", f"a fork that convicts {sorted(guilty)} only; {detail}"
        return "PASS", f"forked by {len(self.options.liars)} of {n}, convicted {sorted(guilty)}"

    def _run_until(self, is_done: Callable[[], bool], end: int) -> bool:
        looked = 0
        while self._queue and self._queue[0][0] <= end:
            self.now, _, action = heapq.heappop(self._queue)
            action()
            looked += 1
            if looked % BOUNDS_EVERY == 0:
                for node in self.honest:
                    self.checks.check_bounds(node)
            if self._counter > EVENTS_MAX:
                raise Broken("STALLED", f"a storm: {EVENTS_MAX} events")
            if is_done():
                return True
        self.now = end
        return False

    def _heal(self) -> None:
        """No more faults; at most f go on lying. Whatever waits at an honest node now must become final everywhere, all
        honest members vote again, and there are BLOCKS_WANTED blocks."""
        self.is_healed = True
        self.favoured = self.cut_off = None
        self.trace(-1, "healed")
        self.network.heal()
        self.faults.heal()
        self.connect_all()
        waiting: dict[bytes, None] = {}
        for node in self.running():
            waiting.update(dict.fromkeys(node.pool.waiting))
        self.demanded = [*waiting, self._fresh()]
        self._go_on()

    def _fresh(self) -> bytes:
        hospital = self.draw.choice(["hospital-a", "hospital-b"])
        return self.clients.ask(hospital, self.clients.bill(hospital)).digest

    def _go_on(self) -> None:
        """A little work, until there are blocks enough."""
        if self.best_height() < BLOCKS_WANTED:
            self._fresh()
            self.after(200, self._go_on)

    def _is_done(self) -> bool:
        """All demanded is final or can run no more, all honest nodes have the same height, and vote who has a seat."""
        if self.best_height() < BLOCKS_WANTED or self.faults.is_busy:
            return False
        nodes = self.honest
        if any(not node.is_up for node in nodes):
            return False
        while self.demanded:
            last = self.demanded[-1]
            if last not in self.checks.reference.ran and any(last in node.pool.waiting for node in nodes):
                return False
            self.demanded.pop()
        if len({node.height for node in nodes}) != 1:
            return False
        seated = self.checks.reference.set_at(self.best_height() + 1)[1]
        return all(
            node.replica is not None and node.replica.may_vote for node in nodes if member_name(node.number) in seated
        )

    def _where_all_stand(self) -> str:
        return f"{len(self.demanded)} wait; " + "; ".join(node.where() for node in self.honest)
