"""The simulator finds nothing in the rules as they are. That it finds bent ones, tests/mutants tells."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulator.__main__ import run_seed
from tests.simulator.forks import ROW, forking
from tests.simulator.world import Verdict, World

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("seed", range(12))
def test_a_seed_passes(seed: int) -> None:
    verdict = run_seed(seed)
    assert verdict.result == "PASS", f"{verdict.detail}\npython -m tests.simulator --seeds 1 --from {seed} --verbose"
    assert verdict.heights > 0


def seeds_kept() -> list[int]:
    """That found something once."""
    lines = (Path(__file__).parent / "seeds.txt").read_text(encoding="utf-8").splitlines()
    return [int(line.split()[0]) for line in lines if line[:1].isdigit()]


@pytest.mark.parametrize("seed", seeds_kept())
def test_a_seed_that_found_something_passes_now(seed: int) -> None:
    verdict = run_seed(seed)
    assert verdict.result == "PASS", verdict.detail


def test_an_error_in_a_run_is_a_verdict_that_names_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A campaign must not end with it."""

    def broken(_world: World) -> Verdict:
        raise IndexError("list index out of range")

    monkeypatch.setattr(World, "run", broken)
    verdict = run_seed(3)
    assert (verdict.seed, verdict.result) == (3, "ERROR")
    assert verdict.detail.startswith("test_simulator.py:")


def test_a_fork_by_too_many_liars_convicts_them() -> None:
    """I8: f + 1 keys at least, and no honest one; nothing is said of a run in which they fail to fork."""
    forks = 0
    for seed in range(12):
        world = World(forking(seed))
        verdict = world.run()
        assert verdict.result == "PASS", verdict.detail
        forks += world.sometimes[ROW]
    assert forks >= 6


@pytest.mark.parametrize("convicted", [set(), {0}, {0, 1, 2, 3}])
def test_a_fork_that_convicts_too_few_or_an_honest_one_is_found(
    convicted: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.simulator.accountability.convicted", lambda _world: convicted)
    world = World(forking(3))
    assert world.run().result == "BROKEN"
    assert world.sometimes[ROW] == 1


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
