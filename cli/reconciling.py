"""A day's reconciliation from files to files: what `medbill reconciliation run` does, without printing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import msgspec

from chain.genesis import Genesis
from chain.key_proof import KeyProof
from chain.proof_file import PROOF_BYTES_MAX
from chain.reconciliation_result import InputFile, ReconciliationStatement
from chain.signature import SigningKey
from cli.formats.bank_csv import read_bank_csv
from cli.formats.bounded_lines import InputSource
from cli.formats.our_lines import read_our_lines
from cli.statement_readers import READERS
from node.reconciliation.business_day import BusinessDay
from node.reconciliation.errors import ResultExists
from node.reconciliation.item import Item
from node.reconciliation.reconcile import Told, reconcile
from node.reconciliation.results import keep_result, load_carried, state_day
from node.reconciliation.rows_file import RowsWriter, rows_path

OURS, STATEMENT, BANK, CARRIED = "ours", "statement", "bank", "carried"  # roles of files
T = TypeVar("T")


class Files(msgspec.Struct, frozen=True):
    ours: Path
    statement: Path
    form: str  # of the statement: a name in READERS
    bank: Path | None
    carried: Path | None  # the result of the day before
    out: Path


def count_lines(files: Files) -> int:
    """For the bar: lines of both sides, each read and compared."""
    count = 0
    for path in (files.ours, files.statement):
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                count += block.count(b"\n")
    return 2 * count


def reconcile_files(
    files: Files,
    organisation: str,
    channel: str,
    day: BusinessDay,
    genesis: Genesis,
    key: SigningKey,
    made_ms: int,
    *,
    proof: KeyProof | None = None,
    temporary: Path | None = None,
    told: Told = lambda _steps, _text: None,
) -> ReconciliationStatement:
    """Compare and write result and rows; what was signed. `proof` of the key goes into the result; without one, genesis names it.

    Raises ReconciliationError, FormatRefused, ChannelError, OSError."""
    if files.out.exists():
        raise ResultExists(files.out)
    inputs: list[InputFile] = []
    with ExitStack() as stack:
        ours = stack.enter_context(InputSource(files.ours, OURS, "jsonl"))
        statement = stack.enter_context(InputSource(files.statement, STATEMENT, files.form))
        sources = [ours, statement]
        bank = None
        if files.bank is not None:
            bank_source = stack.enter_context(InputSource(files.bank, BANK, "csv"))
            sources.append(bank_source)
            bank = list(_counted(bank_source, read_bank_csv(bank_source.stream)))
        carried: Iterable[tuple[str, Item]] = ()
        if files.carried is not None:
            source = stack.enter_context(InputSource(files.carried, CARRIED, "reconciliation"))
            sources.append(source)
            data = source.stream.read(PROOF_BYTES_MAX + 1)
            carried = _counted(source, load_carried(files.carried, data, genesis, organisation, channel, day))
        rows = stack.enter_context(RowsWriter(rows_path(files.out)))
        figures = reconcile(
            channel,
            day,
            _counted(ours, read_our_lines(ours.stream)),
            _counted(statement, READERS[files.form](statement.stream, day.utc_offset_minutes)),
            bank,
            carried,
            rows.write,
            temporary=temporary,
            told=told,
        )
        inputs = [source.described() for source in sources]
        stated = state_day(genesis.digest(), organisation, channel, day, made_ms, inputs, figures, rows)
        keep_result(files.out, stated, rows, key, [proof.key] if proof else [], proof.set_changes if proof else [])
    return stated


def _counted(source: InputSource, lines: Iterable[T]) -> Iterator[T]:
    for line in lines:
        source.lines += 1
        yield line


def differing_inputs(statement: ReconciliationStatement, files: dict[str, Path]) -> Iterator[tuple[str, bool, str]]:
    """(role, whether it is the file that was compared, what to say) of each file that is named. Raises OSError."""
    signed = {file.role: file for file in statement.inputs}
    for role, path in files.items():
        with InputSource(path, role, "") as source:
            found = source.described()
        known = signed.get(role)
        is_same = known is not None and (known.sha256, known.bytes) == (found.sha256, found.bytes)
        yield (
            role,
            is_same,
            f"{path.name}: SHA-256 {found.sha256.hex()[:16]}…, {'the' if is_same else 'not the'} file compared",
        )
