"""What a gateway keeps, in one LevelDB: its outbox, leases, bills with their details, and its part of the ledger.

Changes are seen at once and written together: everything that was put while the disk was busy goes down as one synced
batch, and whoever has to know waits for `flushed`. Code that changes several keys does so without waiting in between,
so a batch never holds half of a change: a crash leaves all of it or nothing. Nothing personal lies here outside a box
of `sealed_box.py`. Source: DESIGN sections 6, 8, 9.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog

from chain.block import Header
from chain.codec import BillId, Count, Digest, Height, Milliseconds, Wire, decode_stored, encode
from chain.database import Database
from chain.errors import ChainError, StorageDamaged, StorageFailed
from chain.failpoint import failpoint
from chain.operation import BindPayer, IssueBill, Operation, ReverseBill
from chain.state import SavedState
from chain.validators import Certificate, ValidatorSet
from node.messages import Part

T = TypeVar("T", bound=Wire)

log = structlog.get_logger("gateway")

LAZY_FLUSH_MS = 200  # what nobody waits for (followed blocks) is written so late at most
# Of the database: a gateway must run on an old PC. What was written a moment ago is read again soon; with a quarter of this it
# was looked for in one table after the other, which LevelDB answers with compactions: 7 to 9 % of a busy network's rate.
WRITE_BUFFER_BYTES, CACHE_BYTES = 16 << 20, 8 << 20
STEPS_MAX = 10_000  # told of one bill
FORMS_AT_ONCE = 2_000  # read of a stretch
PENDING_MAX = 50_000  # changes in memory; above, whoever follows waits for the disk

# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_OUTBOX = b"o"  # + sequence (8) -> OutboxItem
_SUBMITTED = b"y"  # + transaction digest -> canonical Transaction of the organisation's own making
_OPERATION = b"p"  # + operation digest -> OperationRow
_BILL = b"b"  # + bill id -> BillRow
_DETAILS = b"d"  # + bill id -> box (sealed_box.py)
_DETAILS_DUE = b"x"  # + bill id -> nothing: the archive has not said that it keeps them
_BUSINESS = b"n"  # + business MAC -> BusinessRow
_LEASE = b"l"  # + code (8 digits) ‖ first (10 digits) -> LeaseRow
_PART = b"c"  # + height (8) -> Part, where the block holds something of ours
_HEADER = b"h"  # + height (8) -> CertifiedHeader
_HISTORY = b"t"  # + level (1) ‖ index (8) -> node of the tree over block digests
_VALIDATOR_SET = b"v"  # + epoch (8) -> ValidatorSet
_SEAL = b"e"  # + upto (8) -> SealRow
_POSITION = b"f"  # -> Position
_WATERMARK = b"w"  # + office -> height (8)
_STEP = b"i"  # + bill ‖ height (8) ‖ transaction (4) ‖ entry (4) in the part -> digest of what was done with the bill
_SEAL_OPERATION = b"z"  # + operation digest -> height (8) ‖ index of the seal in the part (4)
_OWN_KEY = b"k"  # + key id -> KeyBody: of this organisation, as a block told or a path proved
_FORM = b"q"  # + paper form -> the bill that was printed on it; nothing of one that was voided blank
_GROUP = b"s"  # + MAC of a settlement's number (32) ‖ bill id -> nothing: groups.py
_PAYER = b"m"  # + bill id -> PayerRow
_PAYER_DETAILS = b"r"  # + bill id -> box of who was bound to it
_PAYER_DUE = b"u"  # + bill id -> nothing: the archive has not said that it keeps it
_CATALOGUES = b"j"  # + publisher -> CataloguesBody, as a path proved
_CATALOGUE = b"g"  # + publisher/catalogue/version (6 digits) -> CatalogueBody: those that the hospital goes by
_LOOKUP = b"a"  # + what `lookups.py` keeps
_MONEY = b"M"  # + what `money/rows.py` keeps
_BOUND = b"A"  # + bill -> nothing: somebody claimed it by its slip, as validators proved


class OutboxItem(Wire, frozen=True):
    """An operation that is kept until the ledger recorded or refused it."""

    sequence: Count
    operation: Operation
    after: str  # a bill of ours that has to be recorded first, or empty
    linked: bool  # to the item after it: both are recorded in one step, or neither


class OperationRow(Wire, frozen=True):
    """What became of an operation of the organisation."""

    bill: str  # the bill that it issues, or empty
    code: str  # of the outcome; empty while queued
    height: Height  # of the block that says so; 0 while queued


class BillRow(Wire, frozen=True):
    """The public side of a bill of the organisation."""

    operation: IssueBill | ReverseBill
    digest: Digest  # of the operation
    code: str  # of the outcome; empty while queued
    height: Height  # of the block that says so; 0 while queued
    transaction: Count  # its place in the part of that block
    entry: Count  # its place in the transaction
    superseded_by: str  # the bill that the business number had already, for ever
    reversed_by: str  # the red bill, on its way or recorded
    withheld: str  # why the office withheld its seal, or empty
    withheld_height: Height
    released_height: Height  # of the block whose seal released it later; 0 if none
    released_index: Count  # of that seal in the block's part
    with_red: str  # the red bill that a correction made in one step with it, or empty
    void_height: Height  # of the block that withdrew it; 0 if none


class BusinessRow(Wire, frozen=True):
    """The bill of a business number."""

    bill: BillId
    content_mac: Digest


class PayerRow(Wire, frozen=True):
    """The payer that was bound to a bill of the organisation. One that the ledger refused has no row any more."""

    operation: BindPayer
    digest: Digest  # of the operation
    code: str  # of the outcome; empty while queued
    height: Height  # of the block that recorded it; 0 while queued


class LeaseRow(Wire, frozen=True):
    """A lease that this very store asked for; `next` is the next number to give."""

    code: str
    first: Count
    count: Count
    place: str
    next: Count


class CertifiedHeader(Wire, frozen=True):
    header: Header
    certificate: Certificate


class SealRow(Wire, frozen=True):
    """A seal over our bills of the heights `after` + 1 … `upto`."""

    after: Height
    upto: Height
    height: Height  # of the block that recorded it
    index: Count  # in that block's part


class Position(Wire, frozen=True):
    """How far the ledger was followed. Written in one batch with what it told."""

    chain_id: Digest
    height: Height
    digest: Digest
    time_ms: Milliseconds


class GatewayStore:
    """One loop owns it; only the writing itself happens in a thread."""

    def __init__(self, database: Database) -> None:
        self._state = SavedState(database)
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway-store")
        self._changed = asyncio.Event()
        self._urgent = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []  # for the next batch; as many as requests are under way
        self._writing: list[asyncio.Future[None]] = []  # for the batch that is being written
        self._is_writing = False
        self._task: asyncio.Task[None] | None = None
        self.failure: ChainError | None = None  # a write that failed: the node is to stop
        self.failed = asyncio.Event()

    @classmethod
    def open(cls, path: Path, chain_id: bytes) -> GatewayStore:
        """Open what `medbill network init` made. Raises StorageDamaged, also for another ledger's, StorageLocked."""
        database = Database.open(path, write_buffer_bytes=WRITE_BUFFER_BYTES, cache_bytes=CACHE_BYTES)
        store = cls(database)
        position = store.position()
        if position is not None and position.chain_id != chain_id:
            database.close()
            raise StorageDamaged(str(path), "made for another genesis")
        return store

    @property
    def path(self) -> Path:
        return self._database.path

    def start(self) -> None:
        self._task = asyncio.create_task(self._write_batches(), name="gateway-store")

    async def stop(self) -> None:
        """Write what is pending and close. Leaves a failed store as it is."""
        if self._task is not None:
            with contextlib.suppress(ChainError):  # it was told to `failed`
                await self.flushed()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown(wait=True)
        self._database.close()

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, key: bytes, value: Wire | bytes) -> None:
        """Seen at once; on the disk with the next batch."""
        self._state.pending[key] = value if isinstance(value, bytes) else encode(value)
        self._changed.set()

    def delete(self, key: bytes) -> None:
        self._state.pending[key] = None
        self._changed.set()

    @property
    def pending(self) -> int:
        return len(self._state.pending)

    async def flushed(self) -> None:
        """Return when everything put so far is on the disk. Raises StorageFailed."""
        if self.failure is not None:
            raise self.failure
        if self._state.pending:
            waiting = self._waiting
            self._urgent.set()
        elif self._is_writing:
            waiting = self._writing
        else:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(future)
        await future

    async def _write_batches(self) -> None:
        """Until cancelled, or until a batch is not written, whatever the reason: then nothing is written any more."""
        try:
            await self._write_on()
        except ChainError as error:
            self._fail(error)
        except Exception as error:  # the disk's or our own fault: whoever waits must hear, and the node must stop
            log.critical("store_writer_failed", exc_info=True)
            self._fail(StorageFailed(str(self.path), f"{type(error).__name__}: {error}"))

    async def _write_on(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._changed.wait()
            if not self._urgent.is_set():
                try:
                    async with asyncio.timeout(LAZY_FLUSH_MS / 1000):
                        await self._urgent.wait()
                except TimeoutError:
                    pass
            self._changed.clear()
            self._urgent.clear()
            self._waiting, self._writing = [], self._waiting
            puts, deletes = self._state.begin_flush()
            self._is_writing = True
            failpoint("gateway_store.batch_taken")
            await asyncio.shield(loop.run_in_executor(self._thread, self._database.write, puts, deletes, True))
            self._is_writing = False
            self._state.end_flush()
            failpoint("gateway_store.batch_written")
            _wake(self._writing, None)

    async def between_writes(self, work: Callable[[], object]) -> None:
        """Do something (copy the files) while nothing is being written."""
        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _fail(self, error: ChainError) -> None:
        self.failure = error
        self.failed.set()
        _wake([*self._writing, *self._waiting], error)

    async def keep(self, rows: dict[bytes, bytes]) -> None:
        """What need not be on the disk at once, with the next batch."""
        for key, value in rows.items():
            self.put(key, value)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def read(self, key: bytes) -> bytes | None:
        return self._state.read(key)

    def values(self, prefix: bytes) -> list[bytes]:
        return [value for _key, value in self._state.scan(prefix)]

    def keys(self, prefix: bytes, after: bytes, limit: int) -> list[bytes]:
        """The keys under a prefix above `after`, ascending; at most `limit`."""
        return [key for key, _value in self._state.scan(prefix, after=after, limit=limit)]

    def get(self, key: bytes, kind: type[T]) -> T | None:
        """Raises StorageDamaged for what is not of that kind."""
        value = self._state.read(key)
        if value is None:
            return None
        return _decoded(key, value, kind)

    def _all(self, prefix: bytes, kind: type[T]) -> Iterator[T]:
        for key, value in self._state.scan(prefix):
            yield _decoded(key, value, kind)

    def position(self) -> Position | None:
        return self.get(_POSITION, Position)

    def outbox(self) -> Iterator[OutboxItem]:
        """By sequence, ascending."""
        return self._all(_OUTBOX, OutboxItem)

    def leases(self) -> Iterator[LeaseRow]:
        """By code and first number."""
        return self._all(_LEASE, LeaseRow)

    def submitted(self) -> list[bytes]:
        """Canonical transactions."""
        return [value for _key, value in self._state.scan(_SUBMITTED)]

    def details_due(self, after: str, limit: int) -> list[str]:
        """Bills above `after` whose details the archive does not have yet, ascending; at most `limit`."""
        start = details_due_key(after) if after else b""
        found = self._state.scan(_DETAILS_DUE, after=start, limit=limit)
        return [key[len(_DETAILS_DUE) :].decode() for key, _value in found]

    def payers_due(self, after: str, limit: int) -> list[str]:
        """The same of payers that were bound to them."""
        start = payer_due_key(after) if after else b""
        found = self._state.scan(_PAYER_DUE, after=start, limit=limit)
        return [key[len(_PAYER_DUE) :].decode() for key, _value in found]

    def bills_of_group(self, mac: bytes, after: str, limit: int) -> list[str]:
        """Bills of a settlement above `after`, ascending, that were issued here; at most `limit`."""
        prefix = group_key(mac, "")
        found = self._state.scan(prefix, after=prefix + after.encode() if after else b"", limit=limit)
        return [key[len(prefix) :].decode() for key, _value in found]

    def bill(self, bill: str) -> BillRow | None:
        return self.get(bill_key(bill), BillRow)

    def payer(self, bill: str) -> PayerRow | None:
        return self.get(payer_key(bill), PayerRow)

    def header(self, height: int) -> CertifiedHeader | None:
        return self.get(header_key(height), CertifiedHeader)

    def part(self, height: int) -> Part | None:
        return self.get(part_key(height), Part)

    def seal_over(self, height: int) -> SealRow | None:
        """The seal whose segment holds a height."""
        found = self._state.scan(_SEAL, after=seal_key(height - 1), limit=1)
        row = _decoded(found[0][0], found[0][1], SealRow) if found else None
        return row if row is not None and row.after < height <= row.upto else None

    def steps_of(self, bill: str) -> list[tuple[int, int, int, bytes]]:
        """What the organisation did with a bill after its issue: height, transaction, entry, digest; in their order."""
        prefix = step_key(bill)
        found = self._state.scan(prefix, limit=STEPS_MAX)
        return [(*struct.unpack(">QII", key[len(prefix) :]), value) for key, value in found]

    def used_forms(self, code: str, first: str, last: str) -> dict[str, str]:
        """Number -> bill (empty: voided blank) of the used forms under a code from `first` to `last`, which have one length."""
        prefix, after = form_key(code), form_key(code + first[:-1])
        found: dict[str, str] = {}
        while True:
            rows = self._state.scan(prefix, after=after, limit=FORMS_AT_ONCE)
            for key, bill in rows:
                number = key[len(prefix) :].decode()
                if number > last:
                    return found
                if len(number) == len(first) and number >= first:
                    found[number] = bill.decode()
            if len(rows) < FORMS_AT_ONCE:
                return found
            after = rows[-1][0]

    def parts_from(self, height: int, limit: int) -> list[Part]:
        """Of the blocks from `height` on that hold something of ours, ascending; at most `limit`."""
        rows = self._state.scan(_PART, after=part_key(height - 1), limit=limit)
        return [_decoded(key, value, Part) for key, value in rows]

    def seal_at(self, operation: bytes) -> tuple[int, int] | None:
        """Height and place in its part of a seal, by the digest of its operation."""
        value = self._state.read(seal_operation_key(operation))
        return None if value is None else struct.unpack(">QI", value)

    def epochs(self) -> list[int]:
        """Of the sets of validators that were followed, ascending."""
        return [int.from_bytes(key[1:], "big") for key, _set in self._state.scan(_VALIDATOR_SET)]

    def validator_set(self, epoch: int) -> ValidatorSet:
        """Raises StorageDamaged."""
        members = self.get(set_key(epoch), ValidatorSet)
        if members is None:
            raise StorageDamaged(f"gateway set of epoch {epoch}", "missing")
        return members

    def watermark(self, office: str) -> int:
        value = self._state.read(watermark_key(office))
        return int.from_bytes(value, "big") if value else 0

    def node(self, level: int, index: int) -> bytes:
        """A node of the tree over block digests (`chain.merkle.NodeReader`)."""
        value = self._state.read(history_key(level, index))
        if value is None:
            raise StorageDamaged(f"gateway history {level}/{index}", "missing")
        return value


def _decoded(key: bytes, value: bytes, kind: type[T]) -> T:
    try:
        return decode_stored(value, kind)
    except ChainError:
        raise StorageDamaged(f"gateway key {key[:64].hex()}", f"not a {kind.__name__}") from None


def _wake(futures: list[asyncio.Future[None]], error: ChainError | None) -> None:
    for future in futures:
        if not future.done():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
    futures.clear()


def outbox_key(sequence: int) -> bytes:
    return _OUTBOX + struct.pack(">Q", sequence)


def submitted_key(transaction: bytes) -> bytes:
    return _SUBMITTED + transaction


def operation_key(operation: bytes) -> bytes:
    return _OPERATION + operation


def bill_key(bill: str) -> bytes:
    return _BILL + bill.encode()


def details_key(bill: str) -> bytes:
    return _DETAILS + bill.encode()


def details_due_key(bill: str) -> bytes:
    return _DETAILS_DUE + bill.encode()


def business_key(mac: bytes) -> bytes:
    return _BUSINESS + mac


def group_key(mac: bytes, bill: str) -> bytes:
    return _GROUP + mac + bill.encode()


def payer_key(bill: str) -> bytes:
    return _PAYER + bill.encode()


def payer_details_key(bill: str) -> bytes:
    return _PAYER_DETAILS + bill.encode()


def payer_due_key(bill: str) -> bytes:
    return _PAYER_DUE + bill.encode()


def lease_key(code: str, first: int) -> bytes:
    return _LEASE + f"{code}{first:010d}".encode()


def bound_key(bill: str) -> bytes:
    return _BOUND + bill.encode()


def part_key(height: int) -> bytes:
    return _PART + struct.pack(">Q", height)


def header_key(height: int) -> bytes:
    return _HEADER + struct.pack(">Q", height)


def history_key(level: int, index: int) -> bytes:
    return _HISTORY + struct.pack(">BQ", level, index)


def set_key(epoch: int) -> bytes:
    return _VALIDATOR_SET + struct.pack(">Q", epoch)


def seal_key(upto: int) -> bytes:
    return _SEAL + struct.pack(">Q", upto)


def step_key(bill: str, *place: int) -> bytes:
    """`place` is height, transaction, entry; without it the prefix of a bill's steps."""
    return _STEP + bill.encode() + (struct.pack(">QII", *place) if place else b"")


def seal_operation_key(operation: bytes) -> bytes:
    return _SEAL_OPERATION + operation


def seal_place(height: int, index: int) -> bytes:
    return struct.pack(">QI", height, index)


def watermark_key(office: str) -> bytes:
    return _WATERMARK + office.encode()


def own_key_key(name: bytes) -> bytes:
    return _OWN_KEY + name


def form_key(paper: str) -> bytes:
    return _FORM + paper.encode()


def catalogues_key(publisher: str) -> bytes:
    return _CATALOGUES + publisher.encode()


def catalogue_key(publisher: str, catalogue: str, version: int) -> bytes:
    return _CATALOGUE + f"{publisher}/{catalogue}/{version:06d}".encode()


POSITION_KEY, LOOKUP_ROWS, MONEY_ROWS = _POSITION, _LOOKUP, _MONEY
