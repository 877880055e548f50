"""Four real validators under seeded kills, fuses in the writer, losses and restarts: then everything heals.

The order of tasks and threads is the machine's, so a seed chooses the faults and not the whole run: a hunt, and no part
of the suite. `python -m tests.node.chaos FROM COUNT`
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections import deque
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

from consensus.wire import decode_message
from node.messages import CONSENSUS
from tests.node.validating import Fuse, Table

ACTS = 40
PROGRESS_S = 120.0  # when the faults have ended; views may be spread, and a timer is 10 s at most
TRACE_LINES_MAX = 20_000  # of one play: what is said, done and logged, newest last


class Trace:
    """What happened in one play, kept for the case that it fails."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=TRACE_LINES_MAX)
        self._began = time.monotonic()

    def note(self, text: str) -> None:
        self.lines.append(f"{time.monotonic() - self._began:9.4f} {text}")

    def carry(self, sender: str, target: str, kind: int, payload: bytes, is_lost: bool) -> bool:
        if kind == CONSENSUS:
            text = repr(decode_message(payload))[:300]
            self.note(f"{sender} -> {target}{' LOST' if is_lost else ''} {text}")
        return is_lost

    def log(self, _logger: object, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A processor of structlog."""
        self.note(f"log {name} {dict(event)}")
        raise structlog.DropEvent

    def save(self, file: Path) -> None:
        file.write_text("\n".join(self.lines), "utf-8")


async def play(place: Path, seed: int, trace: Trace) -> tuple[int, float]:
    """(height reached, seconds to heal). Raises AssertionError for a fork, a second vote, or no progress after."""
    chance = random.Random(seed)
    table = Table(place)
    loss = chance.choice([0.0, 0.02, 0.1, 0.3])
    table.lost = lambda *carried: trace.carry(*carried, chance.random() < loss)
    table.delay_s = chance.choice([0.0, 0.0, 0.002])
    table.start()
    names = sorted(table.nodes)
    fuses: list[Fuse] = []
    try:
        for _ in range(ACTS):
            await act(table, chance, names, fuses, trace)
        for fuse in fuses:
            fuse.at = -1  # what has not blown stays whole
        trace.note("the faults end")
        table.lost = lambda *carried: trace.carry(*carried, False)
        for name in [name for name in names if name not in table.nodes or name in table.halted]:
            await revive(table, name)
        started = time.monotonic()
        height = max(node.runtime.replica.height for node in table.nodes.values()) + 3
        while min(node.feed.height for node in table.nodes.values()) < height:
            await table.submit(chance.choice(names), table.transaction())
            await asyncio.sleep(0.05)
            stands = {name: node.status() for name, node in table.nodes.items()}
            assert time.monotonic() - started < PROGRESS_S, f"no progress in {PROGRESS_S} s: {stands}, {table.halted}"
        table.verify_same()
        return height, time.monotonic() - started
    finally:
        await table.end()


async def act(table: Table, chance: random.Random, names: list[str], fuses: list[Fuse], trace: Trace) -> None:
    """One thing that happens, and a moment."""
    for name in [name for name in table.nodes if name in table.halted]:
        await revive(table, name)  # its fuse blew: the process is gone and comes back
    kind = chance.random()
    trace.note(f"act {kind:.3f}, running {sorted(table.nodes)}, halted {table.halted}")
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
        trace = Trace()
        structlog.configure(processors=[trace.log])
        with tempfile.TemporaryDirectory() as directory:
            try:  # no second vote, no lost block, no fork, and progress when the faults end (DESIGN 8, PROTOCOL 13)
                reached, seconds = asyncio.run(play(Path(directory), number, trace))
            except BaseException as error:
                file = Path(tempfile.gettempdir()) / f"medbill-chaos-{number}-{os.getpid()}.trace"
                trace.note(f"{type(error).__name__}: {error}")
                trace.save(file)
                print(number, "failed, its trace is", file, flush=True)
                raise
            print(number, "height", reached, f"healed in {seconds:.1f} s", flush=True)
