"""Evidence: two words of one member in one slot, in one order, whoever found them: rule 16."""

from __future__ import annotations

import msgspec
import pytest

from chain.validators import PREPARE, vote_message
from consensus.effects import Accuse
from consensus.events import Timer
from consensus.evidence import in_order, is_conflict, verify_evidence
from consensus.model import Commit, Message, NewView, Prepare, PrePrepare, Status, Vote, kind_of
from consensus.state import ACCUSED_MAX, PAST_HEIGHTS_MAX, PAST_VIEWS_MAX
from consensus.wire import encode_message
from tests.consensus.cluster import CHAIN_ID, Cluster

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


# ── what is shown late ───────────────────────────────────────────────────────────────────────────────────────────────

LIAR, HONEST = 3, 1


def signed(cluster: Cluster, kind: type[Vote], height: int, digest: bytes, view: int = 0, seat: int = LIAR) -> Vote:
    """A vote as only its own key makes it, in the first epoch."""
    unsigned = kind(1, view, height, digest, seat, bytes(64))
    message = vote_message(CHAIN_ID, 1, kind_of(unsigned), view, height, digest)
    return msgspec.structs.replace(unsigned, signature=cluster.keys.sign(seat)(message))


def accusations(cluster: Cluster, number: int = HONEST) -> list[Accuse]:
    """Each of them convicts the liar, whoever checks it."""
    found = [effect for effect in cluster[number].did(Accuse) if isinstance(effect, Accuse)]
    for one in found:
        verify_evidence(one.first, one.second, cluster.members, CHAIN_ID, cluster.keys.verify)
        assert one.first.seat == LIAR
    return found


def grow(cluster: Cluster, blocks: int) -> None:
    for _ in range(blocks):
        cluster.submit(f"B-{cluster[0].height}")
        cluster.settle()


@pytest.mark.parametrize("kind", [Prepare, Commit])
@pytest.mark.parametrize("blocks", [1, 2, PAST_HEIGHTS_MAX])
def test_another_vote_than_the_one_that_counted_convicts_after_the_block_is_final(
    cluster: Cluster, kind: type[Vote], blocks: int
) -> None:
    """Rule 16: a liar that keeps its second word back until nobody counts any more."""
    grow(cluster, blocks)
    other = signed(cluster, kind, 1, HIGH)
    cluster.give(LIAR, HONEST, other)
    (found,) = accusations(cluster)
    assert other in (found.first, found.second)
    cluster.give(2, HONEST, other)
    assert len(accusations(cluster)) == 1  # once is enough


def test_what_another_member_shows_convicts_too(cluster: Cluster) -> None:
    """In its Status, where votes of others stand."""
    grow(cluster, 1)
    vote = signed(cluster, Commit, 1, HIGH)
    cluster.give(2, HONEST, Status(1, 0, True, 0, CHAIN_ID, [vote], [0] * 4))
    assert len(accusations(cluster)) == 1


def test_two_votes_that_both_come_late_convict(cluster: Cluster) -> None:
    """The ordinary late Commit is the last of four; it is remembered although the block was final without it."""
    cluster.submit("B-1")
    cluster.deliver(PrePrepare, Prepare)
    late = [message for at, to, message in cluster.queue if (at, to) == (LIAR, HONEST) and isinstance(message, Commit)]
    assert len(late) == 1
    cluster.deliver(Commit, to=[HONEST], source=[0, 2])
    assert cluster[HONEST].height == 1
    cluster.deliver(Commit, to=[HONEST], source=[LIAR])
    assert not accusations(cluster)
    cluster.give(LIAR, HONEST, signed(cluster, Commit, 1, LOW))
    (found,) = accusations(cluster)
    assert late[0] in (found.first, found.second)


def test_what_a_fetched_block_shows_counts_as_said(cluster: Cluster) -> None:
    """The certificate holds the votes that never came here."""
    cluster.silent = {HONEST}
    grow(cluster, 2)
    cluster.silent = set()
    cluster.tick(5)
    assert cluster[HONEST].height == 2
    signers = [entry.seat for entry in cluster[HONEST].blocks[0].certificate.signatures]
    assert LIAR in signers
    cluster.give(LIAR, HONEST, signed(cluster, Commit, 1, HIGH))
    assert len(accusations(cluster)) == 1


def left_view_0(cluster: Cluster) -> Prepare:
    """All have left view 0, where they prepared a block of height 1; the vote of the liar for it."""
    cluster.submit("B-1")
    cluster.deliver(PrePrepare, Prepare)
    said = cluster[LIAR].replica._state.votes[1, PREPARE, LIAR]
    assert isinstance(said, Prepare)
    cluster.drop()
    cluster.expire(Timer.VIEW)
    return said


def test_another_vote_in_a_view_that_was_left_convicts(cluster: Cluster) -> None:
    """Before the NewView, when the vote of the former view is still the newest, and after its vote in the new one."""
    said = left_view_0(cluster)
    cluster.give(LIAR, HONEST, signed(cluster, Prepare, 1, HIGH))
    (found,) = accusations(cluster)
    assert said in (found.first, found.second)
    cluster.settle()
    cluster.tick(2)
    assert cluster.views() == {1}
    assert cluster.heights() == [1] * 4
    cluster.give(LIAR, 2, signed(cluster, Prepare, 1, HIGH))
    assert len(accusations(cluster, 2)) == 1
    cluster.give(LIAR, HONEST, signed(cluster, Prepare, 1, LOW, view=1))
    assert len(accusations(cluster)) == 2


def test_another_commit_in_a_view_before_its_newest_convicts(cluster: Cluster) -> None:
    """Rule 12 keeps the newest of each member; that of view 2 stands for it, those of 0 and 1 still contradict."""
    for view in (0, 2, 1):
        cluster.give(LIAR, HONEST, signed(cluster, Commit, 1, LOW, view))
    assert not accusations(cluster)
    for view in (0, 1, 2):
        cluster.give(LIAR, HONEST, signed(cluster, Commit, 1, HIGH, view))
        assert len(accusations(cluster)) == view + 1


def test_who_is_honest_is_convicted_by_no_repetition(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restarts, views and repetitions of all that was ever said: an honest key signs one digest in a slot."""
    said: list[tuple[int, int, Message]] = []
    give = cluster.give

    def heard(sender: int, receiver: int, message: Message) -> None:
        said.append((sender, receiver, message))
        give(sender, receiver, message)

    monkeypatch.setattr(cluster, "give", heard)
    for number in range(4):
        cluster.submit(f"B-{number}")
        cluster.deliver(PrePrepare, Prepare)
        if number % 2:
            cluster.drop(Commit)
            cluster.expire(Timer.VIEW)
        cluster.settle()
        cluster.restart(number)
        cluster.tick(2)
        for sender, to, message in list(said):
            give(sender, to, message)
        cluster.settle()
    assert {type(message) for _, _, message in said} >= {PrePrepare, Prepare, Commit, NewView, Status}
    assert cluster.heights() == [4] * 4
    assert all(not cluster[number].did(Accuse) for number in range(4))


def test_a_vote_far_below_is_remembered_by_nobody(cluster: Cluster) -> None:
    """The bound: node/README, "What waits"."""
    grow(cluster, PAST_HEIGHTS_MAX + 3)
    for height in (1, 2, 3):
        cluster.give(LIAR, HONEST, signed(cluster, Commit, height, HIGH))
    assert not accusations(cluster)
    assert len(cluster[HONEST].replica._state.past) == PAST_HEIGHTS_MAX


def test_a_liar_that_votes_in_many_views_fills_no_memory_and_hides_nothing_that_counted(cluster: Cluster) -> None:
    """Neither votes nor marks of the others give way to its own."""
    for view in range(1, 200):
        cluster.give(LIAR, HONEST, signed(cluster, Prepare, 2, LOW, view))
    grow(cluster, 1)
    for view in range(1, 200):
        cluster.give(LIAR, HONEST, signed(cluster, Commit, 1, LOW, view))
    state = cluster[HONEST].replica._state
    assert max(len(views) for at in state.past.values() for views in at.values()) <= PAST_VIEWS_MAX + 2
    cluster.give(LIAR, HONEST, signed(cluster, Commit, 1, HIGH))
    assert len(accusations(cluster)) == 1
    grow(cluster, PAST_HEIGHTS_MAX // 2)
    for height in range(1, PAST_HEIGHTS_MAX // 2):
        cluster.give(LIAR, HONEST, signed(cluster, Commit, height, HIGH))
    assert len(accusations(cluster)) == ACCUSED_MAX == len(state.accused)
    cluster.give(2, HONEST, signed(cluster, Commit, 1, HIGH, seat=2))
    assert len(cluster[HONEST].did(Accuse)) == ACCUSED_MAX + 1
    grow(cluster, PAST_HEIGHTS_MAX)
    assert not state.accused


def test_the_newest_vote_of_a_height_is_remembered_beside_any_number_of_others(cluster: Cluster) -> None:
    """What stood for a member when the block became final; it said too much before to have all of it remembered."""
    newest = PAST_VIEWS_MAX + 1
    for view in range(newest + 1):
        cluster.give(LIAR, HONEST, signed(cluster, Commit, 1, LOW, view))
    grow(cluster, 1)
    assert cluster[HONEST].height == 1
    cluster.give(LIAR, HONEST, signed(cluster, Commit, 1, HIGH, newest - 1))
    before = len(accusations(cluster))
    cluster.give(LIAR, HONEST, signed(cluster, Commit, 1, HIGH, newest))
    assert len(accusations(cluster)) == before + 1


def test_nothing_is_remembered_of_an_epoch_that_ended(cluster: Cluster) -> None:
    """Rule 15: its votes are void, and no message of it is taken any more."""
    cluster.plan(1, 0, 1, 2, 3)
    grow(cluster, 2)
    assert cluster[HONEST].replica.members.epoch == 3
    state = cluster[HONEST].replica._state
    assert min(state.past, default=3) == 3
    cluster.give(LIAR, HONEST, signed(cluster, Commit, 1, HIGH))
    assert min(state.past, default=3) == 3
    assert not accusations(cluster)
