"""Python's cyclic garbage collector, tamed: what lives long is not looked through again and again while blocks wait.

Nearly all memory of a node goes back by reference counts; cycles are few (exceptions, tasks). With CPython's own thresholds
a validator under load looks through all that waits in its pool many times a minute, tens of milliseconds each.
"""

from __future__ import annotations

import gc

YOUNG = 50_000  # containers made and not let go of before the youngest are looked through; CPython's own: 700
MIDDLE, OLD = 20, 20  # of these before the middle ones are, and of those before all are; CPython's own: 10, 10


def tame_collector() -> None:
    """Once a node is open: all that is there by now is never looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
