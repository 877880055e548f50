"""`medbill node restore`: a home from a backup, of this node or of any other that has the blocks.

Everything is proven and derived beside `data/` first; what becomes of each kind of node:

  validator   block log, state and evidence; no journal, so it is a learner (PROTOCOL 14), and a mark says why
  mirror      block log, state, evidence, and details if the backup is a mirror's of the same name
              (evidence of both: that of the data which are set aside too, as far as it reads and convicts)
  gateway     its store, if the backup is its own, else an empty one; its leases are closed: numbers may have been given
              after the backup was made, so what is left of them is never given again, and new leases are taken

Source: DESIGN section 8, RELIABILITY 3.4.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from chain.codec import decode
from chain.database import Database
from chain.directory import flush_directory, lock_directory
from chain.errors import StorageFailed
from chain.genesis import Genesis, genesis_from_json
from chain.operation import TakeLease
from node.backup import replay_blocks, silent, verify_manifest
from node.backup_file import DETAILS_ROWS, EVIDENCE, GATEWAY_ROWS, Backup, BackupRefused, opened_backup
from node.backup_rows import fill, read_rows
from node.config import GATEWAY, MIRROR, VALIDATOR, NodeConfig, load_node_config
from node.details_store import DIRECTORY as DETAILS
from node.evidence_store import EvidenceStore
from node.gateway_store import LeaseRow, OutboxItem
from node.home import NodeHome
from node.rebuild_replay import Replay
from node.store_copy import held
from node.verify import Progress
from node.verify_gateway import DIRECTORY as GATEWAY_STORE

WORK = "restoring"  # in the home, beside data/
MARK = "restored.json"  # in data/: this home came out of a backup
LEASE_PREFIX, OUTBOX_PREFIX = b"l", b"o"


class Restored(msgspec.Struct, frozen=True):
    """What lies in `data/restored.json`, and what the command prints."""

    node: str  # whose backup it was
    made_ms: int
    restored_ms: int
    height: int
    digest: str
    leases_closed: int
    numbers_closed: int  # of those leases, that were not given when the backup was made
    notes: list[str]  # what did not come back


def restore_home(home: Path, source: Path, *, set_aside: bool = False, progress: Progress = silent) -> Restored:
    """Fill a stopped node's `data/` from a backup.

    Raises BackupRefused: `home_not_empty` if there is data, unless it may be `set_aside`; `foreign_genesis`; a backup
    that does not hold. StorageLocked if the node runs, StorageDamaged if a block does not follow. Until the very end
    nothing of the home changes but its directory `restoring/`.
    """
    place = NodeHome(home)
    config = load_node_config(home)
    genesis = genesis_from_json(place.genesis.read_bytes())
    data = config.data_dir
    verify_stopped(data)
    if has_data(data) and not set_aside:
        raise BackupRefused("home_not_empty", f"{data} holds data; '--set-aside' moves it away first")
    work = data.parent / WORK
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, mode=0o700)
    try:
        with opened_backup(source) as backup:
            if backup.manifest.chain_id != genesis.digest().hex():
                raise BackupRefused("foreign_genesis", f"{source} is of another ledger than {place.genesis}")
            restored = _fill(work / "data", work, config, genesis, backup, progress)
        (work / "data" / MARK).write_bytes(msgspec.json.format(msgspec.json.encode(restored), indent=1) + b"\n")
        flush_directory(work / "data")
        if data.exists():
            if has_data(data):
                data.rename(aside(data))
            else:
                shutil.rmtree(data)
        (work / "data").rename(data)
        flush_directory(data.parent)
        return restored
    finally:
        shutil.rmtree(work, ignore_errors=True)


def has_data(data: Path) -> bool:
    """Whether anything but empty directories lies there."""
    return data.exists() and any(path.is_file() or path.is_symlink() for path in data.rglob("*"))


def aside(path: Path) -> Path:
    """A name beside `path` that nothing has."""
    number = 1
    while (place := path.with_name(f"{path.name}.aside-{number}")).exists():
        number += 1
    return place


def put_in_place(new: Path, path: Path) -> list[str]:
    """`new` stands at `path` when this returns, flushed; the names under which what stood there was put aside, if any."""
    put_aside = []
    if path.exists():
        target = aside(path)
        path.rename(target)
        put_aside.append(str(target))
    new.rename(path)
    flush_directory(path.parent)
    return put_aside


def verify_stopped(data: Path) -> None:
    """Raises StorageLocked if a node has its stores open."""
    for name in ("blocks", "journal"):
        if (data / name).is_dir():
            os.close(lock_directory(data / name))
    for name in ("state", DETAILS, GATEWAY_STORE):
        if (data / name / "LOCK").exists():
            with held(data / name):
                pass


def _fill(data: Path, work: Path, config: NodeConfig, genesis: Genesis, backup: Backup, progress: Progress) -> Restored:
    data.mkdir(mode=0o700)
    notes: list[str] = []
    closed = (0, 0)
    if config.kind == GATEWAY:
        closed = _fill_gateway(data, config, backup, notes)
    else:
        _fill_blocks(data, work, config, genesis, backup, progress)
        if backup.has_evidence:
            _copy_flushed(backup.path(EVIDENCE), data / EVIDENCE)
        _keep_evidence(config.data_dir, data, genesis, notes)
    if config.kind == MIRROR:
        _fill_details(data, config, backup, notes)
    if config.kind == VALIDATOR:
        notes.append("no journal: it follows and signs nothing (journal_missing) until 'medbill node renew'")
    manifest = backup.manifest
    return Restored(
        node=manifest.node,
        made_ms=manifest.made_ms,
        restored_ms=time.time_ns() // 1_000_000,
        height=manifest.height,
        digest=manifest.digest,
        leases_closed=closed[0],
        numbers_closed=closed[1],
        notes=notes,
    )


def _fill_blocks(
    data: Path, work: Path, config: NodeConfig, genesis: Genesis, backup: Backup, progress: Progress
) -> None:
    if not backup.segments:
        raise BackupRefused("backup_unreadable", "it holds no blocks: take the backup of a validator or mirror")
    replay = Replay(work / "derived", genesis, indexes=config.kind == MIRROR)
    try:
        replay_blocks(backup, replay, progress)
        verify_manifest(backup.manifest, replay)
        (data / "blocks").mkdir()
        for path in backup.segments:
            _copy_flushed(path, data / "blocks" / path.name)
        flush_directory(data / "blocks")
        replay.move_state(data / "state")
    finally:
        replay.close()


def _keep_evidence(old: Path, new: Path, genesis: Genesis, notes: list[str]) -> None:
    """Add what convicts of the data that are set aside: it may be newer than the backup, and nobody else's."""
    try:
        pieces = EvidenceStore.read(old, genesis).pieces
    except StorageFailed as failed:  # it stays where it is set aside; the disk may be why all this is done
        notes.append(f"evidence of the former data does not read: {failed}")
        return
    if not pieces:
        return
    store = EvidenceStore.open(new, genesis)
    added = sum(store.add(piece.data) is not None for piece in pieces)
    if added:
        notes.append(f"{added} pieces of evidence came from the data that were set aside")


def _fill_details(data: Path, config: NodeConfig, backup: Backup, notes: list[str]) -> None:
    database = Database.create(data / DETAILS)
    try:
        if backup.manifest.kind == MIRROR and backup.manifest.node == config.name:
            fill(database, read_rows(backup.path(DETAILS_ROWS)))
            notes.append("details that came after the backup: 'medbill node rebuild --offer-details' at each gateway")
        else:
            notes.append(
                f"no details: this is not a backup of {config.name}; "
                "'medbill node rebuild --offer-details' at each gateway brings what they hold"
            )
    finally:
        database.close()


def _fill_gateway(data: Path, config: NodeConfig, backup: Backup, notes: list[str]) -> tuple[int, int]:
    """(leases, numbers) that were closed."""
    database = Database.create(data / GATEWAY_STORE)
    try:
        if backup.manifest.kind != GATEWAY or backup.manifest.node != config.name:
            notes.append(
                f"an empty store: this is not a backup of {config.name}; recorded bills come back by following, their "
                "details from the archive; bills that were queued are lost, their numbers are explained at clearance"
            )
            return 0, 0
        closing = ClosedLeases()
        fill(database, closing.without(read_rows(backup.path(GATEWAY_ROWS))))
        notes.append(
            "bills given after the backup and never sent are lost; those that were sent come back by following, "
            "their details from the archive"
        )
        return closing.leases, closing.numbers
    finally:
        database.close()


class ClosedLeases:
    """Rows of a gateway's store without what would give a number twice: leases, and requests for leases under way.

    A request that was recorded meanwhile would open its lease again from the first number on.
    """

    def __init__(self) -> None:
        self.leases = 0
        self.numbers = 0

    def without(self, rows: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        for key, value in rows:
            if key.startswith(LEASE_PREFIX):
                row = decode(value, LeaseRow)
                self.leases += row.next < row.first + row.count
                self.numbers += row.first + row.count - row.next
            elif not (key.startswith(OUTBOX_PREFIX) and isinstance(decode(value, OutboxItem).operation, TakeLease)):
                yield key, value


def _copy_flushed(source: Path, place: Path) -> None:
    shutil.copyfile(source, place)
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
