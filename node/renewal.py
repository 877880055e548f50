"""A fresh journal for a validator that must not vote with the one it has: the first half of `medbill node renew`.

The second half is the operation Renew with this journal's number, signed by the organisation. The node votes again from
the epoch that this very operation opens; until then, and if it never comes, the journal lies there and allows nothing.
Source: PROTOCOL rule 14.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chain.block_log import BlockLog
from chain.directory import flush_directory, lock_directory
from chain.errors import StorageDamaged
from node.errors import JournalCopied, JournalMissing
from node.journal import FIRST_RENEWAL, Journal
from node.vote_keys import noted_keys
from node.vote_memory import MARK

FRESH, FORMER = "journal.fresh", "journal.former-"  # beside `journal`, in `data`
FORMER_MAX = 10_000  # journals put aside


def fresh_journal(data: Path, *, anew: bool = False) -> bytes:
    """Put a fresh journal below `data` and the former one aside; returns the number that it waits for.

    One that waits already, unused, is kept, so that the same operation can be sent again, unless `anew`. Raises
    StorageLocked if a process uses the journal, StorageDamaged if the block log does not open, StorageFailed, OSError.
    """
    journal = data / "journal"
    waiting, last = _look_at(journal)
    with _held(journal):
        log = BlockLog.open_read_only(data / "blocks")
        named = log.last_journal_sequence
        log.close()
        if waiting is not None and last >= named and not anew:  # below it, an old state of it was put back
            return waiting
        last = max(last, named)
        number = secrets.token_bytes(32)
        shutil.rmtree(data / FRESH, ignore_errors=True)  # of a renewal that was cut short here
        # One number is left out: a node that gave its journal up says in its blocks that something came after it. Keys
        # that were only noted have never voted: the journal that would have taken them did not come to it.
        Journal.create(data / FRESH, noted_keys(journal), number, last + 2).close()
        if journal.exists():
            journal.rename(_free_name(data))
        (data / FRESH).rename(journal)
        flush_directory(data)
    return number


def _look_at(directory: Path) -> tuple[bytes | None, int]:
    """(the number that the journal waits for, if it is fresh and sound; its last sequence, if it reads)."""
    try:
        journal = Journal.open(directory)
    except (JournalMissing, JournalCopied, StorageDamaged):
        return None, 0
    is_unused = journal.last_sequence < journal.first_sequence
    is_fresh = journal.renewal != FIRST_RENEWAL and is_unused and not (directory / MARK).exists()
    found = (journal.renewal if is_fresh else None, journal.last_sequence)
    journal.close()
    return found


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Nobody else uses the journal meanwhile. Raises StorageLocked."""
    if not directory.exists():
        yield
        return
    lock = lock_directory(directory)
    try:
        yield
    finally:
        os.close(lock)


def _free_name(data: Path) -> Path:
    for number in range(1, FORMER_MAX):
        path = data / f"{FORMER}{number}"
        if not path.exists():
            return path
    raise StorageDamaged(str(data), f"more than {FORMER_MAX} journals put aside; look why, and remove them")
