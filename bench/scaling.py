"""How many signatures a second a node checks with so many `verify_workers`: its own code, in one process."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec

from bench.bills import bill_transaction
from chain.signature import SigningKey
from chain.transaction import receive_transaction
from node.admission import check_together
from node.config import VERIFY_WORKERS_MAX

SIGNATURES, SECONDS = 2_000, 0.6


class Workers(msgspec.Struct, frozen=True):
    """Of one process."""

    verify_workers: int
    per_s: int


def scale(workers_max: int | None = None) -> list[Workers]:
    """With one worker, two, four … and as many as there are cores."""
    cores = workers_max or min(os.cpu_count() or 1, VERIFY_WORKERS_MAX)
    counts = sorted({1, cores, *(2**power for power in range(1, 7) if 2**power < cores)})
    return [Workers(count, round(asyncio.run(_per_s(count)))) for count in counts]


async def _per_s(workers: int) -> float:
    key = SigningKey.from_seed(bytes(range(32)))
    wanted = [
        (receive_transaction(bytes(32), bill_transaction(key, serial)), key.public) for serial in range(SIGNATURES)
    ]
    with ThreadPoolExecutor(workers) as threads:
        done, began = 0, time.perf_counter()
        while (seconds := time.perf_counter() - began) < SECONDS:
            done += len(await check_together(threads, wanted))
        return done / seconds
