"""A home from a backup: a validator learns, a gateway gives no number twice, and nothing changes before all is proven."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from chain.codec import decode
from chain.database import Database
from chain.errors import StorageDamaged, StorageLocked
from chain.genesis import genesis_to_json
from chain.operation import IssueBill
from node.backup import make_backup
from node.backup_file import BackupRefused
from node.evidence_store import EvidenceStore
from node.gateway_store import OutboxItem
from node.journal import Journal
from node.restore import MARK, restore_home
from node.unsafe_journal import UnsafeRefused, make_unsafe_journal, uses_of
from node.verify import verify_home
from node.vote_keys import VoteKeys
from node.vote_memory import VoteMemory
from tests.chain.making import genesis
from tests.node.homes import BLOCKS, make_gateway, make_mirror, make_validator, reopen
from tests.node.test_evidence import evidence


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(home of a validator, its backup)"""
    place = tmp_path_factory.mktemp("saved")
    home = make_validator(place / "finance")
    make_backup(home, place / "backup")
    return home, place / "backup"


@pytest.fixture
def empty(saved: tuple[Path, Path], tmp_path: Path) -> Path:
    """The home without its data."""
    return Path(shutil.copytree(saved[0], tmp_path / "home", ignore=shutil.ignore_patterns("data")))


def head(home: Path) -> tuple[int, bytes]:
    ledger = reopen(home)
    try:
        return ledger.head.height, ledger.head.state_root
    finally:
        ledger.state.store.close()
        ledger.log.close()


def test_a_validator_gets_blocks_and_state_and_a_learners_place(saved: tuple[Path, Path], empty: Path) -> None:
    """PROTOCOL 14: no journal is made; the mark says where the data came from."""
    restored = restore_home(empty, saved[1])

    assert restored.height == BLOCKS
    assert head(empty) == head(saved[0])
    assert not (empty / "data" / "journal").exists()
    assert msgspec.json.decode((empty / "data" / MARK).read_bytes())["height"] == BLOCKS
    memory = VoteMemory("finance", empty / "data" / "journal", VoteKeys(empty / "config"))
    assert (memory.journal, memory.trouble) == (None, "journal_missing")
    assert verify_home(empty).valid


def test_data_are_never_overwritten_only_set_aside(saved: tuple[Path, Path], tmp_path: Path) -> None:
    home = Path(shutil.copytree(saved[0], tmp_path / "home"))
    with pytest.raises(BackupRefused) as refused:
        restore_home(home, saved[1])
    assert refused.value.code == "home_not_empty"

    restore_home(home, saved[1], set_aside=True)

    assert (home / "data.aside-1" / "journal" / "journal.log").is_file()
    assert not (home / "data" / "journal").exists()
    assert head(home)[0] == BLOCKS


def test_evidence_newer_than_the_backup_goes_on_in_the_restored_home(tmp_path: Path) -> None:
    """PROTOCOL 16: kept for good. Of the data that are set aside, what reads and convicts; the backup's comes first."""
    home = make_validator(tmp_path / "home")
    store = EvidenceStore.open(home / "data", genesis())
    store.add(evidence(1))
    make_backup(home, tmp_path / "backup")
    for height in (2, 3):
        store.add(evidence(height))
    path = home / "data" / "evidence.log"
    data = bytearray(path.read_bytes())
    data[data.index(evidence(2)) + 20] ^= 1
    path.write_bytes(data)

    restored = restore_home(home, tmp_path / "backup", set_aside=True)

    again = EvidenceStore.read(home / "data", genesis())
    assert [piece.data for piece in again.pieces] == [evidence(1), evidence(3)]
    assert not again.is_damaged
    assert "1 pieces of evidence came from the data that were set aside" in restored.notes
    assert (home / "data.aside-1" / "evidence.log").read_bytes() == data
    other = make_validator(tmp_path / "other")  # none in the backup
    EvidenceStore.open(other / "data", genesis()).add(evidence(4))
    make_backup(make_validator(tmp_path / "clean"), tmp_path / "clean-backup")
    restore_home(other, tmp_path / "clean-backup", set_aside=True)
    assert [piece.data for piece in EvidenceStore.read(other / "data", genesis()).pieces] == [evidence(4)]


def test_a_backup_that_does_not_hold_changes_nothing(saved: tuple[Path, Path], empty: Path, tmp_path: Path) -> None:
    """Neither one whose digests do not fit, nor one of another ledger, nor one whose blocks do not follow."""
    spoilt = Path(shutil.copytree(saved[1], tmp_path / "spoilt"))
    log = spoilt / "blocks" / "00000001.log"
    log.write_bytes(log.read_bytes()[:-1] + b"?")
    with pytest.raises(BackupRefused) as refused:
        restore_home(empty, spoilt)
    assert refused.value.code == "backup_unreadable"
    (empty / "config" / "genesis.json").write_text(genesis_to_json(genesis(name="another province")))
    with pytest.raises(BackupRefused) as refused:
        restore_home(empty, saved[1])
    assert refused.value.code == "foreign_genesis"
    assert sorted(path.name for path in empty.iterdir()) == ["config"]


def test_a_node_that_runs_is_not_restored(saved: tuple[Path, Path], tmp_path: Path) -> None:
    home = Path(shutil.copytree(saved[0], tmp_path / "home"))
    ledger = reopen(home)
    try:
        with pytest.raises(StorageLocked):
            restore_home(home, saved[1], set_aside=True)
    finally:
        ledger.close()
    assert (home / "data" / "journal").exists()


def test_a_gateways_leases_are_closed_and_its_outbox_comes_back(tmp_path: Path) -> None:
    """Numbers may have been given after the backup was made, from its leases and from one that was just asked for."""
    home = make_gateway(tmp_path / "home")
    make_backup(home, tmp_path / "backup")
    shutil.rmtree(home / "data")

    restored = restore_home(home, tmp_path / "backup")

    assert (restored.leases_closed, restored.numbers_closed) == (1, 80)
    database = Database.open(home / "data" / "gateway")
    try:
        assert list(database.scan(b"l")) == []
        items = [decode(value, OutboxItem) for _key, value in database.scan(b"o")]
        assert [type(item.operation) for item in items] == [IssueBill]
        assert len(list(database.scan(b"b"))) == 1
        assert len(list(database.scan(b"h"))) == BLOCKS
    finally:
        database.close()
    assert verify_home(home).valid


def test_a_mirror_from_a_validators_backup_has_no_details_and_is_told_so(
    saved: tuple[Path, Path], tmp_path: Path
) -> None:
    home = make_mirror(tmp_path / "archive")
    shutil.rmtree(home / "data")

    restored = restore_home(home, saved[1])

    assert any("no details" in note for note in restored.notes)
    ledger = reopen(home)
    assert ledger.locate(bytes(32)) is None
    ledger.close()
    Database.open(home / "data" / "details").close()


def test_a_gateways_backup_restores_no_validator(tmp_path: Path, empty: Path) -> None:
    make_backup(make_gateway(tmp_path / "gateway"), tmp_path / "backup")
    with pytest.raises(BackupRefused, match="holds no blocks"):
        restore_home(empty, tmp_path / "backup")
    assert not (empty / "data").exists()


# ── when all journals are gone ───────────────────────────────────────────────────────────────────────────────────────


def test_an_unsafe_journal_is_made_only_at_the_very_block_and_is_remembered(
    saved: tuple[Path, Path], empty: Path
) -> None:
    """PROTOCOL, last section: the operator states what no program can know."""
    restored = restore_home(empty, saved[1])
    for height, digest in ((BLOCKS - 1, restored.digest), (BLOCKS, "00" * 32)):
        with pytest.raises(UnsafeRefused) as refused:
            make_unsafe_journal(empty, height, digest)
        assert refused.value.code == "block_differs"
    assert uses_of(empty / "data") == []

    make_unsafe_journal(empty, BLOCKS, restored.digest)

    assert [(use.height, use.digest) for use in uses_of(empty / "data")] == [(BLOCKS, restored.digest)]
    ledger = reopen(empty)
    memory = VoteMemory("finance", empty / "data" / "journal", VoteKeys(empty / "config"))
    assert memory.why_not(ledger.members, ledger) == ""
    assert memory.journal is not None
    assert memory.journal.last_sequence >= ledger.log.last_journal_sequence
    memory.journal.close()
    ledger.close()


def test_a_validator_with_a_journal_gets_no_unsafe_one(saved: tuple[Path, Path], tmp_path: Path) -> None:
    """Not even an unusable one: that has to be put aside by name first."""
    home = Path(shutil.copytree(saved[0], tmp_path / "home"))
    with pytest.raises(UnsafeRefused) as refused:
        make_unsafe_journal(home, BLOCKS, "00" * 32)
    assert refused.value.code == "journal_exists"


def test_a_damaged_log_gets_no_unsafe_journal(saved: tuple[Path, Path], empty: Path) -> None:
    restored = restore_home(empty, saved[1])
    first = empty / "data" / "blocks" / "00000001.log"
    first.write_bytes(first.read_bytes()[:50])
    shutil.rmtree(empty / "data" / "state")
    with pytest.raises(StorageDamaged):
        make_unsafe_journal(empty, BLOCKS, restored.digest)
    assert not (empty / "data" / "journal").exists()


def test_a_journal_that_was_set_aside_is_whole(saved: tuple[Path, Path], tmp_path: Path) -> None:
    """Renaming is no copying: whoever looks into it later finds it as it was."""
    home = tmp_path / "home"
    make_validator(home)
    restore_home(home, saved[1], set_aside=True)
    Journal.open(home / "data.aside-1" / "journal").close()
