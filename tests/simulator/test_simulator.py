"""The simulator finds nothing in the rules as they are. That it finds bent ones, tests/mutants tells."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulator.__main__ import run_seed

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("seed", range(12))
def test_a_seed_passes(seed: int) -> None:
    verdict = run_seed(seed)
    assert verdict.result == "PASS", f"{verdict.detail}\npython -m tests.simulator --seeds 1 --from {seed} --verbose"
    assert verdict.heights > 0


def test_a_run_does_not_depend_on_the_order_of_sets() -> None:
    """The digest of everything that happened, under two hash seeds."""
    program = "from tests.simulator.__main__ import run_seed; print([run_seed(seed).digest for seed in (2, 9, 49)])"
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(found) == 1
