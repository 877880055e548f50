"""Results as files: made once, checked with their rows, carried on by the next day's run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from chain.certified import CurrentRecord, SetChange
from chain.codec import decode, encode
from chain.errors import ChainError
from chain.genesis import Genesis
from chain.proof_file import PROOF_BYTES_MAX
from chain.reconciliation_result import (
    InputFile,
    ReconciliationChecking,
    ReconciliationResult,
    ReconciliationStatement,
    sign_result,
    verify_sums,
)
from chain.signature import SigningKey
from chain.verdict import Verdict, Wanted
from node.reconciliation import classes
from node.reconciliation.business_day import BusinessDay
from node.reconciliation.errors import CarriedRefused, FileRefused, ResultExists
from node.reconciliation.item import Item
from node.reconciliation.reconcile import Figures
from node.reconciliation.rows_file import RowsWriter, read_rows, rows_path

ROWS_CHECK = "rows"


def state_day(
    chain_id: bytes,
    organisation: str,
    channel: str,
    day: BusinessDay,
    made_ms: int,
    inputs: list[InputFile],
    figures: Figures,
    rows: RowsWriter,
) -> ReconciliationStatement:
    """What is to be signed."""
    return ReconciliationStatement(
        chain_id,
        organisation,
        channel,
        day.number,
        day.utc_offset_minutes,
        day.near_midnight_ms,
        made_ms,
        sorted(inputs, key=lambda file: file.role),
        figures.ours,
        figures.theirs,
        figures.fees_fen,
        figures.matched,
        figures.cleared,
        figures.without_effect,
        figures.opening,
        figures.closing,
        figures.bills,
        figures.bank,
        rows.tally.totals(),
        rows.tally.rows,
        rows.digest(),
        rows.tally.shown,
    )


def keep_result(
    path: Path,
    statement: ReconciliationStatement,
    rows: RowsWriter,
    key: SigningKey,
    record: list[CurrentRecord],
    set_changes: list[SetChange],
) -> ReconciliationResult:
    """Write rows, then result: where the result is, its rows are; if the result cannot be written, neither is.

    Raises ResultExists, OSError; ProofMismatch, Malformed for figures that do not add up or do not fit: they are not signed.
    """
    verify_sums(statement)
    result = sign_result(statement, key, record, set_changes)
    data = encode(result)
    decode(data, ReconciliationResult)  # or else nobody could read it: a sum beyond what the form holds
    try:
        rows.keep()
    except FileExistsError:
        raise ResultExists(rows.path) from None
    try:
        with path.open("xb") as stream:
            try:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            except OSError:
                path.unlink()
                raise
    except OSError as error:
        rows.path.unlink()
        raise (ResultExists(path) if isinstance(error, FileExistsError) else error) from None
    return result


def read_result(path: Path) -> tuple[ReconciliationResult, bytes]:
    """The result as it says it is, unchecked, and its bytes. Raises FileRefused, OSError."""
    data = read_bounded(path)
    try:
        return decode(data, ReconciliationResult), data
    except ChainError as error:
        raise FileRefused(path.name, f"no result of a reconciliation: {error}") from None


def read_bounded(path: Path) -> bytes:
    """At most one byte more than a file of this kind may have. Raises OSError."""
    with path.open("rb") as stream:
        return stream.read(PROOF_BYTES_MAX + 1)


def check_result(data: bytes, genesis: Genesis) -> Verdict:
    """The verdict on a result alone. Never raises for any bytes."""
    return ReconciliationChecking(data, genesis).verdict(Wanted())


def load_carried(
    path: Path, data: bytes, genesis: Genesis, organisation: str, channel: str, day: BusinessDay
) -> Iterator[tuple[str, Item]]:
    """The items in suspense of the day before; checked at once, but for the digest of the rows, which is compared at the last.

    Raises CarriedRefused, also while it is read.
    """
    verdict = check_result(data, genesis)
    if not verdict.valid:
        last = verdict.checks[-1]
        raise CarriedRefused(f"{path.name}: {last.name}: {last.detail}")
    statement = decode(data, ReconciliationResult).statement
    expected = (organisation, channel, day.before)
    if (statement.organisation, statement.channel, statement.day) != expected:
        raise CarriedRefused(f"{path.name}: not the result of {organisation}, {channel}, {day.before}")
    if statement.utc_offset_minutes != day.utc_offset_minutes:
        raise CarriedRefused(f"{path.name}: its day ends at another hour")
    return _carried_items(path, statement)


def _carried_items(path: Path, statement: ReconciliationStatement) -> Iterator[tuple[str, Item]]:
    beside = rows_path(path)
    try:
        for row in read_rows(beside, statement.rows_sha256):
            if row.name == classes.SUSPENSE and row.item is not None:
                yield row.side, row.item
    except FileRefused as refusal:
        raise CarriedRefused(str(refusal)) from None
    except OSError as error:
        raise CarriedRefused(f"{beside.name}: {error.strerror}; the rows belong beside the result") from None
