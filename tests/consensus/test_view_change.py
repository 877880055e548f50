"""Rules 6 to 10: leaving a view, opening the next one, and when timers run."""

from __future__ import annotations

import msgspec

from chain.validators import COMMIT, vote_message
from consensus.effects import Halt, PassOn, Persist, Refuse, SendBlocks
from consensus.errors import NOT_OBLIGED, ProposalRefused
from consensus.events import MessageReceived, PassedOver, Timer
from consensus.model import Commit, NewView, Prepare, PrePrepare, ViewChange, ViewChangeSaved
from consensus.wire import base_and_obligation, view_change_message
from tests.consensus.cluster import Cluster, transaction
from tests.simulator.application import CHAIN_ID

ALL_BUT_0 = [1, 2, 3]
ALL_BUT_3 = [0, 1, 2]


def signed_again(cluster: Cluster, change: ViewChange) -> ViewChange:
    return msgspec.structs.replace(
        change, signature=cluster.keys.sign(change.seat)(view_change_message(change, CHAIN_ID))
    )


def empty_view_change(cluster: Cluster, seat: int, view: int) -> ViewChange:
    return signed_again(cluster, ViewChange(1, view, seat, 0, CHAIN_ID, None, None, bytes(64)))


def test_a_block_prepared_in_view_0_is_proposed_again_in_view_1(cluster: Cluster) -> None:
    """PBFT 4.4, rules 6 to 9: what may be final anywhere survives the view change everywhere."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare)  # prepared on all four
    cluster.drop(Commit)
    cluster.submit("B-8", to=[1])  # the next primary would rather have another one
    cluster.expire(Timer.VIEW)
    cluster.settle()

    assert cluster.views() == {1}
    assert [cluster.final(number)[0] for number in range(4)] == [[transaction("B-7")]] * 4


def test_a_block_final_at_one_member_survives_its_silence(cluster: Cluster) -> None:
    """The heart of it: seat 3 alone has the certificate and is cut off; the others come to the same block."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare)
    cluster.deliver(Commit, to=[3])
    cluster.queue.clear()
    cluster.silent = {3}
    assert cluster.heights() == [0, 0, 0, 1]
    cluster.submit("B-8", to=[0, 1, 2])
    cluster.expire(Timer.VIEW)
    cluster.settle()
    assert cluster.final(0)[0] == [transaction("B-7")]
    cluster.silent = set()
    cluster.tick(2)
    assert len({seat.head.digest for seat in cluster.seats}) == 1


def test_a_view_with_nothing_prepared_starts_afresh(cluster: Cluster) -> None:
    """Rule 8: the primary reached one member only, then fell silent."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, to=[1])
    cluster.silent = {0}
    cluster.queue.clear()
    cluster.submit("B-8", to=ALL_BUT_0)
    cluster.expire(Timer.VIEW)
    cluster.settle()
    assert cluster.final(2) == [[transaction("B-7"), transaction("B-8")]]
    assert cluster[2].blocks[0].certificate.view == 1


def test_a_view_change_is_saved_before_it_is_sent(cluster: Cluster) -> None:
    """Rule 6."""
    cluster.submit("B-7")
    effects = cluster[2].step(PassedOver(cluster.now_ms))
    kinds = [type(effect.record) for effect in effects if isinstance(effect, Persist)]
    assert kinds == [ViewChangeSaved]
    assert isinstance(effects[0], Persist)


def test_nobody_votes_in_a_view_that_it_left(cluster: Cluster) -> None:
    """Rule 6: late messages of the view before find nobody."""
    cluster.submit("B-7")
    cluster.expire(Timer.VIEW, 1, 2, 3)
    cluster.drop(ViewChange)
    cluster.deliver(PrePrepare, Prepare)
    assert not [vote for vote in cluster.queued(Commit) if vote.seat in ALL_BUT_0]  # type: ignore[union-attr]


def test_f_plus_1_others_take_a_member_along_and_f_do_not(cluster: Cluster) -> None:
    """Rule 6: one liar moves nobody, not even to view 2,000,000,000."""
    cluster.give(3, 1, empty_view_change(cluster, 3, 2_000_000_000))
    assert cluster[1].replica.view == 0
    cluster.give(2, 1, empty_view_change(cluster, 2, 5))
    assert cluster[1].replica.view == 5


def test_new_view_takes_the_highest_certificate(cluster: Cluster) -> None:
    """Rules 8 and 9: of two prepared blocks at base + 1 the one of the higher view."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare)
    cluster.expire(Timer.VIEW)
    old = next(change for change in cluster.queued(ViewChange) if change.seat == 2)  # type: ignore[union-attr]
    assert isinstance(old, ViewChange)
    assert old.prepared is not None
    higher = msgspec.structs.replace(old.prepared.certificate, view=4)
    newer = msgspec.structs.replace(old, prepared=msgspec.structs.replace(old.prepared, certificate=higher))
    assert base_and_obligation([old, newer]) == (0, newer.prepared)
    assert base_and_obligation([newer, old]) == (0, newer.prepared)
    at_one = msgspec.structs.replace(old, height=1, prepared=None)
    assert base_and_obligation([newer, at_one]) == (1, None)


def new_view_for(cluster: Cluster, number: int) -> NewView:
    """The NewView of view 1 on its way to a member."""
    return next(message for _, to, message in cluster.queue if to == number and isinstance(message, NewView))


def test_another_block_than_the_obliged_one_gets_no_vote(cluster: Cluster) -> None:
    """Rule 2 at base + 1: primary 1 lies about what it must propose, without its vote in the NewView."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare)
    cluster.drop(Commit)
    cluster.expire(Timer.VIEW)
    cluster.deliver(ViewChange)
    new_view = new_view_for(cluster, 2)
    cluster.queue.clear()
    without = msgspec.structs.replace(new_view, prepare=None)
    from consensus.wire import new_view_message

    signature = cluster.keys.sign(1)(new_view_message(without, CHAIN_ID))
    cluster.give(1, 2, msgspec.structs.replace(without, signature=signature))
    cluster.give(1, 2, cluster.proposal("B-9", view=1))
    assert not cluster.queued(Prepare)
    errors = [effect.error for effect in cluster[2].did(Refuse)]  # type: ignore[union-attr]
    assert [error.reason for error in errors if isinstance(error, ProposalRefused)] == [NOT_OBLIGED]
    assert Timer.VIEW in cluster[2].timers  # rule 10: an obligation waits


def test_nobody_votes_at_or_below_the_base(cluster: Cluster) -> None:
    """Rule 9, the one that no text spells out: seat 3 is at height 0, the view's base is 1."""
    cluster.submit("B-7")
    cluster.silent = {3}
    cluster.settle()
    cluster.silent = set()
    cluster.submit("B-8")
    cluster.queue.clear()
    cluster.expire(Timer.VIEW, 0, 1, 2)
    cluster.deliver(ViewChange, to=[0, 1, 2])
    cluster.work()
    new_view = new_view_for(cluster, 3)
    cluster.queue.clear()
    assert base_and_obligation(new_view.view_changes)[0] == 1
    cluster.give(1, 3, new_view)
    seat = cluster[3]
    assert (seat.replica.view, seat.replica.is_active, seat.height) == (1, True, 0)
    other = seat.application.build(seat.head, "member-1", cluster.now_ms, [transaction("B-9")])
    cluster.give(1, 3, cluster.signed_proposal(other, [transaction("B-9")], 1))
    assert not cluster.queued(Prepare)
    cluster.tick(2)
    assert seat.height >= 1
    assert seat.blocks[0].header == cluster[0].blocks[0].header


def test_a_certificate_of_a_higher_view_takes_a_member_into_it(cluster: Cluster) -> None:
    """Rule 5: seat 3 missed the view change altogether."""
    cluster.silent = {3}
    cluster.submit("B-7", to=[0, 1, 2])
    cluster.expire(Timer.VIEW)
    cluster.settle()
    assert cluster.heights()[:3] == [1, 1, 1]
    cluster.silent = set()
    cluster.tick(2)
    assert cluster.views() == {1}
    assert cluster[3].replica.is_active


def test_a_member_that_missed_the_new_view_gets_it_again(cluster: Cluster) -> None:
    """Rule 11: by Status, from any active member."""
    cluster.submit("B-7")
    cluster.queue.clear()
    cluster.expire(Timer.VIEW)
    cluster.deliver(ViewChange)
    cluster.drop(NewView, to=[3])
    cluster.deliver(NewView)
    cluster.queue.clear()
    assert not cluster[3].replica.is_active
    cluster.tick()
    assert cluster[3].replica.is_active
    assert cluster.views() == {1}


def test_a_view_change_is_repeated_unchanged_while_its_sender_waits(cluster: Cluster) -> None:
    """Rule 6: one per view, its bytes never change, although H may."""
    cluster.submit("B-7")
    cluster.queue.clear()
    cluster.expire(Timer.VIEW, 3)
    first = cluster.queued(ViewChange)[0]
    cluster.queue.clear()
    cluster.tick(1)
    cluster.expire(Timer.STATUS, 3)
    assert set(map(repr, cluster.queued(ViewChange))) == {repr(first)}


def test_who_left_alone_follows_the_others_without_fetching(cluster: Cluster) -> None:
    """Rules 5 and 12: after a restart of all, one may have given up the view that the others go on in. It signs nothing
    there, and still has each block as soon as they, from proposals and Commits: a Fetch could come to them too early."""
    cluster.submit("B-7", to=[3])
    cluster.drop()
    cluster.expire(Timer.VIEW, 3)
    cluster.drop()
    assert (cluster[3].replica.view, cluster[3].replica.is_active) == (1, False)
    for name in ("B-8", "B-9"):
        cluster.submit(name, to=ALL_BUT_3)
        cluster.deliver(PrePrepare, to=[3])
        cluster.deliver(PrePrepare, Prepare, Commit)
    cluster.submit("B-10", to=ALL_BUT_3)
    cluster.deliver(PrePrepare, Prepare, to=ALL_BUT_3)
    cluster.deliver(Commit, to=ALL_BUT_3)
    cluster.submit("B-11", to=ALL_BUT_3)
    cluster.deliver(PrePrepare, to=[3])  # of slot and slot + 1, before any Commit
    cluster.deliver(PrePrepare, Prepare, Commit)

    assert cluster.heights() == [4, 4, 4, 4]
    assert not cluster.fetches
    assert (cluster[3].replica.view, cluster[3].replica.is_active) == (1, False)
    signed = [entry for entry in cluster[3].did(Persist) if not isinstance(entry.record, ViewChangeSaved)]
    assert not signed


def test_timers_run_only_together(cluster: Cluster) -> None:
    """Rule 10: who is alone in the next view waits there; once q have left, all wait for the same end."""
    cluster.submit("B-7")
    cluster.queue.clear()
    cluster.expire(Timer.VIEW, 3)
    assert Timer.VIEW not in cluster[3].timers
    cluster.expire(Timer.VIEW, 2)
    cluster.deliver(ViewChange, to=[2, 3])
    assert Timer.VIEW not in cluster[3].timers
    cluster.expire(Timer.VIEW, 0)
    cluster.deliver(ViewChange, to=[3])
    assert cluster[3].timers[Timer.VIEW][1] == 2_000


def test_timers_double_up_to_ten_seconds_and_start_again_with_a_block(cluster: Cluster) -> None:
    """Rule 10."""
    found = []
    cluster.submit("B-7")
    for _ in range(6):
        found.append(cluster[0].timers[Timer.VIEW][1])
        cluster.queue.clear()
        cluster.expire(Timer.VIEW)
        cluster.drop(NewView)
        cluster.deliver(ViewChange)
    assert found == [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]
    cluster.settle()
    cluster.tick(3)
    assert cluster.heights() == [1] * 4
    cluster.submit("B-8")
    cluster.queue.clear()
    assert cluster[0].timers[Timer.VIEW][1] == 1_000


def test_no_timer_runs_while_nothing_waits(cluster: Cluster) -> None:
    """Rule 10: a quiet night causes no view change; an overdue heartbeat does."""
    cluster.submit("B-7")
    assert all(Timer.VIEW in seat.timers for seat in cluster.seats)
    cluster.settle()
    assert not any(Timer.VIEW in seat.timers for seat in cluster.seats)
    cluster.silent = {0}
    cluster.now_ms += 600_000
    cluster.expire(Timer.HEARTBEAT)
    assert Timer.VIEW not in cluster[1].timers
    cluster.now_ms += 10_000
    cluster.expire(Timer.HEARTBEAT)
    assert Timer.VIEW in cluster[1].timers


def test_an_end_that_comes_after_the_timer_was_replaced_is_ignored(cluster: Cluster) -> None:
    """Timers carry a number."""
    from consensus.events import TimerExpired

    cluster.submit("B-7")
    number, _ = cluster[1].timers[Timer.VIEW]
    cluster.settle()
    assert cluster[1].step(TimerExpired(Timer.VIEW, number, cluster.now_ms)) == []
    assert cluster[1].replica.view == 0


def test_half_way_the_work_goes_to_the_primary_again(cluster: Cluster) -> None:
    """Rule 10: the primary may have lost it; a backup says so before it leaves the view."""
    cluster.submit("B-7", to=[2])
    assert cluster[2].timers[Timer.PASS_ON][1] == 500
    cluster.expire(Timer.PASS_ON, 2)
    assert cluster[2].did(PassOn) == [PassOn(0)]


def test_a_view_change_that_shows_a_lower_height_is_answered_with_blocks(cluster: Cluster) -> None:
    """Rule 11, last sentence; not more than once a second."""
    cluster.submit("B-7")
    cluster.settle()
    cluster.give(3, 0, empty_view_change(cluster, 3, 1))
    cluster.give(3, 0, empty_view_change(cluster, 3, 2))
    assert cluster[0].did(SendBlocks) == [SendBlocks(3, 1, 256)]


def test_a_certificate_in_a_view_change_makes_the_block_final(cluster: Cluster) -> None:
    """Rule 5: seat 3's ViewChange proves height 1 to who has the block already."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare)
    cluster.deliver(Commit, to=[3])
    cluster.queue.clear()
    cluster[3].step(PassedOver(cluster.now_ms))
    cluster.deliver(ViewChange, to=[2])
    assert cluster.heights() == [0, 0, 1, 1]


def test_two_certificates_at_one_height_stop_the_node(cluster: Cluster) -> None:
    """More than f lied: nothing more is signed or served."""
    cluster.submit("B-7")
    cluster.settle()
    other = cluster.proposal("B-8").header.digest()
    signatures = {seat: cluster.keys.sign(seat)(vote_message(CHAIN_ID, 1, COMMIT, 0, 1, other)) for seat in range(3)}
    from consensus.state import quorum_certificate

    change = ViewChange(1, 1, 2, 1, other, quorum_certificate(0, signatures, 3), None, bytes(64))
    effects = cluster[0].step(MessageReceived(2, signed_again(cluster, change), cluster.now_ms))
    assert isinstance(effects[-1], Halt)


def test_a_status_repairs_lost_votes(cluster: Cluster) -> None:
    """Rule 11: every message of the slot was lost once."""
    for kind in (PrePrepare, Prepare, Commit):
        cluster.submit(kind.__name__)
        cluster.deliver(*[earlier for earlier in (PrePrepare, Prepare, Commit) if earlier is not kind])
        cluster.drop(kind)
        cluster.deliver()
        cluster.drop()
        cluster.tick(3)
    assert len(set(cluster.heights())) == 1
    assert cluster.views() == {0}
    assert cluster.heights()[0] == 3
