"""The block log, the state and what is derived from both, as one thing that grows block by block.

The log is the only truth; the database is derived from it. A block is appended and flushed before anyone hears of it;
the state's changes gather in memory and go down as one synced batch, at most BLOCKS_UNFLUSHED_MAX blocks apart (the
node also flushes every second). At start the log is replayed from the height that the database has applied.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

from chain import keyspace
from chain.absent_keys import AbsentKeys
from chain.block import Block, FinalBlock, Header, history_leaf
from chain.block_log import BlockLog
from chain.codec import Count, Digest, Height, Milliseconds, Wire, decode, encode
from chain.database import WRITE_BUFFER_BYTES, Database
from chain.errors import CertificateRefused, ChainError, GenesisRefused, Malformed, StorageDamaged, StorageFailed
from chain.execute import Execution, Parent, SignatureHolds, verify_block
from chain.failpoint import failpoint
from chain.final_blocks import FinalBlocks
from chain.final_view import FinalView
from chain.genesis import Genesis
from chain.history import History, HistoryAt
from chain.merkle import hash_leaf, path_from_nodes, root_of_peaks, updated_nodes
from chain.operation import IssueBill, ReverseBill
from chain.records import AdmittedBody, RenewalBody
from chain.set_history import SetHistory
from chain.signature import is_signature
from chain.state import SavedState, Store, genesis_change
from chain.transaction import ReceivedTransaction, receive_transaction
from chain.validators import COMMIT, Certificate, ValidatorSet, verify_certificate

BLOCKS_UNFLUSHED_MAX = 64
REFUSED = 0  # behind an operation's place, while no run has recorded it
FORGOTTEN_AFTER = 8 * BLOCKS_UNFLUSHED_MAX  # blocks since a transaction expired: all of it lies on the disk by then
BUFFER_SHARES = (
    0.6,
    1.0,
)  # of the write buffer: nodes take in the same blocks, and shall not all compact at the same moment


class Applied(Wire, frozen=True):
    """How far the database has come: written in the same batch as what it tells of."""

    chain_id: Digest
    height: Height
    digest: Digest
    time_ms: Milliseconds
    state_root: Digest
    state_count: Count
    next_validators: Digest


def signature_holds(received: ReceivedTransaction, public: bytes) -> bool:
    """Check a transaction's signature, every time anew."""
    return is_signature(public, received.digest, received.transaction.signature)


class Ledger:
    """What a validator or mirror holds. Not safe for several threads, but for the two that are named so."""

    def __init__(self, genesis: Genesis, store: Store, log: BlockLog, indexes: bool) -> None:
        self.genesis = genesis
        self.chain_id = genesis.digest()
        self._absent = AbsentKeys()
        self.state = SavedState(store, absent=self._absent)
        self.log = log
        self.indexes = indexes  # whether to keep what only readers need
        self._history = History(self.state)
        self._blocks = FinalBlocks(self.chain_id, self.state, log)
        self._parent: Parent | None = None  # of the block after `head`, once asked for
        self.unflushed_blocks = 0
        self.on_admitted: list[
            Callable[[str], None]
        ] = []  # told each organisation that a block admits, once it is the head
        self.dropped = ""  # why the state of an earlier life was not taken over
        first = genesis.validator_set()
        self.head = Applied(self.chain_id, 0, self.chain_id, genesis.created_ms, bytes(32), 0, first.digest())
        self._sets = SetHistory(self._set_of, [])
        self.members = first  # votes on head + 1
        self.following = first  # votes on head + 2

    # ── making and opening ───────────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def create(cls, data: Path, genesis: Genesis) -> None:
        """Make `blocks/` and `state/` below `data`, at height 0."""
        log = BlockLog.create(data / "blocks")
        log.close()
        cls.create_state(data, genesis)

    @classmethod
    def create_state(cls, data: Path, genesis: Genesis) -> None:
        """Make `state/` alone: what a rebuild begins with."""
        store = Database.create(data / "state")
        start_store(store, genesis)
        store.close()

    @classmethod
    def open(
        cls,
        data: Path,
        genesis: Genesis,
        *,
        log: BlockLog,
        indexes: bool,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Ledger:
        """Open the database below `data` and replay `log` from where it stands.

        A database that does not open, in which an earlier life met damage, that is ahead of the log or stands on a
        block that the log does not have, is dropped and built again: it is derived. Raises StorageDamaged if a block of
        the log does not follow from the ones before, GenesisRefused if the database is another ledger's (nothing is
        dropped then), StorageLocked.
        """
        ledger, dropped = None, ""
        try:
            ledger = cls._open_state(data, genesis, log, indexes)
        except StorageDamaged as damage:
            dropped = str(damage)
        if ledger is not None and not ledger._stands_on_the_log():
            dropped = f"height {ledger.head.height} stands on no block of the log"
            ledger.state.store.close()
        if ledger is None or dropped:
            shutil.rmtree(data / "state", ignore_errors=True)
            failpoint("ledger.state_dropped")
            cls.create_state(data, genesis)
            failpoint("ledger.state_made")
            ledger = cls._open_state(data, genesis, log, indexes)
            ledger.dropped = dropped
        try:
            ledger.replay(progress)
        except BaseException:
            ledger.state.store.close()
            raise
        return ledger

    @classmethod
    def _open_state(cls, data: Path, genesis: Genesis, log: BlockLog, indexes: bool) -> Ledger:
        size = round(WRITE_BUFFER_BYTES * random.uniform(*BUFFER_SHARES))
        ledger = cls(genesis, Database.open(data / "state", is_derived=True, write_buffer_bytes=size), log, indexes)
        try:
            ledger.load()
        except BaseException:
            ledger.state.store.close()
            raise
        return ledger

    def load(self) -> None:
        """Take over what the store has applied. Raises StorageDamaged, GenesisRefused for another ledger's store."""
        value = self.state.store.get(keyspace.APPLIED)
        if value is None:
            raise StorageDamaged("state", "no applied height")
        try:
            self.head = decode(value, Applied)
        except Malformed as error:
            raise StorageDamaged("state", f"applied height: {error}") from None
        self._parent = None
        if self.head.chain_id != self.chain_id:
            made_for, given = self.head.chain_id.hex()[:16], self.chain_id.hex()[:16]
            raise GenesisRefused(f"the data was made for ledger {made_for}, the genesis file says {given}")
        self.state.count, self.state.root = self.head.state_count, self.head.state_root
        stored = self.state.store.scan(keyspace.STORED_SETS)
        self._sets = SetHistory(self._set_of, [keyspace.epoch_of_stored_set(key) for key, _set in stored])
        try:
            self._turn()
        except LookupError:
            raise StorageDamaged("state", "no set of validators") from None
        if self.members.digest() != self.head.next_validators:
            raise StorageDamaged("state", f"another set of validators than block {self.head.height} names")
        self._absent.open(self.state.store)

    def _stands_on_the_log(self) -> bool:
        """Whether the applied height's block is the log's."""
        height = self.head.height
        if height == 0 or height > self.log.height:
            return height == 0
        try:
            return decode(self.log.read(height), FinalBlock).block.header.digest() == self.head.digest
        except Malformed as error:
            raise StorageDamaged(f"block log, height {height}", str(error)) from None

    def replay(self, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
        """Apply the log's blocks above the applied height, checking every certificate, signature and root."""
        for height in range(self.head.height + 1, self.log.height + 1):
            data = self.log.read(height)
            try:
                final = decode(data, FinalBlock)
                self.verify_final(final.block.header, final.certificate)
                execution = self.check(final.block)
            except (StorageDamaged, StorageFailed):  # of the database: the log is not to blame
                raise
            except ChainError as error:
                raise StorageDamaged(f"block log, height {height}", f"does not follow: {error}") from None
            self.adopt(execution, final.certificate)
            failpoint("ledger.replayed")
            progress(height, self.log.height)
            if self.unflushed_blocks >= BLOCKS_UNFLUSHED_MAX:
                self.flush()

    # ── the next block ───────────────────────────────────────────────────────────────────────────────────────────────

    def parent(self) -> Parent:
        """What the next block is built on."""
        if self._parent is not None:
            return self._parent
        head = self.head
        self._parent = Parent(
            chain_id=self.chain_id,
            digest=head.digest,
            height=head.height,
            time_ms=head.time_ms,
            history_root=root_of_peaks(self._history, head.height + 1),
            voters=self.members,
            following=self.following,
            parameters=self.genesis.parameters,
            state=self.state,
            is_remembered=self.is_remembered,
            block_digest=self.recent_digest,
        )
        return self._parent

    def is_remembered(self, transaction_digest: bytes) -> bool:
        """Whether a transaction ran within the replay window."""
        return self.state.read(keyspace.stored_transaction(transaction_digest)) is not None

    def recent_digest(self, height: int) -> bytes | None:
        """Digest of a block within the replay window."""
        if not self.head.height - self.genesis.parameters.replay_window <= height <= self.head.height:
            return None
        return self.block_digest(height)

    def block_digest(self, height: int) -> bytes | None:
        return self._blocks.digest(height)

    def verify_final(self, header: Header, certificate: Certificate) -> None:
        """Check a certificate of any height up to the one after the next. Raises CertificateRefused."""
        height = header.height
        if not 1 <= height <= self.head.height + 2:
            raise CertificateRefused(f"who votes on block {height} is not known at height {self.head.height}")
        verify_certificate(certificate, self.set_at(height), COMMIT, self.chain_id, height, header.digest())

    def check(self, block: Block, holds: SignatureHolds = signature_holds) -> Execution:
        """Execute a block that claims to be the next one. Raises BlockInvalid."""
        received = [receive_transaction(self.chain_id, transaction) for transaction in block.transactions]
        return verify_block(self.parent(), block.header, received, holds)

    def adopt(self, execution: Execution, certificate: Certificate) -> FinalView:
        """Make an executed block the head. Its log record has been flushed, or is just being replayed."""
        header = execution.header
        state, height = self.state, header.height
        if height != self.head.height + 1 or header.parent != self.head.digest:
            raise RuntimeError(f"block {height} does not follow {self.head.height}")
        admitted = self.admitted() if keyspace.ADMITTED in execution.change.records else None
        state.save(execution.change)
        put = state.pending
        leaf = hash_leaf(history_leaf(execution.digest))
        for level, row in enumerate(updated_nodes(self._history, height, {}, [leaf])):
            for index, node in row.items():
                put[keyspace.stored_history(level, index)] = node
        view = self._blocks.add(execution, certificate)
        if execution.following.epoch == height + 2:
            put[keyspace.stored_set(height + 2)] = encode(execution.following)
            self._sets.add(execution.following)
        self._remember(execution, height)
        if self.indexes:
            self._index(execution, height)
        root, count = header.state_root, header.state_count
        self.head = Applied(
            self.chain_id, height, execution.digest, header.time_ms, root, count, header.next_validators
        )
        put[keyspace.APPLIED] = encode(self.head)
        self._parent = None
        self._turn()
        self.unflushed_blocks += 1
        if admitted is not None:
            for name in sorted({*self.admitted()} - {*admitted}):
                for heard in self.on_admitted:
                    heard(name)
        return view

    def admitted(self) -> list[str]:
        """Organisations that came after genesis, ascending."""
        body = self.state.get(keyspace.ADMITTED, AdmittedBody)
        return list(body.organisations) if body is not None else []

    def flush(self) -> None:
        """Write what is pending, and wait for the disk."""
        puts, deletes = self.state.begin_flush()
        self.unflushed_blocks = 0
        self.state.store.write(puts, deletes, sync=True)
        self.state.end_flush()

    def close(self) -> None:
        self.flush()
        self.state.store.close()
        self.log.close()

    def _remember(self, execution: Execution, height: int) -> None:
        put = self.state.pending
        by_expiry: dict[int, list[bytes]] = {}
        for received in execution.transactions:
            put[keyspace.stored_transaction(received.digest)] = b""
            by_expiry.setdefault(received.transaction.valid_until_height, []).append(received.digest)
        for expiry, digests in by_expiry.items():
            put[keyspace.stored_expiry(expiry, height)] = b"".join(digests)
        # Forget what expired long enough ago that nothing of it is pending any more.
        gone = height - FORGOTTEN_AFTER - 1
        if gone > 0:
            for key, digests_joined in list(self.state.store.scan(keyspace.stored_expiry_prefix(gone))):
                put[key] = None
                for start in range(0, len(digests_joined), 32):
                    put[keyspace.stored_transaction(digests_joined[start : start + 32])] = None

    def _index(self, execution: Execution, height: int) -> None:
        put = self.state.pending
        number = 0
        for place, received in enumerate(execution.transactions):
            transaction = received.transaction
            for index, entry in enumerate(transaction.entries):
                outcome = execution.outcomes[number]
                number += 1
                key = keyspace.stored_operation(outcome.operation)
                if outcome.code == "recorded":
                    put[key] = encode([height, place, index])
                elif not self._is_done(key):
                    put[key] = encode([height, place, index, REFUSED])
                operation = entry.operation
                if outcome.code == "recorded" and isinstance(operation, IssueBill | ReverseBill):
                    day = keyspace.stored_bill_by_day(transaction.organisation, operation.business_date, operation.bill)
                    put[day] = b""

    def _is_done(self, key: bytes) -> bool:
        """Whether an operation's entry is of the run that recorded it, which later runs do not take the place of."""
        value = self.state.read(key)
        return value is not None and REFUSED not in decode(value, list[int])[3:]

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def is_recent(self, height: int) -> bool:
        """Whether `final` has the block in memory."""
        return self._blocks.is_recent(height)

    def final(self, height: int) -> FinalView | None:
        """A final block, 1 or above, or None above the head."""
        return self._blocks.at(height) if 1 <= height <= self.head.height else None

    def history_path(self, height: int, size: int) -> list[bytes]:
        """The path of a block's digest in the tree over the digests of the heights 0 ... size - 1."""
        return path_from_nodes(HistoryAt(self._history, size), height, size)

    # ── who votes ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def former(self) -> ValidatorSet | None:
        """The set of the epoch before `members`; None in the first."""
        return self._sets.before(self.members.epoch)

    def set_at(self, height: int) -> ValidatorSet:
        """The set that votes at a height, 1 to head + 2. Raises LookupError outside."""
        if height > self.head.height + 2:
            raise LookupError(f"who votes on block {height} is not known at height {self.head.height}")
        return self._sets.at(height)

    def sets(self, from_epoch: int = 0) -> list[ValidatorSet]:
        """All sets from an epoch on, ascending; the newest one may vote from head + 2 on."""
        return self._sets.since(from_epoch)

    def renewal_of(self, organisation: str) -> RenewalBody | None:
        """A member's newest renewal (PROTOCOL rule 14), None if it never asked for one."""
        return self.state.get(keyspace.renewal(organisation), RenewalBody)

    def _turn(self) -> None:
        self.members, self.following = self._sets.at(self.head.height + 1), self._sets.at(self.head.height + 2)

    def _set_of(self, epoch: int) -> ValidatorSet:
        stored = self.state.read(keyspace.stored_set(epoch))
        if stored is None:
            raise StorageDamaged("state", f"the set of epoch {epoch} is missing")
        try:
            return decode(stored, ValidatorSet)
        except Malformed as error:
            raise StorageDamaged("state", f"the set of epoch {epoch}: {error}") from None

    # ── indexes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def locate(self, operation: bytes) -> tuple[int, int, int] | None:
        """(height, transaction, entry) of the run that recorded an operation, else of its last one; only where indexes are kept."""
        value = self.state.read(keyspace.stored_operation(operation))
        if value is None:
            return None
        height, place, index, *_ = decode(value, list[int])
        return height, place, index


def start_store(store: Store, genesis: Genesis) -> None:
    """Fill an empty store with the state of height 0."""
    state = SavedState(store)
    change = genesis_change(genesis)
    state.save(change)
    chain_id = genesis.digest()
    put = state.pending
    put[keyspace.stored_block_digest(0)] = chain_id
    put[keyspace.stored_history(0, 0)] = hash_leaf(history_leaf(chain_id))
    first = genesis.validator_set()
    put[keyspace.stored_set(first.epoch)] = encode(first)
    put[keyspace.APPLIED] = encode(
        Applied(chain_id, 0, chain_id, genesis.created_ms, change.root, change.count, first.digest())
    )
    puts, deletes = state.begin_flush()
    store.write(puts, deletes, sync=True)
    state.end_flush()
