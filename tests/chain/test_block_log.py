"""The block log: flushed before it is said, cut only where nothing followed, and a named place for all damage."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chain import block_log as block_log_module
from chain.block_log import BlockLog
from chain.errors import StorageDamaged, StorageFailed, StorageLocked

HEADER_BYTES = 32
LENGTHS = (40, 1, 300, 7, 90)  # of the blocks of the small log


def block(height: int, length: int | None = None) -> bytes:
    size = LENGTHS[(height - 1) % len(LENGTHS)] if length is None else length
    return random.Random(height).randbytes(size)


def small_log(directory: Path, blocks: int = len(LENGTHS), segment_bytes_max: int = 1 << 20) -> Path:
    """A closed log of a few blocks; its first segment's file."""
    log = BlockLog.create(directory, segment_bytes_max=segment_bytes_max)
    for height in range(1, blocks + 1):
        log.append(height, block(height), 10 * height)
        log.flush()
    log.close()
    return directory / "00000001.log"


def boundaries() -> list[int]:
    """Where the records of the small log end; the first entry is the beginning."""
    ends = [0]
    for length in LENGTHS:
        ends.append(ends[-1] + HEADER_BYTES + length)
    return ends


def test_blocks_are_read_back_after_opening_again(tmp_path: Path) -> None:
    """DESIGN 8: the log is the only truth."""
    log = BlockLog.create(tmp_path / "blocks")
    assert (log.height, log.flushed_height, log.first_height) == (0, 0, 1)
    log.append(1, b"one", 7)
    log.append(2, b"two", 9)
    assert (log.height, log.flushed_height) == (2, 0)
    log.flush()
    assert log.flushed_height == 2
    log.close()

    log = BlockLog.open(tmp_path / "blocks")
    assert (log.height, log.flushed_height, log.last_journal_sequence, log.torn_bytes) == (2, 2, 9, 0)
    assert (log.read(1), log.read(2), log.journal_sequence(1)) == (b"one", b"two", 7)
    for height in (0, 3):
        with pytest.raises(KeyError):
            log.read(height)
    log.close()
    with pytest.raises(StorageFailed, match="closed"):
        log.read(1)
    with pytest.raises(StorageFailed, match="closed"):
        log.append(3, b"three", 10)


def test_a_block_follows_the_last_one(tmp_path: Path) -> None:
    log = BlockLog.create(tmp_path / "blocks", first_height=5)
    for height, data in ((4, b"x"), (6, b"x"), (5, b"")):
        with pytest.raises(ValueError, match="after block 4"):
            log.append(height, data, 0)
    log.append(5, b"x", 0)
    assert log.height == 5
    log.close()


def test_segments_follow_one_another(tmp_path: Path) -> None:
    """Each segment is named by its first height; all but the last never change again."""
    small_log(tmp_path / "blocks", blocks=40, segment_bytes_max=500)

    log = BlockLog.open(tmp_path / "blocks", segment_bytes_max=500)
    names = [path.name for path in log.closed_segments]
    assert len(names) > 5
    assert names[0] == "00000001.log"
    assert [log.read(height) for height in range(1, 41)] == [block(height) for height in range(1, 41)]
    log.append(41, block(41), 410)
    log.flush()
    assert log.read_many(38, 10_000) == [block(38), block(39), block(40), block(41)]
    assert log.read_many(3, 310) == [block(3), block(4)]
    assert log.read_many(3, 1) == [block(3)]  # one at least
    assert log.read_many(42, 1_000) == []
    assert (tmp_path / "blocks" / names[-1]).stat().st_size <= 500
    log.close()


def test_only_few_closed_segments_are_kept_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_log_module, "SEGMENTS_OPEN_MAX", 3)
    small_log(tmp_path / "blocks", blocks=60, segment_bytes_max=200)
    log = BlockLog.open(tmp_path / "blocks")
    before = len(os.listdir("/proc/self/fd"))
    for height in [*range(1, 61), *range(60, 0, -1)]:
        assert log.read(height) == block(height)
    assert len(os.listdir("/proc/self/fd")) <= before + 3
    log.close()


@pytest.mark.parametrize("boundary", range(len(LENGTHS) + 1))
@pytest.mark.parametrize("shift", [-1, 0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 1])
def test_a_torn_last_record_is_cut_and_the_log_goes_on(tmp_path: Path, boundary: int, shift: int) -> None:
    """DESIGN 8: truncated before, at and after each boundary of records."""
    file = small_log(tmp_path / "blocks")
    size = boundaries()[boundary] + shift
    if not 0 <= size <= boundaries()[-1]:
        return
    os.truncate(file, size)
    whole = sum(end <= size for end in boundaries()) - 1

    log = BlockLog.open(tmp_path / "blocks")
    assert log.height == whole
    assert log.torn_bytes == size - boundaries()[whole]
    assert log.cut_place == (f"{file} offset {boundaries()[whole]}" if log.torn_bytes else "")
    assert log.last_journal_sequence == 10 * whole
    assert file.stat().st_size == boundaries()[whole]
    log.append(whole + 1, b"again", 99)
    log.flush()
    log.close()
    log = BlockLog.open(tmp_path / "blocks")
    assert log.read(whole + 1) == b"again"
    log.close()


def test_a_torn_record_that_votes_followed_from_stops_the_node(tmp_path: Path) -> None:
    """DESIGN 8: "unless the journal has votes above it". Nothing is cut then."""
    file = small_log(tmp_path / "blocks")
    os.truncate(file, boundaries()[-1] - 1)
    asked = []

    def has_votes_above(height: int) -> bool:
        asked.append(height)
        return height < 6

    with pytest.raises(StorageDamaged, match=f"offset {boundaries()[-2]}"):
        BlockLog.open(tmp_path / "blocks", journal_has_votes_above=has_votes_above)
    assert asked == [5]
    with pytest.raises(StorageDamaged):
        BlockLog.open(tmp_path / "blocks", journal_has_votes_above=True)
    assert file.stat().st_size == boundaries()[-1] - 1

    log = BlockLog.open(tmp_path / "blocks", journal_has_votes_above=lambda height: height < 5)
    assert log.height == 4
    log.close()


@pytest.mark.parametrize("lost", [(3,), (4,), (3, 4), (3, 5), (3, 4, 5), (4, 5)])
def test_a_batch_that_reached_the_disk_out_of_order_is_cut(tmp_path: Path, lost: tuple[int, ...]) -> None:
    """A loss of power keeps any of what was not flushed: blocks 3 to 5 were one batch, and nobody had heard of them.

    The journal's votes above tell it from damage; a block written after their flush does too.
    """
    directory = tmp_path / "blocks"
    log = BlockLog.create(directory)
    for height in (1, 2):
        log.append(height, block(height), 10 * height)
        log.flush()
    for height in (3, 4, 5):
        log.append(height, block(height), 10 * height)
    log.close()
    file, ends = directory / "00000001.log", boundaries()
    data = bytearray(file.read_bytes())
    for height in lost:
        data[ends[height - 1] : ends[height]] = bytes(ends[height] - ends[height - 1])
    file.write_bytes(data)

    with pytest.raises(StorageDamaged, match=f"offset {ends[lost[0] - 1]}:.*votes above"):
        BlockLog.open(directory, journal_has_votes_above=True)
    log = BlockLog.open(directory)
    assert log.height == lost[0] - 1
    assert file.stat().st_size == ends[lost[0] - 1]
    log.close()


def test_a_hole_before_a_block_that_was_written_after_a_flush_is_damage(tmp_path: Path) -> None:
    """Blocks 3 and 4 shared a flush, and 5 came later: so 3 was on the disk once."""
    directory = tmp_path / "blocks"
    log = BlockLog.create(directory)
    for height in range(1, 6):
        log.append(height, block(height), 10 * height)
        if height not in (3, 5):
            log.flush()
    log.close()
    file, ends = directory / "00000001.log", boundaries()
    data = bytearray(file.read_bytes())
    data[ends[2] : ends[3]] = bytes(ends[3] - ends[2])
    file.write_bytes(data)

    with pytest.raises(StorageDamaged, match=f"offset {ends[2]}:"):
        BlockLog.open(directory)


def test_the_journals_floor_is_kept(tmp_path: Path) -> None:
    """DESIGN 8: a log that ends below the floor, or has another block there, stops the node."""
    file = small_log(tmp_path / "blocks")

    def open_with(height: int, digest: bytes) -> None:
        BlockLog.open(tmp_path / "blocks", floor=(height, digest), digest_of=lambda data: data[:2]).close()

    open_with(0, b"genesis")
    open_with(3, block(3)[:2])
    open_with(5, block(5)[:2])
    with pytest.raises(StorageDamaged, match="not the one of the journal's floor"):
        open_with(3, b"??")
    with pytest.raises(StorageDamaged, match="block 6 was flushed once"):
        open_with(6, b"..")
    os.truncate(file, boundaries()[4])
    with pytest.raises(StorageDamaged, match="ends at block 4"):
        open_with(5, block(5)[:2])


def test_one_flipped_bit_at_every_byte_is_found(tmp_path: Path) -> None:
    """Damage before the last record names its place and changes nothing; the last record counts as torn."""
    file = small_log(tmp_path / "blocks")
    sound = file.read_bytes()
    ends = boundaries()
    for offset in range(len(sound)):
        damaged = bytearray(sound)
        damaged[offset] ^= 1 << (offset % 8)
        file.write_bytes(damaged)
        number = sum(end <= offset for end in ends) - 1  # which record
        if number == len(LENGTHS) - 1:
            with pytest.raises(StorageDamaged):
                BlockLog.open(tmp_path / "blocks", journal_has_votes_above=True)
            reader = BlockLog.open_read_only(tmp_path / "blocks")
            assert (reader.height, reader.torn_bytes) == (4, ends[-1] - ends[-2])
            reader.close()
        else:
            with pytest.raises(StorageDamaged, match=f"00000001.log offset {ends[number]}:"):
                BlockLog.open(tmp_path / "blocks")
        assert file.read_bytes() == damaged


def test_damage_in_a_closed_segment_is_found_when_it_is_read(tmp_path: Path) -> None:
    file = small_log(tmp_path / "blocks", blocks=40, segment_bytes_max=500)
    sound = file.read_bytes()
    for offset in range(len(sound)):
        damaged = bytearray(sound)
        damaged[offset] ^= 1 << (offset % 8)
        file.write_bytes(damaged)
        log = BlockLog.open(tmp_path / "blocks")
        with pytest.raises(StorageDamaged, match=r"00000001\.log offset"):
            log.read_many(1, 1 << 20)
        assert log.read(40) == block(40)
        log.close()
    for size in range(len(sound)):
        file.write_bytes(sound[:size])
        log = BlockLog.open(tmp_path / "blocks")
        with pytest.raises(StorageDamaged, match=r"00000001\.log"):
            log.read(1)
        log.close()


def test_lost_files_stop_the_node(tmp_path: Path) -> None:
    small_log(tmp_path / "blocks", blocks=40, segment_bytes_max=500)
    files = sorted((tmp_path / "blocks").glob("*.log"))
    files[-2].rename(tmp_path / "aside")
    with pytest.raises(StorageDamaged, match="ends at block"):
        BlockLog.open(tmp_path / "blocks")
    (tmp_path / "aside").rename(files[-2])
    (tmp_path / "blocks" / "notes.log").touch()
    with pytest.raises(StorageDamaged, match="not the name of a segment"):
        BlockLog.open(tmp_path / "blocks")
    for file in (tmp_path / "blocks").iterdir():
        file.unlink()
    for opener in (BlockLog.open, BlockLog.open_read_only):
        with pytest.raises(StorageDamaged, match="missing"):
            opener(tmp_path / "blocks")
        with pytest.raises(StorageDamaged, match="no block log"):
            opener(tmp_path / "nowhere")


def test_a_crash_between_two_segments_loses_nothing(tmp_path: Path) -> None:
    """A new segment's file exists before its first record is whole."""
    small_log(tmp_path / "blocks")
    (tmp_path / "blocks" / "00000006.log").write_bytes(b"\0\0\0")

    log = BlockLog.open(tmp_path / "blocks")
    assert (log.height, log.last_journal_sequence, log.torn_bytes) == (5, 50, 3)
    log.append(6, b"six", 60)
    log.flush()
    log.close()
    log = BlockLog.open(tmp_path / "blocks")
    assert log.read_many(5, 1_000) == [block(5), b"six"]
    log.close()


def test_one_process_appends(tmp_path: Path) -> None:
    log = BlockLog.create(tmp_path / "blocks")
    with pytest.raises(StorageLocked):
        BlockLog.open(tmp_path / "blocks")
    log.close()
    BlockLog.open(tmp_path / "blocks").close()
    with pytest.raises(StorageFailed, match="not empty"):
        BlockLog.create(tmp_path / "blocks")


def test_a_reader_beside_the_writer_sees_whole_records_only(tmp_path: Path) -> None:
    """For `node verify` on a running node."""
    log = BlockLog.create(tmp_path / "blocks", segment_bytes_max=200)
    log.append(1, block(1), 1)
    reader = BlockLog.open_read_only(tmp_path / "blocks")
    assert (reader.height, reader.read(1)) == (1, block(1))
    for height in range(2, 9):
        log.append(height, block(height), height)
    last = sorted((tmp_path / "blocks").glob("*.log"))[-1]
    whole = last.read_bytes()
    last.write_bytes(whole[:-1])  # as if the write were under way
    reader.refresh()
    assert reader.height == 7
    assert last.read_bytes() == whole[:-1]
    last.write_bytes(whole)
    reader.refresh()
    assert reader.read_many(1, 10_000) == [block(height) for height in range(1, 9)]
    with pytest.raises(ValueError, match="read-only"):
        reader.append(9, b"x", 9)
    reader.close()
    log.close()


def test_a_failed_flush_is_never_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed fsync the kernel calls the lost pages clean: asking again would lie."""
    log = BlockLog.create(tmp_path / "blocks")
    log.append(1, b"one", 1)

    def fails(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(StorageFailed, match="Input/output error"):
        log.flush()
    monkeypatch.undo()
    with pytest.raises(StorageFailed, match="no longer usable"):
        log.flush()
    with pytest.raises(StorageFailed, match="no longer usable"):
        log.append(2, b"two", 2)
    assert log.flushed_height == 0
    log.close()


def test_a_full_disk_leaves_a_torn_record_that_is_cut(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path; from chain.block_log import BlockLog\n"
        "from chain.errors import StorageFailed\n"
        "log = BlockLog.create(Path(sys.argv[1])); log.append(1, b'x' * 50, 1); log.flush()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))\n"
        "try: log.append(2, b'x' * 50, 2)\n"
        "except StorageFailed as error: print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "blocks")], stdout=subprocess.PIPE, text=True, check=True
    )
    assert "File too large" in result.stdout
    log = BlockLog.open(tmp_path / "blocks")
    assert (log.height, log.torn_bytes) == (1, 100 - 82)
    log.close()


def test_what_was_flushed_survives_kill_9(tmp_path: Path) -> None:
    """DESIGN 1, principle 3: a block is on disk before anyone hears that it is final."""
    program = (
        "import sys; from pathlib import Path; from chain.block_log import BlockLog\n"
        "log = BlockLog.create(Path(sys.argv[1]), segment_bytes_max=100_000); height = 0\n"
        "while True:\n"
        "    height += 1; log.append(height, b'x' * (height * 37 % 5000 + 1), height)\n"
        "    log.flush(); print(height, flush=True)\n"
    )
    for round_number in range(3):
        directory = tmp_path / str(round_number)
        with subprocess.Popen([sys.executable, "-c", program, str(directory)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if int(line) >= 100 * (round_number + 1):
                    break
            os.kill(child.pid, signal.SIGKILL)
            rest = [int(line) for line in child.stdout if line.endswith(b"\n")]
        said = max([100 * (round_number + 1), *rest])

        log = BlockLog.open(directory, floor=(said, b""))
        assert said <= log.height <= said + 1
        assert [len(data) for data in log.read_many(1, 1 << 30)] == [
            height * 37 % 5000 + 1 for height in range(1, log.height + 1)
        ]
        log.close()
        shutil.rmtree(directory)
