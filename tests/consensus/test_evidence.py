"""Evidence: two words of one member in one slot, in one order, whoever found them: rule 16."""

from __future__ import annotations

import pytest

from consensus.evidence import in_order, is_conflict
from consensus.model import Commit, Prepare, Vote
from consensus.wire import encode_message

LOW, HIGH = bytes(32), bytes([255]) * 32


def vote(digest: bytes = LOW, epoch: int = 2, view: int = 2, height: int = 2, seat: int = 2) -> Prepare:
    return Prepare(epoch, view, height, digest, seat, bytes(64))


def test_two_digests_in_one_slot_convict() -> None:
    assert is_conflict(vote(LOW), vote(HIGH))
    assert is_conflict(vote(HIGH), vote(LOW))
    assert not is_conflict(vote(LOW), vote(LOW))


@pytest.mark.parametrize(
    "other",
    [
        vote(HIGH, epoch=1), vote(HIGH, epoch=3), vote(HIGH, view=1), vote(HIGH, view=3),
        vote(HIGH, height=1), vote(HIGH, height=3), vote(HIGH, seat=1), vote(HIGH, seat=3),
        Commit(2, 2, 2, HIGH, 2, bytes(64)),
    ],
)  # fmt: skip
def test_words_in_two_slots_convict_nobody(other: Vote) -> None:
    """An honest member votes anew in a higher view, for another height, in another epoch, and commits what it prepared."""
    assert not is_conflict(vote(), other)
    assert not is_conflict(other, vote())


def test_the_lower_bytes_stand_first() -> None:
    """The order is pinned: nodes of two versions keep the same bytes."""
    first, second = vote(LOW), vote(HIGH)
    assert encode_message(first) < encode_message(second)
    assert in_order(second, first) == in_order(first, second) == (first, second)
