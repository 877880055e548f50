"""A run from the first calibration to the last: each figure on one network, in an order in which none spoils the next."""

from __future__ import annotations

import asyncio
import itertools
import os
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.calibration import Calibration, Milliseconds, calibrate
from bench.growth import grow
from bench.load import LoadClient, LoadFailed, Measured
from bench.network import GATEWAYS, UP, VALIDATORS, BenchNetwork
from bench.report import (
    CACHES_FULL_BILLS,
    BatchSigned,
    Chains,
    Failover,
    Machine,
    OneDown,
    Overload,
    Report,
    RestRates,
    SingleSigned,
    SlowFlush,
    Transfers,
    mib_per_million,
)
from bench.rest import Door, one_by_one, press, until_quick
from bench.scaling import scale
from node.home import NetworkHome

BILLS_PER_SIGNATURE = 200
OPERATIONS_OF_ORDER, OPERATIONS_OF_HOLD = 3, 2  # notice, order, payment; hold, capture
BATCH_SIGNED_MAX, SIGNED_MAX = 15_000, 0.7  # what is prepared: bills a second, and the share of the roofline
PER_BUNDLE = 100  # single-signed bills in one frame
VERIFYING = (*VALIDATORS, "archive")
LOOK_S = 0.05  # between questions for a height: each costs the node that is measured

SLOW_FLUSH_MS = 5  # an ordinary disk; ours hides what a flush costs
FLUSHES = (
    "segment.flush",
    "journal.flush",
    "state.before_write",
    "details.before_write",
    "gateway.before_write",
    "directory.flush",
)

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Lengths:
    """Seconds and counts of a run."""

    warm_s: float
    load_s: float
    single_s: float  # as long as the flood, to which it is compared: a state that grows costs more
    half_s: float
    idle_bills: int
    away_s: float
    overload_s: float
    growth: tuple[int, ...]


QUICK = Lengths(2.0, 5.0, 8.0, 5.0, 40, 6.0, 8.0, (10_000, 20_000))
WHOLE = Lengths(5.0, 20.0, 60.0, 20.0, 200, 30.0, 60.0, (10_000, 100_000, 1_000_000))


def measure(directory: Path, config: Path, lengths: Lengths, told: Told) -> Report:
    """Raises LoadFailed, SceneFailed when the network does not do what it should."""
    told = _clocked(told)
    told("calibrating")
    first = calibrate(directory)
    told("a network comes up")
    network = BenchNetwork(directory / "network", config)
    try:
        network.make()
        parts = asyncio.run(_on(network, lengths, first, told))
        told("all are started again")
        network.restart("")
        unhurt = asyncio.run(_again(network, lengths))
        told(f"and once more, every flush takes {SLOW_FLUSH_MS} ms more")
        network.restart(";".join(f"{place}=sleep:{SLOW_FLUSH_MS}" for place in FLUSHES))
        slow = asyncio.run(_again(network, lengths))
    finally:
        network.down()
    told("a ledger grows")
    growth, held, beside = grow(network.home, directory / "growth", lengths.growth, told)
    told("calibrating")
    last = calibrate(directory)
    verify = (first.verify_per_s + last.verify_per_s) / 2
    cores = os.cpu_count() or 1
    single = parts.single
    return Report(
        machine=_machine(),
        is_quick=lengths is QUICK,
        processes=len(UP),
        verifying_processes=len(VERIFYING),
        calibration=[first, last],
        idle_latency_ms=Milliseconds.of(parts.recorded_s),
        idle_sealed_ms=Milliseconds.of(parts.sealed_s),
        single_signed=SingleSigned(
            round(single.per_s, 1), single.latency_ms, round(single.per_s * len(VERIFYING) / (cores * verify), 3)
        ),
        half_load_latency_ms=parts.half.latency_ms,
        batch_signed=BatchSigned(round(parts.batch.per_s, 1), parts.batch.latency_ms, BILLS_PER_SIGNATURE),
        transfers=Transfers(round(parts.transfers.per_s, 1), parts.transfers.latency_ms, BILLS_PER_SIGNATURE),
        paid_orders=_chains(parts.orders, OPERATIONS_OF_ORDER, parts.batch),
        captured_holds=_chains(parts.captures, OPERATIONS_OF_HOLD, parts.batch),
        rest=RestRates(parts.rest_single, parts.rest_batch),
        one_down=OneDown(round(parts.one_down.per_s / parts.batch.per_s, 3)),
        catch_up_ratio=parts.catch_up,
        failover_ms=Failover(parts.failover_ms),
        overload=parts.overload,
        slow_flush=SlowFlush(SLOW_FLUSH_MS, round(slow.per_s / unhurt.per_s, 3), slow.latency_ms),
        verify_workers=scale(),
        proof_ms=growth[-1].proof_ms,
        growth=growth,
        growth_beside=beside,
        growth_memory=held,
        mib_per_million=mib_per_million(held, CACHES_FULL_BILLS),
    )


def _clocked(told: Told) -> Told:
    """With the seconds since the start."""
    began = time.perf_counter()
    return lambda text: told(f"{time.perf_counter() - began:5.0f} s  {text}")


@dataclass(slots=True)
class _Parts:
    recorded_s: list[float]
    sealed_s: list[float]
    single: Measured
    half: Measured
    batch: Measured
    transfers: Measured
    captures: Measured
    orders: Measured
    rest_single: float
    rest_batch: float
    one_down: Measured
    catch_up: float
    failover_ms: float
    overload: Overload


async def _on(network: BenchNetwork, lengths: Lengths, first: Calibration, told: Told) -> _Parts:
    doors = [network.door(name) for name in GATEWAYS]
    async with LoadClient(NetworkHome(network.home), network.validators()) as client:
        told("one bill at a time")
        recorded_s, sealed_s = await one_by_one(client, doors[0], "idle", lengths.idle_bills, 0.02)
        told("bills over REST")
        seconds = lengths.load_s
        rest_single = await press(client, doors, "single", 32, 0, seconds, round(2_000 * seconds))
        rest_batch = await press(client, doors, "batch", 8, 100, seconds, round(60 * seconds))
        told("a signature for each bill")
        most = SIGNED_MAX * first.verify_per_s * (os.cpu_count() or 1) / len(VERIFYING)
        single = await _single(client, lengths, most)
        await client.quiet()
        told("half as much")
        half = await client.pace(
            await client.prepare(round(single.per_s / 2 * (lengths.half_s + 1)), 1, 10),
            single.per_s / 2,
            lengths.half_s,
        )
        await client.quiet()
        told("ten times as much as it takes")
        overload = await _overload(client, doors[1], lengths, single)
        await client.quiet()
        told(f"{BILLS_PER_SIGNATURE} bills under a signature")
        batch = await _batch(client, lengths)
        await client.quiet()
        told(f"{BILLS_PER_SIGNATURE} transfers under a signature")
        transfers = await _transfers(client, lengths)
        told("holds and captures")
        captures = await _captures(client, lengths)
        told("notices, orders, payments")
        orders = await _orders(client, lengths)
        told("one of four is killed")
        backup = next(name for name in VALIDATORS if name != network.primary())
        network.kill(backup)
        one_down = await _batch(client, lengths)
        await asyncio.to_thread(network.start_alone, backup)
        await _level(network, backup, 60.0)
        await client.quiet()
        network.kill(backup)
        told("it comes back")
        catch_up = await _catch_up(network, client, backup, lengths, one_down.per_s / 8)
        told("the primary is killed")
        failover_ms = await _failover(network, client, one_down.per_s / 4)
        await client.quiet()
    return _Parts(
        recorded_s, sealed_s, single, half, batch, transfers, captures, orders, rest_single.per_s, rest_batch.per_s,
        one_down, catch_up, failover_ms, overload,
    )  # fmt: skip


async def _single(client: LoadClient, lengths: Lengths, most_per_s: float, seconds: float = 0.0) -> Measured:
    seconds = seconds or lengths.single_s
    bundles = await client.prepare(round(most_per_s * (lengths.warm_s + seconds)), 1, PER_BUNDLE)
    return await client.saturate(bundles, 3_000, lengths.warm_s, seconds)


async def _batch(client: LoadClient, lengths: Lengths) -> Measured:
    bundles = await client.prepare(_signatures(lengths), BILLS_PER_SIGNATURE, 1)
    return await client.saturate(bundles, 8_000, lengths.warm_s, lengths.load_s)


async def _transfers(client: LoadClient, lengths: Lengths) -> Measured:
    bundles = await client.prepare_transfers(_signatures(lengths), BILLS_PER_SIGNATURE)
    return await client.saturate(bundles, 8_000, lengths.warm_s, lengths.load_s)


async def _captures(client: LoadClient, lengths: Lengths) -> Measured:
    each = BILLS_PER_SIGNATURE // OPERATIONS_OF_HOLD
    bundles = await client.prepare_captures(_signatures(lengths), each)
    return await client.saturate(bundles, 8_000, lengths.warm_s, lengths.load_s)


async def _orders(client: LoadClient, lengths: Lengths) -> Measured:
    each = BILLS_PER_SIGNATURE // OPERATIONS_OF_ORDER
    bundles = await client.prepare_orders(_signatures(lengths), each)
    return await client.saturate(bundles, 8_000, lengths.warm_s, lengths.load_s)


def _signatures(lengths: Lengths) -> int:
    """As many as would be too many."""
    return round(BATCH_SIGNED_MAX * (lengths.warm_s + lengths.load_s) / BILLS_PER_SIGNATURE)


def _chains(found: Measured, operations: int, bills: Measured) -> Chains:
    """`found` counts operations."""
    return Chains(
        round(found.per_s / operations, 1),
        round(found.per_s, 1),
        found.latency_ms,
        operations,
        BILLS_PER_SIGNATURE // operations,
        round(found.per_s / bills.per_s, 3),
    )


async def _again(network: BenchNetwork, lengths: Lengths) -> Measured:
    """On nodes that have just started."""
    height = max(network.height(name) for name in VALIDATORS)
    async with LoadClient(NetworkHome(network.home), network.validators(), height) as client:
        return await _batch(client, lengths)


async def _overload(client: LoadClient, other: Door, lengths: Lengths, single: Measured) -> Overload:
    """By one hospital; how it goes on is asked of the other one. What the network takes unhurt is measured before, on a
    younger state, and after it, on an older one: the flood is compared with what lies between."""
    offered = 10 * single.per_s
    bundles = await client.prepare(round(offered * lengths.overload_s), 1, PER_BUNDLE)
    goodput = await client.flood(bundles, offered, lengths.warm_s)
    recovery_s = await until_quick(other, 1.0)
    await client.quiet()
    after = await _single(client, lengths, 1.5 * single.per_s, lengths.load_s)
    unhurt = (single.per_s + after.per_s) / 2
    return Overload(round(offered, 1), round(goodput / unhurt, 3), recovery_s, round(after.per_s, 1))


async def _catch_up(
    network: BenchNetwork, client: LoadClient, name: str, lengths: Lengths, bills_per_s: float
) -> float:
    """Blocks a second of one that was away, to those of the others meanwhile."""
    others = next(other for other in VALIDATORS if other != name)
    each = 10
    bundles = await client.prepare(round(bills_per_s * (1.5 * lengths.away_s + 12) / each), each, 1)
    load = asyncio.ensure_future(client.pace(bundles, bills_per_s, 1.5 * lengths.away_s + 8))
    first, began = network.height(others), time.perf_counter()
    await asyncio.sleep(lengths.away_s)
    live = (network.height(others) - first) / (time.perf_counter() - began)
    await asyncio.to_thread(network.start_alone, name)
    stood, began = network.height(name), time.perf_counter()
    await _level(network, name, 20.0)
    rate = (network.height(name) - stood) / (time.perf_counter() - began)
    await load
    return round(rate / live, 1)


async def _level(network: BenchNetwork, name: str, seconds_max: float) -> None:
    """Until a validator has all blocks but the last two."""
    began = time.perf_counter()
    others = next(other for other in VALIDATORS if other != name)
    while network.height(name) < network.height(others) - 2:
        if time.perf_counter() - began > seconds_max:
            raise LoadFailed(f"{name} is not level after {seconds_max:.0f} s")
        await asyncio.sleep(LOOK_S)


async def _failover(network: BenchNetwork, client: LoadClient, bills_per_s: float) -> float:
    """Longest time between two blocks around the kill."""
    bundles = await client.prepare(round(bills_per_s * 10 / 10), 10, 1)
    load = asyncio.ensure_future(client.pace(bundles, bills_per_s, 6.0))
    await asyncio.sleep(2.0)
    before = len(client.entries)
    primary = network.primary()
    await asyncio.to_thread(network.kill, primary)
    await load
    times = [when for when, _operations in client.entries[before - 1 :]]
    await asyncio.to_thread(network.start_alone, primary)
    return round(max(later - earlier for earlier, later in itertools.pairwise(times)) * 1000, 1)


def _machine() -> Machine:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), platform.machine())
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        model, os.cpu_count() or 1, round(pages / 2**30, 1), platform.python_version(),
        datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"), commit,
    )  # fmt: skip
