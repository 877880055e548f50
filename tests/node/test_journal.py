"""The journal: what was flushed is never forgotten without a word (DESIGN 8, PROTOCOL 3, 13, 14)."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chain.errors import StorageDamaged, StorageFailed, StorageLocked
from node import file_identity
from node.errors import JournalCopied, JournalMissing
from node.file_identity import FileIdentity
from node.journal import FILE_NAME, FIRST_RENEWAL, KEYS_MAX, NEW_FILE_NAME, Journal

HEAD_BYTES = 377
ENTRY_BYTES = 36
LENGTHS = (40, 1, 300, 7, 90)
DIGEST = b"\x11" * 32


def payload(sequence: int) -> bytes:
    return random.Random(sequence).randbytes(LENGTHS[(sequence - 1) % len(LENGTHS)])


def small_journal(directory: Path) -> Path:
    """A closed journal of a few entries, two a height; its file."""
    journal = Journal.create(directory)
    for sequence in range(1, len(LENGTHS) + 1):
        assert journal.append(payload(sequence), (sequence + 1) // 2) == sequence
    journal.flush()
    journal.close()
    return directory / FILE_NAME


def boundaries() -> list[int]:
    ends = [HEAD_BYTES]
    for length in LENGTHS:
        ends.append(ends[-1] + ENTRY_BYTES + length)
    return ends


def payloads(journal: Journal) -> list[bytes]:
    return [entry.payload for entry in journal.records()]


def test_entries_come_back_in_order_after_a_restart(tmp_path: Path) -> None:
    """PROTOCOL 13: votes and ViewChanges come from the journal, byte for byte."""
    journal = Journal.create(tmp_path / "journal")
    assert (journal.last_sequence, journal.floor) == (0, None)
    assert journal.append(b"prepare", 1) == 1
    assert journal.append(b"commit", 1) == 2
    assert journal.flushed_sequence == 0
    journal.flush()
    assert journal.flushed_sequence == 2
    journal.close()

    journal = Journal.open(tmp_path / "journal")
    assert list(journal.records()) == [(1, 1, b"prepare"), (2, 1, b"commit")]
    assert (journal.last_sequence, journal.flushed_sequence, journal.torn_bytes) == (2, 2, 0)
    assert journal.has_records_above(0)
    assert not journal.has_records_above(1)
    assert journal.append(b"next", 2) == 3
    journal.close()
    with pytest.raises(StorageFailed, match="closed"):
        journal.append(b"x", 3)


def test_a_missing_journal_is_reported_as_such(tmp_path: Path) -> None:
    """PROTOCOL 14: the node then follows and signs nothing; no new journal is made for it."""
    with pytest.raises(JournalMissing):
        Journal.open(tmp_path / "journal")
    (tmp_path / "journal").mkdir()
    with pytest.raises(JournalMissing):
        Journal.open(tmp_path / "journal")
    assert list((tmp_path / "journal").iterdir()) == []


def test_a_journal_is_made_once_and_has_one_owner(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "journal")
    with pytest.raises(StorageFailed, match="not empty"):
        Journal.create(tmp_path / "journal")
    with pytest.raises(StorageLocked):
        Journal.open(tmp_path / "journal")
    journal.close()


@pytest.mark.parametrize("boundary", range(len(LENGTHS) + 1))
@pytest.mark.parametrize("shift", [-1, 0, 1, ENTRY_BYTES - 1, ENTRY_BYTES, ENTRY_BYTES + 1])
def test_an_entry_that_was_never_flushed_is_cut(tmp_path: Path, boundary: int, shift: int) -> None:
    """Truncated before, at and after each boundary: the numbers go on without a hole."""
    file = small_journal(tmp_path / "journal")
    size = boundaries()[boundary] + shift
    if not HEAD_BYTES <= size <= boundaries()[-1]:
        return
    os.truncate(file, size)
    whole = sum(end <= size for end in boundaries()) - 1

    journal = Journal.open(tmp_path / "journal")
    assert payloads(journal) == [payload(sequence) for sequence in range(1, whole + 1)]
    assert journal.torn_bytes == size - boundaries()[whole]
    assert journal.append(b"again", 9) == whole + 1
    journal.flush()
    journal.close()
    journal = Journal.open(tmp_path / "journal")
    assert payloads(journal)[-1] == b"again"
    journal.close()


def test_one_flipped_bit_at_every_byte_is_found(tmp_path: Path) -> None:
    """Also in the last entry, also in its length: a flushed vote never passes for an unfinished one."""
    file = small_journal(tmp_path / "journal")
    sound = file.read_bytes()
    assert len(sound) == boundaries()[-1]
    for offset in range(len(sound)):
        damaged = bytearray(sound)
        damaged[offset] ^= 1 << (offset % 8)
        file.write_bytes(damaged)
        number = sum(end <= offset for end in boundaries()) - 1
        place = 0 if number < 0 else boundaries()[number]
        with pytest.raises(StorageDamaged, match=f"offset {place}:"):
            Journal.open(tmp_path / "journal")
        assert file.read_bytes() == damaged


@pytest.mark.parametrize("lost", [600, 900, 1036])
def test_pages_that_never_reached_the_disk_are_cut(tmp_path: Path, lost: int) -> None:
    """A loss of power may leave the new length of the file, and zeros where the last bytes belong."""
    file = small_journal(tmp_path / "journal")
    journal = Journal.open(tmp_path / "journal")
    journal.append(random.Random(6).randbytes(1000), 3)
    journal.close()
    data = file.read_bytes()
    file.write_bytes(data[:-lost] + bytes(lost))

    journal = Journal.open(tmp_path / "journal")
    assert (journal.last_sequence, journal.torn_bytes) == (5, 1036)
    journal.close()


def test_pruning_forgets_heights_whose_block_is_flushed(tmp_path: Path) -> None:
    """DESIGN 8: a height leaves the journal only after its block is flushed; the epoch's highest ViewChange stays."""
    journal = Journal.create(tmp_path / "journal")
    for height in range(1, 11):
        journal.append(b"vote %d" % height * 100, height)
    journal.append(b"view change", 10)
    journal.append(b"early", 11)

    assert not journal.prune(10, DIGEST, [b"view change"])  # small: not worth a rewriting
    assert journal.size_bytes > 5_000
    assert journal.prune(10, DIGEST, [b"view change"], bytes_min=0)

    expected = [(13, 10, b"view change"), (14, 11, b"early")]
    assert list(journal.records()) == expected
    assert (journal.floor, journal.last_sequence, journal.flushed_sequence) == ((10, DIGEST), 14, 14)
    assert journal.append(b"later", 11) == 15
    journal.flush()
    journal.close()
    journal = Journal.open(tmp_path / "journal")
    assert list(journal.records()) == [*expected, (15, 11, b"later")]
    assert journal.floor == (10, DIGEST)
    assert not journal.prune(9, DIGEST, [], bytes_min=0)  # nearly all of it would stay
    journal.close()


def test_what_is_kept_is_not_kept_twice(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "journal")
    journal.append(b"old" * 100, 1)
    journal.append(b"view change", 2)

    assert journal.prune(1, DIGEST, [b"view change", b"other", b"other"], bytes_min=0)
    assert list(journal.records()) == [(3, 1, b"other"), (4, 2, b"view change")]
    journal.close()


def test_a_pruning_cut_short_by_a_crash_changes_nothing(tmp_path: Path) -> None:
    small_journal(tmp_path / "journal")
    (tmp_path / "journal" / NEW_FILE_NAME).write_bytes(b"half a jour")

    journal = Journal.open(tmp_path / "journal")
    assert journal.last_sequence == len(LENGTHS)
    assert not (tmp_path / "journal" / NEW_FILE_NAME).exists()
    journal.close()


def test_a_failed_flush_is_never_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was to be sent after it is never sent: the node stops."""
    journal = Journal.create(tmp_path / "journal")
    journal.append(b"vote", 1)

    def fails(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(StorageFailed, match="Input/output error"):
        journal.flush()
    monkeypatch.undo()
    for call in (journal.flush, lambda: journal.append(b"x", 1), lambda: journal.prune(1, DIGEST)):
        with pytest.raises(StorageFailed, match="no longer usable"):
            call()
    assert journal.flushed_sequence == 0
    journal.close()


def test_a_failed_pruning_stops_the_node_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = small_journal(tmp_path / "journal")
    before = file.read_bytes()
    journal = Journal.open(tmp_path / "journal")

    def fails(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", fails)
    with pytest.raises(StorageFailed, match="No space left"):
        journal.prune(3, DIGEST, bytes_min=0)
    with pytest.raises(StorageFailed, match="no longer usable"):
        journal.append(b"x", 4)
    journal.close()
    assert file.read_bytes() == before


def test_what_was_flushed_survives_kill_9_also_while_pruning(tmp_path: Path) -> None:
    """PROTOCOL 3: saved before said."""
    program = (
        "import sys; from pathlib import Path; from node.journal import Journal\n"
        "journal = Journal.create(Path(sys.argv[1])); height = 0\n"
        "while True:\n"
        "    height += 1; journal.append(b'%d ' % height + b'x' * (height * 37 % 3000), height); journal.flush()\n"
        "    print(height, journal.last_sequence, flush=True)\n"
        "    if height % 7 == 0: journal.prune(height - 2, b'd' * 32, [b'view change'], bytes_min=0)\n"
    )
    for round_number in range(4):
        directory = tmp_path / str(round_number)
        with subprocess.Popen([sys.executable, "-c", program, str(directory)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            said = [child.stdout.readline() for _ in range(60 + round_number)]
            os.kill(child.pid, signal.SIGKILL)
            said += [line for line in child.stdout if line.endswith(b"\n")]
        height, sequence = map(int, said[-1].split())

        journal = Journal.open(directory)
        assert journal.last_sequence >= sequence
        heights = [int(data.split()[0]) for data in payloads(journal) if data != b"view change"]
        assert heights == list(range(heights[0], heights[-1] + 1))
        assert height <= heights[-1] <= height + 1
        assert journal.floor is not None
        assert journal.floor[0] >= height - 9
        assert payloads(journal).count(b"view change") == 1
        journal.close()


# ── copies, renewals, keys ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["restored", "cloned", "moved over"])
def test_a_copy_of_a_journal_is_found_out(tmp_path: Path, way: str) -> None:
    """PROTOCOL 14: a restored backup, a clone of the home, a copy that was renamed into the original's place."""
    file = small_journal(tmp_path / "journal")
    if way == "cloned":
        shutil.copytree(tmp_path / "journal", tmp_path / "clone")
        file = tmp_path / "clone" / FILE_NAME
    else:
        shutil.copy2(file, tmp_path / "backup")
        if way == "restored":
            file.unlink()  # the inode's number may come back at once, its generation does not
            shutil.copy2(tmp_path / "backup", file)
        else:
            (tmp_path / "backup").rename(file)
    with pytest.raises(JournalCopied, match="renew"):
        Journal.open(file.parent)
    assert file.read_bytes()  # it stays for whoever wants to look at it


def test_a_journal_that_was_renamed_with_its_home_is_the_same_one(tmp_path: Path) -> None:
    small_journal(tmp_path / "journal")
    (tmp_path / "journal").rename(tmp_path / "elsewhere")
    journal = Journal.open(tmp_path / "elsewhere")
    assert journal.last_sequence == len(LENGTHS)
    assert journal.prune(3, DIGEST, bytes_min=0)  # a new file, which knows itself
    journal.close()
    Journal.open(tmp_path / "elsewhere").close()


def test_where_a_file_system_gives_no_generation_the_inode_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a journal that was written without one is still known after the kernel learnt to give it."""

    def gives_none(_handle: int, _request: int, _buffer: bytearray) -> int:
        raise OSError(25, "Inappropriate ioctl for device")

    monkeypatch.setattr(file_identity.fcntl, "ioctl", gives_none)
    file = small_journal(tmp_path / "journal")
    shutil.copy2(file, tmp_path / "backup")
    Journal.open(tmp_path / "journal").close()
    monkeypatch.undo()
    Journal.open(tmp_path / "journal").close()
    (tmp_path / "backup").rename(file)
    with pytest.raises(JournalCopied):
        Journal.open(tmp_path / "journal")


def test_a_generation_tells_two_files_of_one_inode_apart() -> None:
    unknown = file_identity.GENERATION_UNKNOWN
    assert FileIdentity(7, 1).is_same(FileIdentity(7, 1))
    assert FileIdentity(7, 1).is_same(FileIdentity(7, unknown))
    assert not FileIdentity(7, 1).is_same(FileIdentity(7, 2))
    assert not FileIdentity(7, unknown).is_same(FileIdentity(8, unknown))


def test_a_journal_knows_the_renewal_and_the_keys_that_it_is_for(tmp_path: Path) -> None:
    """PROTOCOL 14: it votes in the epoch of its own renewal; keys that came later are remembered over prunings."""
    first = Journal.create(tmp_path / "first", [b"\x01" * 32])
    assert (first.renewal, first.keys, first.last_sequence) == (FIRST_RENEWAL, [b"\x01" * 32], 0)
    first.close()
    journal = Journal.create(tmp_path / "renewed", renewal=b"\x07" * 32, first_sequence=100)
    assert (journal.last_sequence, journal.append(b"vote", 1)) == (99, 100)
    for key in [b"\x01" * 32, b"\x02" * 32, b"\x02" * 32]:
        journal.take_key(key)
    journal.flush()
    assert journal.prune(1, DIGEST, bytes_min=0)
    journal.close()
    journal = Journal.open(tmp_path / "renewed")
    assert (journal.renewal, journal.keys) == (b"\x07" * 32, [b"\x01" * 32, b"\x02" * 32])
    for number in range(KEYS_MAX):
        journal.take_key(bytes([16 + number]) * 32)
    assert journal.last_sequence == 100
    journal.close()
    journal = Journal.open(tmp_path / "renewed")
    assert journal.keys == [bytes([16 + number]) * 32 for number in range(KEYS_MAX)]
    journal.close()
