"""What nodes say to each other beside consensus: gossip, and questions with answers.

One-way kinds travel as frames of their own; a question gets one answer (transport.py matches them). A question about
what does not exist yet may wait at the server for `wait_ms`: so followers hear of a block at once without polling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from chain.block import Header
from chain.codec import BillId, Count, Digest, Height, Wire, decode, encode
from chain.details import Details
from chain.errors import Malformed
from chain.execute import KeyWitness
from chain.final_view import CodeRun
from chain.proof import CurrentRecord
from chain.recorded import Recorded
from chain.transaction import ENTRIES_DECODED_MAX, Transaction
from chain.validators import Certificate, ValidatorSet

# one-way kinds of frame
CONSENSUS = 16  # consensus.wire; urgent
BUNDLE = 17  # list[Transaction]: gossip

BUNDLE_TRANSACTIONS_MAX = 1_000
BUNDLE_BYTES_MAX = 4 << 20  # what is larger holds up whoever decodes it
BLOCKS_MAX = 64  # in one answer
PARTS_MAX = 256
DETAILS_MAX = 500
PAYERS_MAX = 500
FOUND_MAX = 1_000  # bills of a settlement, in one answer
EVIDENCE_PER_ANSWER_MAX = 8  # each of at most consensus.evidence.EVIDENCE_BYTES_MAX
WAIT_MS_MAX = 20_000
QUESTION_BYTES_MAX = 16 << 10  # of all but PutDetails: DETAILS_MAX bills take 10 kB
PUT_DETAILS_BYTES_MAX = 8 << 20  # a gateway puts 4 MiB into one, or one bill

ARRAY_OF_ONE, ARRAY_HEAD_BYTES_MAX = b"\x91", 5  # MessagePack

Bundle = Annotated[list[Transaction], msgspec.Meta(max_length=BUNDLE_TRANSACTIONS_MAX)]
Wait = Annotated[int, msgspec.Meta(ge=0, le=WAIT_MS_MAX)]


class GetBlocks(Wire, frozen=True, tag=1):
    """Final blocks from `from_height` on, ascending, as they lie in the log; none after `wait_ms` if there is none."""

    from_height: Height
    count: Annotated[int, msgspec.Meta(ge=1, le=BLOCKS_MAX)]
    wait_ms: Wait


class BlocksAnswer(Wire, frozen=True, tag=1):
    blocks: Annotated[list[bytes], msgspec.Meta(max_length=BLOCKS_MAX)]  # canonical FinalBlock each


class GetMine(Wire, frozen=True, tag=2):
    """Headers from `from_height` on with the asker's own organisation's part of each block."""

    from_height: Height
    count: Annotated[int, msgspec.Meta(ge=1, le=PARTS_MAX)]
    wait_ms: Wait


class OwnTransaction(Wire, frozen=True):
    """A transaction of the asker's organisation, whole, and what became of it. Its outcomes follow from it and the codes."""

    transaction: Transaction
    first_place: Count  # of its outcomes among the block's
    codes: Annotated[list[CodeRun], msgspec.Meta(max_length=ENTRIES_DECODED_MAX)]


class Part(Wire, frozen=True):
    """What a block holds for one organisation: light to carry, and proven by the header."""

    header: Header
    certificate: Certificate
    keys: list[KeyWitness]  # that signed these transactions, under the state of the block before
    transactions: list[OwnTransaction]
    cover: list[Digest]  # of all their outcomes under the header's outcomes_root (chain.merkle.CoveredTree)
    seals: list[Recorded]  # that name the organisation as issuer, or one of its bills
    next_set: ValidatorSet | None  # the one that `next_validators` names, where it is another than `validators`


class MineAnswer(Wire, frozen=True, tag=2):
    parts: Annotated[list[Part], msgspec.Meta(max_length=PARTS_MAX)]


class GetRecord(Wire, frozen=True, tag=3):
    """A record's current version with its path to the newest state root. Only the asker's own, and its ranges."""

    key: Annotated[bytes, msgspec.Meta(max_length=200)]


class RecordAnswer(Wire, frozen=True, tag=3):
    current: CurrentRecord | None


class PutDetails(Wire, frozen=True, tag=4):
    """From a gateway to its office's archive."""

    details: Annotated[list[Details], msgspec.Meta(max_length=DETAILS_MAX)]


class DetailsKept(Wire, frozen=True, tag=4):
    """After the archive's flush."""

    bills: list[BillId]


class GetDetails(Wire, frozen=True, tag=5):
    """A gateway asks its office's archive for details of its own organisation's bills, made at another gateway."""

    bills: Annotated[list[BillId], msgspec.Meta(max_length=DETAILS_MAX)]


class DetailsAnswer(Wire, frozen=True, tag=5):
    details: list[Details]  # those that are there and may be given


class PutPayers(Wire, frozen=True, tag=7):
    """From a gateway to its office's archive: who was bound to bills."""

    payers: Annotated[list[Details], msgspec.Meta(max_length=PAYERS_MAX)]


class PayersKept(Wire, frozen=True, tag=7):
    """After the archive's flush."""

    bills: list[BillId]


class GetPayers(Wire, frozen=True, tag=8):
    """A gateway asks for payers that another gateway of its organisation bound."""

    bills: Annotated[list[BillId], msgspec.Meta(max_length=PAYERS_MAX)]


class PayersAnswer(Wire, frozen=True, tag=8):
    payers: list[Details]  # those that are there and may be given


class FindBills(Wire, frozen=True, tag=9):
    """A gateway asks which bills of its own organisation belong to a settlement, whichever gateway issued them."""

    group: Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
    after: Annotated[str, msgspec.Meta(max_length=18)]  # a bill's number, or empty: those above it
    count: Annotated[int, msgspec.Meta(ge=1, le=FOUND_MAX)]


class BillsAnswer(Wire, frozen=True, tag=9):
    bills: list[BillId]  # ascending


class GetEvidence(Wire, frozen=True, tag=6):
    """Evidence of contradicting votes (PROTOCOL rule 16), from a place in the answerer's list on."""

    from_place: Count


class EvidenceAnswer(Wire, frozen=True, tag=6):
    """`pieces` are files that prove themselves; `count` is how many the answerer has."""

    count: Count
    pieces: Annotated[list[bytes], msgspec.Meta(max_length=EVIDENCE_PER_ANSWER_MAX)]


Question = GetBlocks | GetMine | GetRecord | PutDetails | GetDetails | GetEvidence | PutPayers | GetPayers | FindBills
Answer = (
    BlocksAnswer
    | MineAnswer
    | RecordAnswer
    | DetailsKept
    | DetailsAnswer
    | EvidenceAnswer
    | PayersKept
    | PayersAnswer
    | BillsAnswer
)


def decode_question(data: bytes, bytes_max: int = QUESTION_BYTES_MAX) -> Question:
    """Raises Malformed; what is larger than `bytes_max` is not read: a question of a few MB can be made to fill GBs."""
    if len(data) > bytes_max:
        raise Malformed(f"a question of {len(data)} bytes")
    question: Question = decode(data, Question)
    return question


def decode_answer(data: bytes, kind: type) -> Answer:
    """The answer, of the kind that the question asks for. Raises Malformed."""
    answer: Answer = decode(data, Answer)
    if not isinstance(answer, kind):
        raise Malformed(f"answered with {type(answer).__name__}")
    return answer


def encode_bundles(transactions: Sequence[Transaction]) -> list[bytes]:
    """As many bundles as it takes: within both bounds, so that each fits a frame, but for one larger transaction alone,
    which fits a block and so a frame."""
    bundles: list[bytes] = []
    some: list[msgspec.Raw] = []
    size = 0
    for encoded in map(encode, transactions):
        if some and (len(some) >= BUNDLE_TRANSACTIONS_MAX or size + len(encoded) > BUNDLE_BYTES_MAX):
            bundles.append(encode(some))
            some, size = [], 0
        some.append(msgspec.Raw(encoded))
        size += len(encoded)
    return [*bundles, encode(some)] if some else bundles


def encode_bundle(transactions: list[Transaction]) -> bytes:
    return encode(transactions)


def decode_bundle(data: bytes) -> list[Transaction]:
    """Raises Malformed, before any work on what no honest node sends: whoever has a link may send one."""
    if len(data) > BUNDLE_BYTES_MAX + ARRAY_HEAD_BYTES_MAX and data[:1] != ARRAY_OF_ONE:
        raise Malformed(f"a bundle of {len(data)} bytes")
    transactions: list[Transaction] = decode(data, Bundle)
    return transactions
