"""A fetched block is final because a quorum signed it, whoever gave it: rule 5, before it is executed."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from chain.block import Block, FinalBlock
from chain.validators import COMMIT, PREPARE, Certificate, SeatSignature, vote_message
from consensus.errors import CertificateInvalid, ConsensusError, MessageMalformed
from consensus.wire import verify_final_block
from tests.consensus.cluster import Cluster
from tests.simulator.application import CHAIN_ID

replaced = msgspec.structs.replace


def final_block(cluster: Cluster, seats: tuple[int, ...] = (0, 1, 3), kind: int = COMMIT, epoch: int = 1) -> FinalBlock:
    """An empty first block that these seats voted for."""
    seat = cluster[0]
    header = seat.application.build(seat.head, seat.organisation, cluster.now_ms, [])
    message = vote_message(CHAIN_ID, epoch, kind, 0, 1, header.digest())
    signatures = [SeatSignature(signer, cluster.keys.sign(signer)(message)) for signer in seats]
    return FinalBlock(Block(header, []), Certificate(0, signatures))


def bent_header(final: FinalBlock, **changes: object) -> FinalBlock:
    return replaced(final, block=replaced(final.block, header=replaced(final.block.header, **changes)))


REFUSED: dict[str, tuple[Callable[[Cluster], FinalBlock], type[ConsensusError]]] = {
    "too few signers": (lambda cluster: final_block(cluster, (0, 1)), CertificateInvalid),
    "more than a quorum": (lambda cluster: final_block(cluster, (0, 1, 2, 3)), CertificateInvalid),
    "one signer thrice": (lambda cluster: final_block(cluster, (1, 1, 1)), CertificateInvalid),
    "Prepares": (lambda cluster: final_block(cluster, kind=PREPARE), CertificateInvalid),
    "votes of another epoch": (lambda cluster: final_block(cluster, epoch=2), CertificateInvalid),
    "another header": (lambda cluster: bent_header(final_block(cluster), state_root=bytes(32)), CertificateInvalid),
    "another chain": (lambda cluster: bent_header(final_block(cluster), chain_id=bytes(32)), MessageMalformed),
    "a list that is missing": (
        lambda cluster: bent_header(final_block(cluster), transactions_root=bytes(32)),
        MessageMalformed,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_block_that_nobody_certified_is_not_taken(cluster: Cluster, name: str) -> None:
    """Rule 5; CVE-2025-24371 and others: a server of blocks may say anything."""
    make, error = REFUSED[name]
    with pytest.raises(error):
        verify_final_block(make(cluster), cluster.members, CHAIN_ID, cluster.keys.verify)
    assert verify_final_block(final_block(cluster), cluster.members, CHAIN_ID, cluster.keys.verify) == []
