"""Somebody who floods, and what it costs the others: `python -m tests.faults.floods --minutes 10`.

One validator does not run; whoever holds its keys floods the other three, and a hospital's program floods validators
and its gateway. Told are the memory that each node held in two minutes after warm-up and in the last two, on average
and at most, and how long honest bills take meanwhile. What it holds comes and goes with the write buffer of LevelDB, so the
most tells whether it grows; files that a compaction maps for a second are told beside it. RELIABILITY 2.2 Y13, 7 G9.

Before it, honest bills fill what has a bound and takes its time to fill: above all the two write buffers and the
cache of a state database, 48 MiB.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import httpx2

from tests.faults.flooder import HONEST, Done, Flood
from tests.faults.history import Load, Recorder, Verdict
from tests.faults.kills import spread
from tests.faults.machine import describe_machine, memory_mib
from tests.faults.wired import Wired
from tests.network.running import bill_request

WATCHED = (*HONEST, "archive", "hospital-a", "hospital-b")
GROWTH_MAX = 0.05
WINDOW_S = 120.0  # after the warm-up, and at the end
FILL_BATCH = 200  # bills in one request


def fill(network: Wired, recorder: Recorder, bills: int) -> None:
    """So many honest bills, as fast as two gateways take them, until all are final."""
    clients = {}
    for gateway in ("hospital-a", "hospital-b"):
        shared = network.api(gateway)
        clients[gateway] = httpx2.Client(
            base_url=shared.base_url, headers=shared.headers | {"Prefer": "wait=20"}, timeout=40, trust_env=False
        )
    left = bills
    while left > 0:
        gateway = random.choice(list(clients))
        place = "B01" if gateway == "hospital-b" else "A01"
        batch = [
            bill_request(f"fill-{left - number}", 10_000 + left - number, place_code=place)
            for number in range(FILL_BATCH)
        ]
        organisation = network.nodes[gateway]["organisation"]
        calls = [recorder.begin(organisation, "IssueBill", bill["business_no"], bill["total_fen"]) for bill in batch]
        answer = clients[gateway].post("/bills:batch", json={"bills": batch})
        answer.raise_for_status()
        for call, outcome in zip(calls, answer.json()["outcomes"], strict=True):
            recorder.end(call, outcome)
        left -= FILL_BATCH
        print(f"{max(left, 0)} bills to go before the flood ", end="\r", file=sys.stderr)
    for client in clients.values():
        client.close()


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Held:
    """Memory of a process in MiB."""

    mean: float
    most: float
    mapped: float  # of files, at most

    def __str__(self) -> str:
        return f"{self.mean:.0f} MiB (at most {self.most:.0f}, and {self.mapped:.0f} of files)"


@dataclass(frozen=True, slots=True)
class Cost:
    """Memory by node; latency in seconds of bills whose cashier waited until they were final."""

    warm: dict[str, Held]
    end: dict[str, Held]
    before: list[float]
    during: list[float]
    attack: Done
    verdict: Verdict

    def growth(self, node: str) -> float:
        return self.end[node].most / self.warm[node].most - 1


def flood(
    network: Wired,
    recorder: Recorder,
    quiet_s: float,
    warm_s: float,
    flood_s: float,
    bills_min: int = 3,
    steps_back: bool = True,
) -> Cost:
    """Honest work alone, then under a flood, until so many of its bills are final too; FLOODER does not run."""
    with Load(network, ["hospital-a", "hospital-b"], recorder=recorder) as load:
        _pass(network, quiet_s)
        before = _latencies(load)
        with Flood(network, steps_back) as attack:
            _pass(network, warm_s)
            done, window_s = len(load.calls), min(WINDOW_S, flood_s / 4)
            warm = _held(network, window_s)
            _pass(network, flood_s - 2 * window_s)
            end = _held(network, window_s)
            network.until(lambda: len(_latencies(load, done)) >= bills_min, "honest bills under the flood", 60)
            during = _latencies(load, done)
        verdict = load.verify()
    assert attack.done is not None
    return Cost(warm, end, before, during, attack.done, verdict)


def _pass(network: Wired, seconds: float) -> None:
    until = time.monotonic() + seconds
    network.until(lambda: time.monotonic() > until, "time passes", seconds + 60)


def _held(network: Wired, seconds: float) -> dict[str, Held]:
    """By node, over so long: what waits for a flooder that does not read comes and goes."""
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in WATCHED}
    until = time.monotonic() + seconds
    while True:
        for name in WATCHED:
            samples[name].append(memory_mib(network.pid(name)))
        if time.monotonic() >= until:
            return {
                name: Held(fmean(own), max(own), max(mapped))
                for name, (own, mapped) in ((name, tuple(zip(*some, strict=True))) for name, some in samples.items())
            }
        time.sleep(0.2)


def _latencies(load: Load, since: int = 0) -> list[float]:
    """Of bills that were told their block."""
    return [(call.returned_ms - call.called_ms) / 1000 for call in load.calls[since:] if call.height]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.floods")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--warm-up", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--bills-before", type=int, default=30_000)
    options = parser.parse_args()
    print(
        f"python -m tests.faults.floods --minutes {options.minutes:g} --warm-up {options.warm_up:g} "
        f"--bills-before {options.bills_before}"
    )
    print(describe_machine())
    with tempfile.TemporaryDirectory() as place:
        network = Wired(Path(place))
        try:
            network.up(*WATCHED)
            recorder = Recorder()
            fill(network, recorder, options.bills_before)
            cost = flood(network, recorder, 10.0, options.warm_up, options.minutes * 60)
        finally:
            network.down()
    for name in WATCHED:
        print(f"{name:12} warm {cost.warm[name]}, at the end {cost.end[name]}: {cost.growth(name):+.1%}")
    print(f"honest bills before: {spread(cost.before)}")
    print(f"honest bills during: {spread(cost.during)}")
    print(
        f"flooded over {cost.attack.connections} links: {cost.attack.sent}; questions of a client: {cost.attack.asked}"
    )
    print(f"acknowledged {cost.verdict.acknowledged}, lost 0, twice 0")
    if max(cost.growth(name) for name in WATCHED) > GROWTH_MAX:
        sys.exit(f"memory grew by more than {GROWTH_MAX:.0%}")


if __name__ == "__main__":
    main()
