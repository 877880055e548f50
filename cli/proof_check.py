"""The offline check of a proof file, and what it exits with. Needs `chain` alone; opens no socket.

`verdict_exit_code` decides from bytes alone, so that a test can try every byte in one process.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from chain.errors import GenesisRefused, TrustRefused
from chain.proof_file import check_file, trusted_with
from chain.verdict import Checkpoint, Verdict
from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed

FILE_BYTES_MAX = 64 << 20  # of genesis and trust files


def verify_proof_bytes(
    data: bytes,
    genesis_json: bytes,
    trusted_json: bytes | None = None,
    max_age_ms: int | None = None,
    now_ms: int | None = None,
    *,
    at_height: int | None = None,
    at_ms: int | None = None,
) -> Verdict:
    """The verdict on a proof file of any kind, whatever its bytes. Raises CommandFailed if genesis or trust file cannot be used."""
    if max_age_ms is not None and now_ms is None:
        now_ms = int(time.time() * 1000)
    if max_age_ms is None:
        now_ms = None
    try:
        return check_file(data, genesis_json, trusted_json, max_age_ms, now_ms, at_height, at_ms)
    except GenesisRefused as refusal:
        raise CommandFailed("genesis_refused", f"genesis: {refusal}; take it from where the network was made") from None
    except TrustRefused as refusal:
        raise CommandFailed("file_unreadable", f"trust file: {refusal}; it is written by --trust itself") from None


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


def show_verdict(verdict: Verdict, as_json: bool) -> ExitCode:
    """Print every check that was made, and what is proven. OK or INVALID."""
    checks = [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in verdict.checks]
    if as_json:
        output.print_json({"valid": verdict.valid, "checks": checks, "bill": verdict.bill or None})
    else:
        output.print_checks(checks)
        if verdict.valid:
            output.print_fields(verdict.bill)
        output.print_line("valid" if verdict.valid else "INVALID")
    return ExitCode.OK if verdict.valid else ExitCode.INVALID


def keep_checkpoint(path: Path, trusted_json: bytes | None, newest: Checkpoint) -> None:
    """Add what was proven to a trust file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(trusted_with(trusted_json, newest))
    beside.replace(path)


def read_file(path: Path, bytes_max: int) -> bytes:
    """At most one byte more than `bytes_max`: enough to see that it is too long."""
    with path.open("rb") as stream:
        return stream.read(bytes_max + 1)
