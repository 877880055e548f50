"""A flooding validator and a flooding client: honest bills stay final, memory stays. RELIABILITY 2.2 Y13, 7 G9."""

from __future__ import annotations

import pytest

from tests.faults.flooder import FLOODER
from tests.faults.floods import WATCHED, flood
from tests.faults.history import Recorder
from tests.faults.wired import Wired
from tests.network.running import VALIDATORS

pytestmark = pytest.mark.processes

GROWTH_MIB_MAX = 40.0  # in so short a time caches still fill; the long form is `make floods`


def test_a_flood_leaves_honest_bills_final_and_memory_bounded(network: Wired, recorder: Recorder) -> None:
    network.kill(FLOODER)
    try:
        cost = flood(network, recorder, 1.0, 4.0, 6.5, steps_back=False)  # each kind comes twice
    finally:
        network.up(FLOODER)
    assert all(cost.attack.sent.values()), cost.attack.sent  # every kind of frame really came
    assert max(cost.end[name].most - cost.warm[name].most for name in WATCHED) < GROWTH_MIB_MAX, (cost.warm, cost.end)
    network.until(lambda: network.agreed((*VALIDATORS, "archive")), "one height and root", 60)
