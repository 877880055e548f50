"""Power is lost after each write call of a block log and a journal, and of a synced batch of the state: nothing that was
flushed is lost, nothing is invented, and what was never flushed stops nobody (RELIABILITY D1, D2; DESIGN 8)."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from chain.block_log import BlockLog
from chain.database import Database
from chain.errors import StorageDamaged
from node.journal import Journal
from tests.drills.write_trace import Trace, Write, disks_after, traced

BATCHES = ((1, 1), (3, 2), (1, 3), (4, 1), (2, 2))  # blocks and journal entries that share a flush, as the saver does
VARIANTS = 40  # mixtures at each call


def block(height: int) -> bytes:
    return random.Random(height).randbytes(200 + 400 * (height % 4))


def entry(number: int) -> bytes:
    return random.Random(1_000 + number).randbytes(100 + 700 * (number % 3))


class Said:
    """What had been flushed after each call: only that may ever be spoken of."""

    def __init__(self) -> None:
        self.heights: list[int] = []  # by call
        self.sequences: list[int] = []

    def note(self, trace: Trace, height: int, sequence: int) -> None:
        while len(self.heights) < len(trace.calls):
            self.heights.append(height)
            self.sequences.append(sequence)


def written(directory: Path) -> tuple[Trace, Said, dict[str, bytes]]:
    """Blocks, then journal entries for the height above them, flushed in the saver's order."""
    log = BlockLog.create(directory / "blocks", segment_bytes_max=4_000)
    journal = Journal.create(directory / "journal")
    start = {str(path): path.read_bytes() for path in directory.rglob("*.log")}
    said = Said()
    height = number = 0
    with traced(directory) as trace:
        for blocks, entries in BATCHES:
            for _ in range(blocks):
                height += 1
                log.append(height, block(height), journal.flushed_sequence)
                said.note(trace, log.flushed_height, journal.flushed_sequence)
            log.flush()
            said.note(trace, log.flushed_height, journal.flushed_sequence)
            for _ in range(entries):
                number += 1
                journal.append(entry(number), height + 1)
                said.note(trace, log.flushed_height, journal.flushed_sequence)
            journal.flush()
            said.note(trace, log.flushed_height, journal.flushed_sequence)
    log.close()
    journal.close()
    return trace, said, start


def put(directory: Path, files: dict[str, bytes]) -> None:
    """In place: a journal that was copied would be found out. A segment that had not been made yet is not there."""
    for path in (directory / "blocks").glob("*.log"):
        if str(path) not in files:
            path.unlink()
    for name, data in files.items():
        path = Path(name)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.write(data)
            file.truncate(len(data))


def test_nothing_flushed_is_lost_and_nothing_is_invented(tmp_path: Path) -> None:
    trace, said, start = written(tmp_path)
    chosen = random.Random(7)
    opened = doubtful = 0
    for calls in range(len(trace.calls) + 1):
        flushed_height = said.heights[calls - 1] if calls else 0
        flushed_sequence = said.sequences[calls - 1] if calls else 0
        for files in disks_after(trace, calls, start, chosen, VARIANTS):
            put(tmp_path, files)
            opened += 1
            try:
                journal = Journal.open(tmp_path / "journal")
            except StorageDamaged:  # torn within the few bytes that an entry has in one sector: it could be rot
                doubtful += 1
                continue
            entries = [item.payload for item in journal.records()]
            assert entries == [entry(number) for number in range(1, len(entries) + 1)]
            assert len(entries) >= flushed_sequence
            log = BlockLog.open(tmp_path / "blocks", journal.has_records_above, segment_bytes_max=4_000)
            assert [log.read(height) for height in range(1, log.height + 1)] == [
                block(height) for height in range(1, log.height + 1)
            ]
            assert log.height >= flushed_height
            assert log.last_journal_sequence <= journal.last_sequence  # PROTOCOL 14: a loss of power forgets no vote
            log.close()
            journal.close()
    assert opened > 500
    assert doubtful < opened / 50


def read_all(directory: Path, journal: Journal) -> None:
    log = BlockLog.open(directory, journal.has_records_above, segment_bytes_max=4_000)
    try:
        log.read_many(1, 1 << 20)
    finally:
        log.close()


def test_a_flushed_block_that_is_gone_is_never_taken_for_a_lost_write(tmp_path: Path) -> None:
    """The same mixtures one step later: whatever was flushed and is not there any more is damage."""
    trace, said, start = written(tmp_path)
    whole = {**start}
    for call in trace.calls:
        if isinstance(call, Write):
            held = bytearray(whole.get(call.path, b""))
            held.extend(bytes(max(0, call.offset + len(call.data) - len(held))))
            held[call.offset : call.offset + len(call.data)] = call.data
            whole[call.path] = bytes(held)
    found = 0
    for call in [call for call in trace.calls if isinstance(call, Write) and "blocks" in call.path][:-2]:
        spoilt = bytearray(whole[call.path])
        spoilt[call.offset : call.offset + len(call.data)] = bytes(len(call.data))
        put(tmp_path, {**whole, call.path: bytes(spoilt)})
        journal = Journal.open(tmp_path / "journal")
        with pytest.raises(StorageDamaged):
            read_all(tmp_path / "blocks", journal)
        journal.close()
        found += 1
    assert found > 5
    assert said.heights[-1] == sum(blocks for blocks, _entries in BATCHES)


def test_a_batch_of_the_state_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """LevelDB's own log cut at every byte of the last batch, and with any of its sectors never written."""
    database = Database.create(tmp_path / "state")
    rows = [{b"%d/%d" % (number, key): bytes([number]) * 90 for key in range(20)} for number in range(3)]
    for some in rows[:2]:
        database.write(some, sync=True)
    (log,) = (tmp_path / "state").glob("*.log")
    before = log.stat().st_size
    database.write(rows[2], sync=True)
    shutil.copytree(tmp_path / "state", tmp_path / "crashed", ignore=shutil.ignore_patterns("LOCK"))
    database.close()
    data = (tmp_path / "crashed" / log.name).read_bytes()
    sure, whole = {**rows[0], **rows[1]}, {**rows[0], **rows[1], **rows[2]}
    chosen = random.Random(5)
    ends: list[bytes] = [data[:size] for size in range(before, len(data), 61)]
    for _ in range(60):
        tail = bytearray(data[before:])
        for start in range(0, len(tail), 512):
            if chosen.random() < 0.5:
                tail[start : start + 512] = bytes(len(tail[start : start + 512]))
        ends.append(data[:before] + bytes(tail))
    seen = set()
    for end in ends:
        copy = shutil.copytree(tmp_path / "crashed", tmp_path / "copy")
        (copy / log.name).write_bytes(end)
        try:
            opened = Database.open(copy)
        except StorageDamaged:
            seen.add("dropped and derived again")
        else:
            held = dict(opened.scan(b""))
            opened.close()
            assert held in (sure, whole)
            seen.add("whole" if held == whole else "as before")
        shutil.rmtree(copy)
    assert seen >= {"as before", "dropped and derived again"}
