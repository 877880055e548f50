"""Message <-> canonical bytes; the bytes that are signed; the checks that come before an event is made.

`verify_message` is pure and slow (signatures). The node calls it on its loop, in the order of arrival, and charges the
time to the link that the message came over (`node/work_share.py`): who sends much that is costly is read later.
Link-authenticated messages (Status, Fetch) are checked for their limits, and the votes inside a Status like any other.
"""

from __future__ import annotations

from itertools import pairwise

from chain.block import FinalBlock, Header, transactions_root
from chain.codec import decode, encode
from chain.digest import NEW_VIEW, VIEW_CHANGE, digest
from chain.errors import CertificateRefused, ChainError
from chain.signature import is_signature
from chain.validators import (
    COMMIT,
    PREPARE,
    Certificate,
    ValidatorSet,
    Verify,
    verify_certificate,
    vote_message,
)
from consensus.errors import (
    CertificateInvalid,
    ForeignEpoch,
    MessageMalformed,
    NewViewInvalid,
    SeatUnknown,
    SignatureRefused,
    ViewChangeInvalid,
)
from consensus.model import (
    Commit,
    JournalRecord,
    NewView,
    PeerMessage,
    Prepare,
    Prepared,
    PrePrepare,
    Status,
    ViewChange,
    Vote,
    kind_of,
)

VIEW_MAX = 2**32  # of the type View


def encode_message(message: PeerMessage) -> bytes:
    """Canonical bytes: an array whose first element names the message."""
    return encode(message)


def decode_message(data: bytes) -> PeerMessage:
    """Raises MessageMalformed, whatever the bytes."""
    try:
        message: PeerMessage = decode(data, PeerMessage)
    except ChainError as error:
        raise MessageMalformed(str(error)) from None
    return message


def epoch_of(message: PeerMessage) -> int | None:
    """The epoch whose set a message is checked with; None if it is about blocks and bodies."""
    match message:
        case PrePrepare() | Prepare() | Commit() | ViewChange() | NewView() | Status():
            return message.epoch
        case _:
            return None


def encode_record(record: JournalRecord) -> bytes:
    """Canonical bytes of a journal record, without the bodies that the runtime adds to a ProposalSaved."""
    return encode(record)


def decode_record(data: bytes) -> JournalRecord:
    """Raises chain.errors.Malformed: our own disk, the caller stops the node."""
    record: JournalRecord = decode(data, JournalRecord)
    return record


def message_bytes_max(n: int, block_transactions_max: int) -> int:
    """Cap for the frame of a consensus message of n members: a NewView with q proposals (rule 12). Blocks and Bodies
    have caps of their own in the runtime."""
    certificate = 16 + 80 * n
    proposal = 1024 + 40 * block_transactions_max
    return 1024 + n * (256 + proposal + 2 * certificate)


# -- what is signed ------------------------------------------------------------------------------------------------


def vote_digest(vote: Vote, chain_id: bytes) -> bytes:
    """The 32 bytes that the voter signed."""
    return vote_message(chain_id, vote.epoch, kind_of(vote), vote.view, vote.height, vote.digest)


def view_change_message(view_change: ViewChange, chain_id: bytes) -> bytes:
    """The 32 bytes that the member signed: all fields but the signature."""
    body = [
        chain_id,
        view_change.epoch,
        view_change.view,
        view_change.seat,
        view_change.height,
        view_change.digest,
        view_change.certificate,
        view_change.prepared,
    ]
    return digest(VIEW_CHANGE, body)


def new_view_message(new_view: NewView, chain_id: bytes) -> bytes:
    """The 32 bytes that the primary signed: all fields but the signature."""
    return digest(NEW_VIEW, [chain_id, new_view.epoch, new_view.view, new_view.view_changes, new_view.prepare])


def prepare_of(proposal: PrePrepare, members: ValidatorSet) -> Prepare:
    """The primary's vote that a PrePrepare carries."""
    seat = members.primary(proposal.view)
    block = proposal.header.digest()
    return Prepare(proposal.epoch, proposal.view, proposal.height, block, seat, proposal.signature)


def base_and_obligation(view_changes: list[ViewChange]) -> tuple[int, Prepared | None]:
    """Rules 8 and 9: the highest H among q ViewChanges, and what must be proposed again at H + 1, if anything."""
    base = max(view_change.height for view_change in view_changes)
    obliged: Prepared | None = None
    for view_change in view_changes:
        prepared = view_change.prepared
        if (
            prepared is not None
            and prepared.header.height == base + 1
            and (obliged is None or prepared.certificate.view > obliged.certificate.view)
        ):
            obliged = prepared
    return base, obliged


def obliged_proposal(new_view: NewView) -> PrePrepare | None:
    """The PrePrepare inside a NewView, if the primary could propose the obliged block at once."""
    base, obliged = base_and_obligation(new_view.view_changes)
    if obliged is None or new_view.prepare is None:
        return None
    return PrePrepare(new_view.epoch, new_view.view, base + 1, obliged.header, obliged.transactions, new_view.prepare)


# -- checks --------------------------------------------------------------------------------------------------------


def verify_message(
    message: PeerMessage,
    members: ValidatorSet,
    chain_id: bytes,
    verify: Verify = is_signature,
    former: ValidatorSet | None = None,
) -> None:
    """Check all that can be checked without a replica's state: epoch, seats, signatures, certificates, list and root.

    `members` is the set of the message's epoch, `former` the one before, for ViewChanges at H = epoch - 1; None in the
    first epoch. A Status of a foreign epoch passes unread: only its height counts, as a hint. Raises ForeignEpoch, SeatUnknown, SignatureRefused, CertificateInvalid, ViewChangeInvalid, NewViewInvalid,
    MessageMalformed.
    """
    match message:
        case PrePrepare():
            _verify_epoch(message.epoch, members)
            verify_proposal(message, members, chain_id, verify)
        case Prepare() | Commit():
            verify_vote(message, members, chain_id, verify)
        case ViewChange():
            verify_view_change(message, members, chain_id, verify, former)
        case NewView():
            verify_new_view(message, members, chain_id, verify, former)
        case Status():
            if message.epoch != members.epoch:
                return
            if len(message.votes) > 2 * members.n or len(message.views) != members.n:
                raise MessageMalformed("more votes than a slot has, or not one view for each seat")
            for vote in message.votes:
                verify_vote(vote, members, chain_id, verify)
        case _:
            pass  # Fetch, FetchBodies, Blocks, Bodies: their types bound them; blocks go through verify_final_block


def _verify_epoch(epoch: int, members: ValidatorSet) -> None:
    if epoch != members.epoch:
        raise ForeignEpoch(members.epoch, epoch)


def verify_vote(vote: Vote, members: ValidatorSet, chain_id: bytes, verify: Verify) -> None:
    """Check one Prepare or Commit. Raises ForeignEpoch, SeatUnknown, SignatureRefused."""
    _verify_epoch(vote.epoch, members)
    if vote.seat >= members.n:
        raise SeatUnknown(vote.seat, members.n)
    if not verify(members.members[vote.seat].key, vote_digest(vote, chain_id), vote.signature):
        raise SignatureRefused(type(vote).__name__, vote.seat)


def verify_list(header: Header, transactions: list[bytes]) -> None:
    """Check that a list is the one that the header names. Raises MessageMalformed."""
    if transactions_root(transactions) != header.transactions_root:
        raise MessageMalformed(f"block {header.height}: the list does not fit transactions_root")


def verify_proposal(proposal: PrePrepare, members: ValidatorSet, chain_id: bytes, verify: Verify) -> None:
    """Check a PrePrepare: the header's height and chain, the list, the primary's Prepare."""
    header = proposal.header
    if header.height != proposal.height or header.chain_id != chain_id:
        raise MessageMalformed("the header is for another height or chain")
    verify_list(header, proposal.transactions)
    verify_vote(prepare_of(proposal, members), members, chain_id, verify)


def verify_view_change(
    view_change: ViewChange, members: ValidatorSet, chain_id: bytes, verify: Verify, former: ValidatorSet | None
) -> None:
    """Check a ViewChange; it is valid as a whole or not at all (rule 7).

    1 epoch, seat, a view above 0 · 2 signature · 3 H proven by its commit certificate, or genesis without one ·
    4 `prepared` is for H + 1, follows H, is of a lower view, has q Prepares and the list that its header names.
    """
    _verify_epoch(view_change.epoch, members)  # 1
    if view_change.seat >= members.n:
        raise SeatUnknown(view_change.seat, members.n)
    if not 1 <= view_change.view < VIEW_MAX:
        raise ViewChangeInvalid("no view to change to")
    key = members.members[view_change.seat].key  # 2
    if not verify(key, view_change_message(view_change, chain_id), view_change.signature):
        raise SignatureRefused("ViewChange", view_change.seat)
    height = view_change.height  # 3
    if height < members.epoch - 1:
        raise ViewChangeInvalid("a height before this epoch")
    if (height == 0) != (view_change.certificate is None):
        raise ViewChangeInvalid("genesis, and only genesis, needs no certificate")
    if view_change.certificate is None:
        if view_change.digest != chain_id:
            raise ViewChangeInvalid("another genesis")
    else:
        voters = members if height >= members.epoch else former
        if voters is None:
            raise ViewChangeInvalid("a former set that nobody knows")
        _verify_certificate(view_change.certificate, voters, COMMIT, chain_id, height, view_change.digest, verify)
    prepared = view_change.prepared  # 4
    if prepared is None:
        return
    header = prepared.header
    if header.height != height + 1 or header.parent != view_change.digest or header.chain_id != chain_id:
        raise ViewChangeInvalid("a prepared block that does not follow H")
    if prepared.certificate.view >= view_change.view:
        raise ViewChangeInvalid("prepared in a view that is not left")
    verify_list(header, prepared.transactions)
    _verify_certificate(prepared.certificate, members, PREPARE, chain_id, header.height, header.digest(), verify)


def verify_new_view(
    new_view: NewView, members: ValidatorSet, chain_id: bytes, verify: Verify, former: ValidatorSet | None
) -> None:
    """Check a NewView: exactly q valid ViewChanges for its view by distinct members, the primary's signatures."""
    _verify_epoch(new_view.epoch, members)
    if len(new_view.view_changes) != members.quorum:
        raise NewViewInvalid(f"{len(new_view.view_changes)} view changes, a quorum is {members.quorum}")
    seats = [view_change.seat for view_change in new_view.view_changes]
    if any(later <= earlier for earlier, later in pairwise(seats)):
        raise NewViewInvalid("seats not distinct and ascending")
    if any(view_change.view != new_view.view for view_change in new_view.view_changes):
        raise NewViewInvalid("a view change for another view")
    primary = members.primary(new_view.view)
    if not verify(members.members[primary].key, new_view_message(new_view, chain_id), new_view.signature):
        raise SignatureRefused("NewView", primary)
    for view_change in new_view.view_changes:
        verify_view_change(view_change, members, chain_id, verify, former)
    if new_view.prepare is not None:
        proposal = obliged_proposal(new_view)
        if proposal is None:
            raise NewViewInvalid("a vote for an obligation that is none")
        verify_vote(prepare_of(proposal, members), members, chain_id, verify)


def verify_final_block(
    final: FinalBlock, members: ValidatorSet, chain_id: bytes, verify: Verify = is_signature
) -> list[bytes]:
    """Check a fetched block without executing it: its certificate and its list. `members` votes at its height.

    Returns the transaction digests for BlockFetched. Raises CertificateInvalid, MessageMalformed.
    """
    header = final.block.header
    if header.chain_id != chain_id:
        raise MessageMalformed("a block of another chain")
    digests = [transaction.head(chain_id).digest() for transaction in final.block.transactions]
    verify_list(header, digests)
    _verify_certificate(final.certificate, members, COMMIT, chain_id, header.height, header.digest(), verify)
    return digests


def _verify_certificate(
    certificate: Certificate,
    members: ValidatorSet,
    kind: int,
    chain_id: bytes,
    height: int,
    block: bytes,
    verify: Verify,
) -> None:
    try:
        verify_certificate(certificate, members, kind, chain_id, height, block, verify)
    except CertificateRefused as error:
        raise CertificateInvalid(str(error)) from None
