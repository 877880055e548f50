"""Rules 1 to 5, 12 and 16: three phases, and what nobody votes for."""

from __future__ import annotations

import msgspec
import pytest

from chain.validators import COMMIT, PREPARE, vote_message
from consensus.effects import Accuse, Broadcast, CheckBlock, Finalise, Halt, Persist, Refuse, SendBlocks
from consensus.errors import EMPTY, NOT_OBLIGED, TOO_OLD, WRONG_PARENT, WRONG_PROPOSER, ProposalRefused
from consensus.events import MessageReceived, Timer
from consensus.model import Commit, Fetch, Prepare, PreparedSaved, PrePrepare, ProposalSaved
from tests.consensus.cluster import HEARTBEAT_MS, Cluster, transaction
from tests.simulator.application import CHAIN_ID


def reasons(cluster: Cluster, number: int) -> list[str]:
    found = [effect.error for effect in cluster[number].did(Refuse)]  # type: ignore[union-attr]
    return [error.reason for error in found if isinstance(error, ProposalRefused)]


def test_three_phases_make_a_block_final_on_all(cluster: Cluster) -> None:
    """Rules 2 to 5; PBFT 4.2."""
    cluster.submit("B-7")
    cluster.settle()
    assert [cluster.final(number) for number in range(4)] == [[[transaction("B-7")]]] * 4
    assert len({seat.head.digest for seat in cluster.seats}) == 1


@pytest.mark.parametrize("n", [4, 5, 6, 7, 10])
def test_a_block_needs_n_minus_f_votes_and_no_more(n: int) -> None:
    """q = n - f: with f silent it goes on, with f + 1 silent it stands still."""
    f = (n - 1) // 3
    running, standing = Cluster(n), Cluster(n)
    running.silent = set(range(n - f, n))
    standing.silent = set(range(n - f - 1, n))
    for cluster in (running, standing):
        cluster.submit("B-7")
        cluster.settle()
    assert running.heights() == [1] * (n - f) + [0] * f
    assert standing.heights() == [0] * n


def test_a_vote_is_saved_before_it_is_sent(cluster: Cluster) -> None:
    """Rules 3 and 4, by the order of effects."""
    cluster.submit("B-7")
    cluster.settle()
    for seat in cluster.seats:
        saved: list[tuple[type, bytes]] = []
        for effect in seat.effects:
            match effect:
                case Persist(ProposalSaved(_, vote)) | Persist(PreparedSaved(_, vote)):
                    saved.append((type(vote), vote.digest))
                case Broadcast(PrePrepare() as proposal):
                    assert (Prepare, proposal.header.digest()) in saved
                case Broadcast(Prepare() | Commit() as vote):
                    assert (type(vote), vote.digest) in saved
                case _:
                    pass
        assert [kind for kind, _ in saved] == [Prepare, Commit]


def test_no_vote_before_the_block_is_executed(cluster: Cluster) -> None:
    """Rule 3."""
    proposal = cluster.proposal("B-7")
    effects = cluster[1].replica.step(MessageReceived(0, proposal, cluster.now_ms))
    assert any(isinstance(effect, CheckBlock) for effect in effects)
    assert not any(isinstance(effect, Persist | Broadcast) for effect in effects)


def test_an_invalid_block_gets_no_vote(cluster: Cluster) -> None:
    """Rules 1 and 3: two members find other roots, so there is no quorum; they say why."""
    cluster[1].finds_invalid = cluster[2].finds_invalid = True
    cluster.submit("B-7")
    cluster.settle()
    assert cluster.heights() == [0] * 4
    assert "execution says otherwise" in reasons(cluster, 1)[0]


def test_a_block_that_is_final_and_invalid_here_stops_the_node(cluster: Cluster) -> None:
    """Rule 5: roots differ, so something is broken on this node."""
    cluster[3].finds_invalid = True
    cluster.submit("B-7")
    cluster.settle()
    assert cluster.heights() == [1, 1, 1, 0]
    assert cluster[3].did(Halt)
    assert cluster[3].step(MessageReceived(0, Fetch(1, 1), cluster.now_ms)) == []


def refused(cluster: Cluster, proposal: PrePrepare) -> list[str]:
    cluster.give(0, 1, proposal)
    assert not cluster.queued(Prepare)
    return reasons(cluster, 1)


def test_first_proposals_are_looked_at_closely(cluster: Cluster) -> None:
    """Rule 2: proposer, emptiness, age, parent; a good one after them is still taken."""
    assert refused(cluster, cluster.proposal("B-7", proposer=2)) == [WRONG_PROPOSER]
    assert refused(cluster, cluster.proposal()) == [WRONG_PROPOSER, EMPTY]
    old = cluster.proposal("B-7", time_ms=cluster.now_ms - 900)
    cluster.now_ms += 60_000
    assert refused(cluster, old)[2:] == [TOO_OLD]
    stranger = msgspec.structs.replace(cluster.proposal("B-7").header, parent=bytes(32))
    assert refused(cluster, cluster.signed_proposal(stranger, [transaction("B-7")], 0))[3:] == [WRONG_PARENT]
    cluster.give(0, 1, cluster.proposal("B-7"))
    assert len(cluster.queued(Prepare)) == 3


def test_a_proposal_from_the_future_is_held_until_the_clock_comes_near(cluster: Cluster) -> None:
    """Rule 2: more than 10 s ahead."""
    cluster.give(0, 1, cluster.proposal("B-7", time_ms=cluster.now_ms + 10_500))
    assert not cluster.queued(Prepare)
    assert cluster[1].timers[Timer.HELD][1] == 500
    cluster.now_ms += 500
    cluster.expire(Timer.HELD, 1)
    assert len(cluster.queued(Prepare)) == 3


def test_a_block_may_be_empty_once_the_heartbeat_is_due(cluster: Cluster) -> None:
    """Rule 2: so that "as of" stays young on a quiet night."""
    cluster.now_ms += HEARTBEAT_MS
    cluster.expire(Timer.HEARTBEAT)
    cluster.settle()
    assert [cluster.final(number) for number in range(4)] == [[[]]] * 4


def test_a_second_proposal_in_a_slot_gets_no_vote_and_convicts_the_primary(cluster: Cluster) -> None:
    """Rules 2 and 16: a primary that equivocates."""
    cluster.give(0, 1, cluster.proposal("B-7"))
    cluster.give(0, 1, cluster.proposal("B-8"))
    cluster.give(0, 2, cluster.proposal("B-8"))
    assert len({vote.digest for vote in cluster.queued(Prepare) if vote.seat == 1}) == 1  # type: ignore[union-attr]
    assert len(cluster[1].did(Accuse)) == 1
    cluster.give(0, 1, cluster.proposal("B-8"))
    assert len(cluster[1].did(Accuse)) == 1  # once is enough
    cluster.deliver()
    assert cluster.heights() == [0] * 4


def test_other_views_and_heights_get_no_vote(cluster: Cluster) -> None:
    """Rule 2: the view is mine, the height is the slot."""
    cluster.give(0, 2, cluster.proposal("B-7", view=1))
    far = msgspec.structs.replace(cluster.proposal("B-7").header, height=3)
    cluster.give(0, 2, cluster.signed_proposal(far, [transaction("B-7")], 0))
    assert not cluster.queued(Prepare)


def test_votes_may_come_before_their_proposal(cluster: Cluster) -> None:
    """Rule 12: no order of messages matters."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, to=[1, 2])
    cluster.deliver(Prepare, Commit)
    assert cluster[3].height == 0
    cluster.settle()
    assert cluster.heights() == [1] * 4


def test_the_next_heights_messages_wait_their_turn(cluster: Cluster) -> None:
    """Rule 12: slot + 1 is kept, while this member is one block behind."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare)
    cluster.deliver(Commit, to=[0, 1, 2])
    held = [entry for entry in cluster.queue if entry[1] == 3]
    cluster.queue.clear()
    cluster.submit("B-8")
    cluster.deliver()
    assert cluster.heights() == [2, 2, 2, 0]
    cluster.queue = held
    cluster.deliver()
    assert cluster[3].height == 2


def test_a_liar_cannot_fill_the_memory(cluster: Cluster) -> None:
    """Rule 12: per member and kind the newest; nothing for far heights."""
    for height in (1, 2, 3, 1_000):
        for view in range(50):
            message = vote_message(CHAIN_ID, 1, COMMIT, view, height, bytes(32))
            vote = Commit(1, view, height, bytes(32), 3, cluster.keys.sign(3)(message))
            cluster.give(3, 1, vote)
    assert len(cluster[1].replica._state.votes) == 2


def test_one_members_vote_counts_once(cluster: Cluster) -> None:
    """A quorum has distinct members: seat 3 voting twice is one vote."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, to=[1])
    digest = cluster.queued(Prepare)[0].digest  # type: ignore[union-attr]
    cluster.queue.clear()
    signature = cluster.keys.sign(3)(vote_message(CHAIN_ID, 1, COMMIT, 0, 1, digest))
    for _ in range(5):
        cluster.give(3, 1, Commit(1, 0, 1, digest, 3, signature))
    assert not cluster[1].did(Finalise)


def test_a_commit_certificate_counts_without_any_prepare(cluster: Cluster) -> None:
    """Rule 5: in any mode; the block is fetched from who has it."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare, to=[0, 1, 2])
    cluster.drop(PrePrepare, Prepare)
    cluster.deliver(Commit)
    cluster.settle()
    assert cluster.heights() == [1] * 4


def test_fetch_is_answered_from_the_log(cluster: Cluster) -> None:
    """Rule 11; nothing for heights that do not exist."""
    cluster.submit("B-7")
    cluster.settle()
    for start in (0, 2):
        cluster.give(3, 0, Fetch(start, 64))
    assert not cluster[0].did(SendBlocks)
    cluster.give(3, 0, Fetch(1, 64))
    assert cluster[0].did(SendBlocks) == [SendBlocks(3, 1, 64)]


def test_the_reasons_are_stable() -> None:
    assert ProposalRefused(1, 0, NOT_OBLIGED).code == "proposal_refused"
    assert PREPARE != COMMIT
