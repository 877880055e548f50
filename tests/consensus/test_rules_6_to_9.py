"""Leaving, joining and opening views, read twice: what the code makes of random ViewChanges, and the rules' own sentences."""

from __future__ import annotations

from random import Random

import pytest

from chain.validators import PREPARE
from consensus import view_change
from consensus.effects import Broadcast, CheckBlock, Effect, Persist
from consensus.model import NewView, ProposalSaved, ViewChange, ViewChangeSaved
from consensus.state import ReplicaState
from consensus.wire import VIEW_MAX, base_and_obligation, obliged_proposal
from tests.consensus.midway import HEIGHT, VIEW, Midway, again, digest_of

SIZES = range(4, 11)
LEDGERS = {n: Midway(n) for n in SIZES}


def announced(random: Random, ledger: Midway, seats: list[int], views: range) -> dict[int, ViewChange]:
    """Some members' ViewChanges, with nothing prepared."""
    chosen = random.sample(seats, random.randint(0, len(seats)))
    return {seat: again(ledger.view_change(seat, random.choice(views))) for seat in chosen}


@pytest.mark.parametrize("n", SIZES)
def test_a_member_goes_to_the_f_plus_first_highest_view_of_the_others(n: int) -> None:
    """Rule 6: as soon as that is above its own. What it says then is what it is."""
    ledger, random, moved = LEDGERS[n], Random(n), 0
    f, me = (n - 1) // 3, n // 2
    for _ in range(40):
        changes = announced(random, ledger, [seat for seat in range(n) if seat != me], range(VIEW - 2, VIEW + 4))
        highest = sorted((change.view for change in changes.values()), reverse=True)
        expected = highest[f] if len(highest) > f and highest[f] > VIEW else VIEW
        if random.random() < 0.5:
            changes[me] = again(ledger.view_change(me, VIEW - random.randint(0, 1)))
        prepared = ledger.prepared(HEIGHT + 1, VIEW - 3)
        state, out = (
            ledger.state(me, view_changes=changes, prepared=prepared, base=3, obliged=bytes(32)),
            list[Effect](),
        )
        assert view_change.join(state, out) == (expected > VIEW)
        assert state.view == expected
        if expected == VIEW:
            assert (out, state.active, state.base) == ([], True, 3)
            continue
        mine = ledger.view_change(me, expected, prepared=prepared)
        assert out == [Persist(ViewChangeSaved(mine)), Broadcast(mine)]
        assert state.view_changes[me] == mine
        assert (state.active, state.base, state.obliged) == (False, 0, None)
        assert not view_change.join(state, out)  # and stays there
        moved += 1
    assert 0 < moved < 40
    silent = ledger.state(
        me, view_changes={seat: ledger.view_change(seat, VIEW + 1) for seat in range(n) if seat != me}
    )
    silent.may_vote = False
    assert not view_change.join(silent, [])  # a learner promises nothing


@pytest.mark.parametrize("n", SIZES)
def test_timers_of_waiting_members_run_once_a_quorum_has_come_as_far(n: int) -> None:
    """Rule 10: q members, I included, announce my view or one above."""
    ledger, random, q, me = LEDGERS[n], Random(n), n - (n - 1) // 3, 1
    found = set()
    for _ in range(25):
        changes = announced(random, ledger, [seat for seat in range(n) if seat != me], range(VIEW - 1, VIEW + 3))
        changes[me] = again(ledger.view_change(me, VIEW))
        furthest = sorted((change.view for change in changes.values()), reverse=True)
        expected = len(furthest) >= q and furthest[q - 1] >= VIEW
        assert view_change.has_quorum_left(ledger.state(me, active=False, view_changes=changes)) == expected
        found.add(expected)
    assert found == {True, False}


def test_nobody_leaves_for_a_view_that_no_message_can_name() -> None:
    """Rule 6: the last one is 2^32 - 1; who got there stays."""
    ledger, out = Midway(), list[Effect]()
    state = ledger.state(view=VIEW_MAX - 2)
    view_change.leave(state, VIEW_MAX - 1, out)
    assert (state.view, state.active, len(out)) == (2**32 - 1, False, 2)
    view_change.leave(state, VIEW_MAX, out)
    assert (state.view, len(out)) == (2**32 - 1, 2)


def test_of_each_member_the_highest_view_change_is_kept_and_the_first_of_a_view() -> None:
    """Rules 6 and 7: one per view, its bytes never change. A liar's second one comes too late."""
    ledger = Midway()
    state = ledger.state(0, active=False)
    first, low, high = (again(ledger.view_change(2, view)) for view in (VIEW + 2, VIEW + 1, VIEW + 3))
    other = again(ledger.view_change(2, VIEW + 2, prepared=ledger.prepared(HEIGHT + 1, VIEW)))
    for change, kept in ((first, first), (low, first), (other, first), (high, high), (first, high)):
        view_change.on_view_change(state, 2, change, [])
        assert state.view_changes == {2: kept}


# -- rule 8 ------------------------------------------------------------------------------------------------------------


def test_base_and_obligation_are_those_of_rule_8() -> None:
    """Base = the highest H among q; obliged = the prepared digest at base + 1 of the highest view among them. In any
    order, and what was prepared for other heights is over."""
    ledger, random = Midway(7), Random(8)
    found = set()
    for _ in range(100):
        changes = []
        for seat in random.sample(range(7), 5):
            height = HEIGHT + random.choice([0, 0, 0, 1, 2])
            view = VIEW - random.randint(1, 4)
            prepared = ledger.prepared(height + 1, view, name=(view, "block")) if random.random() < 0.6 else None
            changes.append(again(ledger.view_change(seat, height=height, prepared=prepared)))
        heights = {change.height for change in changes}
        told = [change.prepared for change in changes if change.height == max(heights) and change.prepared]
        by_view = {prepared.certificate.view: prepared.header.digest() for prepared in told}
        base, obliged = base_and_obligation(changes)
        assert base == max(heights)
        assert (obliged.header.digest() if obliged else None) == (by_view[max(by_view)] if by_view else None)
        found.add((len(heights), len(by_view)))
    assert {count for _, count in found} >= {0, 1, 2}


def waiting(ledger: Midway, me: int, changes: dict[int, ViewChange], height: int = HEIGHT) -> ReplicaState:
    """The primary of the view, which has left the one before."""
    return ledger.state(me, active=False, height=height, view_changes={**changes})


def opened(out: list[Effect]) -> NewView:
    """What was said, last of all."""
    assert isinstance(out[-1], Broadcast)
    assert isinstance(out[-1].message, NewView)
    return out[-1].message


@pytest.mark.parametrize("n", SIZES)
def test_a_primary_opens_its_view_with_q_view_changes_for_it_and_its_own_among_them(n: int) -> None:
    """Rule 8: never with one for a view above, and never with more than q; what it says passes every check."""
    ledger, random, q, me = LEDGERS[n], Random(n), n - (n - 1) // 3, VIEW % n
    others = [seat for seat in range(n) if seat != me]
    found = set()
    for _ in range(20):
        count = random.choice([q - 2, q - 1, q - 1, n - 1])
        here = random.sample(others, count)
        changes = {seat: again(ledger.view_change(seat, VIEW if seat in here else VIEW + 1)) for seat in others}
        changes[me] = again(ledger.view_change(me))
        state, out = waiting(ledger, me, changes), list[Effect]()
        assert view_change.open_view(state, out) == (count >= q - 1)
        found.add(count)
        if count < q - 1:
            assert (out, state.active) == ([], False)
            continue
        new_view = opened(out)
        ledger.check(new_view)
        assert len(new_view.view_changes) == q
        assert changes[me] in new_view.view_changes
        assert new_view.prepare is None
        assert (state.view, state.active, state.base, state.obliged) == (VIEW, True, HEIGHT, None)
        assert state.new_view == new_view
        assert not view_change.open_view(state, [])  # once
    assert found == {q - 2, q - 1, n - 1}


@pytest.mark.parametrize("mine", [None, VIEW - 1, VIEW + 1])
def test_a_primary_that_has_not_left_for_its_view_does_not_open_it(mine: int | None) -> None:
    """Rule 8: its own ViewChange for this very view is among them."""
    ledger, me = Midway(), VIEW % 4
    changes = {seat: ledger.view_change(seat) for seat in range(4) if seat != me}
    if mine is not None:
        changes[me] = ledger.view_change(me, mine)
    out: list[Effect] = []
    assert not view_change.open_view(waiting(ledger, me, changes), out)
    assert not out


def test_only_the_waiting_primary_opens_the_view_if_it_may_sign() -> None:
    """Rules 8 and 14."""
    ledger = Midway()
    changes = {seat: ledger.view_change(seat) for seat in range(4)}
    primary = VIEW % 4
    for seat in range(4):
        assert view_change.open_view(waiting(ledger, seat, changes), []) == (seat == primary)
    for field, value in (("active", True), ("may_vote", False), ("must_hear", True)):
        state = waiting(ledger, primary, changes)
        setattr(state, field, value)
        assert not view_change.open_view(state, [])


def test_a_primary_votes_for_the_obliged_block_before_it_opens_its_view() -> None:
    """Rules 3 and 8: executed, saved with the vote, then said; what others get from it is a whole proposal."""
    ledger, me = Midway(), VIEW % 4
    block = ledger.prepared(HEIGHT + 1, VIEW - 1, name="obliged")
    changes = {seat: again(ledger.view_change(seat, prepared=block if seat == 3 else None)) for seat in (0, 2, 3)}
    state, out = waiting(ledger, me, changes), list[Effect]()
    digest = block.header.digest()
    assert not view_change.open_view(state, out)
    assert out == [CheckBlock(block.header, block.transactions, me, [])]
    for result in (None, False):
        state.checked[digest] = result
        assert not view_change.open_view(state, out)
    state.checked[digest] = True
    assert view_change.open_view(state, out)
    new_view = opened(out)
    ledger.check(new_view)
    proposal = obliged_proposal(new_view)
    assert proposal is not None
    assert proposal.header == block.header
    saved = out[-2]
    assert isinstance(saved, Persist)
    assert isinstance(saved.record, ProposalSaved)
    assert saved.record.proposal == proposal == state.current
    assert state.own_vote(PREPARE) == saved.record.prepare
    assert (state.base, state.obliged, state.obligation) == (HEIGHT, digest, digest)


def test_a_primary_below_the_base_waits_for_its_blocks() -> None:
    """Rule 8: up to base first. One above it opens the view at once, and votes for nothing: that block is final here."""
    ledger, me = Midway(), VIEW % 4
    block = ledger.prepared(HEIGHT + 1, VIEW - 1)
    changes = {seat: again(ledger.view_change(seat, prepared=block)) for seat in (0, 2, 3)}
    for height in (HEIGHT - 1, HEIGHT - 300):
        out: list[Effect] = []
        assert not view_change.open_view(waiting(ledger, me, changes, height), out)
        assert not out
    for height in (HEIGHT + 1, HEIGHT + 300):
        state, said = waiting(ledger, me, changes, height), list[Effect]()
        assert view_change.open_view(state, said)
        new_view = opened(said)
        ledger.check(new_view)
        assert new_view.prepare is None
        assert len(said) == 1
        assert (state.active, state.base, state.obligation) == (True, HEIGHT, None)


# -- rule 9 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "active", "enters"),
    [(-1, True, False), (-1, False, False), (0, True, False), (0, False, True), (1, True, True), (1, False, True)],
)
def test_a_new_view_is_entered_above_mine_or_while_i_wait_for_it(step: int, active: bool, enters: bool) -> None:
    """Rule 9: a second one for the view that I am in changes nothing, whatever it is derived from."""
    ledger = Midway()
    block = ledger.prepared(HEIGHT + 1, VIEW - 7)
    new_view = ledger.new_view(
        [again(ledger.view_change(seat, VIEW + step, prepared=block)) for seat in (0, 1, 2)], VIEW + step
    )
    before = ledger.new_view([], VIEW - 2)
    state = ledger.state(3, active=active, base=3, obliged=digest_of("before"), new_view=before)
    view_change.on_new_view(state, again(new_view), [])
    assert state.view == max(VIEW, VIEW + step)
    assert state.active == (active or enters)
    found = (state.base, state.obliged, state.new_view)
    assert found == ((HEIGHT, block.header.digest(), new_view) if enters else (3, digest_of("before"), before))
    assert set(state.view_changes) == {0, 1, 2}  # what they announced is kept in any case
    assert block.header.digest() in state.known


def test_a_learner_follows_into_a_view_and_takes_no_part() -> None:
    """Rules 9 and 14."""
    ledger = Midway()
    for view in (VIEW, VIEW + 1):
        state = ledger.state(3, may_vote=False, active=False)
        view_change.on_new_view(
            state, ledger.new_view([ledger.view_change(seat, view) for seat in (0, 1, 2)], view), []
        )
        assert (state.view, state.active, state.new_view) == (view, False, None)
