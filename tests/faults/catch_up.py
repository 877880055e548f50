"""Catching up while the others work: `python -m tests.faults.catch_up --seconds 60`. PROTOCOL 11 and 17, issue "catch-up".

A validator, the mirror and a gateway are killed; bills go in as fast as one gateway gives them; then each of the three is
started again in turn, while bills go on going in. Told are the live rate and the rate of each that catches up.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx2

from tests.faults.machine import describe_machine
from tests.faults.wired import Wired
from tests.network.running import bill_request

LATE = ("insurance", "archive", "hospital-b")  # one of each kind
LIVE = "finance"
RATIO_MIN = 5.0
BATCH = 20  # bills in one request: small blocks, which are the hardest to catch up with
LEVEL_S = 300.0


class Counter(threading.Thread):
    """Issues batches at one gateway until it is over."""

    def __init__(self, network: Wired, pause_s: float) -> None:
        super().__init__(daemon=True)
        shared = network.api("hospital-a")
        self._client = httpx2.Client(base_url=shared.base_url, headers=shared.headers, timeout=40, trust_env=False)
        self._pause_s, self.over, self.bills = pause_s, threading.Event(), 0

    def run(self) -> None:
        while not self.over.wait(self._pause_s):
            bills = [bill_request(f"late-{self.bills + place}") for place in range(BATCH)]
            answer = self._client.post("/bills:batch", json={"bills": bills})
            if answer.status_code in (200, 202):
                self.bills += BATCH
        self._client.close()


def height(network: Wired, name: str) -> int:
    return int((network.status(name) or {}).get("height", 0))


def catch_up(network: Wired, name: str) -> tuple[int, float, float]:
    """Start it: (blocks it had to get, seconds until it was level, live blocks a second meanwhile)."""
    network.start(name, 60)
    began, first, live = time.monotonic(), height(network, name), height(network, LIVE)
    network.until(lambda: height(network, name) >= height(network, LIVE) - 2, f"{name} is level", LEVEL_S)
    seconds = time.monotonic() - began
    return height(network, name) - first, seconds, (height(network, LIVE) - live) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.catch_up")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long they are away")
    parser.add_argument("--pause", type=float, default=0.03, metavar="SECONDS", help="between two batches of bills")
    options = parser.parse_args()
    print(f"python -m tests.faults.catch_up --seconds {options.seconds:g} --pause {options.pause:g}")
    print(describe_machine())
    with tempfile.TemporaryDirectory() as place:
        network = Wired(Path(place))
        try:
            worst = run(network, options.seconds, options.pause)
        finally:
            network.down()
    if worst < RATIO_MIN:
        sys.exit(f"below {RATIO_MIN:g} times the live rate")


def run(network: Wired, seconds: float, pause_s: float) -> float:
    """The worst of the three ratios."""
    network.up()
    for name in LATE:
        network.kill(name)
    counter = Counter(network, pause_s)
    counter.start()
    try:
        began, first, bills = time.monotonic(), height(network, LIVE), counter.bills
        network.until(lambda: time.monotonic() - began > seconds, "they are away", seconds + 30)
        live = (height(network, LIVE) - first) / (time.monotonic() - began)
        per_block = (counter.bills - bills) / max(1, height(network, LIVE) - first)
        print(f"live, three away: {live:.1f} blocks/s, {live * per_block:.0f} bills/s")
        worst = float("inf")
        for name in LATE:
            blocks, took_s, meanwhile = catch_up(network, name)
            ratio = blocks / took_s / live
            worst = min(worst, ratio)
            print(
                f"{name:10} {blocks} blocks in {took_s:.2f} s: {blocks / took_s:.0f} blocks/s, "
                f"{blocks / took_s * per_block:.0f} bills/s, {ratio:.1f} x the live rate "
                f"({meanwhile:.1f} blocks/s live meanwhile)"
            )
    finally:
        counter.over.set()
        counter.join(40)
    return worst


if __name__ == "__main__":
    main()
