"""A disk that loses what was not flushed: after a crash a prefix of the unflushed writes is there, in order."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from chain.block import Header
from chain.validators import Certificate
from consensus.model import JournalRecord, ViewChangeSaved, record_height


@dataclass(frozen=True)
class StoredBlock:
    header: Header
    transactions: list[bytes]
    certificate: Certificate


@dataclass
class Disk:
    blocks: list[StoredBlock] = field(default_factory=list)  # flushed; block of height h at h - 1
    journal: list[JournalRecord] = field(default_factory=list)  # flushed
    unflushed: list[StoredBlock | JournalRecord] = field(default_factory=list)

    def write(self, item: StoredBlock | JournalRecord) -> None:
        self.unflushed.append(item)

    def flush(self) -> None:
        for item in self.unflushed:
            self._settle(item)
        self.unflushed.clear()

    def crash(self, draw: random.Random) -> bool:
        """Whether anything was lost."""
        kept = draw.randint(0, len(self.unflushed))
        lost = kept < len(self.unflushed)
        for item in self.unflushed[:kept]:
            self._settle(item)
        self.unflushed.clear()
        return lost

    def prune(self) -> None:
        """Drop records at or below the last flushed block, and all ViewChanges but the highest."""
        height = len(self.blocks)
        changes = [record for record in self.journal if isinstance(record, ViewChangeSaved)]
        kept = [record for record in self.journal if (record_height(record) or 0) > height]
        if changes:
            kept.append(max(changes, key=lambda record: record.view_change.view))
        self.journal = kept

    def _settle(self, item: StoredBlock | JournalRecord) -> None:
        if isinstance(item, StoredBlock):
            self.blocks.append(item)
        else:
            self.journal.append(item)
