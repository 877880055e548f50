"""Blocks: what was agreed at a height, what became of each operation, and which state came out of it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.codec import Count, Digest, Height, Milliseconds, Name, Wire, encode
from chain.digest import HEADER, digest
from chain.merkle import root
from chain.transaction import Transaction
from chain.validators import Certificate

PROTOCOL_VERSION = 1

RECORDED = "recorded"  # the outcome's code for success; every other code is a refusal
OutcomeCode = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9_]{1,48}\Z")]


class Header(Wire, frozen=True):
    """What the votes are about. The view is not in it: a block proposed again in a later view keeps its digest."""

    version: Count
    chain_id: Digest
    height: Height
    parent: Digest  # digest of the header before; at height 1 that of the genesis
    time_ms: Milliseconds  # greater than the parent's
    proposer: Name  # organisation
    transactions_root: Digest
    outcomes_root: Digest
    outcomes_count: Count
    state_root: Digest  # after this block
    state_count: Count  # leaves under it
    history_root: Digest  # over the digests of the heights 0 ... height - 1
    validators: Digest  # the set that votes on this block
    next_validators: Digest  # the set that votes on the next one

    def digest(self) -> bytes:
        return digest(HEADER, self)


class Outcome(Wire, frozen=True):
    """What a block says became of an operation."""

    transaction: Digest
    index: Count  # of the operation in its transaction
    operation: Digest
    code: OutcomeCode


class Block(Wire, frozen=True):
    """A header and what it covers."""

    header: Header
    transactions: list[Transaction]


class FinalBlock(Wire, frozen=True):
    """A block and the certificate that makes it final: a record of the block log."""

    block: Block
    certificate: Certificate


def transactions_root(digests: list[bytes]) -> bytes:
    """The root over transaction digests in block order."""
    return root([encode([entry]) for entry in digests])


def outcomes_root(outcomes: list[Outcome]) -> bytes:
    """The root over outcomes in block order."""
    return root([encode(outcome) for outcome in outcomes])


def history_leaf(block_digest: bytes) -> bytes:
    """A block's entry under later headers' `history_root`."""
    return encode([block_digest])
