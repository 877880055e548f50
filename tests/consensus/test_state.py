"""What a replica keeps, and how much of it: blocks of the slot, signatures of a certificate, the view that counts."""

from __future__ import annotations

import random
from dataclasses import FrozenInstanceError, fields, is_dataclass
from itertools import combinations

import pytest

from chain.block import Header
from chain.validators import Certificate, SeatSignature, max_faulty
from consensus import evidence, state
from consensus.effects import CheckBlock
from consensus.events import Timer
from consensus.model import Head, Prepared
from consensus.state import Decided, ReplicaState, quorum_certificate
from tests.consensus.lone import Lone, to_check

ONE = bytes([1]) * 32  # a transaction


@pytest.mark.parametrize("seed", range(4))
def test_when_full_the_oldest_block_that_nothing_depends_on_gives_way(seed: int) -> None:
    """Rule 12: 16 blocks of the slot are known. What is obliged, prepared, decided or voted for stays, with what its
    execution said; what gives way is executed again when it comes back."""
    draw = random.Random(f"learn {seed}")
    lone = Lone(height=1)
    kept: ReplicaState = lone.replica._state
    blocks = [lone.header(f"block {number}") for number in range(40)]
    digests = [block.digest() for block in blocks]
    order: list[bytes] = []  # as they came
    for _ in range(400):
        block = draw.choice(blocks)
        match draw.randrange(12):
            case 0:
                kept.obliged = draw.choice([None, *order])
            case 1:
                chosen = draw.choice(order) if order else None
                kept.decided = Decided(chosen, Certificate(0, [])) if chosen else None
            case 2:
                known = draw.choice([None, *kept.known.values()])
                kept.current = lone.proposal(known.header) if known else None
            case 3:
                known = draw.choice([None, *kept.known.values()])
                kept.prepared = Prepared(known.header, [], Certificate(0, [])) if known else None
            case 4 | 5 if order:
                kept.checked[draw.choice(order)] = draw.choice([True, False, None])
            case 6:
                kept.learn(lone.header("of another height", height=draw.choice([1, 3])), [])
            case 7 if order:
                known_again = blocks[digests.index(draw.choice(order))]
                kept.learn(known_again, [ONE])  # known already: nothing moves
            case _:
                needed = {kept.obliged, kept.decided.digest if kept.decided else None}
                needed |= {kept.current.header.digest() if kept.current else None}
                needed |= {kept.prepared.header.digest() if kept.prepared else None}
                kept.learn(block, [])
                if block.digest() not in order:
                    if len(order) == 16:
                        order.remove(next(digest for digest in order if digest not in needed))
                    order.append(block.digest())
        assert list(kept.known) == order
        assert set(kept.checked) <= set(order)
        assert all(entry.transactions == [] for entry in kept.known.values())
    assert len(order) == 16


def test_a_block_that_gave_way_is_executed_anew_when_it_is_proposed_again() -> None:
    """Rules 3 and 12: its result went with it, for its bodies may be gone too."""
    lone = Lone(5, me=4)
    block = lone.header("block 1", ONE)
    assert to_check(lone.hear(0, lone.proposal(block, ONE)))
    lone.enter(1)
    for number in range(16):
        spam = lone.header(f"spam {number}", ONE)
        lone.hear(2, lone.proposal(spam, ONE, view=2 + 5 * number))
    assert block.digest() not in lone.replica._state.known
    again = lone.header("block 1", ONE)
    lone.enter(1 + 5 * 100)
    assert not to_check(lone.hear(0, lone.proposal(again, ONE)))  # of a view that was left
    lone.enter(5 * 101)
    assert [check.header for check in to_check(lone.hear(0, lone.proposal(again, ONE, view=5 * 101)))] == [again]


# -- certificates ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 5, 6, 7])
def test_a_certificate_has_exactly_a_quorum_of_the_signatures_by_seat(n: int) -> None:
    """Of the lowest seats that signed; with mine among them where it must be, so that the journal shows my own vote."""
    quorum = n - max_faulty(n)
    for size in range(quorum, n + 1):
        for seats in combinations(range(n), size):
            shuffled = random.Random(n).sample(seats, size)
            signatures = {seat: bytes([seat]) * 64 for seat in shuffled}
            for me in (None, *seats):
                chosen = (
                    set(seats[:quorum]) if me is None else {me, *[seat for seat in seats if seat != me][: quorum - 1]}
                )
                expected = [SeatSignature(seat, bytes([seat]) * 64) for seat in sorted(chosen)]
                assert quorum_certificate(5, signatures, quorum, me) == Certificate(5, expected)


@pytest.mark.parametrize("height", [3, 4, 5, 6, 9])
def test_timers_count_views_from_the_last_certificate_of_this_epoch(height: int) -> None:
    """Rule 10: that of H = epoch - 1 is of the epoch before, whose views are others."""
    lone = Lone(4, me=3)
    kept = lone.replica._state
    kept.epoch, kept.view, kept.base = 5, 6, height
    kept.head = Head(height, bytes(32), lone.now_ms, lone.certificate(view=4))
    lone.work()
    assert lone.timers[Timer.VIEW].timeout_ms == (4_000 if height >= 5 else 10_000)


@pytest.mark.parametrize("base", [1, 2, 3])
def test_who_enters_a_view_whose_base_it_lacks_fetches_and_blames_nobody(base: int) -> None:
    """Rules 9 and 10: up to base certificates are all that counts."""
    lone = Lone(4, me=3)
    told = {"height": base, "digest": bytes(32), "certificate": None}  # as it were proven by other means
    lone.work()
    lone.enter(1, lone.view_change(0, 1, **told))
    assert lone.replica.is_fetching
    assert Timer.VIEW not in lone.timers
    other = lone.header("another", ONE, proposer="member-1")
    assert not to_check(lone.hear(1, lone.proposal(other, ONE, view=1)))
    for height in range(1, base + 1):
        assert lone.replica.is_fetching
        lone.final(lone.header(f"block {height}"))
    assert not lone.replica.is_fetching
    assert Timer.VIEW in lone.timers


# -- values ------------------------------------------------------------------------------------------------------------

PARTS = [
    entry
    for module in (state, evidence)
    for entry in vars(module).values()
    if isinstance(entry, type) and is_dataclass(entry) and entry.__module__ == module.__name__
]


@pytest.mark.parametrize("form", PARTS, ids=lambda form: form.__name__)
def test_a_part_of_the_state_has_its_fields_and_no_other(form: type) -> None:
    """A misspelt field is an error. What others may hold as well is never changed, only replaced: one step's effects
    stay what they were."""
    made = object.__new__(form)
    with pytest.raises((AttributeError, TypeError)):
        object.__setattr__(made, "misspelt", 1)
    if form is not ReplicaState:
        with pytest.raises(FrozenInstanceError):
            setattr(made, fields(form)[0].name, 1)


def test_one_check_of_a_block_is_under_way_at_a_time() -> None:
    """Rule 3: proposed, prepared in a ViewChange and fetched, it is executed once."""
    lone = Lone(4, me=3)
    block: Header = lone.header("block 1", ONE)
    effects = lone.hear(0, lone.proposal(block, ONE))
    lone.hear(2, lone.view_change(2, 1, prepared=Prepared(block, [ONE], lone.certificate())))
    effects += lone.enter(1, lone.view_change(2, 1, prepared=Prepared(block, [ONE], lone.certificate())))
    effects += lone.hear(1, lone.proposal(block, ONE, view=1))
    effects += lone.fetched(0, block)
    assert [effect for effect in effects if isinstance(effect, CheckBlock)] == [CheckBlock(block, [ONE], 0, [0])]
