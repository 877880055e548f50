"""Runs what finds a mutant, in the tree that it is started in: python -m tests.mutants.detect NAME --from 0 --seeds 50.

Prints one line of JSON: verdict, detail, seed, and how many seeds were tried. Its end says nothing: 0.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from unittest.mock import patch

from tests.mutants.forger import build_forger
from tests.mutants.mutant import FOLDER, ROOT, Mutant, mutant_of
from tests.mutants.trap import TrapWorld
from tests.simulator.checks import Checks
from tests.simulator.hunt import hunting
from tests.simulator.options import Options
from tests.simulator.world import World

TESTS_WITHIN_S = 300


@dataclass(frozen=True)
class Found:
    verdict: str
    detail: str
    seed: int
    tried: int


def options_of(mutant: Mutant, seed: int) -> Options:
    """The run of a seed, as the head of the patch wants it."""
    changes: dict[str, object] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in mutant.changes.items()
    }
    changes.pop("forgeries", None)
    if mutant.kind == "hunt":
        if "forgeries" in mutant.changes:
            changes.setdefault("fault_ms", 60_000)
        return hunting(seed, **changes)
    return replace(Options.from_seed(seed), **changes)  # type: ignore[arg-type]


@contextmanager
def prepared(mutant: Mutant) -> Iterator[None]:
    """With its liar, and without the checker that looks away."""
    with ExitStack() as stack:
        if mutant.blind:
            stack.enter_context(patch.object(Checks, mutant.blind, lambda *_: None))
        if "forgeries" in mutant.changes:
            maker = partial(build_forger, tuple(mutant.changes["forgeries"]))
            stack.enter_context(patch("tests.simulator.liar.build_liar", maker))
        yield


def run_seed(mutant: Mutant, seed: int) -> tuple[str, str]:
    with prepared(mutant):
        try:
            kind = TrapWorld if "forgeries" in mutant.changes else World
            verdict = kind(options_of(mutant, seed)).run()
        except Exception as error:  # what the mutant broke so badly that it does not even run on
            return "ERROR", f"{type(error).__name__}: {error}"
    return verdict.result, verdict.detail


def is_found(mutant: Mutant, verdict: str) -> bool:
    return verdict in mutant.wanted if mutant.wanted else verdict != "PASS"


def run_tests(mutant: Mutant) -> Found:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TESTS_WITHIN_S)
    except subprocess.TimeoutExpired:
        return Found("FAILED", "no end", 0, 1)
    if done.returncode == 0:
        return Found("PASS", "", 0, 1)
    if done.returncode != 1:
        raise RuntimeError(f"pytest cannot run {mutant.tests}: {done.stdout[-500:]}{done.stderr[-500:]}")
    failed = [line.split(" - ")[0] for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    name = failed[0].removeprefix("FAILED ").split("::")[-1] if failed else "a test"
    return Found("FAILED", name, 0, 1)


def detect(mutant: Mutant, first: int, seeds: int) -> Found:
    """The first seed that finds it, or PASS."""
    if mutant.kind == "test":
        return run_tests(mutant)
    for tried, seed in enumerate(range(first, first + seeds), 1):
        verdict, detail = run_seed(mutant, seed)
        if is_found(mutant, verdict):
            return Found(verdict, detail, seed, tried)
    return Found("PASS", "", first + seeds - 1, seeds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.detect", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--seeds", type=int, default=50)
    arguments = parser.parse_args()
    found = detect(mutant_of(FOLDER / f"{arguments.name}.patch"), arguments.first, arguments.seeds)
    print(json.dumps([found.verdict, found.detail[:200], found.seed, found.tried]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
