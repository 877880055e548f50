"""More liars than f, who agree on a fork: what honest nodes saw must convict f + 1 of them, and nobody else (I8).

`python -m tests.simulator.forks --seeds 200`. The primary proposes two blocks, and the liars sign each for one half of the
honest. It takes f + 1 of n = 3f + 1.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter

from tests.simulator.hunt import hunting
from tests.simulator.options import Options
from tests.simulator.world import World

ROW = "I8 a fork by too many liars"


def forking(seed: int) -> Options:
    """n = 4, 7 or 10; the primary of view 0 is a liar."""
    draw = random.Random(f"forks {seed}")
    n = draw.choice([4, 7, 10])
    f = (n - 1) // 3
    return hunting(
        seed,
        n=n,
        liars=(0, *sorted(draw.sample(range(1, n), f))),
        lies=("split", "yes"),
        is_too_many=True,
        is_real_crypto=seed % 20 == 19,
        is_hunted=False,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator.forks", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--from", type=int, default=0, dest="first")
    arguments = parser.parse_args()
    results: Counter[str] = Counter()
    forks = 0
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        world = World(forking(seed))
        verdict = world.run()
        results[verdict.result] += 1
        forks += world.sometimes[ROW]
        if verdict.result != "PASS":
            print(f"seed {seed}: {verdict.result} {verdict.detail}")
    print(f"{arguments.seeds} seeds, {forks} forks: {', '.join(f'{name} {count}' for name, count in results.items())}")
    return 0 if set(results) == {"PASS"} else 1


if __name__ == "__main__":
    sys.exit(main())
