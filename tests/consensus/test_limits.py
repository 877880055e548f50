"""What every node must agree on before it reads a word: the numbers that name messages and records, and how large they get."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest

from chain.block import Block, FinalBlock
from chain.codec import decode, encode
from chain.errors import Malformed
from chain.validators import COMMIT, PREPARE, Certificate, SeatSignature
from consensus import events
from consensus.effects import Effect, Persist
from consensus.errors import MessageMalformed
from consensus.events import Event
from consensus.model import (
    Blocks,
    Bodies,
    Commit,
    Fetch,
    FetchBodies,
    Head,
    JournalRecord,
    NewView,
    PeerMessage,
    Prepare,
    Prepared,
    PreparedSaved,
    PrePrepare,
    ProposalSaved,
    Status,
    ViewChange,
    ViewChangeSaved,
    kind_of,
    record_height,
)
from consensus.wire import decode_message, encode_message, epoch_of, message_bytes_max
from tests.consensus.midway import Midway, replaced

HEIGHT_MAX, VIEW_MAX, SEAT_MAX = 2**53, 2**32, 99
DIGEST, SIGNATURE = bytes(32), bytes(64)
ledger = Midway()
HEADER = ledger.header(7)


def test_the_numbers_that_name_messages_and_records_never_change() -> None:
    """Nodes of two releases talk, and a journal outlives the program that wrote it."""
    messages = [PrePrepare, Prepare, Commit, ViewChange, NewView, Status, Fetch, FetchBodies, Blocks, Bodies]
    assert [kind.__struct_config__.tag for kind in messages] == list(range(1, 11))
    records = [ProposalSaved, PreparedSaved, ViewChangeSaved]
    assert [kind.__struct_config__.tag for kind in records] == [1, 2, 3]
    assert set(messages) == set(get_args(PeerMessage))
    assert set(records) == set(get_args(JournalRecord))
    assert (PREPARE, COMMIT) == (1, 2)


def test_what_was_said_or_saved_cannot_be_changed_afterwards() -> None:
    """Rules 3, 4 and 6: what is sent is what was saved. Effects and messages are passed on by reference."""
    structs = [*get_args(PeerMessage), *get_args(JournalRecord), Prepared, Head]
    assert all(kind.__struct_config__.frozen for kind in structs)
    plain = [*get_args(Event), *get_args(Effect), events.NextEpoch]
    assert all(kind.__dataclass_params__.frozen for kind in plain)
    assert all("__slots__" in vars(kind) for kind in plain)  # nor can anything ride along
    with pytest.raises(dataclasses.FrozenInstanceError):
        Persist(ViewChangeSaved(ledger.view_change(1))).record = None  # type: ignore[misc, assignment]


def test_a_check_says_nothing_of_another_set_unless_it_is_told() -> None:
    """Rule 15: most blocks change nothing about who votes."""
    assert events.BlockChecked(DIGEST, True, "", 1).next_epoch is None
    assert events.ProposalReady(1, 1, None, [], 1).next_epoch is None


# -- sizes -------------------------------------------------------------------------------------------------------------


def vote(make: type[Prepare | Commit] = Commit, seat: int = SEAT_MAX) -> Prepare | Commit:
    return make(HEIGHT_MAX, VIEW_MAX, HEIGHT_MAX, DIGEST, seat, SIGNATURE)


def status(votes: int, views: int) -> Status:
    return Status(HEIGHT_MAX, VIEW_MAX, True, HEIGHT_MAX, DIGEST, [vote()] * votes, [VIEW_MAX] * views)


def view_change(**changes: Any) -> ViewChange:
    change = ViewChange(HEIGHT_MAX, VIEW_MAX, SEAT_MAX, HEIGHT_MAX, DIGEST, None, None, SIGNATURE)
    return replaced(change, **changes)


def new_view(changes: list[ViewChange]) -> NewView:
    return NewView(HEIGHT_MAX, VIEW_MAX, changes, SIGNATURE, SIGNATURE)


def proposal(transactions: int) -> PrePrepare:
    return PrePrepare(1, 1, 7, HEADER, [DIGEST] * transactions, SIGNATURE)


FINAL = FinalBlock(Block(HEADER, []), Certificate(0, []))
NUMBERS: dict[str, tuple[Callable[[int], PeerMessage], int, int]] = {
    "the seat of a vote": (lambda seat: vote(Prepare, seat), 0, 99),
    "the seat of a ViewChange": (lambda seat: view_change(seat=seat), 0, 99),
    "the view of a ViewChange": (lambda view: view_change(view=view), 0, 2**32),
    "blocks that are asked for": (lambda count: Fetch(1, count), 1, 256),
}
LISTS: dict[str, tuple[Callable[[int], PeerMessage], int]] = {
    "transactions of a proposal": (proposal, 20_000),
    "ViewChanges of a NewView": (lambda n: new_view([view_change()] * n), 100),
    "votes of a Status": (lambda n: status(n, 4), 200),
    "views of a Status": (lambda n: status(0, n), 100),
    "blocks of an answer": (lambda n: Blocks([FINAL] * n), 256),
    "bodies that are asked for": (lambda n: FetchBodies([DIGEST] * n), 1_000),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_has_its_limits(name: str) -> None:
    """Rule 12: a seat below 0 would be the last one, and a fetch of no block an answer for ever."""
    make, least, most = NUMBERS[name]
    for number in (least, most):
        assert decode_message(encode_message(make(number))) == make(number)
    for number in (least - 1, most + 1):
        with pytest.raises(MessageMalformed):
            decode_message(encode_message(make(number)))


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_its_cap(name: str) -> None:
    """Rule 12: the most there may be is read, one more is not."""
    make, most = LISTS[name]
    for count in (0, most):
        assert decode_message(encode_message(make(count))) == make(count)
    with pytest.raises(MessageMalformed):
        decode_message(encode_message(make(most + 1)))


def test_the_cap_of_a_frame_is_the_same_everywhere() -> None:
    """Rule 12: who cut off what another may send would never take its NewView. The numbers are of no further meaning, and
    a change of them is a change of the protocol."""
    found = {
        (n, most): message_bytes_max(n, most) for n, most in [(4, 0), (4, 1_000), (7, 1), (10, 500), (100, 20_000)]
    }
    assert found == {
        (4, 0): 8_832,
        (4, 1_000): 168_832,
        (7, 1): 18_328,
        (10, 500): 230_144,
        (100, 20_000): 81_732_224,
    }


@pytest.mark.parametrize("n", [4, 7, 100])
def test_the_cap_of_a_frame_fits_the_largest_words(n: int) -> None:
    """Rule 12: a NewView of q members with a full list each and all numbers at their highest; the fullest Status."""
    q, most = n - (n - 1) // 3, 300
    certificate = Certificate(VIEW_MAX, [SeatSignature(SEAT_MAX, SIGNATURE)] * q)
    header = replaced(HEADER, height=HEIGHT_MAX, time_ms=HEIGHT_MAX, proposer="o" * 32)
    prepared = Prepared(header, [DIGEST] * most, certificate)
    largest = new_view([view_change(certificate=certificate, prepared=prepared)] * q)
    cap = message_bytes_max(n, most)
    assert len(encode_message(largest)) <= cap
    assert len(encode_message(status(2 * n, n))) <= message_bytes_max(n, 0)
    assert cap <= 3 * len(encode_message(largest))  # and not much more is read from anybody


def test_words_about_blocks_and_bodies_belong_to_no_epoch() -> None:
    """Rule 15: whoever is behind may ask, and be answered."""
    for message in (Fetch(1, 1), FetchBodies([]), Blocks([]), Bodies([])):
        assert epoch_of(message) is None
    for message in (proposal(0), vote(Prepare), vote(), view_change(), new_view([]), status(0, 4)):
        assert epoch_of(message) == message.epoch


def test_a_record_goes_with_the_height_it_is_about() -> None:
    """Rule 13: votes until their block is final, a ViewChange never."""
    prepare = Prepare(1, 1, 7, DIGEST, 0, SIGNATURE)
    commit = Commit(1, 1, 8, DIGEST, 0, SIGNATURE)
    assert (kind_of(prepare), kind_of(commit)) == (PREPARE, COMMIT)
    records = [
        ProposalSaved(proposal(0), prepare),
        PreparedSaved(Certificate(1, []), commit),
        ViewChangeSaved(view_change()),
    ]
    assert [record_height(record) for record in records] == [7, 8, None]


def test_a_head_has_a_digest_and_a_time_that_can_be() -> None:
    """What the disk gives."""
    head = Head(0, DIGEST, 0, None)
    assert decode(encode(head), Head) == head
    for bad in (replaced(head, height=-1), replaced(head, digest=bytes(31)), replaced(head, time_ms=-1)):
        with pytest.raises(Malformed):
            decode(encode(bad), Head)


def test_bodies_are_no_more_than_were_asked_for() -> None:
    """Rule 12: by the type alone, so that nothing is unpacked first."""
    types = msgspec.inspect.type_info(Bodies)
    assert isinstance(types, msgspec.inspect.StructType)
    [bodies] = [field.type for field in types.fields]
    assert isinstance(bodies, msgspec.inspect.ListType)
    assert bodies.max_length == 1_000
