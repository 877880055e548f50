"""Y1 enumerated: every way in which a member with two copies can be led and parted, round by round, over real replicas.

Four members, of which member 0 runs twice under one key: five processes. A *round* is a leader (4), a split of the
processes into two parts (16), and how far the Commits get (3). Choices that come to the same are left out: where the
leader's part has no quorum, no Commit exists. All sequences of rounds are numbered, so a run is a range of numbers:

    python -m tests.simulator.twins --rounds 2
    python -m tests.simulator.twins --rounds 3 --from 100000 --count 50000 --jobs 2

A range's line adds up with those of other ranges: scenarios, blocks and digest are sums.
Source: Bano et al., "Twins: BFT Systems Made Robust", OPODIS 2021; here the phases of PBFT are cut as well.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import combinations

from tests.simulator.twins_table import HONEST, PROCESSES, Contradiction, Table, seat_of

LEADERS = range(4)
QUORUM = 3
REACHES = ("all", "one", "none")  # whom Commits reach: their part, its first honest member, nobody
HEALED_EVERY = 25  # one scenario in so many is healed at its end, and must go on
HEAL_ROUNDS_MAX = 6
RANGE_MAX = 2_000  # scenarios that one process takes at a time; a multiple of what shares a beginning is quick


@dataclass(frozen=True)
class Round:
    leader: int  # seat
    part: frozenset[int]  # processes that hear each other; the others hear each other too
    reach: str  # one of REACHES

    def __str__(self) -> str:
        return f"leader={self.leader} part={''.join(map(str, sorted(self.part)))} commits={self.reach}"


def splits() -> Iterator[frozenset[int]]:
    """The 16 ways to part five processes in two; the larger part stands for both."""
    for size in (5, 4, 3):
        for part in combinations(range(PROCESSES), size):
            yield frozenset(part)


def choices() -> list[Round]:
    """All rounds that differ."""
    found = []
    for leader in LEADERS:
        for part in splits():
            seats = {seat_of(process) for process in part}
            can_decide = leader in seats and len(seats) >= QUORUM
            found += [Round(leader, part, reach) for reach in (REACHES if can_decide else ("none",))]
    return found


CHOICES = choices()


def scenario(number: int, rounds: int) -> list[int]:
    """The rounds of a scenario, as places in CHOICES; the first round changes slowest."""
    if not 0 <= number < len(CHOICES) ** rounds:
        raise ValueError(f"scenario {number}: there are {len(CHOICES) ** rounds} of {rounds} rounds")
    digits = []
    for _ in range(rounds):
        number, digit = divmod(number, len(CHOICES))
        digits.append(digit)
    return digits[::-1]


@dataclass
class Tally:
    """What a range of scenarios came to; tallies add up."""

    scenarios: int = 0
    healed: int = 0
    blocks: int = 0  # of the honest members' longest chain
    failures: list[str] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)  # event -> scenarios that met it
    digest: int = 0  # sum over the scenarios' ends

    def add(self, other: Tally) -> None:
        self.scenarios += other.scenarios
        self.healed += other.healed
        self.blocks += other.blocks
        self.failures += other.failures
        self.happened.update(other.happened)
        self.digest = (self.digest + other.digest) % (1 << 64)

    def printed(self) -> str:
        lines = [f"  {number:>9}  {name}" for name, number in sorted(self.happened.items())]
        lines.append(
            f"{self.scenarios} scenarios, {self.blocks} blocks, {self.healed} healed, "
            f"{len(self.failures)} failures, digest {self.digest:016x}"
        )
        return "\n".join(lines)


def run_range(rounds: int, first: int, count: int) -> Tally:
    """Play the scenarios `first` ... `first + count - 1`; equal beginnings are played once."""
    tally = Tally()
    tables = [Table()]  # after 0, 1, ... rounds of `played`
    played: list[int] = []
    for number in range(first, first + count):
        digits = scenario(number, rounds)
        shared = 0
        while shared < len(played) and played[shared] == digits[shared]:
            shared += 1
        del tables[shared + 1 :], played[shared:]
        try:
            for digit in digits[shared:]:
                table = tables[-1].copied()
                table.play(CHOICES[digit].leader, CHOICES[digit].part, CHOICES[digit].reach)
                tables.append(table)
                played.append(digit)
            end = tables[-1]
            if number % HEALED_EVERY == 0:
                heal(end.copied())
                tally.healed += 1
        except Contradiction as contradiction:
            told = "; ".join(str(CHOICES[digit]) for digit in digits)
            command = f"python -m tests.simulator.twins --rounds {rounds} --from {number} --count 1"
            tally.failures.append(f"scenario {number}: {contradiction}\n  {told}\n  {command}")
            end = tables[-1]
        tally.scenarios += 1
        tally.blocks += end.height
        tally.happened.update(end.happened)
        own = sha256(b"%d %s" % (number, end.told())).digest()
        tally.digest = (tally.digest + int.from_bytes(own[:8], "big")) % (1 << 64)
    return tally


def heal(table: Table) -> None:
    """Everybody hears everybody, and members that run once lead: the honest ones reach one height, above the last."""
    before = table.height
    for turn in range(HEAL_ROUNDS_MAX):
        table.play(HONEST[turn % len(HONEST)], frozenset(range(PROCESSES)), "all")
        table.tick()
        table.tick()
        heights = {table.processes[process].height for process in HONEST}
        if len(heights) == 1 and heights.pop() > before:
            return
    raise Contradiction("STALLED", f"no progress after {HEAL_ROUNDS_MAX} whole rounds: {table.where()}")


def _run(task: tuple[int, int, int]) -> Tally:
    return run_range(*task)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator.twins", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--from", type=int, default=0, dest="first", help="number of the first scenario")
    parser.add_argument("--count", type=int, help="how many; all that follow if not given")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    arguments = parser.parse_args()
    number = len(CHOICES) ** max(arguments.rounds, 0)
    is_none = arguments.count is not None and arguments.count < 1
    if arguments.rounds < 1 or not 0 <= arguments.first < number or is_none:
        parser.error(f"at least one round and one scenario, of the {number} that there are")
    end = number if arguments.count is None else min(number, arguments.first + arguments.count)
    tasks = [(arguments.rounds, start, min(RANGE_MAX, end - start)) for start in range(arguments.first, end, RANGE_MAX)]
    started, total = time.monotonic(), Tally()
    with multiprocessing.Pool(max(1, arguments.jobs)) as pool:
        for tally in pool.imap(_run, tasks):
            total.add(tally)
            for failure in tally.failures:
                print(failure, flush=True)
    took_s = max(time.monotonic() - started, 0.001)
    print(f"rounds {arguments.rounds}, scenarios {arguments.first} to {end - 1} of {number}, in how many:")
    print(total.printed())
    print(f"{took_s:.1f} s, {total.scenarios / took_s:.0f}/s")
    return int(bool(total.failures))


if __name__ == "__main__":
    sys.exit(main())
