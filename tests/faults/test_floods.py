"""A flooding validator and a flooding client: honest bills stay final, memory stays. RELIABILITY 2.2 Y13, 7 G9."""

from __future__ import annotations

import pytest

from tests.faults.floods import FLOODER, WATCHED, flood
from tests.faults.history import Recorder
from tests.faults.wired import Wired
from tests.network.running import VALIDATORS

pytestmark = pytest.mark.processes

GROWTH_MIB_MAX = 40.0  # in so short a time caches still fill; the long form is `make floods`
LATENCY_S_MAX = 10.0  # p50 of honest bills, on a machine that floods and is flooded


def test_a_flood_leaves_honest_bills_final_and_memory_bounded(network: Wired, recorder: Recorder) -> None:
    network.kill(FLOODER)
    try:
        cost = flood(network, recorder, 1.0, 4.0, 8.0)
    finally:
        network.up(FLOODER)
    assert all(cost.sent.values()), cost.sent  # every kind of frame really came
    assert len(cost.during) >= 3
    assert sorted(cost.during)[len(cost.during) // 2] < LATENCY_S_MAX
    assert max(cost.end[name] - cost.warm[name] for name in WATCHED) < GROWTH_MIB_MAX, (cost.warm, cost.end)
    network.until(lambda: network.agreed((*VALIDATORS, "archive")), "one height and root", 60)
