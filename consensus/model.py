"""The words of the protocol: messages between replicas, and what a replica keeps in its journal.

Source: Castro and Liskov, "Practical Byzantine Fault Tolerance", OSDI 1999, sections 4.2 to 4.4, with one block in
flight; the numbered rules are in this package's README. A *seat* is a member's place in its validator set, 0 ... n - 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec

from chain.block import FinalBlock, Header
from chain.codec import Count, Digest, Height, Signature, Wire
from chain.transaction import Transaction
from chain.validators import COMMIT, MEMBERS_MAX, PREPARE, Certificate, View

TRANSACTIONS_MAX = 20_000  # of one proposal on the wire; the chain's own parameter is lower
BLOCKS_PER_FETCH_MAX = 256
BODIES_PER_FETCH_MAX = 1_000

Sign = Callable[[bytes], bytes]  # message of 32 bytes -> Ed25519 signature by this validator's vote key
Seat = Annotated[int, msgspec.Meta(ge=0, lt=MEMBERS_MAX)]
TransactionDigests = Annotated[list[Digest], msgspec.Meta(max_length=TRANSACTIONS_MAX)]


class PrePrepare(Wire, frozen=True, tag=1):
    """The primary's proposal for (epoch, view, height). PBFT 4.2.

    It has no signature of its own: `signature` is that of the primary's Prepare for the header's digest, and the header
    binds the list by its `transactions_root`. So anybody may pass it on.
    """

    epoch: Height
    view: View
    height: Height
    header: Header
    transactions: TransactionDigests  # in block order
    signature: Signature


class Prepare(Wire, frozen=True, tag=2):
    """A member's vote for the proposal at (epoch, view, height). PBFT 4.2. Signs `chain.validators.vote_message`."""

    epoch: Height
    view: View
    height: Height
    digest: Digest  # of the header
    seat: Seat  # who signed
    signature: Signature


class Commit(Wire, frozen=True, tag=3):
    """A member holds a prepared certificate of (epoch, view, height). PBFT 4.2. Signs `vote_message`."""

    epoch: Height
    view: View
    height: Height
    digest: Digest
    seat: Seat
    signature: Signature


Vote = Prepare | Commit


class Prepared(Wire, frozen=True):
    """A block that may be final somewhere: what it is, and q Prepares of one view."""

    header: Header
    transactions: TransactionDigests
    certificate: Certificate  # kind Prepare


class ViewChange(Wire, frozen=True, tag=4):
    """`seat` has left all views below `view`, with `height` as its last block. PBFT 4.4. Signed: wire.view_change_message."""

    epoch: Height
    view: View
    seat: Seat
    height: Height  # H
    digest: Digest  # of the header at H; at 0 that of the genesis
    certificate: Certificate | None  # kind Commit, for H; None at 0 and only there
    prepared: Prepared | None  # for H + 1, of a view below `view`
    signature: Signature


class NewView(Wire, frozen=True, tag=5):
    """primary(view) opens its view. PBFT 4.4. Signed: wire.new_view_message.

    Base and obligation follow from `view_changes`. `prepare` is the primary's vote for the obliged block: with it the
    obligation is a PrePrepare, whose header and list stand in the ViewChange already.
    """

    epoch: Height
    view: View
    view_changes: Annotated[list[ViewChange], msgspec.Meta(max_length=MEMBERS_MAX)]  # q, by seat ascending
    prepare: Signature | None
    signature: Signature


class Status(Wire, frozen=True, tag=6):
    """Where I stand; not signed, the link is authenticated. Every second, and on connecting."""

    epoch: Height
    view: View
    active: bool
    height: Height  # H
    digest: Digest
    votes: Annotated[list[Vote], msgspec.Meta(max_length=2 * MEMBERS_MAX)]  # that I hold for H + 1, the addressee's too
    views: Annotated[
        list[View], msgspec.Meta(max_length=MEMBERS_MAX)
    ]  # by seat: the highest ViewChange that I hold, or 0


class Fetch(Wire, frozen=True, tag=7):
    """Please send final blocks from `from_height` on, at most `count`. Not signed."""

    from_height: Height
    count: Annotated[int, msgspec.Meta(ge=1, le=BLOCKS_PER_FETCH_MAX)]


class FetchBodies(Wire, frozen=True, tag=8):
    """Please send transactions of a proposal by their digests. Between runtimes only; the core never sees it."""

    transactions: Annotated[list[Digest], msgspec.Meta(max_length=BODIES_PER_FETCH_MAX)]


class Blocks(Wire, frozen=True, tag=9):
    """Answer to Fetch, ascending. The runtime checks each (wire.verify_final_block) and makes a BlockFetched of it."""

    blocks: Annotated[list[FinalBlock], msgspec.Meta(max_length=BLOCKS_PER_FETCH_MAX)]


class Bodies(Wire, frozen=True, tag=10):
    """Answer to FetchBodies. Between runtimes only."""

    transactions: Annotated[list[Transaction], msgspec.Meta(max_length=BODIES_PER_FETCH_MAX)]


Message = PrePrepare | Prepare | Commit | ViewChange | NewView | Status | Fetch  # what the core takes and sends
PeerMessage = Message | FetchBodies | Blocks | Bodies  # what travels between validators about consensus


class ProposalSaved(Wire, frozen=True, tag=1):
    """Journal: a proposal that I vote for, and the vote. The runtime saves the bodies in the same entry."""

    proposal: PrePrepare
    prepare: Prepare


class PreparedSaved(Wire, frozen=True, tag=2):
    """Journal: a prepared certificate and the Commit that follows from it; its proposal was saved before."""

    certificate: Certificate
    commit: Commit


class ViewChangeSaved(Wire, frozen=True, tag=3):
    """Journal: a promise not to vote below `view_change.view`. The epoch's highest is kept for ever."""

    view_change: ViewChange


JournalRecord = ProposalSaved | PreparedSaved | ViewChangeSaved


def record_height(record: JournalRecord) -> int | None:
    """The height after whose block the record may be dropped; None for a ViewChange."""
    match record:
        case ProposalSaved():
            return record.proposal.height
        case PreparedSaved():
            return record.commit.height
        case ViewChangeSaved():
            return None


class Head(Wire, frozen=True):
    """The last final block as the core knows it."""

    height: Height
    digest: Digest
    time_ms: Count
    certificate: Certificate | None  # None at height 0


def kind_of(vote: Vote) -> int:
    """PREPARE or COMMIT of chain.validators."""
    return PREPARE if isinstance(vote, Prepare) else COMMIT
