"""Records under one Merkle root, and the overlay on which a block is executed.

Each record has a leaf (key, record) in an append-only Merkle array; at the end of a block its new keys, sorted, take
the next places and later versions replace their leaf. Equal heights give equal roots; every record's current value has
a short proof. There is no proof of absence, except through day books.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from chain import keyspace
from chain.absent_keys import AbsentKeys
from chain.codec import Wire, encode
from chain.digest import EMPTY_DIGEST
from chain.errors import StorageDamaged
from chain.genesis import Genesis, genesis_records
from chain.keyspace import stored_record
from chain.merkle import EMPTY_ROOT, NodeReader, hash_leaf, path_from_nodes, root_of_peaks, updated_nodes
from chain.node_pages import EMPTY_NODE, EMPTY_PAGE, NODE_BYTES, is_begun, page_key, place_of, row_of
from chain.records import Record, state_leaf
from chain.rules.context import Body, Changes
from chain.stored_record import entry_of, stored_entry


class StateReader(NodeReader, Protocol):
    """A state as it was saved: `entry` gives a record's place and canonical bytes, `node` a Merkle node."""

    @property
    def count(self) -> int: ...

    def entry(self, key: bytes) -> tuple[int, bytes] | None: ...


@dataclass(frozen=True, slots=True)
class StateChange:
    """What a block does to the state: saved whole, or thrown away."""

    root: bytes
    count: int
    records: dict[bytes, tuple[int, bytes]]  # key -> (place, canonical Record)
    nodes: list[dict[int, bytes]]  # by level: index -> node


_NOT_HERE: Any = object()  # marks a key that a layer says nothing of; None says that there is nothing, or that it goes


class _Slot(msgspec.Struct, gc=False):
    body: Wire
    origin: bytes
    operation: bytes


class Overlay:
    """The state as a block's operations change it, one after the other; what it lies on stays untouched."""

    def __init__(self, base: StateReader) -> None:
        self._base = base
        self._slots: dict[bytes, _Slot] = {}  # records changed in this block
        self._entries: dict[bytes, tuple[int, bytes] | None] = {}  # what was looked for below, once
        self._read: dict[bytes, tuple[Record, Wire] | None] = {}  # and decoded once
        self._undo: list[tuple[bytes, _Slot | None]] = []

    def get(self, key: bytes, kind: type[Body]) -> Body | None:
        slot = self._slots.get(key)
        if slot is not None:
            return slot.body  # type: ignore[return-value]
        below = self._below(key, kind)
        return below[1] if below else None  # type: ignore[return-value]

    def origin(self, key: bytes) -> bytes | None:
        slot = self._slots.get(key)
        if slot is not None:
            return slot.origin
        if key in self._read:
            below = self._read[key]
            return below[0].origin if below else None
        entry = self._entry(key)
        return record_of(entry[1]).origin if entry else None

    def apply(self, changes: Changes, operation: bytes) -> None:
        """Take over what a rule returned."""
        slots, undo = self._slots, self._undo
        for key, body in changes.items():
            slot = slots.get(key)
            undo.append((key, slot))
            slots[key] = _Slot(body, slot.origin if slot else self.origin(key) or operation, operation)

    def mark(self) -> int:
        """A point to come back to."""
        return len(self._undo)

    def roll_back(self, mark: int) -> None:
        """Undo everything since `mark`."""
        while len(self._undo) > mark:
            key, slot = self._undo.pop()
            if slot is None:
                del self._slots[key]
            else:
                self._slots[key] = slot

    def settle(self) -> None:
        """Nothing before this point is rolled back any more: what it would take is forgotten."""
        self._undo.clear()

    def finish(self, height: int) -> StateChange:
        """One new version per changed record, its leaf, and the root after it."""
        base, slots, entries = self._base, self._slots, self._entries
        records: dict[bytes, tuple[int, bytes]] = {}
        replaced: dict[int, bytes] = {}
        added: list[bytes] = []
        for key in sorted(slots):
            slot = slots[key]
            below = entries[key]  # looked for when the slot was made
            former = record_of(below[1]) if below else None
            record = encode(
                Record(
                    former.version + 1 if former else 1,
                    height,
                    former.digest() if former else EMPTY_DIGEST,
                    slot.origin,
                    slot.operation,
                    encode(slot.body),
                )
            )
            leaf = hash_leaf(state_leaf(key, record))
            if below:
                records[key] = (below[0], record)
                replaced[below[0]] = leaf
            else:
                records[key] = (base.count + len(added), record)
                added.append(leaf)
        return _changed(base, records, replaced, added)

    def _entry(self, key: bytes) -> tuple[int, bytes] | None:
        """What lies below: most keys of a block are new, and each miss is a walk through LevelDB."""
        found: tuple[int, bytes] | None = self._entries.get(key, _NOT_HERE)
        if found is _NOT_HERE:
            found = self._entries[key] = self._base.entry(key)
        return found

    def _below(self, key: bytes, kind: type[Body]) -> tuple[Record, Wire] | None:
        if key not in self._read:
            entry = self._entry(key)
            if entry is None:
                self._read[key] = None
            else:
                record = record_of(entry[1])
                self._read[key] = (record, body_of(record, kind))
        return self._read[key]


_record_decoder = msgspec.msgpack.Decoder(Record)
_body_decoders: dict[type[Wire], msgspec.msgpack.Decoder[Wire]] = {}  # bounded by the kinds of body


def record_of(data: bytes) -> Record:
    """A record that this node stored itself, so canonical already."""
    return _record_decoder.decode(data)


def body_of(record: Record, kind: type[Body]) -> Body:
    """Its body, of the kind that its key tells."""
    decoder = _body_decoders.get(kind)
    if decoder is None:
        decoder = _body_decoders[kind] = msgspec.msgpack.Decoder(kind)
    return decoder.decode(record.body)  # type: ignore[return-value]


class _Layered:
    """Nodes of a change over those of its base."""

    def __init__(self, base: NodeReader, nodes: list[dict[int, bytes]]) -> None:
        self._base, self._nodes = base, nodes

    def node(self, level: int, index: int) -> bytes:
        row = self._nodes[level] if level < len(self._nodes) else {}
        return row.get(index) or self._base.node(level, index)


def _changed(
    base: StateReader, records: dict[bytes, tuple[int, bytes]], replaced: dict[int, bytes], added: list[bytes]
) -> StateChange:
    nodes = updated_nodes(base, base.count, replaced, added)
    count = base.count + len(added)
    return StateChange(root_of_peaks(_Layered(base, nodes), count), count, records, nodes)


class EmptyState:
    """Before genesis."""

    count = 0

    def entry(self, key: bytes) -> tuple[int, bytes] | None:
        return None

    def node(self, level: int, index: int) -> bytes:
        raise KeyError((level, index))


def genesis_change(genesis: Genesis) -> StateChange:
    """The state at height 0."""
    records: dict[bytes, tuple[int, bytes]] = {}
    leaves: list[bytes] = []
    for place, (key, record) in enumerate(genesis_records(genesis)):
        records[key] = (place, record)
        leaves.append(hash_leaf(state_leaf(key, record)))
    return _changed(EmptyState(), records, {}, leaves)


class Store(Protocol):
    """What lies on disk: `chain.database.Database`, or a dictionary in tests."""

    def get(self, key: bytes) -> bytes | None: ...

    def write(self, puts: Mapping[bytes, bytes], deletes: Iterable[bytes] = (), sync: bool = True) -> None: ...

    def scan(
        self, prefix: bytes, start: bytes | None = None, limit: int | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]: ...

    def keys(self, prefix: bytes, start: bytes, limit: int) -> list[bytes]: ...

    def close(self) -> None: ...


class SavedState:
    """The state of the last final block: the store, and changes that are not written to it yet.

    Changes of several blocks gather in `pending` and go down together (`ledger.py` says when).
    """

    def __init__(
        self, store: Store, count: int = 0, root: bytes = EMPTY_ROOT, absent: AbsentKeys | None = None
    ) -> None:
        self.store = store
        self.count = count
        self.root = root
        self.pending: dict[bytes, bytes | None] = {}  # database key -> value, None where it goes; bounded by flushing
        self._flushing: dict[bytes, bytes | None] = {}  # on its way to the store
        self._absent = absent  # of a ledger's store

    def read(self, stored_key: bytes) -> bytes | None:
        """A value of the database, pending changes first."""
        value: bytes | None = self.pending.get(stored_key, _NOT_HERE)
        if value is _NOT_HERE:
            value = self._flushing.get(stored_key, _NOT_HERE)
            if value is _NOT_HERE:
                return self._stored(stored_key)
        return value

    def _stored(self, stored_key: bytes) -> bytes | None:
        if self._absent is None:
            return self.store.get(stored_key)
        if self._absent.holds(stored_key):
            return None
        value = self.store.get(stored_key)
        if value is None:
            self._absent.missed(stored_key, self.store)
        return value

    def begin_flush(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """What is to be written as one synced batch, (puts, deletes); reads go on meanwhile.

        `end_flush` is called when it lies on disk; a write that failed stops the node.
        """
        if self._flushing:
            raise RuntimeError("a flush is under way")
        self._flushing, self.pending = self.pending, {}
        puts = {key: value for key, value in self._flushing.items() if value is not None}
        return puts, [key for key, value in self._flushing.items() if value is None]

    def end_flush(self) -> None:
        if self._absent is not None:
            self._absent.flushed(self._flushing.items())
        self._flushing = {}
        if self._absent is not None:
            self._absent.read_on(self.store)

    def scan(self, prefix: bytes, after: bytes = b"", limit: int | None = None) -> list[tuple[bytes, bytes]]:
        """Pairs of the database below `prefix` and above the key `after`, in order, pending changes included."""
        recent = {**self._flushing, **self.pending}
        newer = {key: value for key, value in recent.items() if key.startswith(prefix) and key > after}
        start = after + b"\0" if after else None
        found: dict[bytes, bytes] = {}
        wanted = None if limit is None else limit + len(newer)
        for key, value in self.store.scan(prefix, start=start, limit=wanted):
            found[key] = value
        found.update({key: value for key, value in newer.items() if value is not None})
        for key in [key for key, value in newer.items() if value is None]:
            found.pop(key, None)
        return sorted(found.items())[:limit]

    def last(self, prefix: bytes, upto: bytes) -> tuple[bytes, bytes] | None:
        """The pair with the greatest key below `prefix` that is not above `upto`, pending changes included.

        For keys that never go away, such as those of records.
        """
        recent = {**self._flushing, **self.pending}
        keys = [key for key, value in recent.items() if key.startswith(prefix) and key <= upto and value is not None]
        newest = max(keys, default=None)
        for stored, value in self.store.scan(prefix, start=upto, limit=1, reverse=True):
            if newest is None or stored > newest:
                return stored, value
        latest = recent[newest] if newest is not None else None
        return (newest, latest) if newest is not None and latest is not None else None

    def entry(self, key: bytes) -> tuple[int, bytes] | None:
        stored = stored_record(key)
        value: bytes | None = self.pending.get(stored, _NOT_HERE)  # as `read`: three times for each bill
        if value is _NOT_HERE:
            value = self._flushing.get(stored, _NOT_HERE)
            if value is _NOT_HERE:
                value = self._stored(stored)
        return None if value is None else entry_of(value)

    def node(self, level: int, index: int) -> bytes:
        key, first = place_of(keyspace.NODE_PAGES, level, index)
        page = self.read(key)
        node = EMPTY_NODE if page is None else page[first : first + NODE_BYTES]
        if node == EMPTY_NODE:
            raise StorageDamaged(f"state, node {level}/{index}", f"missing in a tree of {self.count}")
        return node

    def get(self, key: bytes, kind: type[Body]) -> Body | None:
        """The current body of a record, or None."""
        entry = self.entry(key)
        return body_of(record_of(entry[1]), kind) if entry else None

    def record(self, key: bytes) -> Record | None:
        entry = self.entry(key)
        return record_of(entry[1]) if entry else None

    def path(self, place: int) -> list[bytes]:
        """The path of a record's leaf to the current root."""
        return path_from_nodes(self, place, self.count)

    def save(self, change: StateChange) -> None:
        """Make a block's change the current state."""
        pending = self.pending
        for key, (place, record) in change.records.items():
            pending[stored_record(key)] = stored_entry(place, record)
        pages: dict[bytes, bytearray] = {}
        for level, row in enumerate(change.nodes):
            bits, mask, first = row_of(level)
            number, page = -1, bytearray()
            for index, node in row.items():
                if index >> bits != number:  # neighbours lie in one page
                    number = index >> bits
                    page = self._page(pages, level, index, number)
                at = first + NODE_BYTES * (index & mask)
                page[at : at + NODE_BYTES] = node
        pending.update({key: bytes(page) for key, page in pages.items()})
        self.count, self.root = change.count, change.root

    def _page(self, pages: dict[bytes, bytearray], level: int, index: int, number: int) -> bytearray:
        """Of a change that is being saved, as it stood before."""
        key = page_key(keyspace.NODE_PAGES, level, number)
        page = pages.get(key)
        if page is None:
            former = self.read(key) if is_begun(level, index, self.count) else None
            page = pages[key] = bytearray(former or EMPTY_PAGE)
        return page
