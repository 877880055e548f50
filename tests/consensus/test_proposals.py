"""Rule 2 at its limits: which proposal is taken, refused or held, and when a primary asks for one."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from chain.block import Header
from chain.validators import COMMIT, PREPARE, ValidatorSet
from consensus.effects import Broadcast, Effect, Persist, Propose, Refuse
from consensus.errors import EMPTY, NOT_OBLIGED, TOO_OLD, WRONG_PARENT, WRONG_PROPOSER, WRONG_SET, ProposalRefused
from consensus.events import NextEpoch, Timer, Voting
from consensus.model import Commit, NewView, Prepare, Prepared, PreparedSaved, PrePrepare, ProposalSaved, ViewChange
from tests.consensus.cluster import HEARTBEAT_MS
from tests.consensus.lone import Lone, finals, halts, to_check, wanted

ONE = bytes([1]) * 32  # a transaction


def refused(effects: list[Effect]) -> list[str]:
    errors = [effect.error for effect in effects if isinstance(effect, Refuse)]
    return [error.reason for error in errors if isinstance(error, ProposalRefused)]


def due_change(lone: Lone, height: int) -> NextEpoch:
    """What the block at a height says: the same members vote anew from two blocks above."""
    members = ValidatorSet(height + 2, lone.members.members)
    return NextEpoch(members, Voting.AS_BEFORE, lambda message: 2 * message)


def with_change_due(n: int = 4, me: int = 3, height: int = 0) -> Lone:
    """Its last block has changed the set."""
    return Lone(n, me, height, next_epoch=due_change(Lone(n, me), height))


def prepared(lone: Lone, seat: int, header: Header, *transactions: bytes, view: int) -> ViewChange:
    """A ViewChange to `view` that tells of a block, prepared in view 0."""
    return lone.view_change(seat, view, prepared=Prepared(header, list(transactions), lone.certificate()))


@pytest.mark.parametrize("obliged", ["nothing", "this one", "another one"])
def test_a_proposal_is_taken_refused_or_held(obliged: str) -> None:
    """Rule 2, at each limit and one millisecond beside it: time above the parent's; heartbeat; 60 s behind the clock on
    arrival; 10 s ahead of it, but for the least time that there is after a block from the future. What is obliged is not
    asked for proposer, contents or clock."""
    after_parent = (-1, 0, 1, 2, HEARTBEAT_MS - 1, HEARTBEAT_MS, HEARTBEAT_MS + 1)
    clock_ahead = (60_001, 60_000, 59_999, 0, -9_999, -10_000, -10_001)
    outcomes = set()
    for later_ms, ahead_ms, is_empty, is_due, is_mine in product(
        after_parent, clock_ahead, (False, True), (False, True), (False, True)
    ):
        lone = with_change_due() if is_due else Lone()
        listed = [] if is_empty else [ONE]
        time_ms = lone.head.time_ms + later_ms
        header = lone.header("block 1", *listed, time_ms=time_ms, proposer="member-1" if is_mine else "member-2")
        other = lone.header("another", ONE)
        promised = [prepared(lone, 0, header if obliged == "this one" else other, ONE, view=1)]
        lone.enter(1, *(promised if obliged != "nothing" else []))
        lone.now_ms = time_ms + ahead_ms
        effects = lone.hear(1, lone.proposal(header, *listed, view=1))
        reason = None
        if later_ms < 1:
            reason = WRONG_PARENT
        elif obliged != "nothing":
            reason = NOT_OBLIGED if obliged == "another one" else None
        elif not is_mine:
            reason = WRONG_PROPOSER
        elif is_empty and later_ms < HEARTBEAT_MS and not is_due:
            reason = EMPTY
        elif ahead_ms > 60_000:
            reason = TOO_OLD
        assert refused(effects) == ([reason] if reason else [])
        held_ms = -10_000 - ahead_ms if reason is None and obliged == "nothing" and later_ms > 1 else 0
        is_held = held_ms > 0
        assert [check.header for check in to_check(effects)] == ([header] if reason is None and not is_held else [])
        assert (Timer.HELD in lone.timers) == is_held
        outcomes.add((reason, is_held))
        if is_held:
            assert lone.timers[Timer.HELD].timeout_ms == held_ms
            lone.now_ms += held_ms
            assert [check.header for check in to_check(lone.expire(Timer.HELD))] == [header]
        if reason is not None:
            again = lone.hear(1, lone.proposal(header, *listed, view=1))
            assert refused(again) == [reason]  # it is not kept, so a good one finds room
    assert len(outcomes) == {"nothing": 6, "this one": 2, "another one": 2}[obliged]


def test_a_proposal_of_a_later_view_waits_for_that_view() -> None:
    """Rule 12: of the same primary, n views on; it is kept, and is nobody's proposal in this one."""
    lone = Lone()
    header = lone.header("block 1", ONE)
    assert not to_check(lone.hear(0, lone.proposal(header, ONE, view=4)))
    assert not to_check(lone.work())
    assert [check.header for check in to_check(lone.enter(4))] == [header]


def test_a_held_proposal_is_as_young_as_on_arrival() -> None:
    """Rule 2: its age is looked at on arrival, not when its view or height comes at last."""
    lone = Lone()
    header = lone.header("block 1", ONE, proposer="member-1", time_ms=lone.now_ms)
    lone.hear(1, lone.proposal(header, ONE, view=1))
    lone.now_ms += 70_000
    assert [check.header for check in to_check(lone.enter(1))] == [header]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"parent": bytes(32)}, WRONG_PARENT),
        ({"parent": bytes([255]) * 32}, WRONG_PARENT),
        ({"validators": bytes(32)}, WRONG_SET),
        ({"validators": bytes([255]) * 32}, WRONG_SET),
    ],
)
def test_also_an_obliged_block_must_follow_mine(changes: dict[str, Any], reason: str) -> None:
    """Rule 2: no quorum of this set can have executed it; whatever else is said, nobody votes for it."""
    lone = Lone()
    header = lone.header("block 1", ONE, **changes)
    lone.enter(1, prepared(lone, 0, header, ONE, view=1))
    assert refused(lone.hear(1, lone.proposal(header, ONE, view=1))) == [reason]


@pytest.mark.parametrize("mine", [1, 2, 3])
@pytest.mark.parametrize("waits", [False, True])
def test_of_proposals_the_newest_of_each_primary_for_slot_and_slot_plus_1_waits(mine: int, waits: bool) -> None:
    """Rule 12: of views not below mine; below too while I wait for a view, which may be final without me. What is kept
    is the newest, and votes follow in its own view and height alone."""
    for height, view in product((1, 2, 3, 4), (mine - 1, mine, mine + 1)):
        lone = Lone(7, me=6, height=1)
        lone.enter(mine - waits)
        if waits:
            lone.pass_over()
        after = lone.head if height == 2 else lone.header("block 2", ONE, proposer=f"member-{view}")
        header = lone.header(f"block {height}", ONE, after=after, height=height, proposer=f"member-{view}")
        effects = lone.hear(view, lone.proposal(header, ONE, view=view))
        assert bool(to_check(effects)) == (height == 2 and view == mine and not waits)
        assert not refused(effects)
        kept = list(lone.replica._state.early)
        assert kept == ([(height, view)] if height in (2, 3) and (view >= mine or waits) else [])
        if kept:
            again = lone.header("another", ONE, after=after, height=height)
            for later in (view, view + 7, view):
                lone.hear(view, lone.proposal(again, ONE, view=later))
                early = lone.replica._state.early[height, view].proposal
                assert (early.header, early.view) == (
                    (header, view) if later == view == early.view else (again, view + 7)
                )


def test_what_waits_belongs_to_the_open_heights() -> None:
    """Rule 12: a block takes with it what waited for its height; votes and proposals of the next one stay."""
    lone = Lone(7, me=6)
    first = lone.header("block 1", ONE)
    second = lone.header("block 2", ONE, after=first)
    for view in (0, 1, 2):
        lone.hear(view, lone.proposal(first, ONE, view=view))
        lone.hear(view, lone.proposal(second, ONE, view=view))
    lone.checked(first)
    state = lone.replica._state
    assert {height for height, _ in state.early} == {1, 2}
    for seat in (3, 4, 5, 2):
        lone.hear(seat, lone.vote(COMMIT, seat, first.digest(), view=1))
    effects = lone.hear(1, lone.vote(COMMIT, 1, first.digest(), view=1))
    assert [final.header for final in finals(effects)] == [first]
    assert [check.header for check in to_check(effects)] == []  # the one of view 1 is not from the primary named in it
    assert {height for height, _ in state.early} <= {2}
    assert {height for height, _, _ in state.votes} == {2}


# -- three phases ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 5, 6, 7, 8])
def test_a_commit_follows_exactly_a_quorum_of_prepares_mine_among_them(n: int) -> None:
    """Rule 4: not q - 1; not the q-th for another block or of another view. The certificate has q, mine among them,
    by seat; so the journal tells in every ViewChange what I prepared."""
    lone = Lone(n, me=n - 1)
    quorum = lone.members.quorum
    header, other = lone.header("block 1", ONE), lone.header("another", ONE)
    lone.hear(0, lone.proposal(header, ONE))
    saved = [effect.record for effect in lone.checked(header) if isinstance(effect, Persist)]
    assert [type(record) for record in saved] == [ProposalSaved]
    said: list[Effect] = []
    for seat in lone.others[1 : quorum - 2]:
        said += lone.hear(seat, lone.vote(PREPARE, seat, header.digest()))
    last = lone.others[quorum - 2]
    said += lone.hear(last, lone.vote(COMMIT, last, header.digest()))
    *_, spare = lone.others
    for vote in (lone.vote(PREPARE, spare, other.digest()), lone.vote(PREPARE, spare, header.digest(), view=1)):
        said += lone.hear(spare, vote)
    assert not [effect for effect in said if isinstance(effect, Persist | Broadcast)]
    effects = lone.hear(last, lone.vote(PREPARE, last, header.digest()))
    [record] = [effect.record for effect in effects if isinstance(effect, Persist)]
    assert isinstance(record, PreparedSaved)
    assert [entry.seat for entry in record.certificate.signatures] == [*lone.others[: quorum - 1], n - 1]
    [commit] = [effect.message for effect in effects if isinstance(effect, Broadcast)]
    assert commit == record.commit
    assert isinstance(commit, Commit)
    assert (commit.view, commit.height, commit.digest, commit.seat) == (0, 1, header.digest(), n - 1)


def test_my_own_commit_may_be_the_one_that_makes_it_final() -> None:
    """Rules 4 and 5: at once, with nobody else to wait for."""
    lone = Lone()
    header = lone.header("block 1", ONE)
    lone.hear(0, lone.proposal(header, ONE))
    for seat in (0, 1):
        lone.hear(seat, lone.vote(COMMIT, seat, header.digest()))
    lone.checked(header)
    effects = lone.hear(1, lone.vote(PREPARE, 1, header.digest()))
    assert [type(effect.message) for effect in effects if isinstance(effect, Broadcast)] == [Commit]
    [final] = finals(effects)
    assert [entry.seat for entry in final.certificate.signatures] == [0, 1, 3]


def test_prepares_of_others_make_nobody_commit_what_it_has_not_executed() -> None:
    """Rules 3 and 4: all others prepared it; it waits for its own execution, and for a check that says yes."""
    for valid in (True, False):
        lone = Lone()
        header = lone.header("block 1", ONE)
        effects = lone.hear(0, lone.proposal(header, ONE))
        for seat in (1, 2):
            effects += lone.hear(seat, lone.vote(PREPARE, seat, header.digest()))
        assert not [effect for effect in effects if isinstance(effect, Persist | Broadcast)]
        effects = lone.checked(header, valid)
        said = [effect.message for effect in effects if isinstance(effect, Broadcast)]
        assert [type(message) for message in said] == ([Prepare, Commit] if valid else [])
        assert refused(effects) == ([] if valid else ["execution says otherwise: roots_differ"])
        assert not halts(effects)


def two_blocks(lone: Lone, view: int, is_lower: bool) -> tuple[Header, Header]:
    """For one height; the digest of the first is the lower one, or the higher."""
    blocks = [lone.header(f"block {name}", ONE, proposer=f"member-{view}") for name in "ab"]
    first, second = sorted(blocks, key=Header.digest)
    return (first, second) if is_lower else (second, first)


@pytest.mark.parametrize("is_lower", [True, False])
def test_a_check_that_fails_speaks_of_its_own_block_alone(is_lower: bool) -> None:
    """Rules 3 and 5: not of the one that is final, and not of the one that is proposed by now."""
    lone = Lone()
    bad, final = two_blocks(lone, 0, is_lower)
    lone.hear(0, lone.proposal(bad, ONE))
    for seat in (0, 1, 2):
        lone.hear(seat, lone.vote(COMMIT, seat, final.digest()))
    assert not halts(lone.checked(bad, valid=False))
    assert [entry.header for entry in finals(lone.final(final))] == [final]
    lone = Lone()
    bad, good = two_blocks(lone, 1, is_lower)
    lone.hear(1, lone.proposal(bad, ONE, view=1))
    lone.enter(1)
    lone.enter(5)
    lone.hear(1, lone.proposal(good, ONE, view=5))
    assert refused(lone.checked(bad, valid=False)) == []
    said = [effect.message for effect in lone.checked(good) if isinstance(effect, Broadcast)]
    assert [type(message) for message in said] == [Prepare]


@pytest.mark.parametrize("is_lower", [True, False])
def test_who_voted_takes_no_other_block_in_the_slot(is_lower: bool) -> None:
    """Rules 2 and 13: also where the proposal that it voted for is not at hand any more."""
    lone = Lone()
    mine, other = two_blocks(lone, 0, is_lower)
    lone.hear(0, lone.proposal(mine, ONE))
    lone.checked(mine)
    lone.replica._state.current = None
    lone.replica._state.early.clear()
    assert refused(lone.hear(0, lone.proposal(other, ONE))) == [NOT_OBLIGED]
    assert refused(lone.hear(0, lone.proposal(mine, ONE))) == []


def test_a_check_names_the_primary_and_who_else_holds_the_bodies() -> None:
    """Rule 3: those whose vote says so, of either kind; for whatever block it was, only they."""
    lone = Lone(7, me=3)
    header, other = lone.header("block 1", ONE), lone.header("another", ONE)
    for seat, kind, digest in ((5, PREPARE, header), (1, COMMIT, header), (2, PREPARE, other), (4, COMMIT, other)):
        lone.hear(seat, lone.vote(kind, seat, digest.digest()))
    [check] = to_check(lone.hear(0, lone.proposal(header, ONE)))
    assert (check.primary, check.holders) == (0, [0, 1, 5])
    lone.checked(header)
    assert lone.replica.holders(header.digest()) == [0, 1, 5]  # it need not ask itself
    assert lone.replica.holders(other.digest()) == [2, 4]


# -- when a primary proposes -------------------------------------------------------------------------------------------


def test_a_primary_asks_for_a_block_when_work_waits() -> None:
    """Rules 1 and 2: a transaction, a heartbeat that is due, or a change of set; once, and in its own views alone."""
    for n, me, waits, later_ms, is_due in product(
        (4, 7), (0, 1), (False, True), (HEARTBEAT_MS - 1, HEARTBEAT_MS, HEARTBEAT_MS + 1), (False, True)
    ):
        lone = with_change_due(n, me, 2) if is_due else Lone(n, me, 2)
        before = lone.effects[:]
        lone.now_ms = lone.head.time_ms + later_ms
        found = wanted(before + lone.work(waits) + lone.work(waits))
        may_be_empty = later_ms >= HEARTBEAT_MS or is_due
        if me == 0 and (waits or may_be_empty):
            [question] = found
            is_early = is_due  # asked at the start
            assert question == Propose(0, 3, lone.head.digest, lone.head.time_ms + 1, may_be_empty or is_early)
        else:
            assert found == []


def test_a_primary_asks_again_when_there_was_nothing_and_there_is_work_again() -> None:
    """Rule 2: also on the next Status, since what could not run yet may run by then; and it says once what it has."""
    lone = Lone(me=0)
    assert len(wanted(lone.work())) == 1
    assert wanted(lone.built(lone.header("too late", ONE), ONE, view=4)) == []
    assert wanted(lone.built(lone.header("too high", ONE, height=2), ONE)) == []
    assert wanted(lone.built(None)) == []
    assert wanted(lone.hear(1, lone.status(0))) == []
    assert len(wanted(lone.expire(Timer.STATUS))) == 1
    lone.built(None)
    assert len(wanted(lone.work())) == 1
    header = lone.header("block 1", ONE)
    effects = lone.built(header, ONE)
    assert not to_check(effects)  # it has executed what it built
    assert [effect.message for effect in effects if isinstance(effect, Broadcast)] == [
        PrePrepare(1, 0, 1, header, [ONE], lone.replica._state.sign_vote(PREPARE, header.digest()))
    ]
    assert isinstance(effects[0], Persist)
    assert wanted(lone.work() + lone.expire(Timer.STATUS)) == []
    assert [
        effect for effect in lone.built(lone.header("block 1 again", ONE), ONE) if isinstance(effect, Broadcast)
    ] == []
    lone.final(header)
    assert len(wanted(lone.effects)) == 4


def opened(lone: Lone, *changes: ViewChange) -> list[Effect]:
    """It leaves view 0, and with these opens view 1, its own."""
    effects = lone.pass_over()
    for change in changes:
        effects += lone.hear(change.seat, change)
    return effects


def test_a_new_primary_proposes_what_it_must_or_what_waits() -> None:
    """Rules 2 and 8: an obliged block goes out with its NewView, and no other beside it; the next one is its own."""
    for must in (False, True):
        lone = Lone(me=1)
        lone.work()
        header = lone.header("block 1", ONE)
        promise = prepared(lone, 0, header, ONE, view=1) if must else lone.view_change(0, 1)
        effects = opened(lone, promise, lone.view_change(2, 1))
        if must:
            assert [check.header for check in to_check(effects)] == [header]
            assert not wanted(effects)
            effects = lone.checked(header)
        assert [type(effect.message) for effect in effects if isinstance(effect, Broadcast)][-1] is NewView
        assert [(question.view, question.height) for question in wanted(effects)] == ([] if must else [(1, 1)])
        if not must:  # what was built for the view before comes too late
            assert not [effect for effect in lone.built(header, ONE, view=0) if isinstance(effect, Persist)]
        if must:
            effects = []
            for seat in (0, 2, 3):
                effects += lone.hear(seat, lone.vote(COMMIT, seat, header.digest(), view=1))
            assert len(finals(effects)) == 1
            assert [(question.view, question.height) for question in wanted(effects)] == [(1, 2)]


def test_after_the_obliged_block_first_proposals_are_taken() -> None:
    """Rule 2: the obligation is for base + 1 alone."""
    lone = Lone()
    header = lone.header("block 1", ONE)
    lone.enter(1, prepared(lone, 0, header, ONE, view=1))
    lone.hear(1, lone.proposal(header, ONE, view=1))
    lone.final(header)
    following = lone.header("block 2", ONE, proposer="member-1")
    effects = lone.hear(1, lone.proposal(following, ONE, view=1))
    assert refused(effects) == []
    assert [check.header for check in to_check(effects)] == [following]


def test_a_primary_proposes_nothing_while_final_blocks_are_on_their_way() -> None:
    """Rules 2 and 5: its height is decided; it would propose upon a block that is not the last one."""
    lone = Lone(me=0)
    first = lone.header("block 1")
    lone.fetched(1, lone.header("block 2", after=first))
    assert wanted(lone.work()) == []
    lone.fetched(1, first)
    assert wanted(lone.checked(first)) == []
    assert [(question.view, question.height) for question in wanted(lone.effects)] == []
