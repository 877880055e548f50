"""Evidence on the disk: what convicts a validator of two votes in one slot (PROTOCOL rule 16), kept for good.

One file, `evidence.log`, made when the first piece comes; pieces one after the other

    length 4 · CRC-32 of the length 4 · checksum 8 (SHA-256 of the piece, first bytes) · piece

big-endian; a piece is what `consensus.evidence.check_evidence` reads. It is only appended to, flushed at once, and
nothing in it is ever replaced: of more than there is room for the first ones stay. Each piece proves itself, so a file
that is damaged is put aside, and what in it still proves something goes on in a new one.
"""

from __future__ import annotations

import os
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import structlog

from chain.block import FinalBlock, Header
from chain.block_log import BlockLog
from chain.codec import decode
from chain.directory import flush_directory
from chain.errors import StorageFailed
from chain.genesis import Genesis
from chain.validators import Certificate
from consensus.errors import ConsensusError
from consensus.evidence import EVIDENCE_BYTES_MAX, Conviction, Slot, check_evidence

FILE_NAME = "evidence.log"
NEW_FILE_NAME = "evidence.new"
PER_MEMBER_MAX = 16  # slots of one organisation: one is enough to convict it, and nobody may crowd out others
EVIDENCE_MAX = 1_000  # in all
BYTES_MAX = 64 << 20  # of the file
SHOWN_MAX = 100  # in /v1/network
_HEAD_BYTES = 16

log = structlog.get_logger()


class Piece(NamedTuple):
    data: bytes
    conviction: Conviction


class EvidenceStore:
    """What one node keeps. `add` belongs to one thread; all else may be asked from another."""

    def __init__(self, directory: Path, genesis: Genesis) -> None:
        """For `open` and `read`."""
        self.path = directory / FILE_NAME
        self.pieces: list[Piece] = []  # as kept, at most EVIDENCE_MAX
        self.is_damaged = False  # something in the file does not read
        self._genesis = genesis
        self._slots: set[Slot] = set()
        self._counts: Counter[str] = Counter()  # organisation -> pieces, at most PER_MEMBER_MAX each
        self._bytes = 0

    @classmethod
    def open(cls, directory: Path, genesis: Genesis) -> EvidenceStore:
        """What lies in a node's data, to be added to. A damaged file is put aside as `evidence.aside-N`; an end that
        was never flushed is cut. Raises StorageFailed."""
        store = cls.read(directory, genesis)
        try:
            (directory / NEW_FILE_NAME).unlink(missing_ok=True)
            if store.is_damaged:
                number = 1
                while (aside := directory / f"evidence.aside-{number}").exists():
                    number += 1
                os.link(store.path, aside)
                store._rewrite()
                log.error("evidence_damaged", set_aside=aside.name, kept=len(store.pieces))
            elif store.path.exists() and store.path.stat().st_size > store._bytes:
                os.truncate(store.path, store._bytes)
        except OSError as error:
            raise StorageFailed(str(store.path), str(error)) from None
        return store

    @classmethod
    def read(cls, directory: Path, genesis: Genesis) -> EvidenceStore:
        """The same for who only looks, beside a running node too. Raises StorageFailed."""
        store = cls(directory, genesis)
        try:
            data = store.path.read_bytes() if store.path.exists() else b""
        except OSError as error:
            raise StorageFailed(str(store.path), str(error)) from None
        place = 0
        while place < len(data):
            head = data[place : place + _HEAD_BYTES]
            length = int.from_bytes(head[:4], "big")
            if len(head) < _HEAD_BYTES:
                break
            if crc32(head[:4]).to_bytes(4, "big") != head[4:8]:  # where the next one begins nobody knows
                store.is_damaged = bool(data[place:].strip(b"\0"))
                break
            piece = data[place + _HEAD_BYTES : place + _HEAD_BYTES + length]
            if len(piece) < length:
                break
            place += _HEAD_BYTES + length
            if sha256(piece).digest()[:8] != head[8:]:
                store.is_damaged = True
                continue
            try:
                store._remember(piece, check_evidence(piece, genesis))
            except ConsensusError:
                store.is_damaged = True
        return store

    def has_room(self, conviction: Conviction) -> bool:
        """Whether `add` would keep it: nothing is known of its slot, and neither bound is reached."""
        return (
            conviction.slot not in self._slots
            and self._counts[conviction.organisation] < PER_MEMBER_MAX
            and len(self.pieces) < EVIDENCE_MAX
            and self._bytes + _HEAD_BYTES + EVIDENCE_BYTES_MAX <= BYTES_MAX
        )

    def add(self, data: bytes) -> Conviction | None:
        """Keep what convicts, and return whom; None if it is known or there is no room. It is on the disk then.

        Raises a ConsensusError for what convicts nobody, StorageFailed.
        """
        conviction = check_evidence(data, self._genesis)
        if not self.has_room(conviction):
            return None
        is_new = not self.path.exists()
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                os.lseek(handle, self._bytes, os.SEEK_SET)
                _write(handle, _framed(data))
                os.fdatasync(handle)
            finally:
                os.close(handle)
            if is_new:
                flush_directory(self.path.parent)
        except OSError as error:
            raise StorageFailed(str(self.path), str(error)) from None
        self._remember(data, conviction)
        return conviction

    def organisations(self) -> list[str]:
        """Whom it convicts, sorted."""
        return sorted({piece.conviction.organisation for piece in list(self.pieces)})

    def page(self) -> list[dict[str, Any]]:
        """For /v1/network: the same order on all nodes that hold the same; at most SHOWN_MAX."""
        return evidence_rows([piece.conviction for piece in list(self.pieces)])[:SHOWN_MAX]

    def _remember(self, data: bytes, conviction: Conviction) -> None:
        self._slots.add(conviction.slot)
        self._counts[conviction.organisation] += 1
        self._bytes += _HEAD_BYTES + len(data)
        self.pieces.append(Piece(data, conviction))

    def _rewrite(self) -> None:
        new_path = self.path.with_name(NEW_FILE_NAME)
        handle = os.open(new_path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            _write(handle, b"".join(_framed(piece.data) for piece in self.pieces))
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(new_path, self.path)
        flush_directory(self.path.parent)


def certified_at(blocks: BlockLog, height: int) -> tuple[Header, Certificate]:
    """A final header of a block log, for `chain.proving.set_changes`. Raises StorageDamaged."""
    final = decode(blocks.read(height), FinalBlock)
    return final.block.header, final.certificate


def evidence_rows(convictions: list[Conviction]) -> list[dict[str, Any]]:
    """As JSON objects, by organisation, epoch, height, view and kind."""
    rows = [
        {
            "organisation": conviction.organisation,
            "key": conviction.key.hex(),
            "epoch": conviction.epoch,
            "view": conviction.view,
            "height": conviction.height,
            "kind": conviction.kind,
            "digests": [digest.hex() for digest in conviction.digests],
        }
        for conviction in convictions
    ]
    names = ("organisation", "epoch", "height", "view", "kind", "key")
    return sorted(rows, key=lambda row: tuple(row[name] for name in names))


def _framed(data: bytes) -> bytes:
    length = len(data).to_bytes(4, "big")
    return length + crc32(length).to_bytes(4, "big") + sha256(data).digest()[:8] + data


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
