"""The offline check of a proof file, and what it exits with. Needs `chain` alone; opens no socket.

`verdict_exit_code` decides from bytes alone, so that a test can try every byte in one process.
"""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path

import msgspec

from chain.errors import ChainError, GenesisRefused
from chain.genesis import Genesis, genesis_from_json
from chain.proof import Check, Checkpoint, Verdict, check_proof
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed

PROOF_BYTES_MAX = 4 << 20  # as the REST layer takes
FILE_BYTES_MAX = 64 << 20  # of genesis and trust files
GENESES_MAX = 4  # kept parsed
CHECKPOINTS_MAX = 1_000  # kept in a trust file, the newest


def verify_proof_bytes(
    data: bytes,
    genesis_json: bytes,
    trusted_json: bytes | None = None,
    max_age_ms: int | None = None,
    now_ms: int | None = None,
) -> Verdict:
    """The verdict on a proof file, whatever its bytes. Raises CommandFailed if genesis or trust file cannot be used."""
    genesis = _parse_genesis(genesis_json)
    trusted = parse_trusted(trusted_json) if trusted_json is not None else None
    if max_age_ms is not None and now_ms is None:
        now_ms = int(time.time() * 1000)
    if len(data) > PROOF_BYTES_MAX:
        return Verdict(False, [Check("form", False, f"longer than {PROOF_BYTES_MAX} bytes")], {}, None)
    try:
        return check_proof(data, genesis, trusted=trusted, max_age_ms=max_age_ms, now_ms=now_ms)
    except (ChainError, RecursionError, MemoryError) as error:  # nothing that a file holds may look like a success
        return Verdict(False, [Check("form", False, type(error).__name__)], {}, None)


def verdict_exit_code(
    data: bytes,
    genesis_json: bytes,
    trusted_json: bytes | None = None,
    max_age_ms: int | None = None,
    now_ms: int | None = None,
) -> ExitCode:
    """What `medbill proof verify` exits with: OK, INVALID, or USAGE if genesis or trust file cannot be used."""
    try:
        verdict = verify_proof_bytes(data, genesis_json, trusted_json, max_age_ms, now_ms)
    except CommandFailed as failure:
        return failure.exit_code
    return ExitCode.OK if verdict.valid else ExitCode.INVALID


@functools.lru_cache(maxsize=GENESES_MAX)
def _parse_genesis(genesis_json: bytes) -> Genesis:
    """Parsed once: its keys are checked one by one, which takes longer than the proof."""
    try:
        return genesis_from_json(genesis_json)
    except GenesisRefused as refusal:
        raise CommandFailed("genesis_refused", f"genesis: {refusal}; take it from where the network was made") from None


def parse_trusted(data: bytes) -> list[Checkpoint]:
    """Checkpoints of earlier checks. Raises CommandFailed `file_unreadable`."""
    try:
        return msgspec.json.decode(data, type=list[Checkpoint])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise CommandFailed("file_unreadable", f"trust file: {error}; it is written by --trust itself") from None


def keep_checkpoint(path: Path, trusted: list[Checkpoint], newest: Checkpoint) -> None:
    """Add what was proven to a trust file, by height; the oldest leave it."""
    kept = sorted(
        {(entry.chain_id, entry.height): entry for entry in [*trusted, newest]}.values(), key=lambda entry: entry.height
    )
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(kept[-CHECKPOINTS_MAX:]), indent=1) + b"\n")
    beside.replace(path)


def read_file(path: Path, bytes_max: int) -> bytes:
    """At most one byte more than `bytes_max`: enough to see that it is too long."""
    with path.open("rb") as stream:
        return stream.read(bytes_max + 1)
