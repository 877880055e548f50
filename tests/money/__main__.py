"""So many random operations on the money ledger against its models: `python -m tests.money 1000000 [SEED]`."""

from __future__ import annotations

import sys
import time

from tests.money.lives import Lives

TOLD_EVERY = 100_000


def main() -> None:
    """Ends with an AssertionError that names the step where rules and model part."""
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    lives, began = Lives(seed), time.monotonic()
    for step in range(1, count + 1):
        lives.step()
        if step % TOLD_EVERY == 0 or step == count:
            print(f"{step:>12,} operations, {time.monotonic() - began:6.1f} s", file=sys.stderr)
    lives.compare()
    print(f"{'operation':24} {'recorded':>10} {'refused':>10}")
    for name in sorted({name for name, _outcome in lives.kinds}):
        print(f"{name:24} {lives.kinds[name, 'recorded']:>10,} {lives.kinds[name, 'refused']:>10,}")
    print()
    for code, times in sorted(lives.codes.items(), key=lambda entry: -entry[1]):
        print(f"{code:24} {times:>10,}")
    print(f"{count:,} operations, seed {seed}: every step as the model says, debits are credits")


if __name__ == "__main__":
    main()
