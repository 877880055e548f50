"""The ledger on disk: what a killed, robbed or mistaken node finds when it starts (DESIGN 8)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from chain import keyspace
from chain.block import Block, FinalBlock, history_leaf
from chain.block_log import BlockLog
from chain.codec import decode, encode
from chain.database import Database
from chain.errors import GenesisRefused, StorageDamaged, StorageLocked
from chain.final_blocks import RECENT_BLOCKS_MAX
from chain.final_view import FinalView
from chain.genesis import Genesis
from chain.ledger import BLOCKS_UNFLUSHED_MAX, FORGOTTEN_AFTER, Ledger, start_store
from chain.merkle import root, verify_inclusion
from chain.operation import operation_digest
from chain.proof import check_proof
from chain.records import BillBody
from chain.transaction import receive_transaction
from chain.validators import SeatSignature
from tests.chain.making import (
    TODAY,
    Chain,
    MemoryLog,
    MemoryStore,
    certify,
    changed,
    details,
    genesis,
    issue_bill,
    reverse_bill,
)


class Home:
    """A node's data directory; `start` opens it, `kill` closes the files and flushes nothing."""

    def __init__(self, data: Path, start: Genesis) -> None:
        self.data, self.genesis = data, start
        Ledger.create(data, start)
        self._open: list[Ledger] = []

    def start(self, *, genesis: Genesis | None = None, indexes: bool = True) -> Chain:
        log = BlockLog.open(self.data / "blocks")
        try:
            ledger = Ledger.open(self.data, genesis or self.genesis, log=log, indexes=indexes)
        except BaseException:
            log.close()
            raise
        self._open.append(ledger)
        return Chain(genesis or self.genesis, ledger=ledger)

    def kill(self) -> None:
        while self._open:
            ledger = self._open.pop()
            ledger.state.store.close()
            ledger.log.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "data", genesis())
    yield home
    home.kill()


def grow(chain: Chain, blocks: int, first_serial: int = 1) -> None:
    for serial in range(first_serial, first_serial + blocks):
        assert chain.run("hospital-a", issue_bill(f"B-{serial}", serial=serial)) == ["recorded"]


# ── starting again ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_ledger_stands_at_genesis(home: Home) -> None:
    chain = home.start()
    assert chain.roots == (0, chain.chain_id, chain.ledger.state.root)
    assert chain.ledger.final(0) is None
    assert chain.ledger.final(1) is None
    assert chain.ledger.parent().history_root == root([history_leaf(chain.chain_id)])


def test_a_closed_ledger_opens_where_it_stood(home: Home) -> None:
    chain = home.start()
    chain.lease()
    grow(chain, 3)
    roots = chain.roots
    chain.ledger.close()

    again = home.start()
    assert again.roots == roots
    assert again.ledger.state.pending == {}  # nothing had to be replayed
    grow(again, 2, first_serial=4)


@pytest.mark.parametrize("flushed_at", [0, 1, 3, 5, 6])
def test_a_kill_between_two_flushes_loses_nothing(home: Home, flushed_at: int) -> None:
    """The log is flushed with each block, the database later: the rest is replayed."""
    chain = home.start()
    chain.lease()
    for serial in range(1, 6):
        if chain.height == flushed_at:
            chain.ledger.flush()
        grow(chain, 1, serial)
    roots, bills = chain.roots, [chain.bill(issue_bill(serial=serial).bill) for serial in range(1, 6)]
    home.kill()

    again = home.start()
    assert again.roots == roots
    assert [again.bill(issue_bill(serial=serial).bill) for serial in range(1, 6)] == bills


def test_a_block_that_was_logged_and_not_adopted_is_adopted_at_the_start(home: Home) -> None:
    chain = home.start()
    chain.lease()
    execution = chain.execute([chain.sign("hospital-a", issue_bill())])
    certificate = certify(execution.header, chain.ledger.members)
    block = FinalBlock(_block(execution), certificate)
    chain.ledger.log.append(2, encode(block), 0)
    chain.ledger.log.flush()
    home.kill()
    assert home.start().roots == (2, execution.digest, execution.header.state_root)


def test_a_lost_database_is_built_again_from_the_log(home: Home) -> None:
    chain = home.start()
    chain.lease()
    grow(chain, 4)
    chain.ledger.flush()
    roots = chain.roots
    home.kill()
    shutil.rmtree(home.data / "state")
    assert home.start().roots == roots


def test_a_damaged_database_is_dropped_and_built_again(home: Home) -> None:
    chain = home.start()
    chain.lease()
    roots = chain.roots
    chain.ledger.flush()
    home.kill()
    (home.data / "state" / "CURRENT").write_bytes(b"nonsense\n")
    again = home.start()
    assert again.roots == roots
    assert "state" in again.ledger.dropped  # for the node's log: nothing is dropped in silence
    home.kill()
    assert home.start().ledger.dropped == ""


def test_a_database_ahead_of_the_log_is_dropped_and_built_again(home: Home) -> None:
    """The log is the only truth (DESIGN 1): it may have been restored from an older backup."""
    chain = home.start()
    chain.lease()
    older = home.data.parent / "older"
    shutil.copytree(home.data / "blocks", older)
    roots = chain.roots
    grow(chain, 3)
    chain.ledger.flush()
    home.kill()
    shutil.rmtree(home.data / "blocks")
    shutil.move(older, home.data / "blocks")
    again = home.start()
    assert again.roots == roots
    assert again.ledger.dropped.endswith("stands on no block of the log")


def test_a_database_that_stands_on_another_block_is_dropped_and_built_again(home: Home) -> None:
    """As high as the log, but not the log's: the roots would differ from block to block on."""
    chain = home.start()
    chain.lease()
    older = home.data.parent / "older"
    shutil.copytree(home.data / "blocks", older)
    grow(chain, 1)
    chain.ledger.flush()
    home.kill()
    shutil.rmtree(home.data / "blocks")
    shutil.move(older, home.data / "blocks")
    state = home.data.parent / "state"
    shutil.move(home.data / "state", state)

    other = home.start()
    grow(other, 1, first_serial=7)
    roots = other.roots
    home.kill()
    shutil.rmtree(home.data / "state")
    shutil.move(state, home.data / "state")
    again = home.start()
    assert again.roots == roots
    assert again.ledger.state.get(keyspace.bill(issue_bill(serial=1).bill), BillBody) is None


def test_a_home_made_for_another_genesis_is_refused_and_left_alone(home: Home) -> None:
    chain = home.start()
    chain.lease()
    roots = chain.roots
    chain.ledger.flush()
    home.kill()
    with pytest.raises(GenesisRefused, match="was made for ledger"):
        home.start(genesis=genesis(name="another province"))
    assert home.start().roots == roots


def test_a_database_that_another_process_has_open_is_not_dropped(home: Home) -> None:
    chain = home.start()
    chain.lease()
    chain.ledger.log.close()
    with pytest.raises(StorageLocked):
        home.start()
    assert (home.data / "state" / "CURRENT").is_file()


def test_progress_is_told_while_blocks_are_replayed(home: Home) -> None:
    chain = home.start()
    for _ in range(5):
        chain.block([])
    home.kill()
    log = BlockLog.open(home.data / "blocks")
    told: list[tuple[int, int]] = []
    ledger = Ledger.open(
        home.data, home.genesis, log=log, indexes=False, progress=lambda done, total: told.append((done, total))
    )
    ledger.close()
    assert told == [(height, 5) for height in range(1, 6)]


def test_a_long_replay_is_flushed_on_the_way(home: Home) -> None:
    chain = home.start()
    for _ in range(BLOCKS_UNFLUSHED_MAX + 6):
        chain.block([])
    home.kill()
    assert home.start().ledger.unflushed_blocks == 6


# ── a log that lies ──────────────────────────────────────────────────────────────────────────────────────────────────


def memory(start: Genesis | None = None) -> Chain:
    return Chain(start)


def replayed(chain: Chain, blocks: list[bytes] | None = None, *, indexes: bool = True) -> Ledger:
    """A fresh ledger from the blocks of another, or from forged ones."""
    store, log = MemoryStore(), MemoryLog()
    log.blocks = list(cast(Any, chain.ledger.log).blocks if blocks is None else blocks)
    start_store(store, chain.genesis)
    ledger = Ledger(chain.genesis, store, cast(BlockLog, log), indexes)
    ledger.load()
    ledger.replay()
    return ledger


def test_replaying_the_log_gives_the_same_bytes_in_the_database() -> None:
    """RELIABILITY 2.3, I6."""
    chain = memory()
    chain.lease()
    grow(chain, 10)
    chain.run("hospital-a", reverse_bill(issue_bill("B-1"), serial=20))
    chain.run_seal(chain.seal(["hospital-a"]))
    chain.ledger.flush()
    again = replayed(chain)
    again.flush()
    assert cast(MemoryStore, again.state.store).values == cast(MemoryStore, chain.ledger.state.store).values
    without = replayed(chain, indexes=False)
    assert (without.head, without.state.root) == (again.head, again.state.root)


def forged(chain: Chain, height: int, **changes: Any) -> list[bytes]:
    """The log with a header changed and certified anew by all four: only execution can tell."""
    blocks = list(cast(Any, chain.ledger.log).blocks)
    final = decode(blocks[height - 1], FinalBlock)
    header = changed(final.block.header, **changes)
    certificate = certify(header, chain.ledger.members)
    blocks[height - 1] = encode(FinalBlock(changed(final.block, header=header), certificate))
    return blocks


@pytest.mark.parametrize("field", ["state_root", "outcomes_root", "history_root", "parent", "transactions_root"])
def test_a_block_whose_roots_do_not_come_out_stops_the_replay(field: str) -> None:
    chain = memory()
    chain.lease()
    grow(chain, 3)
    with pytest.raises(StorageDamaged, match="height 3: does not follow"):
        replayed(chain, forged(chain, 3, **{field: b"x" * 32}))


def test_a_block_without_a_quorum_stops_the_replay() -> None:
    chain = memory()
    chain.lease()
    grow(chain, 2)
    blocks = list(cast(Any, chain.ledger.log).blocks)
    final = decode(blocks[1], FinalBlock)
    for certificate in (
        changed(final.certificate, signatures=final.certificate.signatures[:2]),
        changed(final.certificate, signatures=[SeatSignature(seat, bytes(64)) for seat in range(3)]),
        changed(final.certificate, view=1),
        certify(decode(blocks[0], FinalBlock).block.header, chain.ledger.members),
    ):
        bad = [blocks[0], encode(FinalBlock(final.block, certificate)), *blocks[2:]]
        with pytest.raises(StorageDamaged, match="height 2: does not follow"):
            replayed(chain, bad)


def test_blocks_left_out_twice_or_unreadable_stop_the_replay() -> None:
    chain = memory()
    chain.lease()
    grow(chain, 3)
    blocks = list(cast(Any, chain.ledger.log).blocks)
    for bad in (
        [*blocks[:1], *blocks[2:]],
        [*blocks[:2], blocks[1]],
        [*blocks[:2], b"garbage"],
        [*blocks[:2], blocks[2] + b"\0"],
        [encode(FinalBlock(_block(memory(genesis(name="other")).execute([])), certify_nothing()))],
    ):
        with pytest.raises(StorageDamaged):
            replayed(chain, bad)


def certify_nothing() -> Any:
    chain = memory(genesis(name="other"))
    return certify(chain.execute([]).header, chain.ledger.members)


def test_damage_of_the_database_is_not_blamed_on_the_log() -> None:
    chain = memory()
    chain.lease()
    grow(chain, 3)
    store, log = MemoryStore(), MemoryLog()
    log.blocks = cast(Any, chain.ledger.log).blocks
    start_store(store, chain.genesis)
    prefix = keyspace.NODE_PAGES
    for key in [key for key in store.values if key.startswith(prefix)]:
        del store.values[key]
    ledger = Ledger(chain.genesis, store, cast(BlockLog, log), True)
    ledger.load()
    with pytest.raises(StorageDamaged, match="state, node"):
        ledger.replay()


def test_a_database_without_its_applied_height_is_damaged() -> None:
    chain = memory()
    for values in ({}, {keyspace.APPLIED: b"\x90"}):
        ledger = Ledger(chain.genesis, MemoryStore(values), cast(BlockLog, MemoryLog()), True)
        with pytest.raises(StorageDamaged):
            ledger.load()


def test_a_block_that_does_not_follow_is_never_adopted() -> None:
    chain = memory()
    execution = chain.execute([])
    certificate = certify(execution.header, chain.ledger.members)
    chain.adopt(execution, certificate)
    with pytest.raises(RuntimeError, match="does not follow"):
        chain.ledger.adopt(execution, certificate)


# ── what is remembered ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_transaction_is_remembered_over_a_restart(home: Home) -> None:
    """DESIGN 5: its digest is remembered until `valid_until_height`; this memory lies on disk."""
    chain = home.start()
    chain.lease()
    once = chain.sign("hospital-a", issue_bill(), valid_until=200)
    digest = receive_transaction(chain.chain_id, once).digest
    chain.block([once])
    assert chain.ledger.is_remembered(digest)
    home.kill()  # replayed from the log
    chain = home.start()
    assert chain.ledger.is_remembered(digest)
    chain.ledger.close()
    chain = home.start()
    assert chain.ledger.is_remembered(digest)  # from the disk
    assert not chain.ledger.is_remembered(bytes(32))


def test_a_transaction_is_remembered_as_long_as_it_could_run_and_forgotten_in_the_end() -> None:
    """While it is remembered it is repeated; when it is forgotten it has long expired."""
    chain = memory()
    transactions = {until: chain.sign("hospital-a", issue_bill(), valid_until=until) for until in (1, 20, 40)}
    digests = {until: receive_transaction(chain.chain_id, each).digest for until, each in transactions.items()}
    chain.block(list(transactions.values()))
    for _ in range(FORGOTTEN_AFTER + 60):
        chain.block([])
        chain.ledger.flush()
        for until, digest in digests.items():
            if chain.height < until:
                assert chain.ledger.is_remembered(digest)
    assert [chain.ledger.is_remembered(digest) for digest in digests.values()] == [False] * 3
    stored = cast(MemoryStore, chain.ledger.state.store).values
    assert not [key for key in stored if key.startswith((b"t", b"e"))]


def test_forgetting_does_not_depend_on_when_the_database_is_flushed() -> None:
    chain, other = memory(), memory()
    for number in range(FORGOTTEN_AFTER + BLOCKS_UNFLUSHED_MAX * 2):
        for each in (chain, other):
            each.block([each.sign("health", issue_bill(f"B-{number}"), valid_until=each.height + 1 + number % 7)])
        if number % 5 == 0:
            chain.ledger.flush()
        if number % BLOCKS_UNFLUSHED_MAX == 0:
            other.ledger.flush()
    chain.ledger.flush()
    other.ledger.flush()
    assert chain.roots == other.roots
    one, two = (cast(MemoryStore, each.ledger.state.store).values for each in (chain, other))
    assert one == two


def test_digests_are_known_within_the_replay_window() -> None:
    chain = memory(genesis(replay_window=5))
    for _ in range(8):
        chain.block([])
    known = [height for height in range(-1, 12) if chain.ledger.recent_digest(height) is not None]
    assert known == [3, 4, 5, 6, 7, 8]
    assert chain.ledger.block_digest(0) == chain.chain_id


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_final_block_reads_as_it_was_adopted(home: Home) -> None:
    """From memory, from the log, and after a replay."""
    chain = home.start()
    chain.lease()
    adopted: list[FinalView] = [chain.view(1)]
    for serial in range(1, 6):
        wrong = issue_bill(f"W-{serial}", serial=9000)
        adopted.append(chain.block([chain.sign("hospital-a", issue_bill(f"B-{serial}", serial=serial), wrong, wrong)]))
    adopted.append(chain.block([]))
    chain.ledger._blocks._recent.clear()
    assert [chain.ledger.final(view.header.height) for view in adopted] == adopted
    home.kill()
    assert [home.start().ledger.final(view.header.height) for view in adopted[:1]] == adopted[:1]
    again = Chain(home.genesis, ledger=home._open[-1])
    again.ledger._blocks._recent.clear()
    assert [again.ledger.final(view.header.height) for view in adopted] == adopted
    assert again.ledger.final(len(adopted) + 1) is None


def test_only_the_latest_blocks_are_kept_in_memory() -> None:
    chain = memory()
    for _ in range(RECENT_BLOCKS_MAX + 5):
        chain.block([])
    assert list(chain.ledger._blocks._recent) == list(range(6, RECENT_BLOCKS_MAX + 6))
    assert chain.view(1).header.height == 1


def test_an_outcome_list_that_does_not_fit_its_block_is_damage() -> None:
    chain = memory()
    chain.lease()
    grow(chain, 1)
    chain.ledger._blocks._recent.clear()
    chain.ledger.state.pending[keyspace.stored_outcomes(2)] = encode([["recorded", 2]])
    with pytest.raises(StorageDamaged):
        chain.ledger.final(2)


def test_every_block_has_a_path_in_every_later_history() -> None:
    """`history_root` of height h covers the digests of the heights 0 … h - 1 (DESIGN 4)."""
    chain = memory()
    headers = [chain.block([]).header for _ in range(40)]
    digests = [chain.chain_id, *(header.digest() for header in headers)]
    for header in headers:
        size = header.height
        assert header.history_root == root([history_leaf(digest) for digest in digests[:size]])
        for height in range(size):
            path = chain.ledger.history_path(height, size)
            verify_inclusion(history_leaf(digests[height]), height, size, path, header.history_root)
    parent = chain.ledger.parent()
    verify_inclusion(history_leaf(digests[40]), 40, 41, chain.ledger.history_path(40, 41), parent.history_root)


def test_an_operation_is_found_where_it_was_recorded() -> None:
    """Sent twice, refused elsewhere: the run that recorded it counts, and until there is one, the last."""
    chain = memory()
    chain.lease()
    bill = issue_bill()
    chain.run("health", bill)
    assert chain.ledger.locate(operation_digest(bill)) == (2, 0, 0)
    chain.run("hospital-b", bill)
    assert chain.ledger.locate(operation_digest(bill)) == (3, 0, 0)
    chain.block([chain.sign("health", issue_bill("X")), chain.sign("hospital-a", issue_bill("Y", serial=9), bill)])
    chain.run("hospital-a", bill)
    assert chain.ledger.locate(operation_digest(bill)) == (4, 1, 1)
    assert chain.ledger.locate(bytes(32)) is None


def test_bills_are_found_by_issuer_and_day() -> None:
    chain = memory()
    chain.lease()
    chain.run("hospital-a", issue_bill("B-2", serial=2), issue_bill("B-1", serial=1, business_date=20260101))
    chain.run("hospital-a", issue_bill("B-3", serial=1))
    first = chain.run("hospital-a", issue_bill("B-4", serial=1, business_date=20260530))
    chain.ledger.flush()
    second = chain.run("hospital-a", issue_bill("B-5", serial=3, business_date=20260530))
    assert first + second == ["number_used", "recorded"]
    keys = [key for key, _value in chain.ledger.state.scan(keyspace.stored_bills_of("hospital-a"))]
    assert keys == [
        keyspace.stored_bill_by_day("hospital-a", 20260530, issue_bill(serial=3).bill),
        keyspace.stored_bill_by_day("hospital-a", TODAY, issue_bill(serial=1).bill),
        keyspace.stored_bill_by_day("hospital-a", TODAY, issue_bill(serial=2).bill),
    ]
    page = chain.ledger.state.scan(keyspace.stored_bills_of("hospital-a"), after=keys[0], limit=1)
    assert [key for key, _value in page] == keys[1:2]


def test_a_scan_sees_what_is_pending_flushing_and_gone() -> None:
    chain = memory()
    state = chain.ledger.state
    state.store.write({b"zz1": b"1", b"zz3": b"3", b"zz5": b"5"})
    state.pending.update({b"zz2": b"2", b"zz3": None})
    state.begin_flush()
    state.pending.update({b"zz4": b"4", b"zz5": b"5!"})
    assert state.scan(b"zz") == [(b"zz1", b"1"), (b"zz2", b"2"), (b"zz4", b"4"), (b"zz5", b"5!")]
    assert state.scan(b"zz", after=b"zz1", limit=2) == [(b"zz2", b"2"), (b"zz4", b"4")]
    assert (state.read(b"zz3"), state.read(b"zz5"), state.read(b"zz1")) == (None, b"5!", b"1")
    with pytest.raises(RuntimeError, match="under way"):
        state.begin_flush()


def test_a_proof_from_a_reopened_ledger_holds(home: Home) -> None:
    chain = home.start()
    chain.lease()
    bill = issue_bill()
    chain.run("hospital-a", bill)
    home.kill()
    again = home.start()
    data = encode(again.proof(bill.bill, opened=details(bill.bill), fields=["payer_name"]))
    assert check_proof(data, home.genesis).valid


def test_the_database_holds_no_personal_data(home: Home) -> None:
    """DESIGN 1.6: a canary of the bill's details is nowhere in it; the same scan finds one that is."""
    chain = home.start()
    chain.lease()
    chain.run("hospital-a", issue_bill())
    chain.ledger.close()
    database = Database.open(home.data / "state")
    stored = b"".join(key + value for key, value in database.scan(b""))
    database.close()
    logged = b"".join(path.read_bytes() for path in (home.data / "blocks").iterdir())
    for canary in (b"Synthetic Person", b"TEST-000001", b"western medicine", b"cashier one", b"B-1"):
        assert canary not in stored + logged
    assert b"Organisation hospital-a" in stored
    assert b"hospital-a" in logged


def _block(execution: Any) -> Any:
    return Block(execution.header, [received.transaction for received in execution.transactions])
