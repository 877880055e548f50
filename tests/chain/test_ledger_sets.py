"""Who votes at which height, over changes of the set (PROTOCOL 15): live, reopened, replayed and rebuilt alike."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from chain import keyspace
from chain.block_log import BlockLog
from chain.codec import decode, encode
from chain.errors import CertificateRefused, StorageDamaged
from chain.ledger import Ledger, start_store
from chain.set_history import SETS_KEPT_MAX, SetHistory
from chain.validators import ValidatorSet
from tests.chain.making import VALIDATORS, Chain, MemoryLog, MemoryStore, certify, changed, genesis, seat
from tests.chain.moving_sets import BLOCKS, walk
from tests.node.following import drop_ledger, make_ledger, open_ledger


def told(ledger: Ledger) -> tuple[object, ...]:
    """All that a ledger says about who votes."""
    sets = [ledger.set_at(height) for height in range(1, ledger.head.height + 3)]
    renewals = [ledger.renewal_of(name) for name in VALIDATORS]
    return ledger.head, sets, ledger.members, ledger.following, ledger.former, ledger.sets(), renewals


def test_a_change_in_block_h_votes_from_h_plus_2_on() -> None:
    """PROTOCOL 15: those who vote on h + 1 are known at h."""
    chain = Chain()
    chain.block()
    chain.change_set(seat("finance-city"))  # block 2
    ledger = chain.ledger
    assert (ledger.members.epoch, ledger.following.epoch, ledger.former) == (1, 4, None)
    chain.block()
    assert (ledger.members.epoch, ledger.following.epoch) == (4, 4)
    assert ledger.former == chain.genesis.validator_set()
    headers = [chain.view(height).header for height in (1, 2, 3)]
    first, second = chain.genesis.validator_set().digest(), ledger.members.digest()
    assert [header.validators for header in headers] == [first] * 3
    assert [header.next_validators for header in headers] == [first, first, second]
    chain.block()
    assert chain.view(4).header.validators == second
    assert len(chain.view(4).certificate.signatures) == 4  # of five


def test_sets_of_consecutive_blocks_each_vote_on_one() -> None:
    chain = Chain()
    walk(chain, 12)
    epochs = [chain.ledger.set_at(height).epoch for height in range(1, 13)]
    assert epochs == [1, 1, 1, 4, 5, 6, 7, 7, 7, 7, 11, 12]
    assert [members.n for members in chain.ledger.sets()] == [4, 5, 6, 6, 6, 6, 5]
    for height in range(1, 13):
        header = chain.view(height).header
        assert header.validators == chain.ledger.set_at(height).digest()
        assert header.next_validators == chain.ledger.set_at(height + 1).digest()


def test_a_ledger_says_the_same_after_a_restart_a_crash_a_replay_and_a_rebuild(tmp_path: Path) -> None:
    start = genesis()
    data = tmp_path / "data"
    chain = Chain(start, ledger=make_ledger(data, start))
    for stop, ending in ((3, "close"), (4, "crash"), (5, "flush"), (10, "close"), (21, "flush"), (BLOCKS, "crash")):
        walk(chain, stop)
        expected = told(chain.ledger)
        if ending == "close":
            chain.ledger.close()
        else:
            if ending == "flush":
                chain.ledger.flush()
            drop_ledger(chain.ledger)
        chain = Chain(start, ledger=open_ledger(data, start))
        assert told(chain.ledger) == expected, (stop, ending)
    assert len(chain.ledger.sets()) == 11
    chain.ledger.close()

    for path in (data / "state").iterdir():
        path.unlink()
    (data / "state").rmdir()
    Ledger.create_state(data, start)
    rebuilt = open_ledger(data, start)
    assert told(rebuilt) == expected
    rebuilt.close()


def test_a_database_behind_a_change_replays_over_it() -> None:
    """The batch that a crash took held the change; the log gives it again."""
    chain = Chain()
    walk(chain, 12)
    store, log = MemoryStore(), MemoryLog()
    log.blocks = cast(MemoryLog, chain.ledger.log).blocks[:3]
    start_store(store, chain.genesis)
    first = Ledger(chain.genesis, store, cast(BlockLog, log), True)
    first.load()
    first.replay()
    first.flush()
    log.blocks = cast(MemoryLog, chain.ledger.log).blocks
    second = Ledger(chain.genesis, store, cast(BlockLog, log), True)
    second.load()
    assert (second.members.epoch, second.following.epoch) == (4, 5)
    second.replay()
    assert told(second) == told(chain.ledger)


def test_certificates_of_any_height_are_verified_with_the_set_of_it() -> None:
    chain = Chain()
    walk(chain, 12)
    for height in range(1, 13):
        view = chain.view(height)
        chain.ledger.verify_final(view.header, view.certificate)
    later = chain.view(12)
    for members in chain.ledger.sets()[:-1]:  # everybody else's word, keys they still have
        with pytest.raises(CertificateRefused):
            chain.ledger.verify_final(later.header, certify(later.header, members))
    far = changed(later.header, height=15)
    with pytest.raises(CertificateRefused, match="not known"):
        chain.ledger.verify_final(far, later.certificate)


def test_nobody_votes_below_1_and_nobody_is_known_above_head_plus_2() -> None:
    chain = Chain()
    for height in (0, -1, 3):
        with pytest.raises(LookupError):
            chain.ledger.set_at(height)
    assert chain.ledger.set_at(2) == chain.genesis.validator_set()


@pytest.mark.parametrize("what", ["missing", "another"])
def test_a_database_with_another_set_than_its_block_names_is_not_used(what: str) -> None:
    chain = Chain()
    walk(chain, 6)
    chain.ledger.flush()
    store = cast(MemoryStore, chain.ledger.state.store)
    if what == "missing":
        for epoch in (1, 4, 5, 6, 7):
            store.values.pop(keyspace.stored_set(epoch))
    else:
        stored = decode(store.values[keyspace.stored_set(7)], ValidatorSet)
        store.values[keyspace.stored_set(7)] = encode(ValidatorSet(7, stored.members[1:]))
    again = Ledger(chain.genesis, store, chain.ledger.log, True)
    with pytest.raises(StorageDamaged, match="set of validators"):
        again.load()


def test_a_damaged_set_is_damage() -> None:
    chain = Chain()
    walk(chain, 6)
    chain.ledger.flush()
    store = cast(MemoryStore, chain.ledger.state.store)
    store.values[keyspace.stored_set(4)] = b"\xc1"
    again = Ledger(chain.genesis, store, chain.ledger.log, True)
    again.load()
    with pytest.raises(StorageDamaged, match="epoch 4"):
        again.set_at(4)
    del store.values[keyspace.stored_set(5)]
    with pytest.raises(StorageDamaged, match="epoch 5 is missing"):
        again.set_at(5)


def test_a_history_keeps_so_many_sets_decoded_and_finds_all() -> None:
    members = genesis().validators
    sets = {epoch: ValidatorSet(epoch, members) for epoch in range(1, 1000, 3)}
    loads: list[int] = []

    def load(epoch: int) -> ValidatorSet:
        loads.append(epoch)
        return sets[epoch]

    history = SetHistory(load, list(sets)[:100])
    for later in list(sets.values())[100:]:
        history.add(later)
    for height in range(1, 1000):
        assert history.at(height).epoch == (height - 1) // 3 * 3 + 1
    assert len(loads) == len(sets)
    assert history.at(1).epoch == 1
    assert len(loads) == len(sets) + 1  # it had gone
    assert len(sets) > SETS_KEPT_MAX
    assert [found.epoch for found in history.since(990)] == [991, 994, 997]
    assert history.before(4) == sets[1]
    assert history.before(1) is None
    with pytest.raises(RuntimeError, match="after 997"):
        history.add(sets[1])
