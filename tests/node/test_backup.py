"""A backup proves itself offline, from its genesis on, and holds neither journal nor keys (DESIGN 8, RELIABILITY 3.5)."""

from __future__ import annotations

import random
import shutil
import tarfile
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import pytest
from msgspec import structs

from chain.block_log import BlockLog
from chain.errors import Malformed, StorageDamaged
from node.backup import make_backup, verify_backup
from node.backup_file import BackupFile, BackupRefused, encode_manifest, file_digest, opened_backup
from node.backup_rows import read_rows, write_rows
from node.evidence_store import EvidenceStore
from node.restore import restore_home
from tests.node.homes import BLOCKS, make_gateway, make_mirror, make_validator
from tests.node.test_evidence import GENESIS, LIAR, evidence


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_validator(tmp_path_factory.mktemp("homes") / "finance")


def failed(path: Path) -> dict[str, str]:
    report, totals = verify_backup(path)
    assert not report.valid
    assert totals == {}
    return {check.name: check.detail for check in report.checks if check.ok is False}


def test_a_validators_backup_proves_every_block_and_the_totals(validator: Path, tmp_path: Path) -> None:
    manifest = make_backup(validator, tmp_path / "backup")

    report, totals = verify_backup(tmp_path / "backup")

    assert report.valid, report
    assert manifest.height == BLOCKS
    assert totals == {
        "bills": 9,
        "total_fen": 9 * 12_345,
        "red_bills": 0,
        "red_total_fen": 0,
        "void_bills": 0,
        "void_total_fen": 0,
    }
    assert len([entry for entry in manifest.files if entry.path.startswith("blocks/")]) > 2


def test_neither_journal_nor_keys_are_in_it(validator: Path, tmp_path: Path) -> None:
    """A restored journal would vote twice; a key in a backup is a key in every copy of it."""
    make_backup(validator, tmp_path / "backup")

    names = sorted(path.name for path in (tmp_path / "backup").rglob("*") if path.is_file())

    assert {name for name in names if not name.endswith(".log")} == {"genesis.json", "manifest.json"}
    secret = (validator / "config" / "vote.key").read_bytes().split(b"\n")[1]
    assert not any(secret in path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file())


def test_evidence_goes_along_and_into_any_home(validator: Path, tmp_path: Path) -> None:
    """Rule 16: what convicts is kept for good, over the loss of the node that heard it."""
    home = tmp_path / "home"
    shutil.copytree(validator, home)
    kept = EvidenceStore.open(home / "data", GENESIS)
    assert kept.add(evidence(1)) is not None
    with kept.path.open("ab") as file:
        file.write(bytes.fromhex("00000040"))  # half of a piece, under way while the backup is taken
    make_backup(home, tmp_path / "backup.tar")
    report, _totals = verify_backup(tmp_path / "backup.tar")
    assert report.valid
    assert [check.detail for check in report.checks if check.name == "evidence"] == [f"1 pieces, against {LIAR}"]

    shutil.rmtree(home / "data")
    restore_home(home, tmp_path / "backup.tar")
    assert [piece.data for piece in EvidenceStore.open(home / "data", GENESIS).pieces] == [evidence(1)]


def test_evidence_that_convicts_nobody_is_no_part_of_a_backup(validator: Path, tmp_path: Path) -> None:
    """Even if the digests were made to fit."""
    make_backup(validator, tmp_path / "backup")
    place = tmp_path / "backup"
    piece = evidence(1)[:-1] + b"!"
    head = len(piece).to_bytes(4, "big")
    (place / "evidence.log").write_bytes(head + crc32(head).to_bytes(4, "big") + sha256(piece).digest()[:8] + piece)
    with opened_backup(place) as backup:
        size, digest = file_digest(place / "evidence.log")
        files = [*backup.manifest.files, BackupFile("evidence.log", size, digest)]
    (place / "manifest.json").write_bytes(encode_manifest(structs.replace(backup.manifest, files=files)))

    assert failed(place) == {"evidence": "a piece does not read, or convicts nobody"}


def test_one_file_is_as_good_as_a_directory(validator: Path, tmp_path: Path) -> None:
    make_backup(validator, tmp_path / "backup.tar")
    assert verify_backup(tmp_path / "backup.tar")[0].valid
    with tarfile.open(tmp_path / "backup.tar") as archive:
        assert archive.getnames()[0] == "manifest.json"


def test_a_tar_that_names_a_place_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evil").write_text("x")
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        archive.add(tmp_path / "evil", "../evil-2")
    assert "holds what no backup has" in failed(tmp_path / "evil.tar")["files"]
    assert not (tmp_path.parent / "evil-2").exists()


def test_it_is_taken_beside_the_process_that_appends(validator: Path, tmp_path: Path) -> None:
    """Half a record at the end is not in it."""
    home = Path(shutil.copytree(validator, tmp_path / "home"))
    log = BlockLog.open(home / "data" / "blocks")
    try:
        last = sorted((home / "data" / "blocks").glob("*.log"))[-1]
        with last.open("ab") as file:
            file.write(b"\0\0\1\0half")
        manifest = make_backup(home, tmp_path / "backup")
    finally:
        log.close()
    assert manifest.height == BLOCKS
    assert verify_backup(tmp_path / "backup")[0].valid


def test_damage_is_not_saved(validator: Path, tmp_path: Path) -> None:
    """It stops there, names the place, and leaves nothing behind."""
    home = Path(shutil.copytree(validator, tmp_path / "home"))
    first = home / "data" / "blocks" / "00000001.log"
    data = bytearray(first.read_bytes())
    data[100] ^= 1
    first.write_bytes(data)

    with pytest.raises(StorageDamaged, match=r"00000001\.log offset"):
        make_backup(home, tmp_path / "place" / "backup")

    assert list((tmp_path / "place").iterdir()) == []


def test_an_existing_place_is_refused(validator: Path, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    with pytest.raises(BackupRefused) as refused:
        make_backup(validator, tmp_path / "backup")
    assert refused.value.code == "backup_exists"


def test_one_flipped_bit_anywhere_in_it_is_found(validator: Path, tmp_path: Path) -> None:
    make_backup(validator, tmp_path / "backup")
    chosen = random.Random(3)
    for path in sorted(path for path in (tmp_path / "backup").rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for _ in range(12):
            data = bytearray(whole)
            data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
            path.write_bytes(data)
            assert failed(tmp_path / "backup")
        path.write_bytes(whole)
    assert verify_backup(tmp_path / "backup")[0].valid


def test_whoever_makes_the_digests_fit_still_fails_the_certificates(validator: Path, tmp_path: Path) -> None:
    """Digests are no protection against people: the chain is proven, not the manifest."""
    from chain.block import FinalBlock
    from chain.codec import decode, encode
    from tests.chain.making import changed

    home = Path(shutil.copytree(validator, tmp_path / "home"))
    blocks = home / "data" / "blocks"
    old = BlockLog.open_read_only(blocks)
    records = [(old.read(height), old.journal_sequence(height)) for height in range(1, old.height + 1)]
    old.close()
    shutil.rmtree(blocks)
    log = BlockLog.create(blocks)
    for height, (block, sequence) in enumerate(records, 1):
        final = decode(block, FinalBlock)
        if height == 6:
            final = changed(final, certificate=changed(final.certificate, signatures=final.certificate.signatures[:2]))
        log.append(height, encode(final), sequence)
    log.flush()
    log.close()
    make_backup(home, tmp_path / "backup")

    assert "block 6 does not follow" in failed(tmp_path / "backup")["contents"]


@pytest.mark.parametrize("make", [make_mirror, make_gateway])
def test_mirrors_and_gateways_are_saved_with_their_stores(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    home = make(tmp_path / "home")

    manifest = make_backup(home, tmp_path / "backup")

    report, _totals = verify_backup(tmp_path / "backup")
    assert report.valid, report
    assert manifest.height == BLOCKS
    assert list(manifest.rows) == ["details.rows" if manifest.kind == "mirror" else "gateway.rows"]


def test_rows_come_back_in_order_or_not_at_all(tmp_path: Path) -> None:
    rows = [(b"a", b"1"), (b"b", b""), (b"bb", bytes(5_000))]
    write_rows(tmp_path / "rows", iter(rows))
    assert list(read_rows(tmp_path / "rows")) == rows
    whole = (tmp_path / "rows").read_bytes()
    for size in range(0, len(whole), 97):
        (tmp_path / "rows").write_bytes(whole[:size])
        with pytest.raises(Malformed):
            list(read_rows(tmp_path / "rows"))


def test_what_is_no_backup_is_said_to_be_none(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BackupRefused), opened_backup(place):
            pass
