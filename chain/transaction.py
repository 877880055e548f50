"""A transaction: operations of one organisation under one signature.

The signature covers the Merkle root of the operations, so that a proof shows one of them and not the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

import msgspec

from chain.codec import Count, Digest, Height, Name, Signature, Wire, encode
from chain.digest import KEY, OPERATION, TRANSACTION, digest
from chain.merkle import LEAF, hash_leaf, root_of_hashes
from chain.operation import Operation
from chain.signature import ED25519, SigningKey

OPERATIONS_MAX = 500  # in one transaction
ENTRIES_DECODED_MAX = 2 * OPERATIONS_MAX  # beyond it nobody looks why: reading and hashing 30 MB of them takes seconds


class Entry(Wire, frozen=True):
    """An operation in its place. `linked` joins it to the next one: such a chain holds or falls together."""

    linked: bool
    operation: Operation


class TransactionHead(Wire, frozen=True):
    """What is signed."""

    chain_id: Digest
    organisation: Name
    key_id: Digest
    valid_until_height: Height
    operations_root: Digest
    operations_count: Count

    def digest(self) -> bytes:
        """Names the transaction and is the signed message. The signature is not part of it: a liar may make a second
        valid signature of one message."""
        return digest(TRANSACTION, self)


class Transaction(Wire, frozen=True):
    """As it travels and lies in blocks."""

    organisation: Name
    key_id: Digest
    valid_until_height: Height
    entries: Annotated[list[Entry], msgspec.Meta(max_length=ENTRIES_DECODED_MAX)]
    suite: Count  # of the signature: 1 is Ed25519
    signature: Signature

    def head(self, chain_id: bytes) -> TransactionHead:
        return TransactionHead(
            chain_id,
            self.organisation,
            self.key_id,
            self.valid_until_height,
            operations_root(self.entries),
            len(self.entries),
        )


ENTRY_HEAD_BYTES = 2  # an array of two and whether it is linked
# What a leaf begins with: the mark of a leaf, and the entry's array up to its operation.
_LINKED, _ALONE = (LEAF + encode([linked, None])[:ENTRY_HEAD_BYTES] for linked in (True, False))


def operations_root(entries: list[Entry]) -> bytes:
    """The root over the entries of a transaction."""
    return root_of_hashes([hash_leaf(encode(entry)) for entry in entries])


def key_id(public: bytes) -> bytes:
    """What records and transactions call a key by."""
    return digest(KEY, [ED25519, public])


def sign_transaction(
    chain_id: bytes, organisation: str, key: SigningKey, valid_until_height: int, entries: list[Entry]
) -> Transaction:
    """Sign `entries` (1 to OPERATIONS_MAX) for an organisation."""
    unsigned = Transaction(organisation, key_id(key.public), valid_until_height, entries, ED25519, bytes(64))
    signature = key.sign(unsigned.head(chain_id).digest())
    return Transaction(organisation, unsigned.key_id, valid_until_height, entries, ED25519, signature)


@dataclass(frozen=True, slots=True)
class ReceivedTransaction:
    """A transaction with what is worked out once from its bytes. Whether its signature holds is another question."""

    transaction: Transaction
    digest: bytes
    size_bytes: int
    operation_digests: list[bytes]


def receive_transaction(
    chain_id: bytes, transaction: Transaction, size_bytes: int | None = None
) -> ReceivedTransaction:
    """Work out the digests. `size_bytes` is the length of its canonical bytes, if known.

    Each operation is encoded once: its digest, its leaf under the transaction's root and the size come from that.
    """
    entries = transaction.entries
    operations, leaves, size = [], [], 0
    for entry in entries:
        spelt = encode(entry.operation)
        operations.append(sha256(OPERATION + spelt).digest())
        leaves.append(sha256((_LINKED if entry.linked else _ALONE) + spelt).digest())
        size += len(spelt)
    head = TransactionHead(
        chain_id,
        transaction.organisation,
        transaction.key_id,
        transaction.valid_until_height,
        root_of_hashes(leaves),
        len(entries),
    )
    if size_bytes is None:
        bare = Transaction(
            transaction.organisation,
            transaction.key_id,
            transaction.valid_until_height,
            [],
            transaction.suite,
            transaction.signature,
        )
        more = 0 if len(entries) < 16 else 2  # of the length of a list
        size_bytes = len(encode(bare)) + more + size + ENTRY_HEAD_BYTES * len(entries)
    return ReceivedTransaction(transaction, head.digest(), size_bytes, operations)
