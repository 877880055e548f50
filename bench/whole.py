"""The whole network to a million bills: seven processes, every bill over REST, its details at the office's archive, sealed.

`python -m bench.whole DIRECTORY [--bills 1000000]` prints a line of JSON every 100,000 bills: what was recorded a second since
the point before, how long the office sealed on, how long a single bill takes then, what every process holds in memory and on
the disk. At the end all are stopped and come up together, then each by itself: how long until it is ready.
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
from bench.network import GATEWAYS, UP, BenchNetwork
from bench.rest import Connection, Door, bodies, one_by_one
from cli.processes import start_nodes
from node.home import NetworkHome
from node.network_checks import is_port_free
from node.network_file import load_network_file

CONNECTIONS = 8
BILLS_PER_REQUEST = 100
PER_POINT = 100_000
SINGLE_BILLS = 40
READY_SECONDS_MAX = 300.0
LOOK_S = 0.05
LEVEL_BLOCKS = 3  # of a seal that is always on its way
LEVEL_SECONDS_MAX = 120.0


class Point(msgspec.Struct, frozen=True):
    """How it stands."""

    bills: int  # on the ledger, each with its details
    bills_per_s: float  # since the point before, to the last final block
    answered_ms: Milliseconds  # a request of 100 bills, to its answer with numbers
    level_s: float  # after the load, until the office has sealed all of it
    recorded_ms: Milliseconds  # one bill at a time then
    sealed_ms: Milliseconds
    mib: dict[str, float]  # node -> memory, mapped files included
    disk_mib: dict[str, float]  # node -> everything below its data


class Start(msgspec.Struct, frozen=True):
    """Seconds from starting a node, all others up, to its being ready."""

    node: str
    ready_s: float


async def _issue(client: LoadClient, doors: list[Door], name: str, count: int) -> tuple[float, Milliseconds]:
    """Over REST, until all are final; bills a second."""
    each = count // CONNECTIONS // BILLS_PER_REQUEST
    prepared = [
        bodies(doors[number % len(doors)], f"{name}-{number}", each, BILLS_PER_REQUEST) for number in range(CONNECTIONS)
    ]
    took: list[float] = []

    async def work(number: int) -> None:
        connection = await Connection.open(doors[number % len(doors)])
        try:
            for body in prepared[number]:
                status, answer = 503, None
                while status in (429, 503):
                    began = time.perf_counter()
                    status, answer = await connection.post("/v1/bills:batch", body)
                    took.append(time.perf_counter() - began)
                    if status in (429, 503):
                        await asyncio.sleep(0.05)
                assert answer is not None
                if refused := [outcome for outcome in answer["outcomes"] if outcome["status"] == "refused"]:
                    raise LoadFailed(f"refused: {refused[0]}")
        finally:
            connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(work(number) for number in range(CONNECTIONS)))
    made = each * CONNECTIONS * BILLS_PER_REQUEST
    await client.wait_for_operations(began, made)
    last = max(when for when, operations in client.entries if operations)
    return made / (last - began), Milliseconds.of(took)


async def _level(network: BenchNetwork) -> float:
    """Seconds until the office's seals have come up with the head."""
    began = time.perf_counter()
    with network.client("archive", "auditor") as archive:
        while True:
            rows: Any = await asyncio.to_thread(archive.get, "/v1/seals")
            if all((row["lag"] or 0) <= LEVEL_BLOCKS for row in rows["data"]):
                return round(time.perf_counter() - began, 1)
            if time.perf_counter() - began > LEVEL_SECONDS_MAX:
                raise LoadFailed(f"not all sealed after {LEVEL_SECONDS_MAX:.0f} s: {rows}")
            await asyncio.sleep(0.2)


async def lead(network: BenchNetwork, bills: int) -> None:
    """A point every PER_POINT bills."""
    doors = [network.door(name) for name in GATEWAYS]
    async with LoadClient(NetworkHome(network.home), network.validators()) as client:
        for reached in range(PER_POINT, bills + 1, PER_POINT):
            rate, answered = await _issue(client, doors, f"whole-{reached}", PER_POINT)
            level_s = await _level(network)
            held = network.held()
            recorded, sealed = await one_by_one(client, doors[0], f"one-{reached}", SINGLE_BILLS, 0.02)
            _say(
                Point(
                    bills=reached,
                    bills_per_s=round(rate, 1),
                    answered_ms=answered,
                    level_s=level_s,
                    recorded_ms=Milliseconds.of(recorded),
                    sealed_ms=Milliseconds.of(sealed),
                    mib={name: round(one.rss_mib, 1) for name, one in held.items()},
                    disk_mib={name: round(_disk_mib(network.home / "nodes" / name / "data"), 1) for name in UP},
                )
            )


def _disk_mib(place: Path) -> float:
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) / 2**20


def start_again(network: BenchNetwork) -> None:
    """All are stopped and come up together; then each by itself is killed and started among the others."""
    network.down()
    began = time.perf_counter()
    network.up(*UP)
    _until_ready(network, UP)
    _say(Start("all", round(time.perf_counter() - began, 2)))
    entries = {entry.name: entry for entry in load_network_file(network.home).nodes}
    for name in UP:
        network.kill(name)
        while not all(is_port_free(entries[name].host, port) for port in entries[name].ports()):
            time.sleep(LOOK_S)  # what it held goes after it
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
    parser.add_argument("--bills", type=int, default=1_000_000)
    parser.add_argument("--config", type=Path, default=Path("network.yaml"))
    options = parser.parse_args()
    network = BenchNetwork(options.directory, options.config)
    try:
        network.make()
        print(f"the network is at {network.home}", file=sys.stderr)
        asyncio.run(lead(network, options.bills))
        start_again(network)
    finally:
        network.down()


if __name__ == "__main__":
    main()
