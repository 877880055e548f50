"""Run seeds: python -m tests.simulator --seeds 500 --from 0."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter

from tests.simulator.options import Options
from tests.simulator.world import Verdict, World

PROGRESS_EVERY_S = 5.0


def run_seed(seed: int) -> Verdict:
    return World(Options.from_seed(seed)).run()


def replay_command(seed: int) -> str:
    return f"python -m tests.simulator --seeds 1 --from {seed} --verbose"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--verbose", action="store_true", help="print what happens; one process")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    if arguments.verbose:
        failures = 0
        for seed in seeds:
            options = Options.from_seed(seed)
            print(options.printed())
            verdict = World(options, log=print).run()
            print(f"{verdict.result} {verdict.detail} digest={verdict.digest[:16]}")
            failures += verdict.result != "PASS"
        return int(failures > 0)
    return run_many(seeds, max(1, arguments.jobs))


def run_many(seeds: range, jobs: int) -> int:
    started = printed = time.monotonic()
    totals, sometimes = Counter[str](), Counter[str]()
    simulated_ms, slowest = 0, (0, 0)
    heights = 0
    with multiprocessing.Pool(jobs) as pool:
        for done, verdict in enumerate(pool.imap(run_seed, seeds, chunksize=4), 1):
            totals[verdict.result] += 1
            for name in verdict.sometimes:
                sometimes[name] += 1
            simulated_ms += verdict.simulated_ms
            heights += verdict.heights
            slowest = max(slowest, (verdict.heal_ms, verdict.seed))
            if verdict.result != "PASS":
                print(f"seed {verdict.seed}: {verdict.result}: {verdict.detail}")
                print(f"  {Options.from_seed(verdict.seed).printed()}")
                print(f"  {replay_command(verdict.seed)}", flush=True)
            if time.monotonic() - printed > PROGRESS_EVERY_S:
                printed = time.monotonic()
                print(f"{done}/{len(seeds)} seeds, {done / (printed - started):.1f}/s", file=sys.stderr, flush=True)
    took_s = time.monotonic() - started
    count = len(seeds)
    print(f"\n{count} seeds in {took_s:.1f} s ({count / took_s:.1f}/s), {heights} blocks, simulated / real time")
    print(f"{simulated_ms / 1000 / took_s:.0f} : 1; slowest recovery {slowest[0] / 1000:.1f} s (seed {slowest[1]})")
    print("sometimes, in how many seeds:")
    for name, number in sorted(sometimes.items()):
        print(f"  {number:>6}  {name}")
    print(", ".join(f"{name} {number}" for name, number in sorted(totals.items())))
    return int(totals["PASS"] != count)


if __name__ == "__main__":
    sys.exit(main())
