"""Numbers that are known to be free: a state with that memory answers as one without, in whatever order things happen."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain import keyspace
from chain.absent_keys import AbsentKeys
from chain.database import Database
from chain.free_numbers import AFTER_ALL, FreeNumbers
from chain.state import SavedState
from tests.chain.making import MemoryStore, bill_id

PREFIXES = keyspace.NUMBERED
SMALL = 40  # numbers are drawn from so few, so that they meet


class Counting(MemoryStore):
    """Looks and walks are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = self.walks = 0
        self.batch: tuple[dict[bytes, bytes], list[bytes]] = {}, []

    def get(self, key: bytes) -> bytes | None:
        self.looks += 1
        return super().get(key)

    def scan(
        self, prefix: bytes, start: bytes | None = None, limit: int | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        self.walks += 1
        return super().scan(prefix, start, limit, reverse)


def key(number: int, prefix: bytes = PREFIXES[0]) -> bytes:
    return prefix + f"{number:018d}".encode()


def put(state: SavedState, *keys: bytes) -> None:
    state.pending.update(dict.fromkeys(keys, b"there"))


def flush(state: SavedState) -> None:
    puts, deletes = state.begin_flush()
    state.store.write(puts, deletes)
    state.end_flush()


def test_a_lease_used_in_order_costs_one_look() -> None:
    store = Counting()
    state = SavedState(store, absent=AbsentKeys())
    put(state, keyspace.stored_record(keyspace.bill(bill_id(1_000))))  # of the lease behind it
    flush(state)
    for serial in range(1, 1_000):
        bill = keyspace.stored_record(keyspace.bill(bill_id(serial)))
        assert state.read(bill) is None
        put(state, bill)
        if serial % 100 == 0:
            flush(state)
            assert state.read(bill) == b"there"
    assert (store.looks, store.walks) == (1 + 9, 1)  # nine were asked for again after they had come
    assert state.read(keyspace.stored_record(keyspace.bill(bill_id(1_000)))) == b"there"


def test_the_last_number_of_all_is_one_too() -> None:
    state = SavedState(Counting(), absent=AbsentKeys())
    assert state.read(key(AFTER_ALL - 1)) is None
    put(state, key(AFTER_ALL - 1))
    flush(state)
    assert state.read(key(AFTER_ALL - 1)) == b"there"
    assert state.read(key(AFTER_ALL - 2)) is None


def test_only_numbers_are_taken_for_numbers() -> None:
    """What people ask for may be anything; nothing is learnt from it."""
    store = Counting()
    state = SavedState(store, absent=AbsentKeys())
    assert state.read(key(5)) is None
    for text in (b"", b"1", b"x" * 18, b"\xff" * 18, b"1" * 17, b"1" * 19, b"-" + b"1" * 17, "١".encode() * 9):
        assert state.read(PREFIXES[0] + text) is None
    assert (store.looks, store.walks) == (9, 1)


def test_a_flush_that_ends_while_it_looks_is_not_overlooked() -> None:
    """A follower executes in a thread; what its walk saw is older than what the flush brought."""
    state = SavedState(Counting(), absent=AbsentKeys())

    class Slow(Counting):
        def scan(self, *given: Any, **named: Any) -> Iterator[tuple[bytes, bytes]]:
            seen, batch = list(super().scan(*given, **named)), self.batch
            self.batch = {}, []
            if batch[0]:
                self.write(*batch)
                state.end_flush()
            return iter(seen)

    state.store = store = Slow()
    put(state, key(7))
    store.batch = state.begin_flush()
    assert state.read(key(5)) is None
    assert store.walks == 1
    assert state.read(key(7)) == b"there"


def test_what_two_threads_learn_at_once_is_known_once() -> None:
    """Else one of two that overlap would stay whole when a number comes."""
    store, free = Counting(), FreeNumbers()
    for number in (20, 25, 15):
        free.learn(key(number), store)
    for number in (27, 26, 25):
        free.taken([key(number)])
    assert [number for number in range(15, 30) if not free.holds(key(number))] == [25, 26, 27]


def test_numbers_used_in_no_order_leave_no_more_stretches_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other one cuts a stretch in two, and nothing is looked for meanwhile."""
    monkeypatch.setattr("chain.free_numbers.STRETCHES_MAX", 10)
    free, store = FreeNumbers(), Counting()
    free.learn(key(0), store)
    for number in range(1, 200, 2):
        free.taken([key(number)])
        assert len(free._by_prefix[PREFIXES[0]]) <= 10
        assert not free.holds(key(number))


def test_readers_in_threads_meet_no_wrong_answer(tmp_path: Path) -> None:
    """One uses numbers from both ends of a lease and flushes; others ask for what was there before they asked."""
    state, used = SavedState(Database.create(tmp_path / "state"), absent=AbsentKeys()), list[int]()
    wrong: list[int] = []
    ended = threading.Event()

    def ask(seed: int) -> None:
        draw = random.Random(seed)
        while not ended.is_set():
            count = len(used)
            number = used[draw.randrange(count)] if count else 0
            if count and state.read(key(number)) is None:
                wrong.append(number)
            state.read(key(draw.randrange(4_000)))

    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(ask, seed) for seed in range(3)]
        for low in range(1, 2_000):
            for number in (low, 4_000 - low):
                put(state, key(number))
                used.append(number)
            if low % 3 == 0:
                flush(state)
        ended.set()
        for each in asked:
            each.result()
    state.store.close()
    assert wrong == []
    assert len(used) == 2 * 1_999


STEPS = st.lists(
    st.tuples(st.sampled_from(["read", "put", "begin", "end"]), st.sampled_from(PREFIXES), st.integers(0, SMALL)),
    max_size=120,
)


@given(steps=STEPS, most=st.integers(1, 6))
def test_it_answers_as_a_state_without_memory(steps: list[tuple[str, bytes, int]], most: int) -> None:
    """Reads, changes, and flushes that lie on the disk before they have ended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chain.free_numbers.STRETCHES_MAX", most)
        state, there, is_flushing = SavedState(Counting(), absent=AbsentKeys()), set[bytes](), False
        for step, prefix, number in steps:
            if step == "read":
                assert (state.read(key(number, prefix)) is not None) == (key(number, prefix) in there)
            elif step == "put":
                put(state, key(number, prefix))
                there.add(key(number, prefix))
            elif step == "begin" and not is_flushing:
                state.store.write(*state.begin_flush())
                is_flushing = True
            elif step == "end" and is_flushing:
                state.end_flush()
                is_flushing = False
        for prefix in PREFIXES:
            for number in range(SMALL + 1):
                assert (state.read(key(number, prefix)) is not None) == (key(number, prefix) in there)
