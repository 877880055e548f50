"""A word that is wrong in one place is refused, whether what stands there is too low or too high. Its sender signed it: no
signature is what gives it away."""

from __future__ import annotations

from typing import Any

import pytest

from chain.validators import COMMIT, PREPARE
from consensus.errors import (
    CertificateInvalid,
    ConsensusError,
    ForeignEpoch,
    MessageMalformed,
    NewViewInvalid,
    SeatUnknown,
    SignatureRefused,
    ViewChangeInvalid,
)
from consensus.model import MEMBERS_MAX, PeerMessage, Prepare, ViewChange
from consensus.wire import VIEW_MAX, verify_final_block, verify_message
from tests.consensus.cluster import Cluster
from tests.consensus.midway import EPOCH, HEIGHT, VIEW, Midway, replaced
from tests.consensus.test_fetched import final_block
from tests.simulator.application import CHAIN_ID

LOWEST, HIGHEST = bytes(32), b"\xff" * 32
ledger = Midway()


def refused(error: type[ConsensusError], problem: str, *messages: PeerMessage) -> None:
    for message in messages:
        with pytest.raises(error, match=problem or None):
            ledger.check(message)


def taken(*messages: PeerMessage) -> None:
    for message in messages:
        ledger.check(message)


def change(**changes: Any) -> ViewChange:
    """Seat 2's, from a height to a view in the middle."""
    return ledger.view_change(2, **changes)


def told(view: int = VIEW - 1, height: int = HEIGHT + 1, **changes: Any) -> ViewChange:
    """With a block that was prepared; its certificate fits its header, whatever is changed there."""
    return change(prepared=ledger.prepared(height, view, **changes))


def test_a_vote_is_of_this_epoch_and_of_a_seat_of_its_set() -> None:
    """Rule 15."""
    vote = ledger.vote(PREPARE, 1, VIEW, HEIGHT, LOWEST)
    taken(vote)
    for epoch in (EPOCH - 1, EPOCH + 1):
        refused(ForeignEpoch, "", ledger.vote(PREPARE, 1, VIEW, HEIGHT, LOWEST, epoch), change(epoch=epoch))
    for seat in (4, 5, MEMBERS_MAX - 1):
        refused(SeatUnknown, "", ledger.vote(COMMIT, seat, VIEW, HEIGHT, LOWEST), ledger.view_change(seat))


def test_a_proposal_is_for_the_height_and_the_ledger_of_its_header() -> None:
    """Rule 2."""
    proposal = ledger.proposal(VIEW, HEIGHT)
    taken(proposal)
    for step in (-1, 1):
        header = ledger.header(HEIGHT + step)
        vote = ledger.vote(PREPARE, 0, VIEW, HEIGHT, header.digest())
        bent = replaced(proposal, header=header, signature=vote.signature)
        refused(MessageMalformed, "another height or chain", bent)
    for chain_id in (LOWEST, HIGHEST):
        refused(MessageMalformed, "another height or chain", ledger.proposal(VIEW, HEIGHT, chain_id=chain_id))


def test_a_view_change_is_to_a_view_that_there_is() -> None:
    """Rules 6 and 7: above 0, where nobody waits, and below 2^32."""
    taken(change(view=1), change(view=2**32 - 1))
    refused(ViewChangeInvalid, "no view", change(view=0), change(view=VIEW_MAX))
    with pytest.raises(ViewChangeInvalid, match="no view"):  # no bytes can name it
        verify_message(change(view=VIEW_MAX + 1), ledger.members, CHAIN_ID, ledger.keys.verify)


def test_a_view_change_proves_its_height() -> None:
    """Rule 7: by this set, or by the former one where this set has no block yet."""
    proof = change().certificate
    taken(change(), change(height=EPOCH), change(height=EPOCH - 1))
    refused(ViewChangeInvalid, "before this epoch", *(change(height=height) for height in (0, 1, EPOCH - 2)))
    refused(ViewChangeInvalid, "only genesis", change(certificate=None), change(certificate=None, digest=CHAIN_ID))
    refused(CertificateInvalid, "", *(change(height=HEIGHT + step, certificate=proof) for step in (-1, 1)))
    refused(CertificateInvalid, "", *(change(digest=digest) for digest in (LOWEST, HIGHEST)))
    refused(CertificateInvalid, "", change(height=EPOCH - 1, certificate=proof))


def test_genesis_alone_needs_no_proof_and_has_none() -> None:
    """Rule 7: H = 0, whose digest is the chain id."""
    first = Midway(epoch=1)
    first.check(first.view_change(2, height=0))
    for digest in (LOWEST, HIGHEST):
        with pytest.raises(ViewChangeInvalid, match="another genesis"):
            first.check(first.view_change(2, height=0, digest=digest))
    proven = first.view_change(2, height=0, certificate=first.certificate(COMMIT, 400, 0, CHAIN_ID))
    with pytest.raises(ViewChangeInvalid, match="only genesis"):
        first.check(proven)


def test_what_was_prepared_follows_the_height_it_is_told_with() -> None:
    """Rule 7: for H + 1, on the block at H, in a view that is left."""
    taken(told(), told(view=0))
    refused(ViewChangeInvalid, "does not follow", *(told(height=height) for height in (HEIGHT, HEIGHT + 2)))
    refused(ViewChangeInvalid, "does not follow", *(told(parent=parent) for parent in (LOWEST, HIGHEST)))
    refused(ViewChangeInvalid, "does not follow", *(told(chain_id=chain) for chain in (LOWEST, HIGHEST)))
    refused(ViewChangeInvalid, "not left", *(told(view) for view in (VIEW, VIEW + 1, VIEW + 300)))


def test_a_new_view_stands_on_q_members_that_changed_to_it() -> None:
    """Rules 8 and 9: no more and no fewer, by seat, each to this very view, each whole."""
    by_seat = [ledger.view_change(seat) for seat in range(4)]
    for seats in ((0, 1, 2), (0, 2, 3), (1, 2, 3)):
        taken(ledger.new_view([by_seat[seat] for seat in seats]))
    for seats in ((0, 2), (0, 1, 2, 3)):
        refused(NewViewInvalid, "a quorum is 3", ledger.new_view([by_seat[seat] for seat in seats]))
    for seats in ((0, 3, 2), (1, 0, 2), (2, 2, 3), (0, 3, 3)):
        refused(NewViewInvalid, "ascending", ledger.new_view([by_seat[seat] for seat in seats]))
    for view in (VIEW - 1, VIEW + 1):
        spread = [by_seat[0], ledger.view_change(1, view), by_seat[3]]
        refused(NewViewInvalid, "another view", ledger.new_view(spread))
    bent = replaced(by_seat[3], height=HEIGHT - 1)
    refused(SignatureRefused, "not signed by seat 3", ledger.new_view([by_seat[0], by_seat[2], bent]))


def test_a_status_has_a_view_for_each_seat_and_the_votes_of_one_slot_at_most() -> None:
    """Rule 11."""
    vote = ledger.vote(COMMIT, 3, VIEW, HEIGHT, LOWEST)
    taken(ledger.status([vote] * 8))
    refused(MessageMalformed, "more votes", ledger.status([vote] * 9))
    refused(MessageMalformed, "each seat", *(ledger.status(views=[VIEW] * n) for n in (0, 3, 5, MEMBERS_MAX)))


def test_a_status_of_another_epoch_is_not_read() -> None:
    """Rule 15: only its height counts, as a hint; its votes are of a set that is not known here."""
    vote = Prepare(7, 1, 1, LOWEST, 77, bytes(64))
    taken(*(replaced(ledger.status([vote], views=[]), epoch=epoch) for epoch in (EPOCH - 1, EPOCH + 1)))
    refused(ForeignEpoch, "", ledger.status([vote]))


@pytest.mark.parametrize("chain_id", [LOWEST, HIGHEST])
def test_a_block_of_another_ledger_is_not_taken(cluster: Cluster, chain_id: bytes) -> None:
    """Rule 5: also where that ledger has our validators, and its certificate holds."""
    final = final_block(cluster)
    foreign = replaced(final, block=replaced(final.block, header=replaced(final.block.header, chain_id=chain_id)))
    with pytest.raises(MessageMalformed, match="another chain"):
        verify_final_block(foreign, cluster.members, CHAIN_ID, lambda *_: True)
    assert verify_final_block(final, cluster.members, bytes(bytearray(CHAIN_ID)), lambda *_: True) == []
