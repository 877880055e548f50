"""How a node takes its turns on a processor that it shares with others: long ones.

Under Linux's policy for batch work a process that wakes does not push away the one that runs. Where more nodes than
cores share a machine, each then finds its caches warm for longer. On a machine of its own a node's turns are what they
were. A policy of the operator's (chrt, or systemd's CPUSchedulingPolicy) stays. Source: sched(7), SCHED_BATCH.
"""

from __future__ import annotations

import os


def take_long_turns() -> bool:
    """Whether it is so now; another system, or a container that forbids it, keeps its own ways. Call it before threads."""
    if not hasattr(os, "SCHED_BATCH"):
        return False
    try:
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        return os.sched_getscheduler(0) == os.SCHED_BATCH
    except OSError:  # the environment's word, not a fault of ours
        return False
