"""`medbill node rebuild`: a stopped node's data are made sound again, from its own block log or with its peers' help.

Validator and mirror: state (and indexes) derived anew; with `from_peers` the block log is mended first
(`rebuild_log.py`). The journal is never changed: it is looked at, and put aside only when that is asked for by name.
Gateway: `rebuild_gateway.py`; a mirror's details: `rebuild_details.py`. Source: DESIGN section 8, RELIABILITY 3.3.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode
from chain.directory import flush_directory, lock_directory
from chain.errors import ChainError, StorageDamaged
from chain.genesis import Genesis, genesis_from_json
from node.backup import silent
from node.config import GATEWAY, MIRROR, VALIDATOR, NodeConfig, load_node_config
from node.errors import JournalCopied, JournalMissing
from node.home import NodeHome
from node.journal import Journal
from node.rebuild_details import rebuild_details
from node.rebuild_gateway import rebuild_gateway
from node.rebuild_log import LogMender
from node.rebuild_peers import PeerBlocks
from node.rebuild_replay import Replay
from node.restore import aside, verify_stopped
from node.verify import Progress
from node.vote_memory import MARK as JOURNAL_MARK

WORK = "rebuild"  # in the home, beside data/


class Rebuilt(msgspec.Struct, frozen=True):
    """What was found and done. `damage` names places; `lost` what could not be got back."""

    kind: str
    height: int
    state_root: str
    blocks_kept: int
    blocks_fetched: int
    damage: list[str]
    set_aside: list[str]  # files and directories, by their new names
    lost: list[str]
    journal: str  # "" if the node has none; else how it was found
    notes: list[str]


def rebuild_home(
    home: Path,
    *,
    from_peers: bool = False,
    set_journal_aside: bool = False,
    offer_details: bool = False,
    progress: Progress = silent,
) -> Rebuilt:
    """Raises StorageLocked if the node runs; StorageDamaged naming the place if only peers can help and they were not
    asked; NoPeer if they were and did not. Whatever it raises, it may be run again."""
    place, config = NodeHome(home), load_node_config(home)
    genesis = genesis_from_json(place.genesis.read_bytes())
    verify_stopped(config.data_dir)
    if config.kind == GATEWAY:
        return _of_gateway(place, config, genesis, from_peers, offer_details)
    rebuilding = _Rebuilding(place, config, genesis, progress)
    return rebuilding.run(from_peers, set_journal_aside)


class _Rebuilding:
    def __init__(self, place: NodeHome, config: NodeConfig, genesis: Genesis, progress: Progress) -> None:
        self._place, self._config, self._genesis, self._progress = place, config, genesis, progress
        self._data = config.data_dir
        self._work = config.data_dir.parent / WORK
        self._aside: list[str] = []
        self._damage: list[str] = []
        self._lost: list[str] = []
        self._notes: list[str] = []

    def run(self, from_peers: bool, set_journal_aside: bool) -> Rebuilt:
        """1. journal; 2. block log; 3. state, derived while 2 was checked; 4. details; 5. as a start would open it."""
        journal = self._look_at_journal(set_journal_aside) if self._config.kind == VALIDATOR else ""
        replay = Replay(self._work, self._genesis, indexes=self._config.kind == MIRROR)
        try:
            kept, fetched = self._with_peers(replay) if from_peers else (self._alone(replay), 0)
            if self._config.kind == MIRROR:
                self._mend_details(replay)
            head = replay.ledger.head
            replay.move_state(self._data / "state")
        finally:
            replay.close()
        self._open_log().close()
        return Rebuilt(
            kind=self._config.kind,
            height=head.height,
            state_root=head.state_root.hex(),
            blocks_kept=kept,
            blocks_fetched=fetched,
            damage=self._damage,
            set_aside=self._aside,
            lost=self._lost,
            journal=journal,
            notes=self._notes,
        )

    def _look_at_journal(self, set_aside: bool) -> str:
        directory = self._data / "journal"
        try:
            journal = Journal.open(directory)
        except JournalMissing:
            return "missing: the node follows and signs nothing until 'medbill node renew'"
        except (JournalCopied, StorageDamaged) as error:
            found = str(error)
        else:
            journal.close()
            if not (directory / JOURNAL_MARK).exists():
                if set_aside:
                    self._notes.append("the journal is sound and stays where it is")
                return "sound, left as it is"
            found = "found wanting in an earlier life"
        self._damage.append(found)
        if not set_aside:
            return "not usable, left as it is: the node follows and signs nothing; '--set-journal-aside' moves it away"
        target = aside(directory)
        directory.rename(target)
        flush_directory(target.parent)
        self._aside.append(str(target))
        return "not usable, put aside: the node follows and signs nothing until 'medbill node renew'"

    def _with_peers(self, replay: Replay) -> tuple[int, int]:
        directory = self._data / "blocks"
        directory.mkdir(parents=True, exist_ok=True)
        lock = lock_directory(directory)
        try:
            with PeerBlocks(self._place, self._config, self._genesis) as peers:
                mender = LogMender(directory, replay, peers, self._progress)
                try:
                    mender.run(self._floor())
                finally:
                    self._damage += mender.damage
                    self._aside += mender.set_aside
        finally:
            os.close(lock)
        return mender.kept, mender.fetched

    def _alone(self, replay: Replay) -> int:
        log = self._open_log()
        try:
            for height in range(1, log.height + 1):
                try:
                    replay.take(log.read(height))
                except StorageDamaged:
                    raise
                except ChainError as error:
                    raise StorageDamaged(f"{log.directory} block {height}", f"does not follow: {error}") from None
                self._progress(height, log.height)
            return log.height
        except StorageDamaged as damage:
            raise StorageDamaged(damage.place, f"{damage.detail}; '--from-peers' fetches it again") from None
        finally:
            log.close()

    def _floor(self) -> int:
        """The height that the block log had reached for certain: the journal's floor."""
        if self._config.kind != VALIDATOR:
            return 0
        try:
            journal = Journal.open(self._data / "journal")
        except (JournalMissing, JournalCopied, StorageDamaged):
            return 0
        try:
            return journal.floor[0] if journal.floor else 0
        finally:
            journal.close()

    def _open_log(self) -> BlockLog:
        """As a start does. Raises StorageDamaged."""
        journal = None
        if self._config.kind == VALIDATOR:
            try:
                journal = Journal.open(self._data / "journal")
            except (JournalMissing, JournalCopied, StorageDamaged):
                journal = None
        try:
            return BlockLog.open(
                self._data / "blocks",
                journal_has_votes_above=journal.has_records_above if journal else False,
                floor=journal.floor if journal else None,
                digest_of=lambda record: decode(record, FinalBlock).block.header.digest(),
            )
        except StorageDamaged as damage:
            raise StorageDamaged(damage.place, f"{damage.detail}; '--from-peers' fetches it again") from None
        finally:
            if journal is not None:
                journal.close()

    def _mend_details(self, replay: Replay) -> None:
        mended = rebuild_details(self._place, self._config, replay.ledger, self._data.parent / WORK)
        self._damage += mended.damage
        self._aside += mended.set_aside
        self._lost += mended.lost
        self._notes += mended.notes


def _of_gateway(
    place: NodeHome, config: NodeConfig, genesis: Genesis, from_peers: bool, offer_details: bool
) -> Rebuilt:
    mended = rebuild_gateway(place, config, genesis, from_peers=from_peers, offer_details=offer_details)
    return Rebuilt(
        kind=GATEWAY,
        height=mended.height,
        state_root="",
        blocks_kept=0,
        blocks_fetched=0,
        damage=mended.damage,
        set_aside=mended.set_aside,
        lost=mended.lost,
        journal="",
        notes=mended.notes,
    )
