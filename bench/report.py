"""What a run found: one document, printed as JSON or as a table."""

from __future__ import annotations

import statistics

import msgspec

from bench.calibration import Calibration, Milliseconds
from bench.scaling import Workers

CACHES_FULL_BILLS = (
    300_000  # by then write buffers and caches are full; what grows on are LevelDB's tables and our filters
)


class Machine(msgspec.Struct, frozen=True):
    processor: str
    cores: int
    memory_gib: float
    python: str
    date: str
    commit: str


class SingleSigned(msgspec.Struct, frozen=True):
    """One signature for each bill."""

    bills_per_s: float
    latency_ms: Milliseconds
    roofline_ratio: float  # bills/s x processes that verify every transaction / (cores x verify/s of this run)


class BatchSigned(msgspec.Struct, frozen=True):
    """As gateways do: many bills under one signature."""

    bills_per_s: float
    latency_ms: Milliseconds
    bills_per_signature: int


class Transfers(msgspec.Struct, frozen=True):
    """Money from wallet to wallet, many under one signature."""

    per_s: float
    latency_ms: Milliseconds
    per_signature: int


class RestRates(msgspec.Struct, frozen=True):
    """Until final on the chain."""

    single_per_s: float
    batch_per_s: float


class Failover(msgspec.Struct, frozen=True):
    """Longest time without a block, in milliseconds."""

    primary: float


class Chains(msgspec.Struct, frozen=True):
    """Operations of which each needs the one before it: whole chains under one signature."""

    chains_per_s: float
    operations_per_s: float
    latency_ms: Milliseconds
    operations: int  # of a chain
    per_signature: int  # chains
    to_bills: float  # operations/s to bills/s of this run, as many under a signature


class OneDown(msgspec.Struct, frozen=True):
    throughput_ratio: float  # batch-signed, with one backup killed, to the same minute with all


class Overload(msgspec.Struct, frozen=True):
    offered_per_s: float
    goodput_ratio: float  # to the mean of the single-signed rates before and after it
    recovered_s: float | None  # until another hospital's bill is sealed within a second; None: not within twenty
    after_per_s: float  # single-signed bills/s once it is over


class SlowFlush(msgspec.Struct, frozen=True):
    """Every flush of every node takes so much longer: what it costs, batch-signed."""

    flush_ms: int
    throughput_ratio: float
    latency_ms: Milliseconds


class GrowthPoint(msgspec.Struct, frozen=True):
    """A ledger of so many bills: what one bill more costs, and what it holds."""

    bills: int
    us_per_bill: float  # executing, saving and flushing; of the last blocks before
    block_p99_ms: float  # of these blocks, each of a thousand bills
    rss_mib: float  # of its own
    mapped_mib: float  # of table files: the system takes these back when it needs room
    bytes_per_bill: float  # block files and state together
    proof_ms: float  # a record with its path to the state root
    start_s: float | None = None  # opening it again
    rebuild_s: float | None = None  # deriving the state anew from the block files, every signature checked


class Beside(msgspec.Struct, frozen=True):
    """What a bill costs on a grown and on a young ledger, in one process, block by block in turn."""

    bills: int
    young_bills: int  # at the end: it began with none
    grown_us: float
    young_us: float

    @property
    def ratio(self) -> float:
        return self.grown_us / self.young_us


class Held(msgspec.Struct, frozen=True):
    """Memory of its own, once as much was given back as can be."""

    bills: int
    rss_mib: float


def mib_per_million(held: list[Held], from_bills: int) -> float | None:
    """The slope of own memory by least squares, from so many bills on; None of fewer than three measurements."""
    some = [one for one in held if one.bills >= from_bills]
    if len(some) < 3:
        return None
    found = statistics.linear_regression([one.bills / 1e6 for one in some], [one.rss_mib for one in some])
    return round(found.slope, 1)


class Report(msgspec.Struct, frozen=True):
    machine: Machine
    is_quick: bool
    processes: int  # of the network; one more is the client
    verifying_processes: int  # of them, those that check every transaction's signature
    calibration: list[Calibration]  # first and last
    idle_latency_ms: Milliseconds  # recorded
    idle_sealed_ms: Milliseconds
    single_signed: SingleSigned
    half_load_latency_ms: Milliseconds
    batch_signed: BatchSigned
    transfers: Transfers
    paid_orders: Chains  # notice, order, payment
    captured_holds: Chains
    rest: RestRates
    one_down: OneDown
    catch_up_ratio: float
    failover_ms: Failover
    overload: Overload
    slow_flush: SlowFlush
    verify_workers: list[Workers]
    proof_ms: float  # at the most bills of `growth`
    growth: list[GrowthPoint]
    growth_beside: Beside
    growth_memory: list[Held]  # at more counts of bills than `growth`
    mib_per_million: float | None  # its slope from CACHES_FULL_BILLS on
