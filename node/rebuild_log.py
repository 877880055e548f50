"""Mending a block log in its place: every block is checked from genesis on, and one that does not hold is fetched again.

Segment by segment. What is sound stays as it is. Where a record does not read or does not follow, or a file is missing,
a new file is written beside (`NNNNNNNN.log.mended`), flushed, and put in the place of the old one in one step; before
that the old one is linked into `blocks.aside/`, so at no moment is anything gone. Interrupted, it is run again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from chain.block_log import SEGMENT_BYTES_MAX
from chain.directory import flush_directory
from chain.errors import ChainError, StorageDamaged
from chain.segment import Segment
from node.rebuild_replay import Replay

MENDED = ".mended"
ASIDE = "blocks.aside"


class Source(Protocol):
    """Where blocks come from: `rebuild_peers.PeerBlocks`."""

    def block(self, height: int) -> tuple[str, bytes] | None: ...

    def refuse(self, peer: str, why: str) -> None: ...


class LogMender:
    """For one run. `progress(height, of)` is told after each block; nobody knows the end before, so `of` may grow."""

    def __init__(self, directory: Path, replay: Replay, source: Source, progress: Callable[[int, int], None]) -> None:
        self._directory, self._replay, self._source, self._progress = directory, replay, source, progress
        self._sequence = 0  # of the journal: highest beside any block so far; fetched blocks get it
        self.kept = 0  # blocks that were sound here
        self.fetched = 0
        self.set_aside: list[str] = []  # files, by their new names
        self.damage: list[str] = []  # what was found, by place

    def run(self, height_min: int = 0) -> None:
        """`height_min`: what the log had reached for certain. Raises NoPeer if a block is to be had nowhere, StorageDamaged if what a quorum signed does not run here."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for path in self._directory.glob(f"*{MENDED}"):
            path.unlink()
        firsts = self._firsts()
        while True:
            height = self._replay.height + 1
            for first in [first for first in firsts if first < height]:  # inside the file before: never so by ourselves
                self._put_aside(self._path(first), "begins inside the file before it")
            firsts = [first for first in firsts if first >= height]
            if not firsts:
                break
            if firsts[0] == height:
                firsts.pop(0)
                self._mend(height, firsts[0] - 1 if firsts else None)
            else:
                self.damage.append(f"{self._path(height)}: missing, blocks {height} to {firsts[0] - 1}")
                self._write(height, [], firsts[0] - 1, None)
        if self._replay.height == 0 and not self._path(1).exists():
            self._write(1, [], None, None)
        if self._replay.height < height_min:
            self.damage.append(f"{self._directory}: ends at block {self._replay.height}, had reached {height_min}")
            self._write(self._replay.height + 1, [], height_min, None)

    def _firsts(self) -> list[int]:
        firsts = []
        for path in sorted(self._directory.glob("*.log")):
            stem = path.stem
            if stem.isascii() and stem.isdecimal() and f"{int(stem):08d}" == stem and int(stem) > 0:
                firsts.append(int(stem))
            else:
                self._put_aside(path, "not the name of a segment")
        return sorted(firsts)

    def _mend(self, first: int, last: int | None) -> None:
        """The segment from `first` on, up to `last`; None for the last segment, whose end nobody knows."""
        path = self._path(first)
        segment = Segment(path, first, False)
        good: list[tuple[bytes, int]] = []
        behind = 0  # the highest journal sequence in records behind the damage
        trouble = ""
        try:
            try:
                torn = segment.walk_records()
                trouble = f"{segment.place(segment.end)}: an unfinished record" if torn else ""
            except StorageDamaged as damage:
                trouble = str(damage)
            if trouble:
                behind = max((record.sequence for record in segment.records_behind()), default=0)
            for height in range(first, segment.last + 1):
                if last is not None and height > last:
                    trouble = trouble or f"{path}: goes on beyond block {last}"
                    break
                block, sequence = segment.read(height)
                try:
                    self._replay.take(block)
                except ChainError as error:
                    trouble = f"{path}: block {height} does not follow: {error}"
                    behind = max(behind, *(segment.read(later)[1] for later in range(height, segment.last + 1)))
                    break
                good.append((block, sequence))
                self._sequence = max(self._sequence, sequence)
                self.kept += 1
                self._progress(height, max(segment.last, height))
        finally:
            segment.close()
        if trouble:
            self.damage.append(trouble)
            if last is None:
                self._sequence = max(self._sequence, behind)
            self._write(first, good, last, path)

    def _write(self, first: int, good: list[tuple[bytes, int]], last: int | None, old: Path | None) -> None:
        """Files from `first` on: what was good, then from peers up to `last`, or up to what they have."""
        following = self._write_one(first, good, last, old)
        while following is not None:
            height, block = following
            following = self._write_one(height, [(block, self._sequence)], last, None)

    def _write_one(
        self, first: int, good: list[tuple[bytes, int]], last: int | None, old: Path | None
    ) -> tuple[int, bytes] | None:
        """One file; the block that found no room in it, taken already, with its height."""
        path = self._path(first)
        new = path.with_name(path.name + MENDED)
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        segment = Segment(new, first, True)
        following = None
        try:
            height = first
            for block, sequence in good:
                segment.append(height, block, sequence)
                height += 1
            while last is None or height <= last:
                fetched = self._fetch(height)
                if fetched is None:
                    if last is not None:
                        raise StorageDamaged(str(path), f"block {height}: no peer has it, though later ones lie here")
                    break
                if not segment.fits(fetched, SEGMENT_BYTES_MAX):
                    following = height, fetched
                    break
                segment.append(height, fetched, self._sequence)
                height += 1
            segment.flush()
        finally:
            segment.close()
        if old is not None:
            self._link_aside(old)
        os.replace(new, path)
        flush_directory(self._directory)
        return following

    def _fetch(self, height: int) -> bytes | None:
        """A block that a quorum signed and that runs here; None if nobody has it yet."""
        while True:
            found = self._source.block(height)
            if found is None:
                return None
            peer, block = found
            try:
                self._replay.take(block)
            except ChainError as error:
                self._source.refuse(peer, f"block {height}: {error.code}")
                continue
            self.fetched += 1
            self._progress(height, height)
            return block

    def _put_aside(self, path: Path, why: str) -> None:
        self.damage.append(f"{path}: {why}")
        self._link_aside(path)
        path.unlink()
        flush_directory(self._directory)

    def _link_aside(self, path: Path) -> None:
        place = self._directory.parent / ASIDE
        place.mkdir(exist_ok=True)
        number = 1
        while (target := place / f"{path.name}.{number}").exists():
            number += 1
        os.link(path, target)
        flush_directory(place)
        self.set_aside.append(str(target))

    def _path(self, first: int) -> Path:
        return self._directory / f"{first:08d}.log"
