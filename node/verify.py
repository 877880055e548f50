"""`medbill node verify`: derive everything again from the block log, and compare with what the node has.

The block log is the only truth. Each block's certificate, signatures and execution are checked from genesis on, into
a temporary store; then the node's own state is compared with that one record by record. Beside a running node, whose
database is locked, its own word on height and state root is compared instead. Nothing is written into the home.
Source: DESIGN sections 1 and 8.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from chain import keyspace
from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode
from chain.database import Database
from chain.errors import BlockInvalid, CertificateRefused, ChainError, StorageDamaged, StorageLocked
from chain.genesis import Genesis, genesis_from_json
from chain.ledger import BLOCKS_UNFLUSHED_MAX, Applied, Ledger, start_store
from chain.state import Store
from node.config import GATEWAY, MIRROR, VALIDATOR, ConfigRefused, NodeConfig, load_node_config
from node.details_store import DIRECTORY as DETAILS
from node.errors import JournalMissing
from node.file_identity import identity_of
from node.home import NodeHome
from node.journal import FILE_NAME as JOURNAL_FILE
from node.journal import Journal
from node.store_copy import open_copy
from node.verify_gateway import verify_gateway

STATUS_TIMEOUT_S = 5.0
Progress = Callable[[int, int], None]  # (height, of how many)


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at. `ok` is None where there was nothing to look at; the detail says why."""

    name: str
    ok: bool | None
    detail: str


class Report(msgspec.Struct, frozen=True):
    """`valid` if no check failed."""

    checks: list[Check]

    @property
    def valid(self) -> bool:
        return all(check.ok is not False for check in self.checks)


class _Failed(Exception):
    """A check did not hold, and what follows needs it."""


def verify_home(home: Path, progress: Progress = lambda height, total: None) -> Report:
    """Look at a node's home. Never raises for what lies there, and never changes it."""
    checks: list[Check] = []
    try:
        with tempfile.TemporaryDirectory(prefix="medbill-verify-") as place:
            _Verification(NodeHome(home), Path(place), checks, progress).run()
    except _Failed:
        pass
    return Report(checks)


class _Verification:
    def __init__(self, home: NodeHome, place: Path, checks: list[Check], progress: Progress) -> None:
        self._home, self._place, self._checks, self._progress = home, place, checks, progress

    def run(self) -> None:
        """1. configuration and genesis; 2. block log, certificates, signatures, execution; 3. state; 4. the rest."""
        config = self._step("configuration", lambda: _described(load_node_config(self._home.root)))
        genesis = self._step("genesis", lambda: _chain(genesis_from_json(self._home.genesis.read_bytes())))
        if config.kind == GATEWAY:
            for name, ok, detail in verify_gateway(config, genesis, self._place, self._progress):
                self._checks.append(Check(name, ok, detail))
            return
        self._log = self._step("block log", lambda: self._open_log(config))
        try:
            state = self._open_state(config)
            ledger = self._replay(genesis, state, indexes=config.kind == MIRROR)
            if state is None:
                self._compare_with_status(config, ledger)
            else:
                state.close()
        finally:
            self._log.close()
        if config.kind == VALIDATOR:
            self._journal(config, ledger)
        if config.kind == MIRROR:
            self._details(config)

    def _step(self, name: str, look: Callable[[], tuple[Any, str]]) -> Any:
        """`look` gives what it found and the detail."""
        try:
            found, detail = look()
        except (ChainError, ConfigRefused, OSError) as error:
            self._fail(name, str(error))
        self._checks.append(Check(name, True, detail))
        return found

    def _fail(self, name: str, detail: str) -> NoReturn:
        self._checks.append(Check(name, False, detail[:400]))
        raise _Failed

    # ── the block log ────────────────────────────────────────────────────────────────────────────────────────────────

    def _open_log(self, config: NodeConfig) -> tuple[BlockLog, str]:
        log = BlockLog.open_read_only(config.data_dir / "blocks")
        torn = f", {log.torn_bytes} bytes of an unfinished record" if log.torn_bytes else ""
        return log, f"{log.height} blocks in {len(log.closed_segments) + 1} files{torn}"

    def _replay(self, genesis: Genesis, state: Database | None, indexes: bool) -> Ledger:
        """Execute block by block; where the node's own state stands, compare it."""
        store: Store = Database.create(self._place / "derived")
        start_store(store, genesis)
        ledger = self._ledger = Ledger(genesis, store, self._log, indexes)
        ledger.load()
        self._signatures = 0
        applied = self._applied(state)
        if applied is not None and applied.height == 0 and state is not None:
            self._compare(state, applied)
        for height in range(1, self._log.height + 1):
            self._execute(height)
            if applied is not None and applied.height == height and state is not None:
                self._compare(state, applied)
        changes = len(ledger.sets()) - 1
        detail = f"{ledger.head.height} blocks, each signed by a quorum of its set, {changes} changes of the set"
        self._checks.append(Check("certificates", True, detail))
        self._checks.append(Check("signatures", True, f"{self._signatures} transactions"))
        root = ledger.head.state_root.hex()
        self._checks.append(Check("execution", True, f"equal roots at every height; {root[:16]} at the last one"))
        return ledger

    def _execute(self, height: int) -> None:
        ledger, log = self._ledger, self._log
        try:
            final = decode(log.read(height), FinalBlock)
            ledger.verify_final(final.block.header, final.certificate)
            execution = ledger.check(final.block)
        except StorageDamaged as damage:
            self._fail("block log", str(damage))
        except CertificateRefused as refusal:
            self._fail("certificates", f"{self._file_of(height)}, block {height}: {refusal}")
        except BlockInvalid as refusal:
            name = "signatures" if refusal.code == "bad_signature" else "execution"
            self._fail(name, f"{self._file_of(height)}, block {height}: {refusal}")
        except ChainError as refusal:
            self._fail("block log", f"{self._file_of(height)}, block {height}: {refusal}")
        ledger.adopt(execution, final.certificate)
        self._signatures += len(final.block.transactions)
        if ledger.unflushed_blocks >= BLOCKS_UNFLUSHED_MAX:
            ledger.flush()
        self._progress(height, log.height)

    def _file_of(self, height: int) -> str:
        stems = sorted(int(path.stem) for path in self._log.directory.glob("*.log") if path.stem.isdecimal())
        first = max((stem for stem in stems if stem <= height), default=1)
        return str(self._log.directory / f"{first:08d}.log")

    # ── the state ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open_state(self, config: NodeConfig) -> Database | None:
        """A copy of the node's own; None if the node runs. What is damaged is derived: said, and gone on."""
        path = config.data_dir / "state"
        try:
            return open_copy(path, self._place / "state")
        except StorageLocked:
            return None
        except (ChainError, OSError) as error:
            self._fail("state", f"{error}; it is derived: the node makes it anew at the start after it meets this")

    def _applied(self, state: Database | None) -> Applied | None:
        if state is None:
            return None
        try:
            value = state.get(keyspace.APPLIED)
        except StorageDamaged as damage:
            self._fail("state", f"{damage}; it is derived: the node makes it anew at the start after it meets this")
        applied = decode(value, Applied) if value is not None else None
        if applied is None:
            self._fail("state", "no applied height")
        if applied.height > self._log.height:
            self._fail("state", f"stands at height {applied.height}, above the log's end {self._log.height}")
        return applied

    def _compare(self, state: Database, applied: Applied) -> None:
        """Everything that two nodes of one height hold alike, key by key."""
        self._ledger.flush()
        count = 0
        try:
            if applied != self._ledger.head:
                self._fail("state", f"height {applied.height}: another digest or root than the block log gives")
            for prefix in keyspace.DERIVED:
                count += self._compare_part(self._ledger.state.store.scan(prefix), state.scan(prefix))
        except StorageDamaged as damage:
            self._fail("state", f"{damage}; it is derived: the node makes it anew at the start after it meets this")
        self._checks.append(Check("state", True, f"{count} entries as derived, at height {applied.height}"))

    def _compare_part(self, derived: Iterator[tuple[bytes, bytes]], held: Iterator[tuple[bytes, bytes]]) -> int:
        count = 0
        while True:
            expected, actual = next(derived, None), next(held, None)
            if expected != actual:
                key = min(pair[0] for pair in (expected, actual) if pair is not None)
                self._fail("state", f"key {key[:64]!r} differs from what the block log gives")
            if expected is None:
                return count
            count += 1

    def _compare_with_status(self, config: NodeConfig, ledger: Ledger) -> None:
        """The running node's word. It may have gone on meanwhile: then so do we."""
        where = f"http://{config.operations.host}:{config.operations.port}/status"
        try:
            with urlopen(where, timeout=STATUS_TIMEOUT_S) as answer:
                said = msgspec.json.decode(answer.read(1 << 20))
            height, root = int(said["height"]), str(said["state_root"])
        except (URLError, OSError, ValueError, KeyError, TypeError, msgspec.MsgspecError) as error:
            detail = f"the node runs, its database is locked, and {where} does not answer: {type(error).__name__}"
            self._checks.append(Check("state", None, detail))
            return
        self._log.refresh()
        for number in range(ledger.head.height + 1, min(height, self._log.height) + 1):
            self._execute(number)
        if height == 0 or height > ledger.head.height:
            self._checks.append(
                Check("state", None, f"the node speaks of height {height}, the log has {ledger.head.height}")
            )
            return
        header = decode(self._log.read(height), FinalBlock).block.header
        is_equal = header.state_root.hex() == root
        detail = f"the running node says {root[:16]} at height {height}, "
        detail += "as derived" if is_equal else f"but {header.state_root.hex()[:16]} is derived"
        self._checks.append(Check("state", is_equal, detail))

    # ── journal and details ──────────────────────────────────────────────────────────────────────────────────────────

    def _journal(self, config: NodeConfig, ledger: Ledger) -> None:
        """Of a copy: opening one cuts what is unfinished."""
        source = config.data_dir / "journal" / JOURNAL_FILE
        place = self._place / "journal"
        place.mkdir()
        try:
            if source.is_file():
                (place / JOURNAL_FILE).write_bytes(source.read_bytes())
            journal = Journal.open(place, may_be_copy=True)
        except JournalMissing:
            self._checks.append(Check("journal", None, f"{source}: missing; this node follows and signs nothing"))
            return
        except (ChainError, OSError) as error:
            self._fail("journal", str(error).replace(str(place), str(source.parent)))
        try:
            entries = sum(1 for _entry in journal.records())
            if journal.floor is not None:
                height, digest = journal.floor
                if ledger.block_digest(height) != digest:
                    self._fail(
                        "journal", f"{source}: its floor is block {height}, which the log does not have like that"
                    )
            if journal.last_sequence < self._log.last_journal_sequence:
                self._fail("journal", f"{source}: ends at {journal.last_sequence}, below what the last block names")
            told = f"{entries} entries, numbered to {journal.last_sequence}"
            with source.open("rb") as file:
                is_original = journal.identity.is_same(identity_of(file.fileno()))
            if is_original:
                self._checks.append(Check("journal", True, told))
            else:
                self._checks.append(Check("journal", None, f"{told}; a copy: this node follows and signs nothing"))
        finally:
            journal.close()

    def _details(self, config: NodeConfig) -> None:
        try:
            database = open_copy(config.data_dir / DETAILS, self._place / DETAILS)
            count = sum(1 for _entry in database.scan(b"d/"))
            database.close()
        except StorageLocked:
            self._checks.append(Check("details", None, "the node runs and has them open"))
        except (ChainError, OSError) as error:
            self._fail("details", str(error))
        else:
            self._checks.append(Check("details", True, f"of {count} bills, all readable"))


def _described(config: NodeConfig) -> tuple[NodeConfig, str]:
    return config, f"{config.kind} {config.name} of {config.organisation}"


def _chain(genesis: Genesis) -> tuple[Genesis, str]:
    return genesis, f"{genesis.name}, {genesis.digest().hex()[:16]}"
