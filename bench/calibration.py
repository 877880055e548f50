"""What this machine does by itself: the yardstick for every figure of the same run, taken first and last.

A shared machine does half as much from one minute to the next, so figures are compared as ratios to these.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec

from bench.bills import bill_transaction
from chain.codec import decode, encode
from chain.signature import SigningKey, is_signature
from chain.transaction import Transaction

SECONDS = 0.4  # for each
FLUSHES = 200
FLUSH_BYTES = 4096


class Milliseconds(msgspec.Struct, frozen=True):
    """Of many measurements."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: list[float]) -> Milliseconds:
        ordered = sorted(seconds)
        return cls(round(statistics.median(ordered) * 1000, 3), round(ordered[int(len(ordered) * 0.99)] * 1000, 3))


class Calibration(msgspec.Struct, frozen=True):
    """One process, one core."""

    verify_per_s: int  # Ed25519, of 32 bytes
    sign_per_s: int
    sha256_mb_per_s: int  # in pieces of 512 bytes, a call each
    fdatasync_ms: Milliseconds  # after 4 KiB at the end of a file in the directory of the run
    encode_us: float  # of a transaction with one bill
    decode_us: float
    interpret_us: float  # a hundred names made and put into a dictionary: bytecode, and nothing of ours


def calibrate(directory: Path | None = None) -> Calibration:
    """About three seconds. `directory` is where the nodes' files lie."""
    key = SigningKey.from_seed(bytes(range(32)))
    message = sha256(b"calibration").digest()
    signature = key.sign(message)
    transaction = bill_transaction(key, 1)
    data = encode(transaction)
    piece = bytes(512)
    return Calibration(
        verify_per_s=round(_per_s(lambda: is_signature(key.public, message, signature))),
        sign_per_s=round(_per_s(lambda: key.sign(message))),
        sha256_mb_per_s=round(_per_s(lambda: sha256(piece).digest()) * len(piece) / 1e6),
        fdatasync_ms=_flushes(directory),
        encode_us=round(1e6 / _per_s(lambda: encode(transaction)), 2),
        decode_us=round(1e6 / _per_s(lambda: decode(data, Transaction)), 2),
        interpret_us=round(1e6 / _per_s(_interpret, 1), 2),
    )


def _per_s(work: Callable[[], object], at_once: int = 100) -> float:
    done, began = 0, time.perf_counter()
    while (seconds := time.perf_counter() - began) < SECONDS:
        for _ in range(at_once):
            work()
        done += at_once
    return done / seconds


def _interpret() -> int:
    """What the interpreter is fast or slow at from one hour to the next, which signatures are not: calls, names, memory."""
    kept: dict[bytes, tuple[int, str]] = {}
    for number in range(100):
        name = f"bill/{number:018d}"
        kept[name.encode()] = number, name[-4:]
    return sum(number for number, _end in kept.values())


def _flushes(directory: Path | None) -> Milliseconds:
    took = []
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        for _ in range(FLUSHES):
            os.write(file.fileno(), bytes(FLUSH_BYTES))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return Milliseconds.of(took)
