"""`node rebuild`: what is sound stays, what is not is fetched and proven again, and nothing goes before its better is
on the disk (DESIGN 8, RELIABILITY 3.3)."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from chain.bill import Payer
from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode, encode
from chain.database import Database
from chain.details import details_root, payer_details
from chain.errors import StorageDamaged, StorageLocked
from chain.operation import BindPayer, IssueBill, operation_digest
from node import rebuild
from node.details_store import DetailsStore
from node.gateway_store import OutboxItem, PayerRow, group_key, payer_details_key, payer_due_key, payer_key
from node.journal import Journal
from node.payer_store import payer_row
from node.rebuild import rebuild_home
from node.rebuild_log import ASIDE, LogMender
from node.rebuild_peers import NoPeer
from node.rebuild_replay import Replay
from node.sealed_box import DetailsBox
from node.verify import verify_home
from tests.chain.making import changed, details, genesis
from tests.node.homes import BLOCKS, STORAGE_KEY, make_gateway, make_mirror, make_validator, reopen


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_validator(tmp_path_factory.mktemp("rebuild") / "finance")


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy to be damaged; its journal is made anew, since a copied one is found out."""
    home = Path(shutil.copytree(made, tmp_path / "home"))
    shutil.rmtree(home / "data" / "journal")
    Journal.create(home / "data" / "journal").close()
    return home


def blocks_of(directory: Path) -> list[bytes]:
    log = BlockLog.open_read_only(directory)
    try:
        return [log.read(height) for height in range(1, log.height + 1)]
    finally:
        log.close()


class FakePeers:
    """Peers by name, each with its blocks; asked in order, until they are refused."""

    def __init__(self, **peers: list[bytes]) -> None:
        self.peers = dict(peers)
        self.refused: dict[str, str] = {}
        self.asked: list[int] = []
        self.fail_at = 0  # a height at which the process dies

    def block(self, height: int) -> tuple[str, bytes] | None:
        self.asked.append(height)
        if height == self.fail_at:
            raise KeyboardInterrupt
        left = {name: blocks for name, blocks in self.peers.items() if name not in self.refused}
        if not left:
            raise NoPeer("nobody is left")
        found = [(name, blocks[height - 1]) for name, blocks in left.items() if height <= len(blocks)]
        return found[0] if found else None

    def refuse(self, peer: str, why: str) -> None:
        self.refused[peer] = why


def mend(home: Path, peers: FakePeers) -> LogMender:
    replay = Replay(home / "work", genesis(), indexes=False)
    mender = LogMender(home / "data" / "blocks", replay, peers, lambda done, total: None)
    try:
        mender.run()
    finally:
        replay.close()
    return mender


def segments(home: Path) -> list[Path]:
    return sorted((home / "data" / "blocks").glob("*.log"))


# ── the block log ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sound_log_is_left_as_it_is_and_nobody_is_asked(home: Path) -> None:
    before = {path.name: path.read_bytes() for path in segments(home)}
    peers = FakePeers()

    mender = mend(home, peers)

    assert (mender.kept, mender.fetched, mender.set_aside, peers.asked) == (BLOCKS, 0, [], [])
    assert {path.name: path.read_bytes() for path in segments(home)} == before


@pytest.mark.parametrize("number", [0, 1, -1])
@pytest.mark.parametrize("spoil", ["flip", "cut", "remove", "zero"])
def test_a_damaged_segment_is_mended_and_the_old_one_kept(made: Path, home: Path, number: int, spoil: str) -> None:
    """First, middle and last file; flipped, cut short, gone, zeroed."""
    whole = blocks_of(made / "data" / "blocks")
    path = segments(home)[number]
    data = bytearray(path.read_bytes())
    if spoil == "remove":
        path.unlink()
    elif spoil == "cut":
        path.write_bytes(data[: len(data) // 2 + 1])
    else:
        data[len(data) // 3 : len(data) // 3 + (1 if spoil == "flip" else 64)] = (
            bytes([data[len(data) // 3] ^ 4]) if spoil == "flip" else bytes(64)
        )
        path.write_bytes(data)
    damaged = path.read_bytes() if path.exists() else None

    mender = mend(home, FakePeers(honest=whole))

    mended = blocks_of(home / "data" / "blocks")
    assert mended == whole[: len(mended)]
    assert len(mended) == BLOCKS or (number == -1 and spoil == "remove")  # what nobody knows of comes by following
    aside = list((home / "data" / ASIDE).glob("*")) if (home / "data" / ASIDE).exists() else []
    assert [file.read_bytes() for file in aside] == ([damaged] if damaged is not None else [])
    assert len(mender.damage) == (0 if number == -1 and spoil == "remove" else 1)


def test_a_lying_peer_is_found_out_and_another_asked(made: Path, home: Path) -> None:
    """RELIABILITY Y11: a block without a quorum, one of another height, and rubbish."""
    whole = blocks_of(made / "data" / "blocks")
    final = decode(whole[2], FinalBlock)
    bare = changed(final, certificate=changed(final.certificate, signatures=final.certificate.signatures[:1]))
    shutil.rmtree(home / "data" / "blocks")
    peers = FakePeers(
        bare=[*whole[:2], encode(bare), *whole[3:]], moved=[*whole[:3], whole[6], *whole[4:]], rubbish=[b"?"] * BLOCKS
    )
    peers.peers["honest"] = whole

    mend(home, peers)

    assert set(peers.refused) == {"bare", "moved", "rubbish"}
    assert blocks_of(home / "data" / "blocks") == whole


def test_when_all_lie_it_ends_without_a_block_that_nobody_signed(home: Path) -> None:
    shutil.rmtree(home / "data" / "blocks")
    with pytest.raises(NoPeer):
        mend(home, FakePeers(rubbish=[b"?"] * BLOCKS))
    assert segments(home) == []


@pytest.mark.parametrize("height", range(2, BLOCKS + 1))
def test_interrupted_anywhere_it_is_run_again(made: Path, home: Path, height: int) -> None:
    """Two files are bad; what was sound before is there after each attempt."""
    whole = blocks_of(made / "data" / "blocks")
    for path in (segments(home)[0], segments(home)[2]):
        data = bytearray(path.read_bytes())
        data[40] ^= 1
        path.write_bytes(data)
    peers = FakePeers(honest=whole)
    peers.fail_at = height
    try:
        mend(home, peers)
    except KeyboardInterrupt:
        peers.fail_at = 0
        mend(home, peers)
    assert blocks_of(home / "data" / "blocks") == whole


def test_a_log_of_very_many_files_is_fetched_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More files than calls may lie in each other: 64 MiB each, a log of some 30 GB."""
    monkeypatch.setattr("node.rebuild_log.SEGMENT_BYTES_MAX", 1)

    class Believing:
        height = 0

        def take(self, _block: bytes) -> None:
            self.height += 1

    count = 1_000
    peers = FakePeers(honest=[b"block"] * count)
    mender = LogMender(tmp_path, cast(Replay, Believing()), peers, lambda done, total: None)
    mender.run()
    assert mender.fetched == len(list(tmp_path.glob("*.log"))) == count


def test_a_block_that_was_altered_with_care_is_fetched_again(made: Path, home: Path) -> None:
    """Its checksum fits; its certificate does not."""
    whole = blocks_of(made / "data" / "blocks")
    final = decode(whole[4], FinalBlock)
    bare = changed(final, certificate=changed(final.certificate, signatures=final.certificate.signatures[:2]))
    shutil.rmtree(home / "data" / "blocks")
    log = BlockLog.create(home / "data" / "blocks")
    for height, block in enumerate([*whole[:4], encode(bare), *whole[5:]], 1):
        log.append(height, block, 70 + height)
        log.flush()
    log.close()

    mender = mend(home, FakePeers(honest=whole))

    assert blocks_of(home / "data" / "blocks") == whole
    assert "block 5 does not follow" in mender.damage[0]
    log = BlockLog.open_read_only(home / "data" / "blocks")
    assert log.last_journal_sequence == 70 + BLOCKS  # PROTOCOL 14: a rolled back journal is still found out
    log.close()


# ── the whole command ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_state_is_derived_anew_from_the_log(home: Path) -> None:
    shutil.rmtree(home / "data" / "state")
    rebuilt = rebuild_home(home)
    assert (rebuilt.height, rebuilt.blocks_kept, rebuilt.blocks_fetched, rebuilt.lost) == (BLOCKS, BLOCKS, 0, [])
    assert rebuilt.journal == "sound, left as it is"
    assert verify_home(home).valid


def test_without_peers_damage_is_named_and_nothing_changes(home: Path) -> None:
    data = bytearray(segments(home)[0].read_bytes())
    data[60] ^= 1
    segments(home)[0].write_bytes(data)
    state = {path.name: path.read_bytes() for path in (home / "data" / "state").iterdir()}
    with pytest.raises(StorageDamaged, match=r"00000001\.log offset 0.*--from-peers"):
        rebuild_home(home)
    assert {path.name: path.read_bytes() for path in (home / "data" / "state").iterdir()} == state


def test_with_peers_log_and_state_are_whole_again(made: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = blocks_of(made / "data" / "blocks")
    data = bytearray(segments(home)[1].read_bytes())
    data[60] ^= 1
    segments(home)[1].write_bytes(data)
    monkeypatch.setattr(rebuild, "PeerBlocks", lambda *_arguments: Context(FakePeers(honest=whole)))

    rebuilt = rebuild_home(home, from_peers=True)

    assert rebuilt.blocks_fetched > 0
    assert rebuilt.blocks_kept + rebuilt.blocks_fetched == BLOCKS
    assert len(rebuilt.set_aside) == 1
    assert verify_home(home).valid
    assert not (home / "rebuild").exists()


class Context:
    """Peers in a `with`."""

    def __init__(self, peers: FakePeers) -> None:
        self._peers = peers

    def __enter__(self) -> FakePeers:
        return self._peers

    def __exit__(self, *_error: object) -> None:
        """Nothing to close."""


def test_a_damaged_journal_is_moved_only_when_that_is_asked(home: Path) -> None:
    """Votes are safe: nothing but the word of the operator touches it."""
    journal = home / "data" / "journal" / "journal.log"
    data = bytearray(journal.read_bytes())
    data[3] ^= 1
    journal.write_bytes(data)
    assert rebuild_home(home).journal.startswith("not usable, left as it is")
    assert journal.read_bytes() == data

    rebuilt = rebuild_home(home, set_journal_aside=True)

    assert "put aside" in rebuilt.journal
    assert not journal.exists()
    assert (home / "data" / "journal.aside-1" / "journal.log").read_bytes() == data


def test_a_sound_journal_stays_whatever_is_asked(home: Path) -> None:
    rebuilt = rebuild_home(home, set_journal_aside=True)
    assert (rebuilt.journal, rebuilt.set_aside) == ("sound, left as it is", [])


def test_a_node_that_runs_is_not_rebuilt(home: Path) -> None:
    ledger = reopen(home)
    try:
        with pytest.raises(StorageLocked):
            rebuild_home(home)
    finally:
        ledger.close()


# ── mirrors and gateways ─────────────────────────────────────────────────────────────────────────────────────────────


def flip_manifest(store: Path) -> None:
    (manifest,) = store.glob("MANIFEST-*")
    data = bytearray(manifest.read_bytes())
    data[len(data) // 2] ^= 1
    manifest.write_bytes(data)


def test_a_mirror_is_told_whose_details_are_lost(tmp_path: Path) -> None:
    home = make_mirror(tmp_path / "archive")
    rebuilt = rebuild_home(home)
    assert len(rebuilt.lost) == 1
    assert "details of 9 bills of hospital-a" in rebuilt.lost[0]
    assert any("--offer-details" in note for note in rebuilt.notes)
    assert verify_home(home).valid


def test_details_that_read_are_kept_from_a_store_that_does_not_open(tmp_path: Path) -> None:
    home = make_mirror(tmp_path / "archive")
    database = Database.open(home / "data" / "details")
    with ThreadPoolExecutor(1) as thread:
        store = DetailsStore(database, STORAGE_KEY, ["hospital-a"], lambda bill: None, thread)
        box = store.box.seal(details("330601260000000001"))
        row = {b"d/hospital-a/330601260000000001": bytes(32) + box, b"w/hospital-a/x": b"derived"}
        database.write(row, [], sync=True)
    database.close()
    flip_manifest(home / "data" / "details")

    rebuilt = rebuild_home(home)

    assert rebuilt.damage
    assert len(rebuilt.set_aside) == 1
    again = Database.open(home / "data" / "details")
    assert list(again.scan(b"w/")) == []
    again.close()


@pytest.mark.parametrize("is_damaged", [False, True])
def test_whose_bills_are_and_how_often_they_were_looked_up_outlives_a_rebuild(tmp_path: Path, is_damaged: bool) -> None:
    """A bill that was claimed by its slip names nobody: its entry is nowhere else."""
    home = make_mirror(tmp_path / "archive")
    database = Database.open(home / "data" / "details")
    kept = {b"p/00ff/hospital-a/330601260000000001": b"", b"v/c330601260000000001": bytes(7) + b"\x03"}
    database.write({**kept, b"u/330601260000000001": b"", b"l/330601260000000001/1": b"derived"}, [], sync=True)
    database.close()
    if is_damaged:
        flip_manifest(home / "data" / "details")

    rebuild_home(home)

    again = Database.open(home / "data" / "details")
    assert dict(again.scan(b"")) == kept
    again.close()


def gateway_rows(home: Path) -> dict[bytes, bytes]:
    database = Database.open(home / "data" / "gateway")
    try:
        return dict(database.scan(b""))
    finally:
        database.close()


def test_a_gateways_outbox_is_salvaged_and_its_leases_closed(tmp_path: Path) -> None:
    """A row that reads may be an older one: no number of it is given again."""
    home = make_gateway(tmp_path / "home")
    flip_manifest(home / "data" / "gateway")

    rebuilt = rebuild_home(home)

    rows = gateway_rows(home)
    items = [decode(value, OutboxItem) for key, value in rows.items() if key.startswith(b"o")]
    assert [item.operation.bill for item in items if isinstance(item.operation, IssueBill)] == ["330601260000000020"]
    assert len(items) == 1
    assert not [key for key in rows if key[:1] in (b"l", b"h", b"c", b"f")]
    assert any("1 leases closed, 80 numbers" in note for note in rebuilt.notes)
    assert any("19 bills were given here" in loss for loss in rebuilt.lost)
    assert (home / "data" / "gateway.aside-1").is_dir()


def test_a_queued_bill_whose_outbox_entry_is_gone_is_queued_again(tmp_path: Path) -> None:
    home = make_gateway(tmp_path / "home")
    database = Database.open(home / "data" / "gateway")
    database.write({}, [key for key, _value in database.scan(b"o")], sync=True)
    database.close()

    rebuilt = rebuild_home(home)

    items = [decode(value, OutboxItem) for key, value in gateway_rows(home).items() if key.startswith(b"o")]
    assert [item.operation.bill for item in items if isinstance(item.operation, IssueBill)] == ["330601260000000020"]
    assert any("queued again" in note for note in rebuilt.notes)


@pytest.mark.parametrize("seed", range(12))
def test_a_gateways_store_damaged_anywhere_gives_rows_that_were_written_or_none(tmp_path: Path, seed: int) -> None:
    """Salvaging invents nothing."""
    home = make_gateway(tmp_path / "home")
    whole = gateway_rows(home)
    chosen = random.Random(seed)
    files: Callable[[], list[Path]] = lambda: [  # noqa: E731
        path
        for path in sorted((home / "data" / "gateway").iterdir())
        if path.stat().st_size and path.name not in ("LOCK", "LOG", "LOG.old")
    ]
    path = chosen.choice(files())
    data = bytearray(path.read_bytes())
    data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
    path.write_bytes(data)

    rebuild_home(home)

    rows = gateway_rows(home)
    derived = {key for key in rows if key[:1] in (b"p", b"o")}  # queued again, under a number of its own
    assert all(whole.get(key) == value for key, value in rows.items() if key not in derived)


def with_payer(home: Path, box: bytes | None = None) -> BindPayer:
    """A payer is to be bound to the queued bill, and the outbox entry of that is gone."""
    bill = "330601260000000020"
    private = payer_details(bill, b"p" * 32, Payer("Found Person"), "cashier", "2026-06-02T09:00:00+08:00")
    operation = BindPayer(bill, details_root(private))
    database = Database.open(home / "data" / "gateway")
    rows = {
        payer_key(bill): encode(PayerRow(operation, operation_digest(operation), "", 0)),
        payer_details_key(bill): DetailsBox(STORAGE_KEY).seal(private) if box is None else box,
        payer_due_key(bill): b"",
        group_key(bytes(32), bill): b"",
    }
    database.write(rows, [], sync=True)
    database.close()
    return operation


def test_a_payer_that_was_to_be_bound_is_queued_again_behind_its_bill(tmp_path: Path) -> None:
    home = make_gateway(tmp_path / "home")
    operation = with_payer(home)
    flip_manifest(home / "data" / "gateway")
    rebuild_home(home)
    rows = gateway_rows(home)
    items = [decode(value, OutboxItem) for key, value in sorted(rows.items()) if key.startswith(b"o")]
    assert [(type(item.operation), item.after) for item in items] == [(IssueBill, ""), (BindPayer, operation.bill)]
    assert decode(rows[payer_key(operation.bill)], PayerRow).operation == operation
    private = DetailsBox(STORAGE_KEY).open(rows[payer_details_key(operation.bill)], operation.bill)
    assert details_root(private) == operation.payer_root
    assert {payer_due_key(operation.bill), group_key(bytes(32), operation.bill)} <= rows.keys()


def test_a_payer_whose_name_does_not_read_is_bound_anew(tmp_path: Path) -> None:
    home = make_gateway(tmp_path / "home")
    operation = with_payer(home, b"no box")
    rebuilt = rebuild_home(home)
    rows = gateway_rows(home)
    assert any(f"bill {operation.bill} does not read: bind it again" in note for note in rebuilt.notes)
    assert payer_key(operation.bill) not in rows
    items = [decode(value, OutboxItem) for key, value in rows.items() if key.startswith(b"o")]
    assert not any(isinstance(item.operation, BindPayer) for item in items)


def test_a_mirrors_payers_and_settlements_are_kept_where_they_read(tmp_path: Path) -> None:
    home = make_mirror(tmp_path / "archive")
    bill = "330601260000000001"
    database = Database.open(home / "data" / "details")
    with ThreadPoolExecutor(1) as thread:
        store = DetailsStore(database, STORAGE_KEY, ["hospital-a"], lambda bill: None, thread)
        private = details(bill, business_no="B-1", group="G-1")
        payer = payer_details(bill, b"p" * 32, Payer("Found Person"), "cashier", "2026-06-02T09:00:00+08:00")
        found_by = store.index_rows("hospital-a", private)
        kept = {
            f"d/hospital-a/{bill}".encode(): details_root(private) + store.box.seal(private),
            payer_row("hospital-a", bill, details_root(payer)): details_root(payer) + store.box.seal(payer),
        }
        spoilt = payer_row("hospital-a", bill, bytes(32))
        database.write({**kept, spoilt: bytes(32) + store.box.seal(payer)}, [], sync=True)
    database.close()
    flip_manifest(home / "data" / "details")
    rebuilt = rebuild_home(home)
    again = Database.open(home / "data" / "details")
    rows = dict(again.scan(b""))
    again.close()
    assert {key: rows[key] for key in kept} == kept
    assert found_by.items() <= rows.items()
    assert sorted(key[:1] for key in found_by) == [b"g", b"n", b"p"]
    assert spoilt not in rows
    assert any("another root" in damage for damage in rebuilt.damage)
