"""What travels between simulated nodes beside the core's messages."""

from __future__ import annotations

from dataclasses import dataclass

from chain.transaction import ReceivedTransaction
from consensus.model import PeerMessage
from tests.simulator.disk import StoredBlock


@dataclass(frozen=True)
class SimulatedBlocks:
    """Stands for model.Blocks."""

    blocks: list[StoredBlock]


@dataclass(frozen=True)
class SimulatedBodies:
    """Stands for model.Bodies."""

    transactions: list[ReceivedTransaction]


@dataclass(frozen=True)
class Gossip:
    """Transactions on their way between pools."""

    transactions: list[ReceivedTransaction]


Payload = PeerMessage | SimulatedBlocks | SimulatedBodies | Gossip
