"""How the C library keeps this process's memory: what was large goes back to the system when it is freed.

glibc raises the size from which it maps memory by itself, up to 32 MiB, as soon as something so large was freed, and
gives each thread a heap of its own. A node that once answered a few large questions would hold that memory for ever, in
pieces. What was small leaves whole pages free between others that are held: a flood of small messages had a validator
hold 100 MiB of which a quarter was free. Those are given back too, twice a minute. A setting of the operator's in the
environment stays. Source: mallopt(3), malloc_trim(3).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from typing import Any

MMAP_BYTES = 1 << 20  # above all buffers that come and go many times a second
TRIM_BYTES = 1 << 20  # free at the end of a heap
HEAPS_MAX = 2  # the loop's thread, and one for all that flush, verify and compact
GIVE_BACK_S = 30.0
SETTINGS = (  # (name in the environment, number for mallopt, value)
    ("MALLOC_MMAP_THRESHOLD_", -3, MMAP_BYTES),
    ("MALLOC_TRIM_THRESHOLD_", -1, TRIM_BYTES),
    ("MALLOC_ARENA_MAX", -8, HEAPS_MAX),
)


def bound_allocator() -> bool:
    """Whether there was something to set; another C library than glibc keeps its own ways. Call it before threads."""
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    done = [mallopt(number, value) == 1 for name, number, value in SETTINGS if name not in os.environ]
    return all(done)


def give_back() -> bool:
    """Free pages anywhere in the heaps go back to the system. Whether the C library can."""
    trim = _function("malloc_trim")
    if trim is None or "MALLOC_TRIM_THRESHOLD_" in os.environ:
        return False
    trim(0)
    return True


def _function(name: str) -> Any:
    """None where the C library lacks it, or the operator has tuned glibc."""
    if "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", ""):
        return None
    return getattr(ctypes.CDLL(None), name, None)


async def give_back_regularly() -> None:
    """Until cancelled; in a thread, for it takes some milliseconds."""
    while True:
        await asyncio.sleep(GIVE_BACK_S)
        if not await asyncio.to_thread(give_back):
            return
