"""What a member takes into an epoch and what it leaves behind, field by field. The seats have moved: organisations 1 and 3
left, 5 and 6 came, so that nobody's number is what it was."""

from __future__ import annotations

from typing import Any

import pytest

from chain.validators import COMMIT, Member, ValidatorSet
from consensus import epochs
from consensus.effects import BecomeLearner, Effect, EnterEpoch, LeaveSet
from consensus.events import MessageReceived, NextEpoch, Voting
from consensus.model import Commit, Message, Prepare, Status
from consensus.state import Asked, Claim, EarlyProposal, ReplicaState
from tests.consensus.midway import EPOCH, HEIGHT, VIEW, Midway, again, digest_of, replaced

EVERYBODY = Midway(7)
ME = 2  # of organisation member-2, in the set of all but 6


def set_of(epoch: int, *numbers: int) -> ValidatorSet:
    return again(ValidatorSet(epoch, [Member(f"member-{n}", EVERYBODY.members.members[n].key) for n in numbers]))


BEFORE = set_of(EPOCH, 0, 1, 2, 3, 4, 5)
AFTER = set_of(HEIGHT + 1, 0, 2, 4, 5, 6)  # seats 0, 1, 2, 3, 4
SIGN = EVERYBODY.keys.sign(ME)


def busy(**changes: Any) -> ReplicaState:
    """A member at the last height of an epoch that has seen much of it."""
    ledger = Midway(6)
    state = ledger.state(ME, VIEW, active=False, base=7, obliged=bytes(32), now_ms=9_000, work_waits=True)
    state.set_members(BEFORE, ME, SIGN)
    state.votes = {(HEIGHT + 1, COMMIT, 1): ledger.vote(COMMIT, 1, VIEW, HEIGHT + 1, bytes(32))}
    state.early = {(HEIGHT + 1, 1): EarlyProposal(ledger.proposal(1, HEIGHT + 1), 5)}
    state.view_changes = {1: ledger.view_change(1), ME: ledger.view_change(ME)}
    state.claims = {seat: Claim(HEIGHT + 10 + seat, seat, seat) for seat in (0, 1, 4, 5)}
    state.heard = {0: HEIGHT, 1: HEIGHT}
    state.accused = {(HEIGHT, COMMIT, VIEW, 1)}
    state.blocks_sent_ms, state.unlinked = {1: 8_900}, {1, 4}
    state.asked, state.last_asked = Asked(4, 8_800, answered=False), 4
    for name, value in changes.items():
        setattr(state, name, value)
    return state


def entered(state: ReplicaState, voting: Voting = Voting.AS_BEFORE, has_key: bool = True) -> list[Effect]:
    out: list[Effect] = []
    epochs.enter(state, NextEpoch(AFTER, voting, SIGN if has_key else None), out)
    return out


def test_votes_view_changes_and_questions_of_an_epoch_end_with_it() -> None:
    """Rule 15: view 0, active, base = H, nothing obliged. What peers seem to have is kept, under their new seats: member 0
    stays seat 0, member 4 was seat 4 and is seat 2, member 5 was 5 and is 3; member 1 is gone with its claim."""
    state = busy()
    assert entered(state) == [EnterEpoch(AFTER, may_vote=True)]
    assert (state.members, state.epoch, state.me, state.n, state.f, state.quorum) == (AFTER, HEIGHT + 1, 1, 5, 1, 4)
    assert state.seats == range(5)
    assert (state.view, state.active, state.base, state.obliged) == (0, True, HEIGHT, None)
    assert (state.votes, state.early, state.view_changes) == ({}, {}, {})
    assert (state.heard, state.accused, state.blocks_sent_ms, state.unlinked) == ({}, set(), {}, set())
    assert (state.asked, state.last_asked) == (None, 0)
    assert state.claims == {
        0: Claim(HEIGHT + 10, 0, 0),
        2: Claim(HEIGHT + 14, 4, 4),
        3: Claim(HEIGHT + 15, 5, 5),
    }
    assert state.work_waits  # transactions wait for whoever votes
    assert not state.has_left


def test_who_has_no_seat_any_more_leaves() -> None:
    """Rule 15: it votes for nothing, and goes on serving blocks."""
    state, without_me = busy(), set_of(HEIGHT + 1, 0, 1, 3, 4)
    out: list[Effect] = []
    epochs.enter(state, NextEpoch(without_me, Voting.AS_BEFORE, None), out)
    assert out == [LeaveSet(without_me)]
    assert (state.has_left, state.may_vote) == (True, False)


@pytest.mark.parametrize("was_voter", [True, False])
@pytest.mark.parametrize("voting", list(Voting))
@pytest.mark.parametrize("has_key", [True, False])
def test_who_votes_in_the_next_epoch(was_voter: bool, voting: Voting, has_key: bool) -> None:
    """Rule 14: who did, and whom its own renewal frees; nobody without the key of its seat, or whose seat was renewed
    elsewhere. Only who loses its vote becomes a learner."""
    state = busy(may_vote=was_voter)
    out = entered(state, voting, has_key)
    votes = has_key and (voting is Voting.FREED or (voting is Voting.AS_BEFORE and was_voter))
    assert (state.may_vote, state.active) == (votes, votes)
    assert out[0] == EnterEpoch(AFTER, votes)
    assert [type(effect) for effect in out[1:]] == ([BecomeLearner] if was_voter and not votes else [])


@pytest.mark.parametrize(
    ("heights", "heard"), [([0] * 4, True), ([0] * 3, False), ([0, 0, 0, 1], False), ([0] * 5, True)]
)
def test_who_was_heard_in_one_epoch_need_not_listen_in_the_next(heights: list[int], heard: bool) -> None:
    """Rule 14: q - 1 = 4 others of the former set, where this member is by now; else it begins to listen anew, with the
    new set."""
    state = busy(must_hear=True, heard={seat: HEIGHT + above for seat, above in enumerate(heights)})
    assert entered(state) == [EnterEpoch(AFTER, may_vote=True)]
    assert state.must_hear != heard
    assert state.may_sign == heard
    assert state.heard == {}
    never = busy(must_hear=False)
    entered(never)
    assert not never.must_hear


def test_who_has_no_key_fails_loudly_where_it_would_sign() -> None:
    """Rule 14."""
    state = busy()
    entered(state, has_key=False)
    with pytest.raises(RuntimeError, match="a learner signs nothing"):
        state.sign(bytes(32))
    signs = busy()
    entered(signs)
    assert signs.sign(bytes(32)) == SIGN(bytes(32))


# -- words of another epoch ----------------------------------------------------------------------------------------------


def status(epoch: int, height: int) -> Status:
    return again(Status(epoch, 0, True, height, digest_of(height), [], []))


def vote(kind: type[Prepare | Commit], seat: int, view: int = 0) -> Prepare | Commit:
    return again(kind(HEIGHT + 1, view, HEIGHT + 1, bytes(32), seat, bytes(64)))


def listening(*heard: tuple[int, Message], **changes: Any) -> ReplicaState:
    """A member that knows which set comes, and got these from its seats or, where another epoch is named, from mine."""
    state = busy(upcoming=NextEpoch(AFTER, Voting.AS_BEFORE, SIGN), claims={}, **changes)
    for sender, message in heard:
        epochs.on_foreign(state, MessageReceived(sender, message, 9_000))
    return state


def test_the_newest_word_of_each_sender_and_kind_waits_for_the_next_epoch() -> None:
    """Rule 12: by the seat that it has there; whatever liars send, a few for each."""
    words: list[tuple[int, Message]] = [
        (0, vote(Prepare, 0)),
        (0, vote(Prepare, 0, view=1)),
        (0, vote(Commit, 0)),
        (4, vote(Prepare, 4)),
    ]
    state = listening(*words)
    events = [MessageReceived(sender, message, 9_000) for sender, message in words[1:]]
    assert list(state.early_epoch.values()) == events
    entered(state)
    assert (state.inbox, state.early_epoch) == (events, {})


def test_words_of_any_other_epoch_are_not_kept() -> None:
    """Rule 12: of one that is over, or not known yet; and none at all, as long as no other set is to come."""
    for epoch in (EPOCH - 1, HEIGHT, HEIGHT + 2):
        assert not listening((0, replaced(vote(Prepare, 0), epoch=epoch))).early_epoch
        assert not listening((0, status(epoch, HEIGHT + 5))).early_epoch
    nothing_comes = busy(upcoming=None)
    epochs.on_foreign(nothing_comes, MessageReceived(0, vote(Prepare, 0), 9_000))
    assert not nothing_comes.early_epoch


def test_a_status_of_another_epoch_says_where_to_ask() -> None:
    """Rule 15: of the next set's members those that this set has too, by their seat here; a vote says nothing of the kind."""
    height = HEIGHT + 5
    of_next = [listening((seat, status(HEIGHT + 1, height))).claims for seat in range(5)]
    assert [set(claims) for claims in of_next] == [{0}, set(), {4}, {5}, set()]  # seat 1 is this member, 4 is new
    assert of_next[0] == {0: Claim(height, 9_000, 9_000)}
    assert set(listening((3, status(HEIGHT + 9, height))).claims) == {3}  # of an unknown epoch: by its seat here
    assert listening((3, vote(Prepare, 3))).claims == {}
    assert listening((3, replaced(vote(Prepare, 3), epoch=EPOCH - 1))).claims == {}
