"""What became of an organisation's own transactions in a block: put together again from what a part says of them.

A part has codes and no outcomes, and one cover for all of these instead of a path for each: with the transactions both
make the outcomes' tree, whose root the header has.
"""

from __future__ import annotations

from chain.block import Outcome
from chain.codec import encode
from chain.errors import ProofMismatch
from chain.merkle import CoveredTree, hash_leaf
from chain.transaction import ReceivedTransaction, receive_transaction
from node.messages import OwnTransaction, Part


def outcomes_of(own: OwnTransaction, chain_id: bytes) -> tuple[ReceivedTransaction, list[Outcome]]:
    """The transaction with its digests, and an outcome for each of its operations. Raises ProofMismatch."""
    received = receive_transaction(chain_id, own.transaction)
    if sum(run.count for run in own.codes) != len(received.operation_digests) or not own.codes:
        raise ProofMismatch("an outcome is missing")
    codes = [run.code for run in own.codes for _ in range(run.count)]
    digest = received.digest
    return received, [
        Outcome(digest, index, operation, code)
        for index, (operation, code) in enumerate(zip(received.operation_digests, codes, strict=True))
    ]


def leaves_of(own: OwnTransaction, outcomes: list[Outcome]) -> dict[int, bytes]:
    """Place among the block's outcomes -> leaf hash."""
    return {own.first_place + index: hash_leaf(encode(outcome)) for index, outcome in enumerate(outcomes)}


def tree_of(part: Part) -> CoveredTree:
    """The tree of a part with transactions, to make paths from. Raises ProofMalformed, ProofMismatch."""
    leaves: dict[int, bytes] = {}
    for own in part.transactions:
        leaves.update(leaves_of(own, outcomes_of(own, part.header.chain_id)[1]))
    return CoveredTree(leaves, part.header.outcomes_count, part.cover)


def joined(known: Part, other: Part) -> Part:
    """All that either of two answers shows of one block; each may have left something out. Both are checked as one."""
    if not known.transactions or not other.transactions:
        whole = known if known.transactions else other
        keys, transactions, cover = whole.keys, whole.transactions, whole.cover
    else:
        both = {own.first_place: own for own in [*other.transactions, *known.transactions]}
        transactions = [own for _place, own in sorted(both.items())]
        named = {(witness.organisation, witness.key_id): witness for witness in [*other.keys, *known.keys]}
        keys = list(named.values())
        places = [own.first_place + index for own in transactions for index in range(len(own.transaction.entries))]
        cover = tree_of(known).cover(places, tree_of(other))
    seals = {seal.outcome_place: seal for seal in [*other.seals, *known.seals]}
    return Part(
        known.header,
        known.certificate,
        keys,
        transactions,
        cover,
        [seal for _place, seal in sorted(seals.items())],
        known.next_set,
    )
