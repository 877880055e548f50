"""Somebody who floods, and what it costs the others: `python -m tests.faults.floods --minutes 10`.

One validator does not run; whoever holds its keys floods the other three, and a hospital's program floods validators
and its gateway. Told are the memory that each node held in two minutes after warm-up and in the last two, on average
and at most, and how long honest bills take meanwhile. What it holds comes and goes with the write buffer of LevelDB, so the
most tells whether it grows; files that a compaction maps for a second are told beside it. RELIABILITY 2.2 Y13, 7 G9.

Before it, honest bills fill what has a bound and takes its time to fill: above all the two write buffers and the cache of
a state database, 48 MiB. In each of the two windows so many bills are issued that a write buffer fills and is written:
else it would depend on the moment how full it is seen.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

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
FILL_BATCH, FILL_CLIENTS = 100, 4  # bills in one request; clients at each gateway
FILL_PATIENCE_S = 60.0
FILLED = "fill"  # how their business numbers begin
# Each changes 481 bytes of the state, in blocks of a thousand, and a flood's small blocks 85 kB a second: in two minutes more
# than a write buffer of 16 MiB.
BREATH_BILLS = 30_000


def fill(network: Wired, recorder: Recorder, bills: int, name: str) -> None:
    """So many honest bills, as fast as two gateways take them, until all are final. `name` tells their numbers apart."""
    shares = [(gateway, number) for gateway in ("hospital-a", "hospital-b") for number in range(FILL_CLIENTS)]
    batches = -(-bills // (FILL_BATCH * len(shares)))
    with ThreadPoolExecutor(len(shares)) as pool:
        work = [
            pool.submit(_fill_at, network, recorder, gateway, batches, f"{FILLED}-{name}-{gateway}-{number}")
            for gateway, number in shares
        ]
        while not all(one.done() for one in work):
            time.sleep(1)
            print(
                f"{name}: {sum(call.business_no.startswith(FILLED) for call in recorder.calls)} bills ",
                end="\r",
                file=sys.stderr,
            )
        for one in work:
            one.result()


def _fill_at(network: Wired, recorder: Recorder, gateway: str, batches: int, prefix: str) -> None:
    shared = network.api(gateway)
    place = "B01" if gateway == "hospital-b" else "A01"
    organisation = network.nodes[gateway]["organisation"]
    with httpx2.Client(
        base_url=shared.base_url, headers=shared.headers | {"Prefer": "wait=20"}, timeout=40, trust_env=False
    ) as client:
        for batch in range(batches):
            bills = [
                bill_request(f"{prefix}-{batch}-{number}", 10_000 + number, place_code=place)
                for number in range(FILL_BATCH)
            ]
            calls = [
                recorder.begin(organisation, "IssueBill", bill["business_no"], bill["total_fen"]) for bill in bills
            ]
            for call, outcome in zip(calls, _outcomes(client, bills), strict=True):
                recorder.end(call, outcome)


def _outcomes(client: httpx2.Client, bills: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of one request, asked again while the gateway is too busy: business numbers are taken once only."""
    until = time.monotonic() + FILL_PATIENCE_S
    while True:
        answer = client.post("/bills:batch", json={"bills": bills})
        outcomes: list[dict[str, Any]] = answer.json().get("outcomes", [])
        if outcomes and all("operation" in outcome for outcome in outcomes):
            return outcomes
        if time.monotonic() > until:
            raise RuntimeError(f"a gateway takes no bills: {answer.status_code} {answer.text[:500]}")
        time.sleep(0.2)


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
    breath_bills: int = 0,
) -> Cost:
    """Honest work alone, then under a flood, until so many of its bills are final too; FLOODER does not run.

    `breath_bills`: that others issue in each window.
    """
    with Load(network, ["hospital-a", "hospital-b"], recorder=recorder) as load:
        _pass(network, quiet_s)
        before = _latencies(load)
        with Flood(network, steps_back) as attack:
            _pass(network, warm_s)
            done, window_s = len(load.calls), min(WINDOW_S, flood_s / 4)
            warm = _held(network, window_s, lambda: fill(network, recorder, breath_bills, "warm"))
            _pass(network, flood_s - 2 * window_s)
            end = _held(network, window_s, lambda: fill(network, recorder, breath_bills, "end"))
            network.until(lambda: len(_latencies(load, done)) >= bills_min, "honest bills under the flood", 60)
            during = _latencies(load, done)
        verdict = load.verify()
    assert attack.done is not None
    return Cost(warm, end, before, during, attack.done, verdict)


def _pass(network: Wired, seconds: float) -> None:
    until = time.monotonic() + seconds
    network.until(lambda: time.monotonic() > until, "time passes", seconds + 60)


def _held(network: Wired, seconds: float, work: Callable[[], None]) -> dict[str, Held]:
    """By node, over so long and until `work` is done: what waits for a flooder that does not read comes and goes."""
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in WATCHED}
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(work)
        while time.monotonic() < until or not under_way.done():
            for name in WATCHED:
                samples[name].append(memory_mib(network.pid(name)))
            time.sleep(0.2)
        under_way.result()
    return {
        name: Held(fmean(own), max(own), max(mapped))
        for name, (own, mapped) in ((name, tuple(zip(*some, strict=True))) for name, some in samples.items())
    }


def _latencies(load: Load, since: int = 0) -> list[float]:
    """Of bills that a cashier waited for until they were told their block."""
    calls = [call for call in load.calls[since:] if call.height and not call.business_no.startswith(FILLED)]
    return [(call.returned_ms - call.called_ms) / 1000 for call in calls]


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
            fill(network, recorder, options.bills_before, "before")
            cost = flood(network, recorder, 10.0, options.warm_up, options.minutes * 60, breath_bills=BREATH_BILLS)
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
