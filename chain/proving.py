"""Build proofs from final blocks: the other half of `proof.py`, for whoever holds the blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chain.block import Header
from chain.codec import encode
from chain.final_view import FinalView
from chain.genesis import FIRST_EPOCH
from chain.merkle import hash_leaf, paths_of_hashes
from chain.proof import SetChange
from chain.recorded import Recorded
from chain.validators import Certificate, ValidatorSet


def set_changes(
    sets: Iterable[ValidatorSet], certified: Callable[[int], tuple[Header, Certificate]], newest: int
) -> list[SetChange]:
    """What leads from the set of genesis to the one that votes on block `newest`, the highest header of a proof.

    `sets` are those of the chain in their order; `certified` gives a final header with its certificate.
    """
    return [
        SetChange(*certified(members.epoch - 1), members) for members in sets if FIRST_EPOCH < members.epoch <= newest
    ]


def recorded_at(view: FinalView, parent: Header | None, place: int, indexes: list[int]) -> list[Recorded]:
    """What shows that the block recorded (or refused) entries `indexes` of its transaction `place`.

    `parent` is the header before, None at height 1.
    """
    received = view.received[place]
    transaction = received.transaction
    first = sum(len(earlier.operation_digests) for earlier in view.received[:place])
    entry_paths = paths_of_hashes([hash_leaf(encode(entry)) for entry in transaction.entries], indexes)
    outcome_hashes = [hash_leaf(encode(outcome)) for outcome in view.outcomes]
    outcome_paths = paths_of_hashes(outcome_hashes, [first + index for index in indexes])
    key = next(
        witness
        for witness in view.witnesses
        if (witness.organisation, witness.key_id) == (transaction.organisation, transaction.key_id)
    )
    head = transaction.head(view.header.chain_id)
    return [
        Recorded(
            entry=transaction.entries[index],
            index=index,
            path=entry_path,
            head=head,
            suite=transaction.suite,
            signature=transaction.signature,
            key=key,
            parent=parent,
            outcome=view.outcomes[first + index],
            outcome_place=first + index,
            outcome_path=outcome_path,
            header=view.header,
            certificate=view.certificate,
        )
        for index, entry_path, outcome_path in zip(indexes, entry_paths, outcome_paths, strict=True)
    ]
