"""kill -9 under load, and what it costs: `python -m tests.faults.kills --times 20`, `--pair 60`.

Once for each kill: a validator at random dies, the others go on, it is started again and stands where they stand. Told
are the longest time without a new block anywhere in the seconds after the kill, apart for primary and backup (the first
block after it may have been on its way already), beside the usual time between two blocks; and afterwards what the chain
says of every acknowledged bill. `--pair` kills two of four for so many seconds.
"""

from __future__ import annotations

import argparse
import itertools
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from tests.faults.history import Load, Verdict
from tests.faults.machine import describe_machine
from tests.faults.watch import Watches
from tests.faults.wired import Wired
from tests.network.running import VALIDATORS

GATEWAYS = ("hospital-a", "hospital-b")
NEXT_BLOCK_S = 30.0  # beyond GAP_WITHIN_S: then the ledger stands still, which is a failure
GAP_WITHIN_S = 4.0  # after a kill
BACK_S = 60.0
SETTLE_S = 2.0  # between two kills, all four at work
BASE_S = 5.0  # of ordinary work, before the first


@dataclass(slots=True)
class Figures:
    """Gaps in seconds."""

    usual: list[float] = field(default_factory=list)  # between two blocks, nobody killed
    of_primary: list[float] = field(default_factory=list)  # longest without a block, within GAP_WITHIN_S of the kill
    of_backup: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)  # from its start until it stands where the others stand
    alone: list[str] = field(
        default_factory=list
    )  # kills at which another one was waiting for a view: two are away then


def kill_one(network: Wired, watches: Watches, victim: str, figures: Figures) -> None:
    """Kill, look how long no block comes, start again, wait until it is back."""
    is_primary = network.primary() == victim
    others = {name: network.status(name) or {} for name in VALIDATORS if name != victim}
    waiting = [f"{name} in view {status.get('view')}" for name, status in others.items() if not status.get("active")]
    pid = network.pid(victim)
    network.kill(victim, signal.SIGKILL)
    killed = network.killed_s
    later = network.until(lambda: watches.arrivals(killed + GAP_WITHIN_S), "blocks after the kill", NEXT_BLOCK_S)
    gap = watches.gap_s(killed, later[0])
    (figures.of_primary if is_primary else figures.of_backup).append(gap)
    if waiting:
        views = sorted({status.get("view") for status in others.values() if status.get("active")})
        kind = "primary" if is_primary else "backup"
        figures.alone.append(f"{kind} {victim}, {gap:.2f} s: {', '.join(waiting)} waited, the others were in {views}")
    network.up(victim)
    assert network.pid(victim) != pid
    started, height = time.monotonic(), watches.height
    network.until(lambda: (network.status(victim) or {}).get("height", 0) >= height, f"{victim} is back", BACK_S)
    figures.back.append(time.monotonic() - started)


def kill_pair(network: Wired, load: Load, seconds: float) -> tuple[int, float]:
    """Two of four die for so long: (blocks meanwhile, seconds from when both answer until the next bill is final)."""
    pair = random.sample(VALIDATORS, 2)
    rest = [name for name in VALIDATORS if name not in pair]
    for name in pair:
        network.kill(name, signal.SIGKILL)
    time.sleep(1.0)  # a block may have been on its way
    height = network.height(rest)
    until = time.monotonic() + seconds
    network.until(lambda: time.monotonic() > until, "the outage lasts", seconds + 10)
    meanwhile = network.height(rest) - height
    network.up(*pair)
    back, recorded = time.monotonic(), len(load.recorded)
    network.until(lambda: network.height() > height and len(load.recorded) > recorded, "bills again", 60)
    return meanwhile, time.monotonic() - back


def run(times: int, pair_s: float, seed: int) -> tuple[Figures, Verdict, tuple[int, float] | None]:
    chance = random.Random(seed)
    figures = Figures()
    pair = None
    with tempfile.TemporaryDirectory() as place:
        network = Wired(Path(place))
        try:
            network.up()
            with Load(network, GATEWAYS) as load, Watches(network) as watches:
                network.until(lambda: load.recorded, "a first bill")
                for number in range(times):
                    settled = time.monotonic() + (SETTLE_S if number else BASE_S)
                    network.until(lambda: time.monotonic() > settled, "ordinary work")  # noqa: B023
                    arrivals = watches.arrivals(settled - SETTLE_S)
                    figures.usual += [later - earlier for earlier, later in itertools.pairwise(arrivals)]
                    kill_one(network, watches, chance.choice(VALIDATORS), figures)
                    print(f"kill {number + 1}", end="\r", file=sys.stderr)
                if pair_s:
                    pair = kill_pair(network, load, pair_s)
                verdict = load.verify()
            network.until(lambda: network.agreed((*VALIDATORS, "archive")), "one height and root")
        finally:
            network.down()
    return figures, verdict, pair


def spread(seconds: list[float]) -> str:
    """p50, p99 and the longest; of few, p99 is the longest."""
    if len(seconds) < 2:
        return " ".join(f"{value:.2f} s" for value in seconds) or "none"
    cuts = quantiles(seconds, n=100, method="inclusive")
    return f"p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, longest {max(seconds):.2f} s ({len(seconds)})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--pair", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    print(f"python -m tests.faults.kills --times {options.times} --pair {options.pair:g} --seed {options.seed}")
    print(describe_machine())
    figures, verdict, pair = run(options.times, options.pair, options.seed)
    print(f"between two blocks, nobody killed    {spread(figures.usual)}")
    print(f"primary killed, longest without one  {spread(figures.of_primary)}")
    print(f"backup killed, longest without one   {spread(figures.of_backup)}")
    print(f"started again, until it is level     {spread(figures.back)}")
    for line in figures.alone:
        print(f"  while another one voted for nothing: {line}")
    if pair is not None:
        print(
            f"two killed for {options.pair:g} s: {pair[0]} blocks meanwhile; final again {pair[1]:.2f} s after both answer"
        )
    print(
        f"acknowledged {verdict.acknowledged}, lost 0, twice 0 (never answered: {verdict.unknown}, of those in {verdict.unknown_in})"
    )


if __name__ == "__main__":
    main()
