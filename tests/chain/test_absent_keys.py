"""Keys that the store is known to lack: never one that it has, whatever came and went, and seldom a look too many."""

from __future__ import annotations

import random
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain import keyspace, seen_keys
from chain.absent_keys import AbsentKeys
from chain.seen_keys import Filter
from chain.state import SavedState
from tests.chain.making import MemoryStore

PREFIXES = (keyspace.TRANSACTIONS, keyspace.BUSINESSES)


def key(number: int, prefix: bytes = PREFIXES[0]) -> bytes:
    return prefix + sha256(str(number).encode()).digest()


class Counting(MemoryStore):
    looks = 0

    def get(self, key: bytes) -> bytes | None:
        self.looks += 1
        return super().get(key)


def opened(store: MemoryStore) -> SavedState:
    absent = AbsentKeys()
    absent.open(store)
    return SavedState(store, absent=absent)


def flush(state: SavedState) -> None:
    state.store.write(*state.begin_flush())
    state.end_flush()


def test_a_filter_holds_all_that_was_put_in_and_little_else() -> None:
    """Over three layers, and over the seams between them."""
    draw = random.Random(1)
    put = [draw.getrandbits(64) for _ in range(400_000)]
    found = Filter()
    for number in put[:100_000]:
        found.add([number])
    for start in range(100_000, len(put), 30_000):
        found.add(put[start : start + 30_000])
    assert all(number in found for number in put)
    assert sum(draw.getrandbits(64) in found for _ in range(20_000)) < 20_000 * 0.03


@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_was_there_at_opening_is_known(prefix: bytes) -> None:
    store = Counting()
    store.write({key(number, prefix): b"there" for number in range(1_000)})
    state = opened(store)
    assert all(state.read(key(number, prefix)) for number in range(1_000))
    store.looks = 0
    assert not any(state.read(key(number, prefix)) for number in range(1_000, 2_000))
    assert store.looks < 30


@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_a_flush_brought_is_known(prefix: bytes) -> None:
    state = opened(Counting())
    for number in range(100):
        assert state.read(key(number, prefix)) is None
        state.pending[key(number, prefix)] = b"there"
        flush(state)
        assert state.read(key(number, prefix)) == b"there"


def test_before_all_of_it_was_read_every_key_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large ledger opens at once and learns flush by flush; what comes meanwhile, behind and ahead, is known too."""
    monkeypatch.setattr("chain.absent_keys.OPENING_KEYS", 100)
    monkeypatch.setattr("chain.absent_keys.SLICE", 100)
    store = Counting()
    store.write({key(number): b"there" for number in range(1_000)})
    state = opened(store)
    for turn in range(20):
        new = [key(2_000 + 10 * turn + number) for number in range(10)]
        store.looks = 0
        assert not any(state.read(one) for one in new)
        assert store.looks == 10 or turn > 9
        state.pending.update(dict.fromkeys(new, b"there"))
        flush(state)
    assert store.looks == 0
    assert all(state.read(key(number)) for number in (*range(1_000), *range(2_000, 2_200)))


def test_after_many_deletions_it_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions are forgotten after a time: the filter must not grow for ever."""
    monkeypatch.setattr(seen_keys, "GONE_MIN", 1_000)
    state = opened(Counting())
    absent = state._absent
    assert absent is not None
    most = 0
    for turn in range(40):
        state.pending.update({key(number): b"there" for number in range(turn * 500, turn * 500 + 500)})
        state.pending.update({key(number): None for number in range(max(0, turn - 1) * 500, turn * 500)})
        flush(state)
        whole = absent._transactions._whole
        assert whole is not None
        most = max(most, whole.count)
        assert all(state.read(key(number)) for number in range(turn * 500, turn * 500 + 500))
    assert most < 4_000


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["read", "put", "delete", "begin", "end"]), st.sampled_from(PREFIXES), st.integers(0, 30)
    ),
    max_size=150,
)


@settings(deadline=None)
@given(before=st.sets(st.integers(0, 30)), steps=STEPS, piece=st.integers(1, 8))
def test_it_answers_as_a_state_without_it(before: set[int], steps: list[tuple[str, bytes, int]], piece: int) -> None:
    """Only transactions' keys are ever deleted. The filter is made anew again and again, in small pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chain.absent_keys.OPENING_KEYS", piece)
        patch.setattr("chain.absent_keys.SLICE", piece)
        patch.setattr(seen_keys, "GONE_MIN", 2)
        patch.setattr(seen_keys, "GONE_SHARE", 0.1)
        store = MemoryStore({key(number, prefix): b"there" for prefix in PREFIXES for number in before})
        there = set(store.values)
        state, is_flushing = opened(store), False
        for step, prefix, number in steps:
            one = key(number, prefix)
            if step == "read":
                assert (state.read(one) is not None) == (one in there)
            elif step == "put":
                state.pending[one] = b"there"
                there.add(one)
            elif step == "delete" and prefix == keyspace.TRANSACTIONS:
                state.pending[one] = None
                there.discard(one)
            elif step == "begin" and not is_flushing:
                store.write(*state.begin_flush())
                is_flushing = True
            elif step == "end" and is_flushing:
                state.end_flush()
                is_flushing = False
        for prefix in PREFIXES:
            for number in range(31):
                assert (state.read(key(number, prefix)) is not None) == (key(number, prefix) in there)
