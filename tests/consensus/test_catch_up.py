"""Who is behind asks, one peer after the other; who is ahead answers, and repairs what is missing: rules 5, 10 and 11."""

from __future__ import annotations

import random
from itertools import chain, combinations

import pytest

from chain.validators import COMMIT, PREPARE, max_faulty
from consensus.effects import Broadcast, Effect, Halt, SendBlocks, StartTimer
from consensus.events import Timer
from consensus.model import Commit, Fetch, NewView, Prepare, PrePrepare, Status, ViewChange, Vote
from consensus.wire import VIEW_MAX
from tests.consensus.lone import Lone, asked, finals, halts, sent, to_check

# -- whom a member asks ------------------------------------------------------------------------------------------------


class Behind:
    """Rule 11 read anew: who is asked for blocks, and when. The clock may go back."""

    def __init__(self, lone: Lone) -> None:
        self.lone, self.height = lone, 0
        self.ahead: dict[int, list[int]] = {}  # seat -> its height, when it said so first, and last
        self.no_link: set[int] = set()
        self.open: tuple[int, int] | None = None  # whom, when: not answered yet
        self.turn = 1  # the seat that comes next; seat 0 counts as the one asked last
        self.here: set[int] = set()  # certified blocks that wait
        self.signers: list[int] = []  # of the certificate for the slot, whose block is not here

    def lasts(self, since_ms: int, milliseconds: int) -> bool:
        return since_ms <= self.lone.now_ms < since_ms + milliseconds

    def word(self, seat: int, height: int) -> None:
        if height > self.height:
            highest, since_ms, _ = self.ahead.get(seat, [0, self.lone.now_ms, 0])
            self.ahead[seat] = [max(highest, height), since_ms, self.lone.now_ms]

    def block(self, sender: int | None, height: int) -> None:
        if self.height < height <= self.height + 256:
            self.here.add(height)
            self.open = None
            if sender is not None:
                self.word(sender, height)

    def unreachable(self, seat: int) -> None:
        self.no_link.add(seat)
        if self.open is not None and self.open[0] == seat:
            self.open = None

    def executed(self) -> None:
        self.height += 1
        self.here.discard(self.height)
        self.signers = []
        self.ahead = {seat: entry for seat, entry in self.ahead.items() if entry[0] > self.height}

    def asks(self) -> list[int]:
        """A block for the slot is here: nobody. Someone was asked within a second: nobody. Else the next in turn of
        those two ahead, or one ahead for 0.3 s; if there is none, of those that signed what is final and is not here."""
        slot = self.height + 1
        if slot in self.here or (self.open is not None and self.lasts(self.open[1], 1_000)):
            return []
        good = {
            seat for seat, (height, since_ms, _) in self.ahead.items() if height > slot or not self.lasts(since_ms, 300)
        } - self.no_link
        good = good or set(self.signers) - {self.lone.me} - self.no_link
        for seat in [*range(self.turn, self.lone.n), *range(self.turn)]:
            if seat in good:
                self.open, self.turn = (seat, self.lone.now_ms), (seat + 1) % self.lone.n
                return [seat]
        return []

    @property
    def runs_timer(self) -> bool:
        """Rule 10: work waits; not while fetching, nor while f + 1 others have said within 3 s to be ahead."""
        fresh = [seat for seat, (_, _, heard_ms) in self.ahead.items() if self.lasts(heard_ms, 3_000)]
        return not self.here and not self.signers and len(fresh) <= max_faulty(self.lone.n)


@pytest.mark.parametrize("n", [4, 5, 6, 7])
@pytest.mark.parametrize("seed", range(3))
def test_who_is_behind_asks_one_peer_after_the_other(n: int, seed: int) -> None:
    """Rules 5, 10 and 11: words of others, blocks, lost links and a clock that jumps, in any order."""
    draw = random.Random(f"behind {n} {seed}")
    lone = Lone(n, me=draw.randrange(n))
    chain_of = [lone.header("block 1")]
    while len(chain_of) < 600:
        chain_of.append(lone.header(f"block {len(chain_of) + 1}", after=chain_of[-1]))
    reading = Behind(lone)
    lone.work()
    asked_count = final_count = 0
    for _ in range(300):
        lone.now_ms += draw.choice(
            [0, 0, 0, 1, 1, 299, 300, 301, 699, 999, 1_000, 1_001, 2_000, 2_999, 3_000, -1, -400]
        )
        slot, other = reading.height + 1, draw.choice(lone.others)
        match draw.choice(
            [
                "word",
                "word",
                "vote",
                "vote",
                "block",
                "block",
                "check",
                "check",
                "lost",
                "back",
                "second",
                "final",
                "nothing",
            ]
        ):
            case "word":
                height = max(reading.height + draw.choice([-2, -1, -1, 0, 1, 1, 2, 5, 100]), 0)
                reading.word(other, height)
                effects = lone.hear(other, lone.status(height))
            case "vote":  # who votes on a height has the block below; each for another one, so that no quorum agrees
                height = max(slot + draw.choice([-1, 0, 1, 1, 2, 3, 40]), 1)
                reading.word(other, height - 1)
                vote = lone.vote(draw.choice([PREPARE, COMMIT]), other, bytes([other]) * 32, height=height)
                effects = lone.hear(draw.choice(lone.others), vote)
            case "block":
                height = max(slot + draw.choice([-1, 0, 0, 0, 0, 0, 1, 2, 255, 256, 257]), 1)
                sender = draw.choice([other, None])
                reading.block(sender, height)
                effects = lone.fetched(sender, chain_of[height - 1])
                assert bool(to_check(effects)) <= (height == slot)
            case "check":
                is_here = slot in reading.here
                if is_here:
                    reading.executed()
                effects = lone.checked(chain_of[slot - 1])
                assert len(finals(effects)) == is_here
                final_count += is_here
            case "lost":
                reading.unreachable(other)
                effects = lone.disconnect(other)
            case "back":
                reading.no_link.discard(other)
                effects = lone.connect(other)
            case "second":
                reading.no_link.clear()
                effects = lone.expire(Timer.STATUS)
            case "final":  # the seat's word with a certificate; only one seat does it, so that no view changes
                signers = sorted(draw.sample(range(n), n - max_faulty(n)))
                if slot not in reading.here and not reading.signers:
                    reading.signers = signers
                reading.word(lone.others[0], slot)
                told = {
                    "height": slot,
                    "digest": chain_of[slot - 1].digest(),
                    "certificate": lone.certificate(*signers),
                }
                effects = lone.hear(lone.others[0], lone.view_change(lone.others[0], 1, **told))
            case _:
                effects = lone.work()
        expected = reading.asks()
        assert [(effect.seat, effect.from_height, effect.count) for effect in asked(effects)] == [
            (seat, reading.height + 1, 256) for seat in expected
        ]
        asked_count += len(expected)
        assert (Timer.VIEW in lone.timers) == reading.runs_timer
        assert lone.replica.is_fetching == bool(reading.here or reading.signers)
        assert not halts(effects)
    assert asked_count > 20  # the walk went somewhere
    assert final_count > 1


def test_a_certificate_alone_is_reason_to_ask_its_signers_at_once_and_nobody_while_the_block_is_here() -> None:
    """Rule 5: q Commits in any view; the block was proposed to me or not. Peers that claim more are asked first."""
    for is_proposed in (False, True):
        lone = Lone(7, me=1)
        block = lone.header("block 1", bytes(32))
        if is_proposed:
            assert to_check(lone.hear(0, lone.proposal(block, bytes(32))))
        effects: list[Effect] = []
        for seat in (0, 2, 4, 5, 6):
            assert not asked(effects)
            effects = lone.hear(seat, lone.vote(COMMIT, seat, block.digest()))
        assert [effect.seat for effect in asked(effects)] == ([] if is_proposed else [2])


def test_blocks_are_asked_from_the_slot_on_at_most_256() -> None:
    """Rule 11, and the cap of rule 12: the answer is a message."""
    for height in (0, 1, 7):
        lone = Lone(height=height)
        [question] = asked(lone.hear(0, lone.status(height + 2)))
        assert (question.seat, question.from_height, question.count) == (0, height + 1, 256)


# -- what is final -----------------------------------------------------------------------------------------------------


def commits(lone: Lone, digest: bytes, seats: list[int], view: int = 0, height: int | None = None) -> list[Effect]:
    """The seats' Commits arrive, one after the other."""
    return [effect for seat in seats for effect in lone.hear(seat, lone.vote(COMMIT, seat, digest, view, height))]


@pytest.mark.parametrize("n", [4, 5, 6, 7, 8])
def test_exactly_a_quorum_of_commits_for_one_block_in_one_view_makes_it_final(n: int) -> None:
    """Rule 5: not q - 1; not q of two views, not q for two blocks. The certificate has q, by seat, of that view."""
    f = max_faulty(n)
    lone = Lone(n, me=n - 1)
    block, other = lone.header("block 1", bytes(32)), lone.header("another")
    lone.hear(0, lone.proposal(block, bytes(32)))
    lone.checked(block)
    mixed = lone.others[: n - f]
    order = random.Random(n).sample(mixed, len(mixed))
    assert not finals(commits(lone, block.digest(), order[1:], view=2))
    assert not finals(commits(lone, block.digest(), order[:1], view=1))
    assert not finals(commits(lone, other.digest(), order[:1], view=2))
    assert not lone.replica.is_fetching
    [final] = finals(
        commits(lone, block.digest(), order[:1], view=3) + commits(lone, block.digest(), order[1:], view=3)
    )
    assert final.header == block
    assert (final.certificate.view, [entry.seat for entry in final.certificate.signatures]) == (3, mixed)
    assert (lone.replica.view, lone.replica.is_active) == (3, True)


@pytest.mark.parametrize("mine", [2, 3, 4])
@pytest.mark.parametrize("waits", [False, True])
def test_a_certificate_takes_a_member_into_its_view_if_that_is_above_or_the_one_it_waits_for(
    mine: int, waits: bool
) -> None:
    """Rule 5: below, it stays where it is; and in its own view an obligation and the word of its primary stand."""
    lone = Lone(7, me=6)
    if waits:
        lone.enter(mine - 1)
        lone.pass_over()
    else:
        lone.enter(mine)
    assert (lone.replica.view, lone.replica.is_active) == (mine, not waits)
    lone.final(block := lone.header("block 1"))
    assert lone.head.digest == block.digest()
    assert (lone.replica.view, lone.replica.is_active) == (mine, not waits)  # a certificate of view 0
    block = lone.header("block 2")
    lone.fetched(None, block, lone.certificate(view=3))
    lone.checked(block)
    assert lone.replica.view == max(mine, 3)
    assert lone.replica.is_active == (not waits or mine <= 3)
    repeated = sent(lone.hear(0, lone.status(2, view=1, views=[9] * 7)), 0)
    assert bool(repeated) == (
        not waits and mine >= 3
    )  # the NewView of its own view; of one that it skipped it has none


def test_blocks_that_wait_become_final_one_after_the_other() -> None:
    """Rules 5 and 11: fetched in whatever order, and each is executed on the one before."""
    lone = Lone()
    blocks = [lone.header("block 1")]
    for number in range(2, 6):
        blocks.append(lone.header(f"block {number}", after=blocks[-1]))
    for index in (4, 1, 3, 2):
        assert not to_check(lone.fetched(0, blocks[index]))
    assert lone.replica.is_fetching
    effects = lone.fetched(0, blocks[0])
    for index, block in enumerate(blocks):
        [check] = to_check(effects)
        assert check.header == block
        effects = lone.checked(block)
        assert [final.header for final in finals(effects)] == [block]
        assert lone.replica.is_fetching == (index < 4)


def test_an_early_proposal_serves_the_certificate_of_its_height() -> None:
    """Rules 5 and 12: a block of slot + 1 that came in a view that nobody is in now, among others that did too."""
    lone = Lone(7, me=6)
    first = lone.header("block 1")
    for view in range(1, 6):
        block = lone.header(f"block 2 of view {view}", bytes([view]) * 32, after=first)
        assert not to_check(lone.hear(view, lone.proposal(block, bytes([view]) * 32, view=view)))
        if view == 3:
            chosen = block
    lone.hear(0, lone.proposal(lone.header("block 1 of view 7", bytes(32)), bytes(32), view=7))
    commits(lone, chosen.digest(), [0, 1, 2, 3, 4], view=3, height=2)
    lone.fetched(5, first)
    effects = lone.checked(first)
    [check] = to_check(effects)
    assert (check.header, check.transactions) == (chosen, [bytes([3]) * 32])
    assert not asked(effects)
    assert not to_check(lone.work())  # asked once


# -- what must never be ------------------------------------------------------------------------------------------------


def test_two_certificates_at_one_height_stop_the_node() -> None:
    """Rule 5: of the slot and of the last block, from a block or a ViewChange; the same block twice is no fork, and what
    lies deeper or ahead is compared with nothing."""
    for shown in (-1, 0, 1, 2):
        for other in (None, bytes(32), bytes([255]) * 32):
            lone, is_same = Lone(height=3), other is None
            slot = lone.header("block 4")
            lone.fetched(0, slot)
            after = lone.header("block 5", after=slot)
            digests = {-1: bytes(32), 0: lone.head.digest, 1: slot.digest(), 2: after.digest()}
            digest = other or digests[shown]
            change = lone.view_change(1, 1, height=3 + shown, digest=digest, certificate=lone.certificate(view=0))
            reasons = halts(lone.hear(1, change))
            is_fork = shown in (0, 1) and not is_same
            both = f"{digests[shown].hex()[:8]} and {digest.hex()[:8]}"
            assert reasons == ([f"two certificates at height {3 + shown}: {both}"] if is_fork else [])


def test_a_certificate_of_a_height_ahead_decides_nothing_here() -> None:
    """Rule 5: it says that there is more to fetch; the slot is decided by its own votes."""
    lone = Lone(height=3)
    far = lone.view_change(1, 1, height=5, digest=bytes([9]) * 32, certificate=lone.certificate(view=0))
    assert [fetch.from_height for fetch in asked(lone.hear(1, far))] == [4]
    block = lone.header("block 4", bytes(32))
    lone.hear(0, lone.proposal(block, bytes(32)))
    lone.checked(block)
    assert [effect.header for effect in finals(commits(lone, block.digest(), [0, 1, 2], height=4))] == [block]


def test_more_commits_than_a_quorum_at_once_decide_too() -> None:
    """Rule 5: of a Status that shows all of them; the certificate has a quorum's."""
    lone = Lone(7, me=6)
    block = lone.header("block 1", bytes(32))
    lone.hear(0, lone.proposal(block, bytes(32)))
    lone.checked(block)
    votes = [lone.vote(COMMIT, seat, block.digest()) for seat in range(6)]
    [final] = finals(lone.hear(1, lone.status(0, votes=votes)))
    assert [entry.seat for entry in final.certificate.signatures] == [0, 1, 2, 3, 4]


def test_a_block_that_was_agreed_and_is_invalid_here_stops_the_node_whenever_that_is_found() -> None:
    """Rule 5: found before the certificate came, or after it."""
    lone = Lone()
    block = lone.header("block 1", bytes(32))
    lone.hear(0, lone.proposal(block, bytes(32)))
    assert not halts(lone.checked(block, valid=False))
    effects = commits(lone, block.digest(), [0, 1, 2])
    assert halts(effects) == ["block 1 is final, and is invalid here"]
    assert not finals(effects)
    assert isinstance(effects[-1], Halt)
    assert lone.fetched(0, block) == []


@pytest.mark.parametrize("parent", [bytes(32), bytes([255]) * 32])
def test_a_block_upon_another_parent_stops_the_node_and_is_not_executed(parent: bytes) -> None:
    lone = Lone(height=2)
    effects = lone.fetched(0, lone.header("block 3", parent=parent))
    assert halts(effects) == ["block 3 is final and does not follow my block 2"]
    assert not to_check(effects)


@pytest.mark.parametrize("case", ["another parent", "invalid here"])
def test_nothing_is_signed_after_a_halt(case: str) -> None:
    """Rules 5 and 6: the ViewChange that proves the bad block would also take it along into another view."""
    lone = Lone(4, me=3)
    block = lone.header("block 1", bytes(32), **({"parent": bytes(32)} if case == "another parent" else {}))
    lone.hear(0, lone.proposal(block, bytes(32)))
    lone.checked(block, valid=False)
    lone.hear(0, lone.view_change(0, 1))
    told = {"height": 1, "digest": block.digest(), "certificate": lone.certificate()}
    effects = lone.hear(1, lone.view_change(1, 1, **told))
    assert len(effects) == 1
    assert halts(effects)
    assert lone.hear(2, lone.view_change(2, 1)) == []


# -- what a Status says, and what it is answered with ------------------------------------------------------------------


def told(effects: list[Effect]) -> Status:
    """The Status that it sends in this second."""
    [found] = [e.message for e in effects if isinstance(e, Broadcast) and isinstance(e.message, Status)]
    return found


def subsets(votes: list[Vote]) -> list[tuple[Vote, ...]]:
    return list(chain.from_iterable(combinations(votes, size) for size in range(len(votes) + 1)))


@pytest.mark.parametrize("phase", ["nothing", "Prepare", "Commit"])
@pytest.mark.parametrize("view", [1, 2, 3, 6])
def test_a_status_is_answered_with_what_its_sender_lacks(view: int, phase: str) -> None:
    """Rule 11: whoever is at my height gets my NewView if it has not entered my view, else those votes of mine that it
    does not show; instead of the primary's vote the proposal, if its sender has not voted here either."""
    lone, is_primary = Lone(4, me=2, height=2), view % 4 == 2
    lone.enter(view)
    lone.work()
    block = lone.header("block 3", bytes(32), proposer=f"member-{view % 4}")
    proposal = lone.proposal(block, bytes(32), view=view)
    mine: list[Vote] = []
    if phase != "nothing":
        if is_primary:
            lone.built(block, bytes(32), view=view)
        else:
            lone.hear(view % 4, proposal)
            lone.checked(block)
        mine.append(lone.replica._state.votes[3, PREPARE, 2])
    if phase == "Commit":
        for seat in (0, 1, 3):
            lone.hear(seat, lone.vote(PREPARE, seat, block.digest(), view))
        mine.append(lone.replica._state.votes[3, COMMIT, 2])
    sender = 0
    its_own, of_another = (lone.vote(PREPARE, seat, bytes([seat]) * 32, view) for seat in (0, 1))
    its_old, my_old = (lone.vote(PREPARE, seat, bytes(32), view - 1) for seat in (0, 2))
    old = [its_old, my_old] if mine else [its_old]  # a vote of mine that I do not know would make me a learner
    for height in (1, 2, 3):
        for its_view in (view - 1, view, view + 1):
            for active in (False, True):
                for shown in subsets([*mine, its_own, of_another, *old]):
                    lone.now_ms += 400  # one answer in so long
                    status = lone.status(height, its_view, active, votes=list(shown), views=[view] * 4)
                    answer = sent(lone.hear(sender, status), sender)
                    expected: list[object] = []
                    if height == 2 and (its_view < view or (its_view == view and not active)):
                        assert [type(message) for message in answer] == [NewView]
                        assert [message.view for message in answer if isinstance(message, NewView)] == [view]
                        continue
                    if height == 2 and its_view == view:
                        lacks = [vote for vote in mine if vote not in shown]
                        if is_primary and mine and its_own not in shown:
                            lacks = [vote for vote in lacks if isinstance(vote, Commit)]
                            expected.append(lone.replica._state.current)
                        expected += lacks
                    assert answer == expected
                    assert all(isinstance(message, Prepare | Commit | PrePrepare) for message in answer)


def test_who_waits_for_a_view_repairs_nothing_and_repeats_its_own_announcement() -> None:
    """Rules 6 and 11: it has no NewView to send, and may not vote."""
    lone = Lone(4, me=3)
    lone.enter(1)
    assert sent(lone.hear(0, lone.status(0, view=0)), 0)
    [_, announced] = [effect for effect in lone.pass_over() if not isinstance(effect, StartTimer)][:2]
    assert isinstance(announced, Broadcast)
    assert isinstance(announced.message, ViewChange)
    for view in (0, 1, 2, 3):
        for active in (False, True):
            assert sent(lone.hear(0, lone.status(0, view, active, views=[1, 1, 1, 2])), 0) == []
    lone.now_ms += 1_000
    effects = lone.expire(Timer.STATUS)
    assert (told(effects).view, told(effects).active) == (2, False)
    assert announced in effects
    lone.enter(2)
    assert announced not in lone.expire(Timer.STATUS)  # it is there now


def test_who_has_forgotten_a_promise_gets_it_back() -> None:
    """Rule 14: by its own Status, which says which of its ViewChanges it knows; whatever height and view it is in."""
    for height in (0, 1, 5):
        for its_view in (0, 1, 2):
            for known in (0, 1, 2, 3):
                lone = Lone(7, me=6)
                promise = lone.view_change(4, 2)
                lone.hear(4, promise)
                views = [9, 9, 9, 9, known, 9, 0]
                answer = sent(lone.hear(4, lone.status(height, its_view, views=views)), 4)
                assert answer == ([promise] if known < 2 else [])
                assert sent(lone.hear(3, lone.status(height, its_view, views=[0] * 7)), 3) == []


def test_a_learner_says_that_it_lacks_nothing() -> None:
    """Rule 14: it wants no NewView, and none of its own ViewChanges."""
    lone = Lone(7, me=4, may_vote=False)
    lone.hear(2, lone.view_change(2, 1))
    lone.enter(5)
    status = told(lone.expire(Timer.STATUS))
    assert (status.view, status.active) == (5, True)
    assert status.views == [5, 5, 5, 5, VIEW_MAX, 5, 0]
    for may_vote in (False, True):
        status = told(Lone(4, me=3, may_vote=may_vote).effects)
        assert (status.epoch, status.view, status.active, status.height) == (1, 0, True, 0)
        assert status.views == [0, 0, 0, 0 if may_vote else VIEW_MAX]


def test_a_learner_executes_final_blocks_alone() -> None:
    """Rule 14: it votes for none, so a proposal is nothing to it but a block that may become final."""
    lone = Lone(4, me=3, may_vote=False)
    block = lone.header("block 1", bytes(32))
    assert not lone.replica.is_active
    assert not to_check(lone.hear(0, lone.proposal(block, bytes(32))))
    assert len(to_check(commits(lone, block.digest(), [0, 1, 2]))) == 1
    assert [final.header for final in finals(lone.checked(block))] == [block]


def test_blocks_are_sent_to_who_asks_if_they_are_here() -> None:
    """Rule 11: from height 1 to my last one."""
    lone = Lone(height=3)
    for start in (0, 1, 2, 3, 4, 5):
        effects = lone.hear(0, Fetch(start, 7))
        assert [effect for effect in effects if isinstance(effect, SendBlocks)] == (
            [SendBlocks(0, start, 7)] if 1 <= start <= 3 else []
        )


@pytest.mark.parametrize(("later_ms", "is_sent"), [(0, False), (999, False), (1_000, True), (1_001, True), (-1, True)])
def test_who_announces_a_view_from_below_gets_blocks_once_a_second(later_ms: int, is_sent: bool) -> None:
    """Rule 11: whoever is at my height lacks none; the seconds of two members are their own; a clock that was set back
    holds nothing up."""
    lone = Lone(7, me=6, height=3)
    pushed = {
        height: [
            e
            for e in lone.hear(height, lone.view_change(height, 1, height=height, digest=bytes(32)))
            if isinstance(e, SendBlocks)
        ]
        for height in (1, 2)
    }
    assert pushed == {1: [SendBlocks(1, 2, 256)], 2: [SendBlocks(2, 3, 256)]}
    at_mine = lone.hear(3, lone.view_change(3, 1))
    assert not [effect for effect in at_mine if isinstance(effect, SendBlocks)]
    lone.now_ms += later_ms
    effects = lone.hear(1, lone.view_change(1, 2, height=2, digest=bytes(32)))
    assert [effect for effect in effects if isinstance(effect, SendBlocks)] == [SendBlocks(1, 3, 256)] * is_sent


# -- who was heard -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 5, 6, 7])
def test_a_member_is_heard_by_q_minus_1_others_that_are_where_it_was(n: int) -> None:
    """Rule 14: not by who is behind, nor by who holds a promise of mine that I lack; who is ahead counts from its height
    on; nobody counts twice."""
    quorum = n - max_faulty(n)
    me = n - 1
    lone = Lone(n, me=me, height=1, must_hear=True)
    block = lone.header("block 2")
    lone.hear(0, lone.status(0))
    lone.hear(0, lone.status(1, views=[0] * me + [1]))
    for seat in range(quorum - 2):
        for _ in range(3):
            lone.hear(seat, lone.status(1, views=[5] * me + [0]))
    assert lone.replica.waits_to_hear
    lone.hear(quorum - 2, lone.status(2))
    assert lone.replica.waits_to_hear
    lone.hear(0, lone.status(3))  # its first word stands
    lone.final(block)
    assert not lone.replica.waits_to_hear
    assert not Lone(n).replica.waits_to_hear
