"""A disk that loses what was not flushed, and what its owners do to it: wipe, copy, restore, roll back, damage.

Records stand for the files of `chain/block_log.py` and `node/journal.py`: a torn record is one that was never flushed,
what lies behind a hole is cut with it, and damage is found by the checksum (their own tests show that on real files).
"""

from __future__ import annotations

import random
from copy import copy
from dataclasses import dataclass, field

from chain.block import Header
from chain.transaction import ReceivedTransaction
from chain.validators import Certificate
from consensus.model import JournalRecord, ViewChangeSaved, record_height
from tests.chain.making import MemoryStore

FIRST_RENEWAL = bytes(32)


@dataclass(frozen=True)
class StoredBlock:
    header: Header
    digest: bytes
    transactions: list[bytes]
    bodies: list[ReceivedTransaction]
    certificate: Certificate
    journal_sequence: int


@dataclass(frozen=True)
class StoredEntry:
    record: JournalRecord
    bodies: list[ReceivedTransaction]  # of a proposal


@dataclass
class JournalFile:
    """What a journal says of itself, and how it reads."""

    renewal: bytes = FIRST_RENEWAL
    keys: list[bytes] = field(default_factory=list)  # public keys that it answers for
    entries: list[StoredEntry] = field(default_factory=list)  # flushed
    last_sequence: int = 0  # of the last flushed entry; never falls by pruning
    trouble: str = ""  # journal_missing, journal_copied, journal_damaged, vote_forgotten: may not be used


@dataclass
class Disk:
    store: MemoryStore  # the state, as of its last batch
    journal: JournalFile
    blocks: list[StoredBlock] = field(default_factory=list)  # flushed; block of height h at h - 1
    unflushed: list[StoredBlock | StoredEntry] = field(default_factory=list)
    must_reach: int = 0  # blocks were lost to damage: no vote before they are back
    writes_left: int | None = None  # then the disk is full

    def flush(self) -> None:
        for item in self.unflushed:
            self._settle(item)
        self.unflushed.clear()

    def crash(self, draw: random.Random) -> bool:
        """What was not flushed is there up to some place, or, written in another order, up to its first hole. Whether
        anything was lost."""
        kept = draw.randint(0, len(self.unflushed))
        lost = kept < len(self.unflushed)
        for item in self.unflushed[:kept]:
            self._settle(item)
        self.unflushed.clear()
        return lost

    def prune(self, epoch: int) -> None:
        """Drop entries at or below the last flushed block, and all ViewChanges but the epoch's highest."""
        height = len(self.blocks)
        entries = self.journal.entries
        changes = [
            entry
            for entry in entries
            if isinstance(entry.record, ViewChangeSaved) and entry.record.view_change.epoch == epoch
        ]
        kept = [entry for entry in entries if (record_height(entry.record) or 0) > height]
        if changes:
            kept.append(max(changes, key=lambda entry: entry.record.view_change.view))  # type: ignore[union-attr]
        self.journal.entries = kept

    def copied(self) -> Disk:
        """A copy of all files at this moment: a backup, or what a second machine starts from."""
        journal = copy(self.journal)
        journal.keys, journal.entries = list(journal.keys), list(journal.entries)
        return Disk(MemoryStore(self.store.values), journal, list(self.blocks))

    def _settle(self, item: StoredBlock | StoredEntry) -> None:
        if isinstance(item, StoredBlock):
            self.blocks.append(item)
        else:
            self.journal.entries.append(item)
            self.journal.last_sequence += 1
