"""What validators have ever put into their journals: one vote a slot, over all lives and prunings."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from chain.codec import decode
from consensus.model import ProposalSaved, ViewChangeSaved
from consensus.wire import decode_record, encode_message
from node.journal import FILE_NAME, Journal
from node.saver import SavedEntry

PREPARE, COMMIT, VIEW_CHANGE = "prepare", "commit", "view change"

Slot = tuple[str, str, int, int, int]  # node, kind, epoch, view, height


class Votes:
    """`seen` grows with each look."""

    def __init__(self) -> None:
        self.seen: dict[Slot, bytes] = {}

    def look(self, node: str, data: Path) -> None:
        """Read a copy of the journal as it is now. Raises AssertionError for two votes in one slot."""
        with tempfile.TemporaryDirectory() as place:
            shutil.copyfile(data / "journal" / FILE_NAME, Path(place) / FILE_NAME)
            journal = Journal.open(Path(place), may_be_copy=True)
            try:
                for entry in journal.records():
                    self._count(node, entry.payload)
            finally:
                journal.close()

    def _count(self, node: str, payload: bytes) -> None:
        record = decode_record(decode(payload, SavedEntry).record)
        if isinstance(record, ViewChangeSaved):
            change = record.view_change
            slot: Slot = (node, VIEW_CHANGE, change.epoch, change.view, 0)
            said = encode_message(change)  # its bytes never change (rule 6)
        else:
            is_prepare = isinstance(record, ProposalSaved)
            vote = record.prepare if isinstance(record, ProposalSaved) else record.commit
            slot = (node, PREPARE if is_prepare else COMMIT, vote.epoch, vote.view, vote.height)
            said = vote.digest
        assert self.seen.setdefault(slot, said) == said, f"two votes in {slot}"
