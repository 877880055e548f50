"""How records lie on the disk: shorter than they are agreed, for LevelDB writes them again level by level.

Agreed are a record's canonical bytes; one that has no former version and one operation, as nearly all of bills and business
numbers, leaves out what follows from that. `[version, height, former, origin, operation, body]` becomes `[version, height, operation, body]`.
"""

from __future__ import annotations

_WHOLE, _SHORT = b"\x96", b"\x94"  # arrays of six and of four
_FIRST = 1  # version
_NO_FORMER = b"\xc4\x20" + bytes(32)  # a digest of zeros
_DIGEST = len(_NO_FORMER)
_INTEGER_BYTES = {0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9}  # by its first byte; below 0x80 it is the number itself


def shortened(record: bytes) -> bytes:
    """Canonical bytes of a Record, without what follows from the rest."""
    if record[1] != _FIRST:
        return record
    end = _height_end(record)
    origin = end + _DIGEST
    operation = origin + _DIGEST
    if record[end:origin] != _NO_FORMER or record[origin:operation] != record[operation : operation + _DIGEST]:
        return record
    return _SHORT + record[1:end] + record[operation:]


def whole(stored: bytes) -> bytes:
    """What `shortened` was given."""
    if stored[:1] != _SHORT:
        return stored
    end = _height_end(stored)
    return _WHOLE + stored[1:end] + _NO_FORMER + stored[end : end + _DIGEST] + stored[end:]


def _height_end(record: bytes) -> int:
    return 2 + _INTEGER_BYTES.get(record[2], 1)


def stored_entry(place: int, record: bytes) -> bytes:
    """A record with its place among the leaves, as the database has it."""
    return place.to_bytes(8, "big") + shortened(record)


def entry_of(value: bytes) -> tuple[int, bytes]:
    """The place and the canonical Record."""
    return int.from_bytes(value[:8], "big"), whole(value[8:])
