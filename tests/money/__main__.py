"""So many random operations on the money ledger against its models: `python -m tests.money 1000000 [SEED]`.

One in SPLITS_EVERY is of a life of splits, which begins anew after SPLITS_LIFE of them: the older one is, the more there is to compare.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from tests.money.lives import Lives
from tests.money.shared_lives import SharedLives

TOLD_EVERY = 100_000
SPLITS_EVERY, SPLITS_LIFE = 10, 5_000


def main() -> None:
    """Ends with an AssertionError that names the step where rules and model part."""
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    lives, began = Lives(seed), time.monotonic()
    shared, met = SharedLives(seed), Counter[str]()
    for step in range(1, count + 1):
        if step % SPLITS_EVERY:
            lives.step()
        else:
            shared.step()
        if step % (SPLITS_EVERY * SPLITS_LIFE) == 0 or step == count:
            met += shared.codes
            shared = SharedLives(seed + step)
        if step % TOLD_EVERY == 0 or step == count:
            print(f"{step:>12,} operations, {time.monotonic() - began:6.1f} s", file=sys.stderr)
    lives.compare()
    _print(lives, met)
    print(f"{count:,} operations, seed {seed}: every step as the models say, debits are credits")


def _print(lives: Lives, shared: Counter[str]) -> None:
    kinds, codes = Counter(lives.kinds), Counter(lives.codes)
    for told, times in shared.items():
        name, code = told.split()
        kinds[name, "recorded" if code == "recorded" else "refused"] += times
        codes[code] += times
    print(f"{'operation':24} {'recorded':>10} {'refused':>10}")
    for name in sorted({name for name, _outcome in kinds}):
        print(f"{name:24} {kinds[name, 'recorded']:>10,} {kinds[name, 'refused']:>10,}")
    print()
    for code, times in sorted(codes.items(), key=lambda entry: -entry[1]):
        print(f"{code:24} {times:>10,}")


if __name__ == "__main__":
    main()
