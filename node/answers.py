"""What a validator or mirror answers to followers: blocks whole to mirrors, a gateway its own part and records.

A node answers a gateway only for the organisation that its certificate names.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from chain import keyspace
from chain.block import FinalBlock, Header
from chain.codec import encode
from chain.final_view import FinalView, runs_of
from chain.ledger import Ledger
from chain.merkle import HashTree, hash_leaf
from chain.operation import SealBills
from chain.proof import CurrentRecord
from chain.proving import recorded_at
from chain.recorded import Recorded
from chain.records import AccountBody, BillBody, ClaimBody, HoldBody, SettlementBody, TransferBody
from chain.state import body_of, record_of
from chain.validators import ValidatorSet
from node.errors import PeerRefused
from node.evidence_store import EvidenceStore
from node.feed import Feed
from node.messages import (
    EVIDENCE_PER_ANSWER_MAX,
    BlocksAnswer,
    EvidenceAnswer,
    GetBlocks,
    GetEvidence,
    GetMine,
    GetRecord,
    MineAnswer,
    OwnTransaction,
    Part,
    Question,
    RecordAnswer,
)

AGENCIES = frozenset({"finance", "health", "insurance", "bigdata", "audit"})  # kinds of organisation
FLUSH_WAITS_MAX = 50
WORK_SECONDS_MAX = 1.0  # on one answer; followers ask on
ANSWER_BYTES_MAX = 8 << 20  # what goes beyond waits for the next question
PARTS_BYTES_MAX = (
    2 << 20
)  # of an organisation's own part: as objects, until they are encoded, they take five times that

IsOf = Callable[[str, str], bool]  # (bill id, organisation) -> whether it issued the bill


class Asker(Protocol):
    """A link over which questions come."""

    @property
    def waiting_bytes(self) -> int:
        """Of answers and gossip that it has not taken."""
        ...

    @property
    def answering(self) -> asyncio.Lock:
        """Held while one of its organisation's larger answers is worked out."""
        ...


class Answers:
    """Reads the ledger for others. `feed.height` is what may be spoken of: flushed blocks."""

    def __init__(self, ledger: Ledger, feed: Feed, evidence: EvidenceStore | None = None) -> None:
        self._ledger, self._feed, self._evidence = ledger, feed, evidence
        self._old = asyncio.Lock()  # whoever reads blocks from the disk
        self._turn = asyncio.Lock()  # whoever works on an answer: one part of one at a time, then all else has its turn

    async def answer(
        self, question: Question, organisation: str, asker: Asker
    ) -> BlocksAnswer | MineAnswer | RecordAnswer | EvidenceAnswer:
        """Raises PeerRefused: `forbidden` for what goes to agencies alone, `busy` while the asker leaves more
        than one answer unread, `not_served_here`."""
        match question:
            case GetBlocks():
                if not self._may_follow_whole(organisation):
                    raise PeerRefused("forbidden")
                return await self.blocks(question, asker)
            case GetMine():
                return await self.mine(question, organisation, asker)
            case GetRecord():
                return await self.record(question, organisation)
            case GetEvidence() if self._evidence is not None:
                if not self._may_follow_whole(organisation):
                    raise PeerRefused("forbidden")
                some = self._evidence.pieces[question.from_place : question.from_place + EVIDENCE_PER_ANSWER_MAX]
                return EvidenceAnswer(len(self._evidence.pieces), [piece.data for piece in some])
            case _:
                raise PeerRefused("not_served_here")

    def _may_follow_whole(self, organisation: str) -> bool:
        """Blocks whole go to agencies, never to a hospital: it gets its own part."""
        kinds = {entry.id: entry.kind for entry in self._ledger.genesis.organisations}
        return kinds.get(organisation) in AGENCIES

    async def blocks(self, question: GetBlocks, asker: Asker) -> BlocksAnswer:
        """Final blocks as they lie in the log; waits for the first one if it does not exist yet."""
        heights = await self._heights(question.from_height, question.count, question.wait_ms)
        blocks: list[bytes] = []
        size = 0
        async with turn_of(asker):
            for height in heights:
                async with self._old:
                    block = self._ledger.log.read(height)
                    size += len(block)
                    if blocks and size > ANSWER_BYTES_MAX:
                        break
                    blocks.append(block)
                    await asyncio.sleep(0)
        return BlocksAnswer(blocks)

    async def mine(self, question: GetMine, organisation: str, asker: Asker) -> MineAnswer:
        """Headers, each with the organisation's own part."""
        heights = await self._heights(question.from_height, question.count, question.wait_ms)
        async with turn_of(asker):
            return MineAnswer(await self._parts(heights, organisation))

    async def _parts(self, heights: Sequence[int], organisation: str) -> list[Part]:
        parts: list[Part] = []
        size = 0
        began = time.monotonic()
        before: FinalView | None = None
        for height in heights:
            if parts and time.monotonic() - began > WORK_SECONDS_MAX:
                break
            view = await self._final(height)
            if view is None:
                break
            async with self._turn:
                parent = before.header if before else self._parent_header(height)
                part = part_of(view, parent, organisation, self._is_of, self._next_set(view.header))
                await asyncio.sleep(0)
            before = view
            size += 1_000 + _size_of(part, view, organisation)
            if parts and size > PARTS_BYTES_MAX:
                break
            parts.append(part)
        return parts

    async def _final(self, height: int) -> FinalView | None:
        """An old block is read and worked out anew, which may take tens of milliseconds: one at a time, and whatever
        else the node has to do goes in between."""
        if self._ledger.is_recent(height):
            return self._ledger.final(height)
        async with self._old:
            view = self._ledger.final(height)
            await asyncio.sleep(0)
        return view

    async def record(self, question: GetRecord, organisation: str) -> RecordAnswer:
        """A record and its path to the newest state root; none if it is not there or not the asker's."""
        ledger = self._ledger
        for _ in range(FLUSH_WAITS_MAX):  # the head is spoken of once it is flushed
            async with self._turn:
                if self._feed.height >= ledger.head.height:
                    answer = self._record(question, organisation)
                    await asyncio.sleep(0)
                    return answer
            await self._feed.above(ledger.head.height - 1, 1.0)
        return RecordAnswer(None)

    def _record(self, question: GetRecord, organisation: str) -> RecordAnswer:
        ledger = self._ledger
        entry = ledger.state.entry(question.key)
        if entry is None or not _is_own(question.key, entry[1], organisation, self._is_of):
            return RecordAnswer(None)
        view = ledger.final(ledger.head.height)
        if view is None:
            return RecordAnswer(None)  # at height 0 there is no certificate; the asker has the genesis
        place, record = entry
        return RecordAnswer(
            CurrentRecord(place, record_of(record), ledger.state.path(place), view.header, view.certificate)
        )

    async def _heights(self, first: int, count: int, wait_ms: int) -> Sequence[int]:
        if first > self._feed.height and wait_ms:
            await self._feed.above(first - 1, wait_ms / 1000)
        return range(max(first, 1), min(first + count - 1, self._feed.height) + 1)

    def _next_set(self, header: Header) -> ValidatorSet | None:
        if header.next_validators == header.validators:
            return None
        return self._ledger.set_at(header.height + 1)

    def _parent_header(self, height: int) -> Header | None:
        before = self._ledger.final(height - 1)
        return before.header if before else None

    def _is_of(self, bill: str, organisation: str) -> bool:
        body = self._ledger.state.get(keyspace.bill(bill), BillBody)
        return body is not None and body.issuer == organisation


def _size_of(part: Part, view: FinalView, organisation: str) -> int:
    """About: what is whole, not what the encoding adds."""
    whole = sum(received.size_bytes for received in view.received if received.transaction.organisation == organisation)
    return whole + 34 * len(part.cover) + sum(400 + len(encode(seal.entry)) for seal in part.seals)


@asynccontextmanager
async def turn_of(asker: Asker) -> AsyncIterator[None]:
    """One answer of an organisation after the other: with many questions at once, those before may have filled its
    link. Raises PeerRefused `busy` then."""
    async with asker.answering:
        if asker.waiting_bytes > ANSWER_BYTES_MAX:
            raise PeerRefused("busy")
        yield


def final_block_bytes(view: FinalView) -> bytes:
    """A record of the block log."""
    return encode(FinalBlock(view.block, view.certificate))


def part_of(
    view: FinalView,
    parent: Header | None,
    organisation: str,
    is_of: IsOf,
    next_set: ValidatorSet | None = None,
) -> Part:
    """What a block holds for an organisation. `is_of` tells whose a bill is, for seals that only release; `next_set` is
    the set that the header names for the next block, if another."""
    own: list[OwnTransaction] = []
    seals: list[Recorded] = []
    first = 0
    places: list[int] = []
    for place, received in enumerate(view.received):
        transaction = received.transaction
        count = len(transaction.entries)
        if transaction.organisation == organisation:
            own.append(OwnTransaction(transaction, first, runs_of(view.outcomes[first : first + count])))
            places += range(first, first + count)
        else:
            named = [
                index
                for index, entry in enumerate(transaction.entries)
                if isinstance(entry.operation, SealBills) and _names(entry.operation, organisation, is_of)
            ]
            if named:
                seals += recorded_at(view, parent, place, named)
        first += count
    signed_by = {entry.transaction.key_id for entry in own}
    keys = [
        witness for witness in view.witnesses if witness.organisation == organisation and witness.key_id in signed_by
    ]
    cover = HashTree([hash_leaf(encode(outcome)) for outcome in view.outcomes]).cover(places) if own else []
    return Part(view.header, view.certificate, keys, own, cover, seals, next_set)


def _names(operation: SealBills, organisation: str, is_of: IsOf) -> bool:
    return any(segment.issuer == organisation for segment in operation.segments) or any(
        is_of(bill, organisation) for bill in operation.released
    )


# of the axes of a bill's life: the bill is the second part of the key
OF_A_BILL = frozenset(
    b"circulation void hold madeup delivery payer paper booking acknowledged claims settled bound dispute".split()
)

# of one organisation, the second part of the key, and nobody else's affair
OF_AN_ORGANISATION = frozenset(
    b"accountend letgo notice noticeend order payment refund bankline channelday"
    b" payee splitrules split ordersplit takenback returned owedpaid payout custody attested"
    b" deposit depositend lineend agreement credithold visitcredit statement repayment payback instalments schedule appointment missed visit".split()
)


def _is_own(key: bytes, record: bytes, organisation: str, is_of: IsOf) -> bool:
    """A hospital reads what is its own, and what others did to its bills: it has to wait for some of that."""
    parts = key.split(b"/")
    name = organisation.encode()
    match parts[0]:
        case b"organisation":
            return True  # who takes part is public
        case b"range" | b"ranges" | b"lease" | b"leases" | b"business" | b"daybook" | b"key":
            return len(parts) > 1 and parts[1] == name
        case b"catalogue" | b"catalogues":
            return True  # they are for everybody to read
        case b"form" | b"formend":
            return len(parts) == 3 and parts[1] == name
        case b"watermark":
            return len(parts) == 3 and parts[2] == name
        case b"bill":
            return body_of(record_of(record), BillBody).issuer == organisation
        case b"claim" if len(parts) == 3:
            return parts[1] == name or is_of(body_of(record_of(record), ClaimBody).bill, organisation)
        case b"account" if len(parts) == 3:  # a line's has a name as random as the line's
            return parts[1] == name or body_of(record_of(record), AccountBody).part == "credit"
        case kind if kind in OF_AN_ORGANISATION:
            return len(parts) > 1 and parts[1] == name
        case b"product" | b"products":
            return True  # terms are for everybody to read
        case b"line" if len(parts) == 3:
            return True  # its name is random: who knows it was told it, by the lender or the patient
        case b"answered" if len(parts) == 2:
            return is_of(parts[1].decode(), organisation)
        case b"transfer" if len(parts) == 3:  # either side's
            moved = body_of(record_of(record), TransferBody)
            return organisation in (parts[1].decode(), moved.debit.owner, moved.credit.owner)
        case b"held" if len(parts) == 3:
            held = body_of(record_of(record), HoldBody)
            return organisation in (parts[1].decode(), held.debit.owner, held.credit.owner)
        case b"settlement" if len(parts) == 3:
            return body_of(record_of(record), SettlementBody).hospital == organisation
        case kind if kind in OF_A_BILL:
            return len(parts) > 1 and is_of(parts[1].decode(), organisation)
    return parts[0] == b"unused"  # numbers are not secret, and only their issuer asks
