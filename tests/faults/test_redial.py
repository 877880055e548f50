"""Whoever was away is dialled again soon. While it was not, the next death leaves three of four that cannot all hear
each other: no quorum, though only one is away."""

from __future__ import annotations

import signal
import time

import pytest

from tests.faults.history import Load
from tests.faults.watch import Watches
from tests.faults.wired import Wired
from tests.network.running import VALIDATORS

pytestmark = pytest.mark.processes

AWAY_S = 8.0  # the pause between two dials has reached its longest
LINKED_S = 1.0  # from when it answers until all have their link with it: half a second and a handshake
NEXT_BLOCK_S = 2.5  # at most one change of view


def links(network: Wired, node: str) -> int:
    return len((network.status(node) or {}).get("validators_linked", ()))


def test_the_next_one_may_die_soon_after_another_came_back(network: Wired, load: Load) -> None:
    """Two deaths, one after the other, never two away: the three that are there have all links and go on."""
    back = max(VALIDATORS)  # all others dial it
    network.kill(back, signal.SIGKILL)
    began = time.monotonic()
    network.until(lambda: time.monotonic() - began > AWAY_S, "it is away", AWAY_S + 5)
    network.up(back)
    started = time.monotonic()
    network.until(lambda: all(links(network, name) == 3 for name in VALIDATORS), "all are linked", 10)
    linked = time.monotonic() - started
    assert linked < LINKED_S, f"{linked:.2f} s"
    primary = network.primary()
    backup = next(name for name in VALIDATORS if name not in (back, primary))
    network.kill(backup, signal.SIGKILL)
    killed = network.killed_s
    with Watches(network, [back, primary]) as watches:
        network.until(lambda: watches.arrivals(killed + NEXT_BLOCK_S), "blocks after the kill", 10)
        assert watches.gap_s(killed, killed + NEXT_BLOCK_S) < NEXT_BLOCK_S
    network.up(backup)
