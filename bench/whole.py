"""The whole network to a million bills: seven processes, the first hundred thousand with their details over REST.

`python -m bench.whole DIRECTORY [--details 100000] [--bills 1000000]` prints a line of JSON at each point: what was recorded
a second since the point before, what every process holds in memory and on the disk, how long a single bill takes then. At the
end all are stopped and started one by one, and each says how long it takes until it is ready.
Bills behind the first are signed by the client in a gateway's place, 200 under a signature; their details are at no archive,
so each becomes an exception of a seal: the office's lag is part of what is told.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import msgspec

from bench.calibration import Milliseconds
from bench.load import LoadClient, LoadFailed
from bench.measure import BILLS_PER_SIGNATURE
from bench.network import GATEWAYS, UP, BenchNetwork
from bench.rest import Connection, Door, bodies, one_by_one
from cli.processes import start_nodes
from node.home import NetworkHome
from node.network_file import load_network_file

CONNECTIONS = 8
BILLS_PER_REQUEST = 100
PER_POINT = 100_000
WINDOW_BILLS = 8_000
SINGLE_BILLS = 20
READY_SECONDS_MAX = 300.0
LOOK_S = 0.05


class Point(msgspec.Struct, frozen=True):
    """How it stands."""

    bills: int  # on the ledger
    with_details: int
    bills_per_s: float  # since the point before
    latency_ms: Milliseconds  # of REST: a request to its answer; else sending to holding the final block, saturated
    recorded_ms: Milliseconds  # one bill at a time then
    sealed_ms: Milliseconds
    seal_lag_blocks: int  # of the office, behind the head, just after the load
    mib: dict[str, float]  # node -> memory, mapped files included
    disk_mib: dict[str, float]  # node -> everything below its data


class Start(msgspec.Struct, frozen=True):
    """Seconds from starting a node, all others up, to its being ready."""

    node: str
    ready_s: float


async def _with_details(client: LoadClient, doors: list[Door], count: int) -> tuple[float, Milliseconds]:
    """Issue over REST, until all are final; bills a second."""
    each = count // CONNECTIONS // BILLS_PER_REQUEST
    prepared = {
        number: bodies(doors[number % len(doors)], f"whole-{number}", each, BILLS_PER_REQUEST)
        for number in range(CONNECTIONS)
    }
    took: list[float] = []

    async def work(number: int) -> None:
        connection = await Connection.open(doors[number % len(doors)])
        try:
            for body in prepared[number]:
                while True:
                    began = time.perf_counter()
                    status, answer = await connection.post("/v1/bills:batch", body)
                    took.append(time.perf_counter() - began)
                    if status not in (429, 503):
                        break
                    await asyncio.sleep(0.05)
                refused = [outcome for outcome in answer["outcomes"] if outcome["status"] == "refused"]
                if refused:
                    raise LoadFailed(f"refused: {refused[0]}")
        finally:
            connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(work(number) for number in range(CONNECTIONS)))
    await client.wait_for_operations(began, each * CONNECTIONS * BILLS_PER_REQUEST)
    last = max(when for when, operations in client.entries if operations)
    return each * CONNECTIONS * BILLS_PER_REQUEST / (last - began), Milliseconds.of(took)


async def _without(client: LoadClient, count: int) -> tuple[float, Milliseconds]:
    """Keep a window full until `count` bills more are final."""
    bundles = await client.prepare(count // BILLS_PER_SIGNATURE, BILLS_PER_SIGNATURE, 1)
    began = time.perf_counter()
    took = await client.drain(bundles, WINDOW_BILLS)
    return count / (time.perf_counter() - began), Milliseconds.of(took)


def _lag(network: BenchNetwork) -> int:
    answer: Any = network.client("archive", "auditor").get("/v1/seals")
    return max(int(row["lag"] or 0) for row in answer["data"])


async def _point(
    network: BenchNetwork,
    client: LoadClient,
    door: Door,
    bills: int,
    with_details: int,
    rate: tuple[float, Milliseconds],
) -> Point:
    lag = await asyncio.to_thread(_lag, network)
    held = network.held()
    await client.quiet()
    recorded, sealed = await one_by_one(client, door, f"one-{bills}", SINGLE_BILLS, 0.02)
    return Point(
        bills,
        with_details,
        round(rate[0], 1),
        rate[1],
        Milliseconds.of(recorded),
        Milliseconds.of(sealed),
        lag,
        {name: round(one.rss_mib, 1) for name, one in held.items()},
        {name: round(_disk_mib(network.home / "nodes" / name / "data"), 1) for name in UP},
    )


def _disk_mib(place: Path) -> float:
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) / 2**20


async def lead(network: BenchNetwork, details: int, bills: int) -> None:
    doors = [network.door(name) for name in GATEWAYS]
    async with LoadClient(NetworkHome(network.home), network.validators()) as client:
        _say(await _point(network, client, doors[0], details, details, await _with_details(client, doors, details)))
        for reached in range(details + PER_POINT, bills + 1, PER_POINT):
            _say(await _point(network, client, doors[0], reached, details, await _without(client, PER_POINT)))


def start_again(network: BenchNetwork) -> None:
    """All are stopped and come up together; then each by itself is stopped and started among the others."""
    network.down()
    began = time.perf_counter()
    network.up(*UP)
    _until_ready(network, UP)
    _say(Start("all", round(time.perf_counter() - began, 2)))
    entries = {entry.name: entry for entry in load_network_file(network.home).nodes}
    for name in UP:
        network.kill(name)
        began = time.perf_counter()
        start_nodes(network.home, [entries[name]])
        _until_ready(network, (name,))
        _say(Start(name, round(time.perf_counter() - began, 2)))


def _until_ready(network: BenchNetwork, names: tuple[str, ...]) -> None:
    until = time.perf_counter() + READY_SECONDS_MAX
    while not all(_is_ready(network, name) for name in names):
        if time.perf_counter() > until:
            raise LoadFailed(f"not ready after {READY_SECONDS_MAX:.0f} s: {', '.join(names)}")
        time.sleep(LOOK_S)


def _is_ready(network: BenchNetwork, name: str) -> bool:
    url = f"http://127.0.0.1:{network.nodes[name]['operations_port']}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):  # 503 is told as an error too
        return False


def _say(found: Point | Start) -> None:
    print(msgspec.json.encode(found).decode(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.whole", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--details", type=int, default=100_000)
    parser.add_argument("--bills", type=int, default=1_000_000)
    parser.add_argument("--config", type=Path, default=Path("network.yaml"))
    options = parser.parse_args()
    network = BenchNetwork(options.directory, options.config)
    try:
        network.make()
        print(f"the network is at {network.home}", file=sys.stderr)
        asyncio.run(lead(network, options.details, options.bills))
        start_again(network)
    finally:
        network.down()


if __name__ == "__main__":
    main()
