"""Nodes that share a machine take long turns on it."""

from __future__ import annotations

import os

import pytest

from tests.network.running import Network

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="this system has no policy for batch work"),
]


@pytest.mark.parametrize("name", ["finance", "archive", "hospital-a"])
def test_a_running_node_takes_long_turns_in_every_thread(network: Network, name: str) -> None:
    threads = [int(thread) for thread in os.listdir(f"/proc/{network.pid(name)}/task")]
    assert len(threads) > 1
    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_BATCH}
