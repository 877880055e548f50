"""`medbill node backup` and `medbill node verify --backup`: make one, beside the running node or not; prove one offline.

Of the block log every whole record is taken: each carries its certificate, so it is final whoever has flushed it. Of a
store, a copy is taken that no writing crossed (`store_copy.py`). Nothing of the home changes. Source: DESIGN section 8.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode, encode
from chain.database import Database
from chain.directory import flush_directory
from chain.errors import ChainError, StorageDamaged
from chain.genesis import genesis_from_json
from chain.segment import Segment
from node.backup_file import (
    BLOCKS,
    DETAILS_ROWS,
    FORMAT,
    GATEWAY_ROWS,
    GENESIS,
    MANIFEST,
    TAR_SUFFIX,
    Backup,
    BackupFile,
    BackupRefused,
    Manifest,
    encode_manifest,
    file_digest,
    opened_backup,
    pack,
)
from node.backup_rows import fill, open_snapshot, read_rows, write_rows
from node.config import GATEWAY, MIRROR, load_node_config
from node.details_store import DIRECTORY as DETAILS
from node.evidence_store import EvidenceStore
from node.gateway_store import POSITION_KEY, CertifiedHeader, Position, header_key
from node.home import NodeHome
from node.part_check import Ledger as OwnLedger
from node.rebuild_replay import Replay
from node.verify import Check, Progress, Report
from node.verify_gateway import DIRECTORY as GATEWAY_STORE
from node.verify_gateway import verify_parts

# what a mirror's database of details holds beside what is derived: details, their indexes, marks, submissions, bills that get no
# seal, payers, look-ups, who read what, who reads for whom, how far receivers of events are
MIRROR_ROWS = (b"a/", b"b/", b"d/", b"f/", b"g/", b"n/", b"o/", b"p/", b"q/", b"v/", b"y/", b"z/")


def silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


def make_backup(home: Path, to: Path, progress: Progress = silent) -> Manifest:
    """Write a backup of the node to `to`, which must not exist: one file if it ends with `.tar`, else a directory.

    Raises BackupRefused `backup_exists`, StorageDamaged if what is to be saved does not read, OSError. Nothing stays
    then: it is built beside `to` and renamed.
    """
    if to.exists() or to.is_symlink():
        raise BackupRefused("backup_exists", f"{to} exists; name a new file or directory")
    to.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
    try:
        directory = work / "backup"
        directory.mkdir()
        manifest = _Making(home, directory, work, progress).run()
        (directory / MANIFEST).write_bytes(encode_manifest(manifest))
        whole = directory
        if to.suffix == TAR_SUFFIX:
            whole = work / "backup.tar"
            pack(directory, whole)
        _flush(whole)
        whole.rename(to)
        flush_directory(to.parent)
        return manifest
    finally:
        shutil.rmtree(work, ignore_errors=True)


class _Making:
    def __init__(self, home: Path, directory: Path, work: Path, progress: Progress) -> None:
        self._home, self._directory, self._work, self._progress = NodeHome(home), directory, work, progress
        self._config = load_node_config(home)
        self._genesis = genesis_from_json(self._home.genesis.read_bytes())
        self._rows: dict[str, int] = {}

    def run(self) -> Manifest:
        """Stores first: so the blocks reach at least as far as what a store tells of them."""
        shutil.copyfile(self._home.genesis, self._directory / GENESIS)
        data, config = self._config.data_dir, self._config
        stands = (0, self._genesis.digest(), b"", b"")
        if config.kind == GATEWAY:
            stands = self._save_gateway(data / GATEWAY_STORE)
        elif config.kind == MIRROR:
            self._save_rows(data / DETAILS, DETAILS_ROWS, MIRROR_ROWS)
        if config.kind != GATEWAY:
            stands = self._save_blocks(data / "blocks")
            self._save_evidence(data)
        height, digest, root, certificate = stands
        files = []
        for path in sorted(path for path in self._directory.rglob("*") if path.is_file()):
            size, hashed = file_digest(path)
            files.append(BackupFile(str(path.relative_to(self._directory)), size, hashed))
        return Manifest(
            format=FORMAT,
            node=config.name,
            kind=config.kind,
            organisation=config.organisation,
            chain_id=self._genesis.digest().hex(),
            made_ms=time.time_ns() // 1_000_000,
            height=height,
            digest=digest.hex(),
            state_root=root.hex(),
            certificate=certificate.hex(),
            rows=self._rows,
            files=files,
            check="",
            office=config.office_name
            if config.organisation not in {entry.id for entry in self._genesis.organisations}
            else "",
        )

    def _save_blocks(self, source: Path) -> tuple[int, bytes, bytes, bytes]:
        """Every record is read and its checksum tried: a backup is no place for damage."""
        place = self._directory / BLOCKS
        place.mkdir()
        log = BlockLog.open_read_only(source)
        try:
            for path in [*log.closed_segments, source / f"{log.last_segment:08d}.log"]:
                segment = Segment(path, int(path.stem), False)
                try:
                    segment.walk_records()
                    self._progress(segment.last, log.height)
                    if path.stem == f"{log.last_segment:08d}" or segment.end == path.stat().st_size:
                        _copy(path, place / path.name, segment.end)
                    else:
                        raise StorageDamaged(segment.place(segment.end), f"block {segment.last + 1} does not read")
                finally:
                    segment.close()
        finally:
            log.close()
        copied = BlockLog.open_read_only(place)
        try:
            if copied.height < copied.first_height:
                return 0, self._genesis.digest(), b"", b""
            final = decode(copied.read(copied.height), FinalBlock)
        finally:
            copied.close()
        header = final.block.header
        return header.height, header.digest(), header.state_root, encode(final.certificate)

    def _save_evidence(self, data: Path) -> None:
        """Piece by piece: what is damaged, or half written at the moment, convicts nobody."""
        pieces = EvidenceStore.read(data, self._genesis).pieces
        if pieces:
            saved = EvidenceStore.open(self._directory, self._genesis)
            for piece in pieces:
                saved.add(piece.data)

    def _save_rows(self, path: Path, name: str, prefixes: tuple[bytes, ...]) -> None:
        database = open_snapshot(path, self._work / "store")
        try:
            rows = ((key, value) for prefix in prefixes for key, value in database.scan(prefix))
            self._rows[name] = write_rows(self._directory / name, rows)
        finally:
            database.close()

    def _save_gateway(self, path: Path) -> tuple[int, bytes, bytes, bytes]:
        self._save_rows(path, GATEWAY_ROWS, (b"",))
        database = Database.open(self._work / "store")
        try:
            value = database.get(POSITION_KEY)
            position = decode(value, Position) if value is not None else None
            if position is None or position.height == 0:
                return 0, self._genesis.digest(), b"", b""
            kept = database.get(header_key(position.height))
            if kept is None:
                raise StorageDamaged(str(path), f"the header of block {position.height} is missing")
            certified = decode(kept, CertifiedHeader)
            return position.height, position.digest, certified.header.state_root, encode(certified.certificate)
        finally:
            database.close()


def _copy(source: Path, place: Path, size: int) -> None:
    """The first `size` bytes."""
    with source.open("rb") as reader, place.open("xb") as writer:
        left = size
        while left:
            part = reader.read(min(left, 1 << 20))
            if not part:
                raise StorageDamaged(str(source), "became shorter while it was copied")
            writer.write(part)
            left -= len(part)


def _flush(path: Path) -> None:
    for entry in [path, *path.rglob("*")] if path.is_dir() else [path]:
        handle = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# ── proving it ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _Refuted(Exception):
    """A check did not hold."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(detail)
        self.name, self.detail = name, detail


def verify_backup(path: Path, progress: Progress = silent) -> tuple[Report, dict[str, int]]:
    """Prove a backup from its own genesis on, offline; the checks, and the totals of its bills (empty if it fails).

    Whether that genesis is the right one is for whoever reads the chain id.
    """
    checks: list[Check] = []
    totals: dict[str, int] = {}
    try:
        with opened_backup(path) as backup, tempfile.TemporaryDirectory(prefix="medbill-verify-") as place:
            manifest = backup.manifest
            checks.append(Check("files", True, f"{len(manifest.files)}, each with the digest of the manifest"))
            for name, ok, detail, found in _proven(backup, Path(place), progress):
                checks.append(Check(name, ok, detail))
                totals.update(found)
    except BackupRefused as refusal:
        checks.append(Check("files", False, str(refusal)[:400]))
    except _Refuted as refuted:
        checks.append(Check(refuted.name, False, refuted.detail[:400]))
    except (ChainError, OSError) as error:
        checks.append(Check("contents", False, str(error)[:400]))
    report = Report(checks)
    return report, totals if report.valid else {}


def _proven(
    backup: Backup, place: Path, progress: Callable[[int, int], None]
) -> Iterator[tuple[str, bool | None, str, dict[str, int]]]:
    """(name, ok, detail, totals) of each check."""
    manifest = backup.manifest
    genesis = genesis_from_json(backup.path(GENESIS).read_bytes())
    if genesis.digest().hex() != manifest.chain_id:
        raise _Refuted("genesis", "another ledger's than the manifest names")
    yield "genesis", True, f"{genesis.name}, {manifest.chain_id[:16]}", {}
    if manifest.kind == GATEWAY:
        yield from _proven_gateway(backup, place, progress)
        return
    replay = Replay(place / "derived", genesis, indexes=False)
    try:
        replay_blocks(backup, replay, progress)
        verify_manifest(manifest, replay)
        totals = replay.totals()
        yield "certificates", True, f"{replay.height} blocks, each signed by a quorum of its set", {}
        yield "signatures", True, f"{replay.transactions} transactions", {}
        yield "execution", True, f"equal roots at every height; {manifest.state_root[:16]} at the last one", {}
        yield "bills", True, _totals_text(totals), totals
    finally:
        replay.close()
    if backup.has_evidence:
        evidence = EvidenceStore.read(backup.directory, genesis)
        if evidence.is_damaged:
            raise _Refuted("evidence", "a piece does not read, or convicts nobody")
        yield "evidence", True, f"{len(evidence.pieces)} pieces, against {', '.join(evidence.organisations())}", {}
    if manifest.kind == MIRROR:
        count = sum(1 for _row in read_rows(backup.path(DETAILS_ROWS)))
        yield "details", True, f"{count} rows, sealed: only the storage key of {manifest.node} opens them", {}


def replay_blocks(backup: Backup, replay: Replay, progress: Callable[[int, int], None]) -> None:
    """Check every block from genesis on. Raises StorageDamaged naming file and height."""
    for path in backup.segments:
        segment = Segment(path, int(path.stem), False)
        try:
            if segment.walk_records() or segment.first != replay.height + 1:
                raise StorageDamaged(segment.place(segment.end), "does not go on from the file before, or ends early")
            for height in range(segment.first, segment.last + 1):
                try:
                    replay.take(segment.read(height)[0])
                except ChainError as refusal:
                    raise StorageDamaged(str(path), f"block {height} does not follow: {refusal}") from None
                progress(height, backup.manifest.height)
        finally:
            segment.close()


def verify_manifest(manifest: Manifest, replay: Replay) -> None:
    """What the manifest says of the last block is what was derived. Raises StorageDamaged."""
    head = replay.ledger.head
    root = head.state_root.hex() if head.height else ""
    if (head.height, head.digest.hex(), root) != (manifest.height, manifest.digest, manifest.state_root):
        raise StorageDamaged(MANIFEST, "names another last block than the one that is derived")


def _proven_gateway(
    backup: Backup, place: Path, progress: Callable[[int, int], None]
) -> Iterator[tuple[str, bool | None, str, dict[str, int]]]:
    manifest = backup.manifest
    genesis = genesis_from_json(backup.path(GENESIS).read_bytes())
    database = Database.create(place / "store")
    try:
        count = fill(database, read_rows(backup.path(GATEWAY_ROWS)))
        yield "rows", True, f"{count}, in order", {}
        value = database.get(POSITION_KEY)
        position = decode(value, Position) if value is not None else None
        if position is None:
            yield "headers", None, "nothing had been followed yet", {}
            return
        if (position.height, position.digest.hex()) != (manifest.height, manifest.digest):
            raise _Refuted("headers", "the manifest names another last block than the rows")
        own = OwnLedger.of(genesis, manifest.organisation, manifest.office)
        for name, ok, detail in verify_parts(database, own, position, progress):
            yield name, ok, detail, {}
        queued = sum(1 for _row in database.scan(b"o"))
        details = sum(1 for _row in database.scan(b"d"))
        yield "outbox", True, f"{queued} operations wait, details of {details} bills, sealed", {}
    finally:
        database.close()


def _totals_text(totals: dict[str, int]) -> str:
    return (
        f"{totals['bills']} over {totals['total_fen']} fen, "
        f"{totals['red_bills']} reversals over {totals['red_total_fen']} fen"
    )
