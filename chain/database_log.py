"""The end of a file in LevelDB's log format: whether its last record is one that was cut short, or one that was altered.

LevelDB takes a record that seems longer than the rest of the file for a write that never ended, and passes over it and
all behind it without a word, in paranoid mode too. One flipped bit in a length so loses flushed batches in silence. But
then the bytes behind it begin with those that its checksum was made over, which an unfinished write's do not.
Source: LevelDB, doc/log_format.md and db/log_reader.cc.
"""

from __future__ import annotations

from pathlib import Path

from chain.errors import StorageDamaged

BLOCK_BYTES = 32_768
HEAD_BYTES = 7  # checksum 4, length 2, type 1; little-endian
_MASK_DELTA = 0xA282EAD8


def verify_end(path: Path) -> None:
    """Raises StorageDamaged if a record in the last block seems longer than the file and is not; OSError."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = (max(size - 1, 0)) // BLOCK_BYTES * BLOCK_BYTES  # records never cross into another block
        file.seek(start)
        block = file.read()
    place = 0
    while len(block) - place >= HEAD_BYTES:
        length = int.from_bytes(block[place + 4 : place + 6], "little")
        left = len(block) - place - HEAD_BYTES
        if length > left:
            expected = int.from_bytes(block[place : place + 4], "little")
            if _begins_with(block[place + 6 :], expected):
                raise StorageDamaged(f"{path} offset {start + place}", f"the record's length is not {length}")
            return
        place += HEAD_BYTES + length


def _make_table() -> list[int]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return table


_TABLE = _make_table()


def _begins_with(data: bytes, expected: int) -> bool:
    """Whether a beginning of `data` has the checksum."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
        if _masked(crc ^ 0xFFFFFFFF) == expected:
            return True
    return False


def _masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF
