"""What a replica does not do: for a block, a word, a record or a moment that is not the right one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chain.validators import COMMIT, Certificate, SeatSignature, vote_message
from consensus import replica as replica_file
from consensus.effects import Broadcast, CheckBlock, Effect, FetchBlocks, Halt, Propose, Refuse, Send
from consensus.errors import (
    NOT_OBLIGED,
    WRONG_PARENT,
    WRONG_SET,
    JournalDamaged,
    NewViewInvalid,
    ProposalRefused,
    SeatUnknown,
    ViewChangeInvalid,
)
from consensus.events import (
    BlockChecked,
    BlockFetched,
    MessageReceived,
    NextEpoch,
    PassedOver,
    Timer,
    Voting,
    WorkChanged,
)
from consensus.model import (
    Commit,
    Fetch,
    NewView,
    Prepare,
    Prepared,
    PreparedSaved,
    PrePrepare,
    ProposalSaved,
    Status,
    ViewChange,
    ViewChangeSaved,
    record_height,
)
from consensus.restart import restored_state
from consensus.state import PROPOSALS_KEPT_MAX, ReplicaState
from consensus.wire import epoch_of, new_view_message, verify_message, view_change_message
from tests.consensus.cluster import Cluster, Seat
from tests.simulator.application import CHAIN_ID, GENESIS_MS

replaced = msgspec.structs.replace


def bent_proposal(cluster: Cluster, **changes: Any) -> PrePrepare:
    """The primary's proposal of view 0 with a changed header, properly signed."""
    whole = cluster.proposal("B-7")
    return cluster.signed_proposal(replaced(whole.header, **changes), whole.transactions, 0)


def refusals(seat: Seat) -> list[str]:
    errors = [effect.error for effect in seat.effects if isinstance(effect, Refuse)]
    return [error.reason for error in errors if isinstance(error, ProposalRefused)]


def halts(seat: Seat) -> list[str]:
    return [effect.reason for effect in seat.effects if isinstance(effect, Halt)]


def signed_change(cluster: Cluster, seat: int, **changes: Any) -> ViewChange:
    """A member's ViewChange to view 1, from genesis, but for what is changed."""
    change = replaced(ViewChange(1, 1, seat, 0, CHAIN_ID, None, None, bytes(64)), **changes)
    return replaced(change, signature=cluster.keys.sign(seat % 4)(view_change_message(change, CHAIN_ID)))


def checked(cluster: Cluster, message: Any) -> None:
    verify_message(message, cluster.members, CHAIN_ID, cluster.keys.verify)


# -- proposals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"parent": bytes(32)}, WRONG_PARENT),
        ({"time_ms": GENESIS_MS}, WRONG_PARENT),
        ({"validators": bytes(32)}, WRONG_SET),
    ],
)
def test_a_proposal_that_does_not_follow_gets_no_vote(cluster: Cluster, changes: dict[str, Any], reason: str) -> None:
    """Rule 2; a good one after it still works."""
    cluster.give(0, 1, bent_proposal(cluster, **changes))
    assert refusals(cluster[1]) == [reason]
    assert not cluster[1].journal
    cluster.give(0, 1, cluster.proposal("B-7"))
    assert len(cluster[1].journal) == 1


def test_who_restarts_refuses_another_block_in_the_slot_it_voted_in(cluster: Cluster) -> None:
    """Rules 2 and 13: also when the proposal that it voted for is not at hand any more."""
    cluster.give(0, 1, cluster.proposal("B-7"))
    cluster.restart(1)
    cluster[1].replica._state.current = None
    cluster.give(0, 1, cluster.proposal("B-8"))
    assert refusals(cluster[1]) == [NOT_OBLIGED]
    assert len(cluster[1].journal) == 1


def test_a_check_that_nobody_asked_for_says_nothing(cluster: Cluster) -> None:
    assert cluster[1].step(BlockChecked(bytes(32), False, "roots_differ", cluster.now_ms)) == []


def test_a_check_that_fails_after_its_view_was_left_accuses_nobody(cluster: Cluster) -> None:
    """Rule 3: the block is no longer the one at hand."""
    cluster[1].step(MessageReceived(0, cluster.proposal("B-7"), cluster.now_ms))
    check = next(effect for effect in cluster[1].effects if isinstance(effect, CheckBlock))
    cluster.expire(Timer.VIEW, 1)
    cluster.later.clear()
    cluster[1].step(BlockChecked(check.header.digest(), False, "roots_differ", cluster.now_ms))
    assert not refusals(cluster[1])
    assert not cluster[1].did(Halt)


def test_an_obliged_block_that_is_invalid_here_stops_the_node(cluster: Cluster) -> None:
    """Rule 3: q members executed it. This node computes something else than they do."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare, to=[0, 1, 2])
    cluster.drop(PrePrepare, Prepare, Commit)
    cluster[3].finds_invalid = True
    cluster.expire(Timer.VIEW, 0, 1, 2)
    cluster.deliver(ViewChange)
    cluster.deliver(NewView, to=[3])
    assert halts(cluster[3]) == ["block 1 was agreed, and is invalid here: roots_differ"]
    assert cluster[3].step(PassedOver(cluster.now_ms)) == []


def test_a_block_built_for_a_view_that_is_over_is_not_proposed(cluster: Cluster) -> None:
    """Rule 2: the answer came after the primary had left."""
    cluster[0].pool.append(bytes([1]) * 32)
    cluster[0].step(WorkChanged(True, cluster.now_ms))
    [(seat, ready)] = cluster.later
    cluster.later.clear()
    cluster[0].step(PassedOver(cluster.now_ms))
    assert cluster[0].did(Propose)
    assert seat.step(ready) == []
    assert not [entry for entry in cluster[0].journal if isinstance(entry, ProposalSaved)]


def test_of_many_blocks_for_a_slot_the_oldest_give_way(cluster: Cluster) -> None:
    """Rule 12: whatever liars send, PROPOSALS_KEPT_MAX are kept, what was voted for among them."""
    mine = cluster.proposal("B-0")
    cluster.give(0, 1, mine)
    for view in range(2, 2 * PROPOSALS_KEPT_MAX):
        if view % 4 == 1:
            continue  # that would be its own
        cluster.give(view % 4, 1, cluster.proposal(f"B-{view}", view=view))
    known = cluster[1].replica._state.known
    assert len(known) == PROPOSALS_KEPT_MAX
    assert mine.header.digest() in known
    assert cluster.proposal("B-2", view=2).header.digest() not in known


# -- blocks ------------------------------------------------------------------------------------------------------------


def test_a_final_block_that_does_not_follow_mine_stops_the_node(cluster: Cluster) -> None:
    """Rule 5: a fork of the ledger below."""
    header = bent_proposal(cluster, parent=bytes(32)).header
    message = vote_message(CHAIN_ID, 1, COMMIT, 0, 1, header.digest())
    certificate = Certificate(0, [SeatSignature(seat, cluster.keys.sign(seat)(message)) for seat in (0, 1, 2)])
    cluster[3].step(BlockFetched(0, header, [], certificate, cluster.now_ms))
    assert halts(cluster[3]) == ["block 1 is final and does not follow my block 0"]


# -- views -------------------------------------------------------------------------------------------------------------


def test_a_primary_that_is_behind_goes_up_to_the_base_before_it_opens_its_view(cluster: Cluster) -> None:
    """Rule 8."""
    cluster.submit("B-1", to=[0, 2, 3])
    cluster.deliver(PrePrepare, Prepare, Commit, to=[0, 2, 3])
    cluster.queue.clear()
    assert cluster.heights() == [1, 0, 1, 1]
    cluster.silent = {0}
    cluster.submit("B-2")
    cluster.queue.clear()
    cluster.expire(Timer.VIEW, 1, 2, 3)
    cluster.deliver(ViewChange, to=[1])
    assert not cluster.queued(NewView)
    assert cluster[1].did(FetchBlocks)
    cluster.settle()
    cluster.tick(2)
    assert cluster.heights()[1:] == [2, 2, 2]
    assert cluster[1].replica.view == 1


def test_a_primary_executes_the_obliged_block_before_it_opens_its_view(cluster: Cluster) -> None:
    """Rule 8: it has neither seen nor checked it yet."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare, to=[0, 2, 3])
    cluster.queue.clear()
    cluster.expire(Timer.VIEW)
    changes = [
        (sender, message)
        for sender, receiver, message in cluster.queue
        if receiver == 1 and isinstance(message, ViewChange)
    ]
    for sender, message in changes:
        effects: list[Effect] = cluster[1].step(MessageReceived(sender, message, cluster.now_ms))
        assert not [entry for entry in effects if isinstance(entry, Broadcast) and isinstance(entry.message, NewView)]
    assert len(cluster[1].did(CheckBlock)) == 1
    cluster.work()
    assert len(cluster.queued(NewView)) == 3


def test_who_is_passed_over_leaves_the_view_if_it_may_sign_and_takes_part(cluster: Cluster) -> None:
    """Rules 10 and 14."""
    cluster.restart(3, must_hear=True)
    assert cluster[3].replica.waits_to_hear
    cluster[3].step(PassedOver(cluster.now_ms))
    assert cluster[3].replica.view == 0
    cluster[2].step(PassedOver(cluster.now_ms))
    assert (cluster[2].replica.view, cluster[2].replica.is_active) == (1, False)
    cluster[2].step(PassedOver(cluster.now_ms))
    assert cluster[2].replica.view == 1


def test_a_peer_hears_where_i_stand_as_soon_as_its_link_is_up(cluster: Cluster) -> None:
    """Rule 11."""
    cluster.connect(2)
    told = [entry for entry in cluster[2].effects if isinstance(entry, Send) and isinstance(entry.message, Status)]
    assert len(told) == 3


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"seat": 4}, SeatUnknown),
        ({"view": 2**32}, ViewChangeInvalid),
        ({"height": 0, "certificate": Certificate(0, [])}, ViewChangeInvalid),
    ],
)
def test_a_view_change_of_nobody_to_nowhere_is_refused(
    cluster: Cluster, changes: dict[str, Any], error: type[Exception]
) -> None:
    """Rule 7."""
    with pytest.raises(error):
        checked(cluster, signed_change(cluster, **{"seat": 2, **changes}))
    checked(cluster, signed_change(cluster, 2))


def test_a_view_change_from_before_the_epoch_is_refused(cluster: Cluster) -> None:
    """Rules 7 and 15."""
    members = replaced(cluster.members, epoch=5)
    change = signed_change(cluster, 2, epoch=5, height=3)
    with pytest.raises(ViewChangeInvalid, match="before this epoch"):
        verify_message(change, members, CHAIN_ID, cluster.keys.verify)


@pytest.mark.parametrize("changes", [{"height": 2}, {"parent": bytes(32)}, {"chain_id": bytes(32)}])
def test_what_was_prepared_must_follow_the_height_it_is_told_with(cluster: Cluster, changes: dict[str, Any]) -> None:
    """Rule 7: valid as a whole, or dropped."""
    proposal = bent_proposal(cluster, **changes)
    prepared = Prepared(proposal.header, proposal.transactions, Certificate(0, []))
    with pytest.raises(ViewChangeInvalid, match="does not follow"):
        checked(cluster, signed_change(cluster, 2, prepared=prepared))


def test_a_new_view_with_a_vote_for_nothing_is_refused(cluster: Cluster) -> None:
    """Rule 9: nothing was prepared, so there is nothing to vote for."""
    changes = [signed_change(cluster, seat) for seat in (0, 1, 2)]
    for prepare in (bytes(64), None):
        unsigned = NewView(1, 1, changes, prepare, bytes(64))
        whole = replaced(unsigned, signature=cluster.keys.sign(1)(new_view_message(unsigned, CHAIN_ID)))
        if prepare is None:
            checked(cluster, whole)
        else:
            with pytest.raises(NewViewInvalid, match="obligation that is none"):
                checked(cluster, whole)


def test_a_question_for_blocks_belongs_to_no_epoch() -> None:
    """Rule 15: whoever is behind may ask."""
    assert epoch_of(Fetch(1, 1)) is None
    assert epoch_of(Prepare(7, 0, 7, bytes(32), 0, bytes(64))) == 7


# -- journal -----------------------------------------------------------------------------------------------------------


def test_a_view_change_of_an_epoch_that_is_not_reached_stops_the_node(cluster: Cluster) -> None:
    """Rule 13: the block log has lost what the journal stands on."""
    cluster[1].journal.append(ViewChangeSaved(signed_change(cluster, 1, epoch=9)))
    with pytest.raises(JournalDamaged, match="epoch 9"):
        cluster.restart(1)


def test_records_of_former_epochs_and_decided_heights_bind_nobody(cluster: Cluster) -> None:
    """Rules 13 and 15: they are void, and may still lie there."""
    cluster.plan(1, 0, 1, 2, 3)
    cluster.submit("B-1")
    cluster.deliver(PrePrepare, Prepare)
    old = list(cluster[1].journal)
    cluster.settle()
    assert cluster.heights() == [2] * 4
    promise = ViewChangeSaved(signed_change(cluster, 1, view=7))
    cluster[1].journal = [promise, *old, *cluster[1].journal]
    cluster.restart(1)
    assert (cluster[1].replica.view, cluster[1].replica.is_active) == (0, True)
    cluster.submit("B-2")
    cluster.settle()
    assert cluster.heights() == [3] * 4


def test_the_highest_record_counts_in_whatever_order_they_lie(cluster: Cluster) -> None:
    """Rule 13: a rewritten journal has the kept ViewChange first; the core takes no order for granted."""
    cluster.submit("B-7")
    cluster.deliver(PrePrepare, Prepare)
    cluster.drop(Commit)
    cluster.expire(Timer.VIEW)
    cluster.deliver(ViewChange, NewView, Prepare)
    records = list(cluster[2].journal)
    assert [type(record) for record in records].count(PreparedSaved) == 2
    proposals = [entry for entry in records if isinstance(entry, ProposalSaved)]
    others = [entry for entry in records if not isinstance(entry, ProposalSaved)]
    cluster[2].journal = [*reversed(proposals), *reversed(others), ViewChangeSaved(signed_change(cluster, 2))]
    state: ReplicaState = restored_state(cluster[2].replica._state.settings, cluster[2].head, cluster[2].journal)
    assert state.view == 1
    assert state.prepared is not None
    assert state.prepared.certificate.view == 1
    assert {vote.view for vote in state.votes.values()} == {1}


def test_a_promise_outlives_every_block() -> None:
    """Rule 13."""
    change = ViewChange(1, 1, 2, 0, CHAIN_ID, None, None, bytes(64))
    assert record_height(ViewChangeSaved(change)) is None


# -- what must not happen ----------------------------------------------------------------------------------------------


def test_rules_that_go_round_in_circles_stop_the_node(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop of ours must not hang the node."""
    monkeypatch.setattr(replica_file, "RULES", (lambda _state, _out: True,))
    effects = cluster[0].step(PassedOver(cluster.now_ms))
    assert [effect.reason for effect in effects if isinstance(effect, Halt)] == ["the rules go round in circles"]


def test_who_has_no_key_in_a_set_signs_nothing_in_it(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 14: were a rule to try, it would fail loudly and not sign with the key of the set before."""
    members = cluster.plan(1, 0, 1, 2, 3)
    real = Seat.next_epoch

    def keyless(seat: Seat, height: int) -> NextEpoch | None:
        found = real(seat, height)
        return NextEpoch(members, Voting.AS_BEFORE, None) if found is not None and seat.number == 3 else found

    monkeypatch.setattr(Seat, "next_epoch", keyless)
    cluster.submit("B-1")
    cluster.settle()
    assert cluster.heights() == [2] * 4
    assert not cluster[3].replica.may_vote
    with pytest.raises(RuntimeError, match="signs nothing"):
        cluster[3].replica._state.sign(bytes(32))


def test_a_replica_says_whom_it_is_and_who_leads(cluster: Cluster) -> None:
    """What the runtime asks of it."""
    cluster.give(0, 2, cluster.proposal("B-7"))
    replica = cluster[2].replica
    assert (replica.seat, replica.primary, replica.view, replica.height) == (2, 0, 0, 0)
    assert replica.holders(cluster.proposal("B-7").header.digest()) == [0]
    assert not replica.is_fetching


def test_a_storm_of_status_draws_one_answer_at_a_time(cluster: Cluster) -> None:
    """Rule 11: fifty bytes that draw a proposal each time; RELIABILITY 2.2 Y13. An honest member asks once a second."""
    cluster.submit("B-7")
    cluster.queue.clear()  # nobody got the proposal
    lost = Status(1, 0, True, 0, CHAIN_ID, [], [0] * 4)

    def drawn(sender: int) -> int:
        cluster.queue.clear()
        cluster.give(sender, 0, lost)
        return sum(isinstance(message, PrePrepare) for _from, to, message in cluster.queue if to == sender)

    assert [drawn(3) for _ in range(50)] == [1] + [0] * 49
    assert drawn(2) == 1  # each member for itself
    cluster.now_ms += 399
    assert drawn(3) == 0
    cluster.now_ms += 1
    assert drawn(3) == 1
