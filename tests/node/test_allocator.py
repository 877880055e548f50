"""What is freed goes back to the system; and what the operator has set stays."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from tests.network.running import ROOT

# Forty answers of 4 MiB with something small after each, all but the small freed, after one of 32 MiB.
FREED = """
import os, sys
from node.allocator import bound_allocator
if sys.argv[1] == "bound":
    assert bound_allocator()
def held_mib():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
before = held_mib()
large = bytes([1]) * (31 << 20)
del large
kept = [(bytes([1]) * (4 << 20), bytes([1]) * 2000) for _ in range(40)]
assert held_mib() - before > 150
kept = [small for _, small in kept]
print(held_mib() - before)
"""


# 150 MiB in small pieces, of which one in twenty is kept: pages become free between them, none at the heap's end.
IN_PIECES = """
import os
from node.allocator import bound_allocator, give_back
assert bound_allocator()
def held_mib():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
before = held_mib()
pieces = [bytes([1]) * 2000 for _ in range(80_000)]
pieces = pieces[::20]
assert held_mib() - before > 100
assert give_back()
print(held_mib() - before)
"""


def left_mib(way: str, program: str = FREED, **environment: str) -> int:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", program, way],
        cwd=ROOT,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library has no mallopt: nothing is set")
def test_freed_answers_go_back_to_the_system() -> None:
    assert left_mib("bound") < 15
    assert left_mib("as it is") > 100  # what it is for


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library has no mallopt: nothing is set")
def test_an_operator_may_set_another_threshold() -> None:
    assert left_mib("bound", MALLOC_MMAP_THRESHOLD_=str(32 << 20), MALLOC_TRIM_THRESHOLD_=str(1 << 30)) > 100


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library has no malloc_trim")
def test_free_pages_between_held_ones_go_back_too() -> None:
    assert left_mib("bound", IN_PIECES) < 40
