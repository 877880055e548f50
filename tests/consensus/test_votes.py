"""What is kept of the others' votes, shown in a Status, and held against their signers: rules 11, 12, 14 and 16."""

from __future__ import annotations

import random
from typing import Any

import pytest

from chain.validators import COMMIT, PREPARE, max_faulty
from consensus.effects import Accuse, BecomeLearner, Broadcast, Effect, Persist
from consensus.events import Timer
from consensus.model import Commit, Prepare, Status, Vote
from consensus.wire import encode_message
from tests.consensus.lone import UNSIGNED, Lone, finals, halts, wanted

ONE = bytes([1]) * 32  # a transaction


def accused(effects: list[Effect]) -> list[tuple[Vote, Vote]]:
    return [(effect.first, effect.second) for effect in effects if isinstance(effect, Accuse)]


class Said:
    """Rules 12 and 16 read anew, for members that vote in at most four views of a height."""

    def __init__(self, lone: Lone) -> None:
        self.lone, self.height, self.view = lone, 0, 0
        self.first: dict[tuple[int, int, int, int], Vote] = {}  # (seat, kind, height, view) -> what was seen first
        self.newest: dict[tuple[int, int, int], Vote] = {}  # (height, kind, seat) -> what counts
        self.promised = [0] * lone.n
        self.marks: list[tuple[int, int, int, int]] = []

    def vote(self, vote: Vote, kind: int) -> list[tuple[Vote, Vote]]:
        """It counts if it is of slot or slot + 1, a Prepare of no view that I left, and the newest of its member and
        kind. Counting or not it convicts with the first one of its slot, once, and a member at most 16 times."""
        if not self.height - 64 < vote.height <= self.height + 2:
            return []
        place = (vote.height, kind, vote.seat)
        if vote.height > self.height and (kind == COMMIT or vote.view >= self.view):
            kept = self.newest.get(place)
            if kept is None or kept.view < vote.view:
                self.newest[place] = vote
        mark = (vote.seat, kind, vote.height, vote.view)
        first = self.first.setdefault(mark, vote)
        if first.digest == vote.digest or mark in self.marks or sum(seat == vote.seat for seat, *_ in self.marks) == 16:
            return []
        self.marks.append(mark)
        return [(first, vote) if encode_message(first) < encode_message(vote) else (vote, first)]

    def final(self, digest: bytes, signers: list[int], view: int) -> None:
        self.height += 1
        self.view = max(self.view, view)
        for seat in signers:
            shown = Commit(1, view, self.height, digest, seat, UNSIGNED)
            self.first.setdefault((seat, COMMIT, self.height, view), shown)
        self.newest = {place: vote for place, vote in self.newest.items() if place[0] > self.height}
        self.marks = [mark for mark in self.marks if mark[2] > self.height - 64]

    def shown(self) -> list[Vote]:
        places = [(self.height + 1, kind, seat) for kind in (PREPARE, COMMIT) for seat in range(self.lone.n)]
        return [self.newest[place] for place in places if place in self.newest]


@pytest.mark.parametrize("n", [4, 5, 7])
@pytest.mark.parametrize("seed", range(3))
def test_votes_count_are_shown_and_convict(n: int, seed: int) -> None:
    """Rules 11, 12 and 16: votes of all views and heights in any order, contradictions, ViewChanges and blocks."""
    draw = random.Random(f"votes {n} {seed}")
    lone = Lone(n, me=draw.randrange(n))
    reading = Said(lone)
    announcers = draw.sample(lone.others, max_faulty(n))  # f others: nobody follows them into another view
    convicted = 0
    for _ in range(600):
        seat, slot = draw.choice(lone.others), reading.height + 1
        match draw.randrange(40):
            case 0:
                header, view = lone.header(f"block {slot}"), draw.randrange(4)
                signers = sorted(draw.sample(lone.others, lone.members.quorum))
                lone.fetched(None, header, lone.certificate(*signers, view=view))
                effects = lone.checked(header)
                assert finals(effects)
                reading.final(header.digest(), signers, view)
                assert lone.replica.view == reading.view
            case 1 if announcers:
                seat, view = draw.choice(announcers), draw.randrange(1, 9)
                lone.hear(seat, lone.view_change(seat, view))
                reading.promised[seat] = max(reading.promised[seat], view)
            case 2 | 3:
                [status] = [
                    effect.message
                    for effect in lone.expire(Timer.STATUS)
                    if isinstance(effect, Broadcast) and isinstance(effect.message, Status)
                ]
                assert status.votes == reading.shown()
                assert status.views == reading.promised
            case _:
                kind, height = draw.choice([PREPARE, COMMIT]), slot + draw.choice([-2, -1, 0, 0, 0, 1, 1, 2])
                digest = bytes([seat]) * 31 + bytes([draw.choice([0, 0, 0, 0, 1, 255])])
                vote = lone.vote(kind, seat, digest, draw.randrange(4), max(height, 1))
                found = accused(lone.hear(draw.choice(lone.others), vote))
                assert found == reading.vote(vote, kind)
                convicted += len(found)
    assert convicted > 20
    state = lone.replica._state
    assert len(state.votes) <= 4 * n
    for _ in range(64):
        header = lone.header(f"block {reading.height + 1}")
        lone.final(header)
        reading.final(header.digest(), list(range(lone.members.quorum)), 0)
    assert len(state.past) <= 66
    for height in range(reading.height - 66, reading.height + 4):
        for seat in lone.others:
            vote = lone.vote(COMMIT, seat, bytes([254]) * 32, 0, height)
            assert accused(lone.hear(seat, vote)) == reading.vote(vote, COMMIT)


@pytest.mark.parametrize("is_final", [True, False])
def test_of_views_that_never_counted_four_are_remembered(is_final: bool) -> None:
    """Rule 16: a liar may sign in any number of views; what it fills is its own. The newest counts and is beside them."""
    lone = Lone(7, me=6)
    if is_final:
        lone.final(lone.header("block 1"))
    views = [9, *range(9)]
    for view in views:
        lone.hear(5, lone.vote(COMMIT, 5, bytes(32), view, height=1))
    found = [view for view in views if accused(lone.hear(5, lone.vote(COMMIT, 5, bytes([1]) * 32, view, height=1)))]
    assert found == ([9, 0, 1, 2] if is_final else [9, 0, 1, 2, 3])
    if not is_final:
        lone.final(lone.header("block 1"))  # what stood for it then is beside them; nothing more finds room
        for view in range(20, 40):
            for digest in (bytes(32), bytes([1]) * 32):
                assert not accused(lone.hear(5, lone.vote(COMMIT, 5, digest, view, height=1)))


@pytest.mark.parametrize("newest", [0, 1, 2, 3])
def test_a_prepare_of_any_view_that_i_have_left_still_convicts(newest: int) -> None:
    """Rule 16: whatever its newest vote is that counted, of a view below or above."""
    for late in (0, 1, 2):
        lone = Lone()
        if newest < 3:
            lone.hear(2, lone.vote(PREPARE, 2, bytes(32), newest))
        lone.enter(3)
        if newest == 3:
            lone.hear(2, lone.vote(PREPARE, 2, bytes(32), 3))
        for digest in (bytes(32), bytes([1]) * 32):
            found = accused(lone.hear(2, lone.vote(PREPARE, 2, digest, late)))
            assert len(found) == (digest != bytes(32))


# -- my own votes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [PREPARE, COMMIT])
@pytest.mark.parametrize("height", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("view", [0, 1, 2])
def test_who_is_shown_a_vote_of_its_own_that_it_lacks_becomes_a_learner(kind: int, height: int, view: int) -> None:
    """Rule 14: above H, of a view in which it said less, or another digest in the view of its newest; what it has said,
    and what is final, it need not remember. It had voted in view 1, at height 3."""
    for is_mine in (True, False):
        lone = Lone(height=2)
        lone.enter(1)
        header = lone.header("block 3", ONE, proposer="member-1")
        lone.hear(1, lone.proposal(header, ONE, view=1))
        lone.checked(header)
        for seat in (0, 1):
            lone.hear(seat, lone.vote(PREPARE, seat, header.digest(), view=1))
        digest = header.digest() if is_mine else bytes(32)
        effects = lone.hear(0, lone.vote(kind, 3, digest, view, height))
        is_known = height == 3 and (view == 0 or (view == 1 and is_mine))
        is_learner = height > 2 and not is_known
        reasons = [effect.reason for effect in effects if isinstance(effect, BecomeLearner)]
        missing = f"a vote of mine at height {height}, view {view} is missing from my journal"
        assert reasons == ([missing] if is_learner else [])
        assert lone.replica.may_vote == lone.replica.is_active == (not is_learner)
        assert not accused(effects)
        again = lone.hear(0, lone.vote(kind, 3, digest, view, height))
        assert not [effect for effect in again if isinstance(effect, BecomeLearner)]  # once is enough


def test_a_primary_that_becomes_a_learner_takes_its_word_back() -> None:
    """Rule 14: what it was about to propose is not proposed, and what it had accepted is not voted for."""
    lone = Lone(me=0)
    assert wanted(lone.work())
    header = lone.header("block 1", ONE)
    lone.hear(1, lone.vote(COMMIT, 0, bytes(32)))
    effects = lone.built(header, ONE)
    assert not [effect for effect in effects if isinstance(effect, Persist | Broadcast)]
    other = Lone(me=3)
    other.hear(0, other.proposal(header, ONE))
    other.hear(1, other.vote(COMMIT, 3, bytes(32)))
    assert not [effect for effect in other.checked(header) if isinstance(effect, Persist | Broadcast)]
    changes: list[Any] = [other.hear(seat, other.view_change(seat, 1)) for seat in (0, 1, 2)]
    assert not [effect for effects in changes for effect in effects if isinstance(effect, Persist)]
    assert not halts(other.final(header))
    assert other.replica.height == 1


def test_the_primarys_word_is_in_its_proposal() -> None:
    """Rules 2 and 12: it counts among the Prepares, for heights and views in which the proposal itself is not kept."""
    for height, view in ((1, 0), (2, 0), (1, 5), (2, 5)):
        lone = Lone()
        header = lone.header("block", ONE, height=height)
        lone.hear(view % 4, lone.proposal(header, ONE, view=view))
        vote = lone.replica._state.votes[height, PREPARE, view % 4]
        assert vote == Prepare(1, view, height, header.digest(), view % 4, UNSIGNED)
