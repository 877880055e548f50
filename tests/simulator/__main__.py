"""Run seeds: python -m tests.simulator --seeds 500 --from 0.

A campaign goes on where its file ends: python -m tests.simulator --campaign FILE --seeds 20000 --from 100000.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
import traceback
from pathlib import Path

from tests.simulator.campaign import Summary, load, merged
from tests.simulator.options import Options
from tests.simulator.world import Verdict, World

PROGRESS_EVERY_S = 5.0
RANGE_SEEDS = 500  # of a campaign, one line of its file


def run_seed(seed: int) -> Verdict:
    """ERROR for what the simulator or the core never expected: a campaign goes on, and the seed is named."""
    world = World(Options.from_seed(seed))
    try:
        return world.run()
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(at.filename).name}:{at.lineno}"
        detail = f"{place} {type(error).__name__}: {error}"
        return Verdict(seed, "ERROR", detail, "", world.now, 0, world.best_height(), False, world.sometimes)


def replay_command(seed: int) -> str:
    return f"python -m tests.simulator --seeds 1 --from {seed} --verbose"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--verbose", action="store_true", help="print what happens; one process")
    parser.add_argument(
        "--campaign", type=Path, help="keep summaries of ranges here, and leave out those that are there"
    )
    parser.add_argument("--merge", type=Path, help="print the sum of a campaign's file and end")
    arguments = parser.parse_args()
    if arguments.merge is not None:
        return tell(merged(load(arguments.merge)))
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    if arguments.verbose:
        return run_aloud(seeds)
    if arguments.campaign is not None:
        return run_campaign(seeds, max(1, arguments.jobs), arguments.campaign)
    return tell(run_many(seeds, max(1, arguments.jobs)))


def tell(summary: Summary) -> int:
    print(f"\n{summary.printed()}")
    return int(summary.verdicts["PASS"] != summary.seeds)


def run_aloud(seeds: range) -> int:
    failures = 0
    for seed in seeds:
        options = Options.from_seed(seed)
        print(options.printed())
        verdict = World(options, log=print).run()
        print(f"{verdict.result} {verdict.detail} digest={verdict.digest[:16]}")
        failures += verdict.result != "PASS"
    return int(failures > 0)


def run_campaign(seeds: range, jobs: int, path: Path) -> int:
    done = {first for summary in load(path) for first, _count in summary.ranges}
    for first in range(seeds.start, seeds.stop, RANGE_SEEDS):
        if first not in done:
            summary = run_many(range(first, min(first + RANGE_SEEDS, seeds.stop)), jobs)
            with path.open("a", encoding="utf-8") as file:
                file.write(summary.to_json() + "\n")
    return tell(merged(load(path)))


def run_many(seeds: range, jobs: int) -> Summary:
    """Failures are printed as they come, each with the command that replays it."""
    started = printed = time.monotonic()
    summary = Summary(ranges=[[seeds.start, len(seeds)]])
    gc.freeze()  # what is loaded stays loaded; forked processes share it
    with multiprocessing.Pool(jobs) as pool:
        for done, verdict in enumerate(pool.imap(run_seed, seeds, chunksize=4), 1):
            summary.add(verdict)
            if verdict.result != "PASS":
                print(f"seed {verdict.seed}: {verdict.result}: {verdict.detail}")
                print(f"  {Options.from_seed(verdict.seed).printed()}")
                print(f"  {replay_command(verdict.seed)}", flush=True)
            if time.monotonic() - printed > PROGRESS_EVERY_S:
                printed = time.monotonic()
                rate = done / (printed - started)
                print(f"{done}/{len(seeds)} seeds, {rate:.1f}/s", file=sys.stderr, flush=True)
    summary.took_s = time.monotonic() - started
    return summary


if __name__ == "__main__":
    sys.exit(main())
