"""A state that is derived anew from genesis, block by block, each checked whole: certificate, signatures, execution.

What `rebuild`, `restore` and `verify --backup` share. It trusts no byte that it is given, and keeps no blocks: whoever
feeds it does. Source: DESIGN sections 1 and 8.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from chain import keyspace
from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode
from chain.database import Database
from chain.directory import flush_directory
from chain.errors import BlockInvalid
from chain.genesis import Genesis
from chain.ledger import BLOCKS_UNFLUSHED_MAX, Ledger, start_store
from chain.records import DayBookBody
from chain.state import body_of, record_of
from chain.stored_record import entry_of
from chain.validators import Certificate


class Replay:
    """In a directory of its own, which is emptied first. One thread."""

    def __init__(self, directory: Path, genesis: Genesis, *, indexes: bool) -> None:
        """`indexes`: whether the state is to serve a mirror."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self._directory = directory
        self._log = BlockLog.create(directory / "log")  # a ledger wants one; blocks that were taken are not asked for
        store = Database.create(directory / "state")
        start_store(store, genesis)
        self.ledger = Ledger(genesis, store, self._log, indexes)
        self.ledger.load()
        self._is_closed = False
        self.transactions = 0
        self.certificate: Certificate | None = None  # of the last block

    @property
    def height(self) -> int:
        return self.ledger.head.height

    def take(self, data: bytes) -> FinalBlock:
        """The next block, as it lies in a log. Raises ChainError saying what is wrong with it; nothing changed then."""
        final = decode(data, FinalBlock)
        if final.block.header.height != self.height + 1:
            raise BlockInvalid("not_next", f"{final.block.header.height} after {self.height}")
        self.ledger.verify_final(final.block.header, final.certificate)
        execution = self.ledger.check(final.block)
        self.ledger.adopt(execution, final.certificate)
        self.transactions += len(final.block.transactions)
        self.certificate = final.certificate
        if self.ledger.unflushed_blocks >= BLOCKS_UNFLUSHED_MAX:
            self.ledger.flush()
        return final

    def totals(self) -> dict[str, int]:
        """Over all day books: bills, red bills and void ones among the first, and their sums in fen."""
        totals = {"bills": 0, "total_fen": 0, "red_bills": 0, "red_total_fen": 0, "void_bills": 0, "void_total_fen": 0}
        for body in self._day_books():
            for kind in body.kinds:
                totals["bills"] += kind.count
                totals["total_fen"] += kind.sum_fen
                totals["red_bills"] += kind.red_count
                totals["red_total_fen"] += kind.red_sum_fen
                totals["void_bills"] += kind.void_count
                totals["void_total_fen"] += kind.void_sum_fen
        return totals

    def _day_books(self) -> Iterator[DayBookBody]:
        self.ledger.flush()
        for _key, value in self.ledger.state.store.scan(keyspace.stored_record(b"daybook/")):
            yield body_of(record_of(entry_of(value)[1]), DayBookBody)

    def close(self) -> None:
        """Flush; the state lies in `directory/state` then. A second call does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self.ledger.close()

    def move_state(self, place: Path) -> None:
        """Close, and put the state where a node looks for it; what lies there is derived too and goes."""
        self.close()
        shutil.rmtree(place, ignore_errors=True)
        (self._directory / "state").rename(place)
        flush_directory(place.parent)
        shutil.rmtree(self._directory, ignore_errors=True)
