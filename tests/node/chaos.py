"""Four real validators under seeded kills, fuses in the writer, losses and restarts: then everything heals.

The order of tasks and threads is the machine's, so a seed chooses the faults and not the whole run: a hunt, and no part
of the suite. `python -m tests.node.chaos FROM COUNT`
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.node.validating import Fuse, Table

ACTS = 40


async def play(place: Path, seed: int) -> tuple[int, float]:
    """(height reached, seconds to heal). Raises AssertionError for a fork, a second vote, or no progress after."""
    chance = random.Random(seed)
    table = Table(place)
    loss = chance.choice([0.0, 0.02, 0.1, 0.3])
    table.lost = lambda _sender, _target, _kind, _payload: chance.random() < loss
    table.delay_s = chance.choice([0.0, 0.0, 0.002])
    table.start()
    names = sorted(table.nodes)
    fuses: list[Fuse] = []
    try:
        for _ in range(ACTS):
            await act(table, chance, names, fuses)
        for fuse in fuses:
            fuse.at = -1  # what has not blown stays whole
        table.lost = lambda _sender, _target, _kind, _payload: False
        for name in [name for name in names if name not in table.nodes or name in table.halted]:
            await revive(table, name)
        started = time.monotonic()
        height = max(node.runtime.replica.height for node in table.nodes.values()) + 3
        while min(node.feed.height for node in table.nodes.values()) < height:
            await table.submit(chance.choice(names), table.transaction())
            await asyncio.sleep(0.05)
            assert time.monotonic() - started < 60, {name: node.status() for name, node in table.nodes.items()}
        table.verify_same()
        return height, time.monotonic() - started
    finally:
        await table.end()


async def act(table: Table, chance: random.Random, names: list[str], fuses: list[Fuse]) -> None:
    """One thing that happens, and a moment."""
    for name in [name for name in table.nodes if name in table.halted]:
        await revive(table, name)  # its fuse blew: the process is gone and comes back
    kind = chance.random()
    if kind < 0.55 and table.nodes:
        await table.submit(chance.choice(sorted(table.nodes)), table.transaction())
    elif kind < 0.65 and table.nodes:
        await table.kill(chance.choice(sorted(table.nodes)))
    elif kind < 0.7 and table.nodes:
        await table.stop(chance.choice(sorted(table.nodes)))
    elif kind < 0.8 and table.nodes:
        fuses.append(Fuse(table.nodes[chance.choice(sorted(table.nodes))], chance.randrange(1, 12)))
    else:
        down = [name for name in names if name not in table.nodes]
        if down:
            await revive(table, chance.choice(down))
    await asyncio.sleep(chance.choice([0.0, 0.005, 0.05, 0.3]))


async def revive(table: Table, name: str) -> None:
    """Start it; what it said before lies in its journal."""
    if name in table.nodes:
        await table.kill(name)
    table.verify_saved(name)
    table.start(name)


if __name__ == "__main__":
    first, count = (int(argument) for argument in sys.argv[1:])
    for number in range(first, first + count):
        with tempfile.TemporaryDirectory() as directory:
            # no second vote, no lost block, no fork, and progress when the faults end (DESIGN 8, PROTOCOL 13)
            reached, seconds = asyncio.run(play(Path(directory), number))
            print(number, "height", reached, f"healed in {seconds:.1f} s", flush=True)
