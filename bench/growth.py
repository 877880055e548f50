"""What a bill costs as the ledger grows: one validator's work on a chain that is made for it, with true signatures.

`python -m bench.growth NETWORK_HOME DIRECTORY 10000 100000 1000000` goes on where DIRECTORY stands. Each block is decoded,
its certificate and signatures are checked, it is executed, appended and flushed, as a node does that catches up; the state
goes down every FLUSH_BLOCKS, which is about a second's worth under load. Making and signing the blocks is not counted. Details are not part of it.

What a bill costs depends on the hour and on how long the process has run (its objects lie in less and less order) more than on
the ledger. So at the last point a second ledger begins beside the grown one, in the same process, and both get a block
in turn: what differs then is how much they hold.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench.bills import Counter
from bench.calibration import Milliseconds
from bench.report import Beside, GrowthPoint, Held
from chain import keyspace
from chain.block import Block, FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode, encode
from chain.execute import execute_block
from chain.genesis import Genesis, genesis_from_json
from chain.ledger import Ledger
from chain.records import RangesBody
from chain.signature import SigningKey
from chain.transaction import Transaction, receive_transaction
from chain.validators import COMMIT, Certificate, SeatSignature, vote_message
from node.allocator import bound_allocator, give_back
from node.collector import tame_collector
from node.home import NetworkHome
from node.keystore import load_signing_key

BILLS_PER_SIGNATURE = 200
BILLS_PER_BLOCK = 1_000
LEASE = 20_000_000
PROOFS = 300
HOSPITAL, PLACE, GATEWAY = "hospital-a", "A01", "hospital-a"
REBUILD_MAX = 1_000_000
HELD_BILLS = 100_000  # between looks at the memory
MEASURED_BLOCKS = 100  # before each point, or as many as there are
FLUSH_BLOCKS = 5
BESIDE_BLOCKS = 20  # of a young ledger and of the grown one, in turn


class Grower:
    """A validator's ledger and the keys of everybody in the example network."""

    def __init__(self, home: NetworkHome, directory: Path, rebuild_max: int = REBUILD_MAX) -> None:
        """`rebuild_max`: up to so many bills the state is also derived anew at each point."""
        self.rebuild_max = rebuild_max
        self.genesis: Genesis = genesis_from_json(home.genesis.read_bytes())
        self.chain_id = self.genesis.digest()
        self.home, self.directory = home, directory
        self.votes: dict[str, SigningKey] = {
            member.organisation: load_signing_key(home.node(member.organisation).vote_key)
            for member in self.genesis.validator_set().members
        }
        if not (directory / "blocks").exists():
            directory.mkdir(parents=True, exist_ok=True)
            Ledger.create(directory, self.genesis)
        self.open_s = self.open()
        unit = load_signing_key(home.organisation(HOSPITAL).unit_key)
        self.counter = Counter(self.chain_id, HOSPITAL, unit, PLACE, GATEWAY)
        self.took: list[float] = []  # seconds of each block since it was opened
        ranges = self.ledger.state.get(keyspace.number_ranges(HOSPITAL, self.counter.code), RangesBody)
        assert ranges is not None
        lease = self.counter.lease(ranges.firsts[0], ranges.firsts[0], LEASE, 1_000)
        if self.ledger.head.height == 0:
            self.add([lease])
        self.counter.skip(self.bills)

    @property
    def bills(self) -> int:
        return max(0, self.ledger.head.height - 1) * BILLS_PER_BLOCK

    def open(self) -> float:
        """Returns the seconds that it takes, the state's derivation included where there is none."""
        began = time.perf_counter()
        log = BlockLog.open(
            self.directory / "blocks", digest_of=lambda record: decode(record, FinalBlock).block.header.digest()
        )
        self.ledger = Ledger.open(self.directory, self.genesis, log=log, indexes=False)
        return time.perf_counter() - began

    def grow(self, bills: int, held: Callable[[Held], None] = lambda _held: None) -> None:
        """One block more, as often as it takes; `held` is told the memory every HELD_BILLS."""
        stood = self.bills
        while self.bills < bills:
            if self.bills > stood and self.bills % HELD_BILLS == 0:
                held(self.held())
            made = self.counter.transactions(
                BILLS_PER_BLOCK // BILLS_PER_SIGNATURE, BILLS_PER_SIGNATURE, self.ledger.head.height + 1_000
            )
            self.add(list(made))

    def held(self) -> Held:
        give_back()  # as a node does twice a minute
        return Held(self.bills, round(_held_mib()[0], 1))

    def add(self, transactions: list[Transaction]) -> None:
        data = self._certified(transactions)
        began = time.perf_counter()
        final = decode(data, FinalBlock)
        ledger, height = self.ledger, final.block.header.height
        ledger.verify_final(final.block.header, final.certificate)
        execution = ledger.check(final.block)
        ledger.log.append(height, data, 0)
        ledger.log.flush()
        ledger.adopt(execution, final.certificate)
        if ledger.unflushed_blocks >= FLUSH_BLOCKS:
            ledger.flush()
        self.took.append(time.perf_counter() - began)

    def _certified(self, transactions: list[Transaction]) -> bytes:
        """What the others would have agreed on."""
        ledger = self.ledger
        parent = ledger.parent()
        received = [receive_transaction(self.chain_id, transaction) for transaction in transactions]
        members = ledger.members
        execution = execute_block(
            parent, max(parent.time_ms + 1, time.time_ns() // 1_000_000), members.members[0].organisation,
            received, lambda _received, _public: True,
        )  # fmt: skip
        header = execution.header
        message = vote_message(self.chain_id, members.epoch, COMMIT, 0, header.height, execution.digest)
        signatures = [
            SeatSignature(seat, self.votes[member.organisation].sign(message))
            for seat, member in enumerate(members.members[: members.quorum])
        ]
        return encode(FinalBlock(Block(header, transactions), Certificate(0, signatures)))

    def point(self, before_closing: Callable[[], None] = lambda: None) -> GrowthPoint:
        """As it stands now. Closes and opens the ledger: a node that has just started knows fewer keys to be new."""
        recent, bills = self.took[-MEASURED_BLOCKS:], self.bills
        self.ledger.flush()
        give_back()  # as a node does twice a minute
        proof_ms, (rss_mib, mapped_mib) = self._proofs(), _held_mib()
        before_closing()
        self.ledger.close()
        size = sum(file.stat().st_size for file in self.directory.rglob("*") if file.is_file())
        start_s = self.open()
        rebuild_s = self._rebuild() if bills <= self.rebuild_max else None
        return GrowthPoint(
            bills=bills,
            us_per_bill=round(sum(recent) / len(recent) / BILLS_PER_BLOCK * 1e6, 1),
            block_p99_ms=Milliseconds.of(recent).p99,
            rss_mib=round(rss_mib, 1),
            mapped_mib=round(mapped_mib, 1),
            bytes_per_bill=round(size / self.bills, 1),
            proof_ms=round(proof_ms, 3),
            start_s=round(start_s, 2),
            rebuild_s=rebuild_s and round(rebuild_s, 1),
        )

    def _rebuild(self) -> float:
        """As a start does that finds no state; in a process of its own, since what it leaves in memory is not growth."""
        stood = self.ledger.head
        self.ledger.close()
        state, kept = self.directory / "state", self.directory / "state-before"
        state.rename(kept)
        command = [sys.executable, "-m", "bench.growth", str(self.home.root), str(self.directory), "--open"]
        seconds = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        self.open()
        if self.ledger.head != stood:
            raise RuntimeError(f"rebuilt to {self.ledger.head}, not {stood}")
        shutil.rmtree(kept)
        return seconds

    def _proofs(self) -> float:
        """Milliseconds for a bill's record with its path to the state root."""
        state, draw = self.ledger.state, random.Random(self.bills)
        serials = [draw.randrange(self.bills) for _ in range(PROOFS)]
        began = time.perf_counter()
        for serial in serials:
            found = state.entry(keyspace.bill(self.counter.bill(serial)))
            assert found is not None
            state.path(found[0])
        return (time.perf_counter() - began) / PROOFS * 1000


def _held_mib() -> tuple[float, float]:
    """Of its own, and of mapped files."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    held = {
        name: int(rest.split()[0]) / 1024 for name, _, rest in (line.partition(":") for line in lines) if "kB" in rest
    }
    return held["RssAnon"], held["RssFile"]


def grow(
    home: Path, directory: Path, points: tuple[int, ...], told: Callable[[str], None]
) -> tuple[list[GrowthPoint], list[Held], Beside]:
    """In a process of its own, so that its memory is nobody else's."""
    grown: list[GrowthPoint] = []
    held: list[Held] = []
    beside: Beside | None = None
    command = [sys.executable, "-m", "bench.growth", str(home), str(directory)]
    with subprocess.Popen([*command, *map(str, points)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said = msgspec.json.decode(line)
            if "young_bills" in said:
                beside = msgspec.convert(said, Beside)
                continue
            if "us_per_bill" not in said:
                held.append(msgspec.convert(said, Held))
                continue
            point = msgspec.convert(said, GrowthPoint)
            told(f"{point.bills:,} bills: {point.us_per_bill} us for one more")
            grown.append(point)
            held.append(Held(point.bills, point.rss_mib))
    if process.returncode or beside is None:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return grown, held, beside


def _beside(grown: Grower, home: NetworkHome, directory: Path) -> Beside:
    """A ledger that begins, and the grown one, a block each in turn; the young one is removed."""
    place = directory.with_name(f"{directory.name}-beside")
    shutil.rmtree(place, ignore_errors=True)
    try:
        young = Grower(home, place, 0)
        grown.took.clear()
        young.took.clear()
        for number in range(BESIDE_BLOCKS):
            for grower in (grown, young) if number % 2 else (young, grown):
                grower.grow(grower.bills + BILLS_PER_BLOCK)
        costs = [sum(grower.took) / len(grower.took) / BILLS_PER_BLOCK * 1e6 for grower in (grown, young)]
        young.ledger.close()
        return Beside(grown.bills, young.bills, round(costs[0], 1), round(costs[1], 1))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--rebuild-max", type=int, default=REBUILD_MAX, help="up to so many bills, from the files anew")
    parser.add_argument("--open", action="store_true", help="only say how many seconds opening takes")
    parser.add_argument("points", type=int, nargs="*", help="numbers of bills")
    options = parser.parse_args()
    bound_allocator()
    home = NetworkHome(options.home)
    if options.open:
        print(Grower(home, options.directory).open_s)
        return
    tame_collector()
    grower = Grower(home, options.directory, options.rebuild_max)
    for bills in options.points:
        if bills > grower.bills:
            grower.grow(bills, _say)
            is_last = bills == options.points[-1]
            _say(grower.point((lambda: _say(_beside(grower, home, options.directory))) if is_last else lambda: None))


def _say(found: Held | GrowthPoint | Beside) -> None:
    print(msgspec.json.encode(found).decode(), flush=True)


if __name__ == "__main__":
    main()
