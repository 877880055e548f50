"""The LevelDB door: one batch or nothing, no wrong value, no silent repair (DESIGN 8)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain.database import MARKER, Database
from chain.errors import StorageDamaged, StorageFailed, StorageLocked


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    store = Database.create(tmp_path / "state")
    yield store
    store.close()


def test_a_batch_is_read_back_also_after_opening_again(database: Database) -> None:
    """DESIGN 8: changes go down as one batch."""
    database.write({b"a": b"1", b"b": b"", b"c": b"3" * 100_000})
    database.write({b"d": b"4"}, deletes=[b"a"])
    database.close()

    again = Database.open(database.path)
    assert again.get_many([b"a", b"b", b"c", b"d"]) == [None, b"", b"3" * 100_000, b"4"]
    again.close()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ["p1", "p2", "p3"]),
        ({"reverse": True}, ["p3", "p2", "p1"]),
        ({"start": b"p2"}, ["p2", "p3"]),
        ({"start": b"p2", "reverse": True}, ["p2", "p1"]),
        ({"start": b"p2x", "reverse": True}, ["p2", "p1"]),
        ({"start": b"a"}, ["p1", "p2", "p3"]),
        ({"start": b"z"}, []),
        ({"start": b"z", "reverse": True}, ["p3", "p2", "p1"]),
        ({"start": b"a", "reverse": True}, []),
        ({"limit": 2}, ["p1", "p2"]),
        ({"limit": 0}, []),
        ({"limit": 1, "reverse": True}, ["p3"]),
    ],
)
def test_a_scan_keeps_within_its_prefix(database: Database, arguments: dict[str, object], expected: list[str]) -> None:
    database.write({key: b"v" + key for key in (b"o9", b"p1", b"p2", b"p3", b"q1")})

    found = list(database.scan(b"p", **arguments))  # type: ignore[arg-type]

    assert [key.decode() for key, _value in found] == expected
    assert all(value == b"v" + key for key, value in found)


def test_a_scan_of_the_highest_prefix_has_no_upper_end(database: Database) -> None:
    database.write({b"\xff\xff1": b"x", b"\xfe": b"y"})

    assert [key for key, _value in database.scan(b"\xff\xff")] == [b"\xff\xff1"]
    assert len(list(database.scan(b""))) == 2


def test_a_second_handle_is_told_that_the_store_is_locked(database: Database) -> None:
    """A locked store is sound: never a reason to rebuild it."""
    with pytest.raises(StorageLocked, match="another process has it open"):
        Database.open(database.path)


def test_a_database_is_made_only_where_nothing_is(database: Database, tmp_path: Path) -> None:
    with pytest.raises(StorageFailed):
        Database.create(database.path)
    with pytest.raises(StorageDamaged, match="no database was made here"):
        Database.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("lost", ["CURRENT", MARKER, "MANIFEST"])
def test_a_lost_file_stops_the_node_and_nothing_is_made_anew(database: Database, lost: str) -> None:
    """LevelDB alone would make an empty store and delete the old tables."""
    database.write({b"a": b"1"})
    database.close()
    for file in database.path.glob(f"{lost}*"):
        file.unlink()
    before = {file.name for file in database.path.iterdir()}

    with pytest.raises(StorageDamaged):
        Database.open(database.path)
    assert {file.name for file in database.path.iterdir()} - {"LOG.old"} == before  # LOG is LevelDB's diary


def test_a_record_of_another_key_is_found(database: Database) -> None:
    """A misdirected record carries valid checksums of LevelDB's own."""
    database.write({b"bill/1": b"100", b"bill/2": b"200"})
    database._handle.put(b"bill/1", database._handle.get(b"bill/2"))

    with pytest.raises(StorageDamaged, match=b"bill/1".hex()):
        database.get(b"bill/1")
    with pytest.raises(StorageDamaged, match=b"bill/1".hex()):
        list(database.scan(b"bill/"))
    assert database.get(b"bill/2") == b"200"


def test_a_record_too_short_for_its_checksum_is_found(database: Database) -> None:
    database._handle.put(b"k", b"abc")
    with pytest.raises(StorageDamaged):
        database.get(b"k")


@pytest.mark.parametrize("where", ["log", "table"])
def test_a_flipped_bit_never_gives_a_wrong_value(tmp_path: Path, where: str) -> None:
    """Measured before this door existed: 165 of 200 flips in a table gave a wrong value, without a word."""
    origin = Database.create(tmp_path / "origin")
    expected = {f"key/{number:04}".encode(): os.urandom(40) for number in range(200)}
    origin.write(expected)
    if where == "table":
        origin._handle.compact_range()
    origin.close()
    file = next(path for path in (tmp_path / "origin").glob("*.log" if where == "log" else "*.ldb"))
    size = file.stat().st_size
    damaged = 0
    for offset in range(7, size, size // 40):
        copy = tmp_path / "copy"
        shutil.copytree(tmp_path / "origin", copy)
        data = bytearray((copy / file.name).read_bytes())
        data[offset] ^= 0x10
        (copy / file.name).write_bytes(data)
        try:
            store = Database.open(copy)
            try:
                for key, value in expected.items():
                    assert store.get(key) == value
                assert dict(store.scan(b"key/")) == expected
            finally:
                store.close()
        except StorageDamaged:
            damaged += 1
        shutil.rmtree(copy)
    assert damaged >= 38


def test_a_failed_write_poisons_the_handle(tmp_path: Path) -> None:
    """After a full disk LevelDB acknowledges later synced writes and loses them: so nothing follows a failure."""
    program = (
        "import resource, sys; from pathlib import Path; from chain.database import Database\n"
        "from chain.errors import StorageFailed\n"
        "store = Database.create(Path(sys.argv[1])); store.write({b'a': b'1'})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))\n"
        "def refused(call):\n"
        "    try: call()\n"
        "    except StorageFailed as error: return str(error)\n"
        "    return 'done'\n"
        "print(refused(lambda: store.write({b'b': b'x' * 10_000})))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "print(refused(lambda: store.write({b'c': b'3'})))\n"
        "print(refused(lambda: store.get(b'a')))\n"
        "print(refused(lambda: list(store.scan(b''))))\n"
        "store.close()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True, check=True
    )

    first, *later = result.stdout.splitlines()
    assert "File too large" in first
    assert len(later) == 3
    assert all("no longer usable" in line for line in later)


def test_a_closed_database_refuses_instead_of_crashing(database: Database) -> None:
    database.write({b"a": b"1", b"b": b"2"})
    scan = database.scan(b"")
    next(scan)
    database.close()
    database.close()

    with pytest.raises(StorageDamaged):
        next(scan)
    with pytest.raises(StorageFailed, match="closed"):
        database.get(b"a")


def test_what_was_synced_survives_kill_9(tmp_path: Path) -> None:
    """DESIGN 8: a synced batch is whole or absent."""
    program = (
        "import sys; from pathlib import Path; from chain.database import Database\n"
        "store = Database.create(Path(sys.argv[1])); n = 0\n"
        "while True:\n"
        "    n += 1; store.write({b'tip': b'%d' % n, b'block/%08d' % n: b'x' * 200}); print(n, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "s")], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 50:
                break
        os.kill(child.pid, signal.SIGKILL)
        acknowledged = max([50, *(int(line) for line in child.stdout if line.endswith(b"\n"))])

    store = Database.open(tmp_path / "s")
    tip = int(store.get(b"tip") or b"0")
    assert tip in (acknowledged, acknowledged + 1)
    assert len(list(store.scan(b"block/"))) == tip
    store.close()


@pytest.mark.parametrize("is_derived", [True, False])
def test_damage_that_a_compaction_meets_is_remembered_too(tmp_path: Path, is_derived: bool) -> None:
    """Found by `make bitflips`: the write behind it fails, no read did, and the next start took the database over."""
    store = Database.create(tmp_path / "s")
    store.write({b"key/%04d" % number: os.urandom(100) for number in range(1_000)})
    store.close()
    Database.open(tmp_path / "s").close()  # its log becomes a table
    [table] = (tmp_path / "s").glob("*.ldb")
    data = bytearray(table.read_bytes())
    data[len(data) // 2] ^= 0x10
    table.write_bytes(data)

    store = Database.open(tmp_path / "s", is_derived=is_derived, write_buffer_bytes=1 << 16)

    def write_on() -> None:
        for _turn in range(1_000):
            store.write({b"key/%04d" % number: os.urandom(100) for number in range(0, 1_000, 10)}, sync=False)

    with pytest.raises(StorageFailed, match="checksum mismatch"):
        write_on()
    store.close()

    if is_derived:
        with pytest.raises(StorageDamaged, match="damage was met here"):
            Database.open(tmp_path / "s", is_derived=True)
    else:  # its rows are nowhere else: it opens, and each read is checked
        Database.open(tmp_path / "s").close()
