"""A flipped bit at the end of LevelDB's own files never loses a flushed batch in silence; an unfinished write is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from chain.database import Database
from chain.database_log import _begins_with, _masked, verify_end
from chain.errors import StorageDamaged


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three flushed batches, as kill -9 leaves them."""
    database = Database.create(tmp_path / "store")
    for number in range(3):
        database.write({b"key-%d" % number: bytes(100 * number + 1)}, [], sync=True)
    shutil.copytree(tmp_path / "store", tmp_path / "crashed", ignore=shutil.ignore_patterns("LOCK"))
    database.close()
    return tmp_path / "crashed"


def rows(path: Path) -> dict[bytes, bytes]:
    database = Database.open(path)
    try:
        return dict(database.scan(b""))
    finally:
        database.close()


def test_the_checksum_is_the_one_of_rfc_3720() -> None:
    """Its test vectors: 32 bytes of zeros, of ones, ascending; LevelDB masks what it stores."""
    for data, crc in ((bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)):
        assert _begins_with(data + b"more", _masked(crc))
        assert not _begins_with(data[:31], _masked(crc))


def test_every_flipped_bit_of_log_and_manifest_is_harmless_or_named(store: Path, tmp_path: Path) -> None:
    """Not one gives fewer rows, or others."""
    whole = rows(shutil.copytree(store, tmp_path / "sound"))
    (log,) = store.glob("*.log")
    (manifest,) = store.glob("MANIFEST-*")
    stopped = 0
    for file in (log, manifest):
        data = file.read_bytes()
        for offset in range(len(data)):
            copy = shutil.copytree(store, tmp_path / "copy")
            flipped = data[offset] ^ 1 << offset * 5 % 8
            (copy / file.name).write_bytes(data[:offset] + bytes([flipped]) + data[offset + 1 :])
            try:
                assert rows(copy) == whole, f"{file.name} offset {offset}"
            except StorageDamaged:
                stopped += 1
            shutil.rmtree(copy)
    assert stopped > 100


@pytest.mark.parametrize("record", [0, 1, 2])
def test_every_bit_of_a_records_length_is_found(store: Path, record: int) -> None:
    (log,) = store.glob("*.log")
    data = log.read_bytes()
    place = 0
    for _ in range(record):
        place += 7 + int.from_bytes(data[place + 4 : place + 6], "little")
    for number in range(16):
        length = int.from_bytes(data[place + 4 : place + 6], "little") ^ 1 << number
        log.write_bytes(data[: place + 4] + length.to_bytes(2, "little") + data[place + 6 :])
        if length > len(data) - place - 7:
            with pytest.raises(StorageDamaged, match=f"offset {place}"):
                verify_end(log)
        with pytest.raises(StorageDamaged):
            rows(store)


def test_a_write_that_never_ended_is_still_passed_over(store: Path, tmp_path: Path) -> None:
    """Wherever it was cut: the batches before it are there."""
    (log,) = store.glob("*.log")
    data = log.read_bytes()
    place = 0
    for _ in range(2):
        place += 7 + int.from_bytes(data[place + 4 : place + 6], "little")
    for size in range(place, len(data), 7):
        copy = shutil.copytree(store, tmp_path / "copy")
        (copy / log.name).write_bytes(data[:size])
        assert set(rows(copy)) == {b"key-0", b"key-1"}
        shutil.rmtree(copy)
