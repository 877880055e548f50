"""Python's cyclic garbage collector, tamed: what lives long is not looked through again and again while blocks wait.

Nearly all memory of a node goes back by reference counts; cycles are few (exceptions, tasks, links that were closed). With
CPython's own thresholds a validator under load looks through all that waits in its pool many times a minute. With ones fifty
times as high, links closed in a flood kept 60 MiB of a validator (`make floods`).
"""

from __future__ import annotations

import gc

YOUNG = 7_000  # containers made and not let go of before the youngest are looked through; CPython's own: 700
MIDDLE, OLD = 10, 10  # of these before the middle ones are, and of those before all are: as CPython has it


def tame_collector() -> None:
    """Once a node is open: all that is there by now is never looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
