"""Long turns for a node and all its threads; what the operator chose stays."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.network.running import ROOT

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="this system has no policy for batch work")

# The policy that was there first, whether turns are long now, the policy of the process, and of a thread begun after.
TURNS = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from node.scheduling import take_long_turns
os.sched_setscheduler(0, getattr(os, sys.argv[1]), os.sched_param(0))
done = take_long_turns()
with ThreadPoolExecutor(1) as thread:
    print(done, os.sched_getscheduler(0), thread.submit(os.sched_getscheduler, 0).result())
"""
FORBIDDEN = """
import os
import node.scheduling
def refuse(pid, policy, param):
    raise PermissionError(1, "as a container may")
os.sched_setscheduler = refuse
print(node.scheduling.take_long_turns())
"""


def said(program: str, *arguments: str) -> str:
    run = [sys.executable, "-c", program, *arguments]
    return subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def test_a_node_and_the_threads_that_it_begins_take_long_turns() -> None:
    assert said(TURNS, "SCHED_OTHER") == f"True {os.SCHED_BATCH} {os.SCHED_BATCH}"


def test_a_policy_of_the_operator_stays() -> None:
    assert said(TURNS, "SCHED_IDLE") == f"False {os.SCHED_IDLE} {os.SCHED_IDLE}"


def test_where_it_is_forbidden_a_node_goes_on() -> None:
    assert said(FORBIDDEN) == "False"
