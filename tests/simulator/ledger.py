"""The real ledger over a simulated disk: `chain.ledger`, with this run's signatures and without files."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from chain.block import Block, FinalBlock, Header
from chain.block_log import BlockLog
from chain.codec import encode
from chain.errors import BlockInvalid
from chain.execute import Execution, verify_block
from chain.ledger import Ledger
from chain.transaction import ReceivedTransaction
from chain.validators import COMMIT, Certificate, verify_certificate
from tests.simulator.disk import Disk

if TYPE_CHECKING:
    from tests.simulator.world import World


class DiskLog:
    """The part of a block log that a ledger reads."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    @property
    def height(self) -> int:
        return len(self._disk.blocks)

    def read(self, height: int) -> bytes:
        stored = self._disk.blocks[height - 1]
        block = Block(stored.header, [received.transaction for received in stored.bodies])
        return encode(FinalBlock(block, stored.certificate))


class SimulatedLedger(Ledger):
    """Signatures are the run's. A block that another node has executed on the same parent is not executed again, but
    for one seed in ten: a header's digest binds parent, transactions and all results."""

    def __init__(self, world: World, disk: Disk) -> None:
        super().__init__(world.genesis, disk.store, cast(BlockLog, DiskLog(disk)), indexes=False)
        self._world = world
        self.load()

    @classmethod
    def opened(cls, world: World, disk: Disk) -> SimulatedLedger:
        """As its disk remembers it: the state's last batch, and the log's blocks above it."""
        ledger = cls(world, disk)
        if world.options.is_executed_everywhere:
            ledger.replay()
            return ledger
        for stored in disk.blocks[ledger.head.height :]:
            ledger.adopt(ledger.executed(stored.header, stored.bodies), stored.certificate)
        return ledger

    def executed(self, header: Header, bodies: list[ReceivedTransaction]) -> Execution:
        """Raises BlockInvalid."""
        if self._world.options.is_executed_everywhere:
            return verify_block(self.parent(), header, bodies, self.holds)
        digest = header.digest()
        found = self._world.executions.get(digest)
        if found is None:
            try:
                found = verify_block(self.parent(), header, bodies, self.holds)
            except BlockInvalid as refusal:
                found = refusal
            self._world.executions[digest] = found
        if isinstance(found, BlockInvalid):
            raise BlockInvalid(found.code, str(found))
        return found

    def holds(self, received: ReceivedTransaction, public: bytes) -> bool:
        return self._world.signers.verify(public, received.digest, received.transaction.signature)

    def verify_final(self, header: Header, certificate: Certificate) -> None:
        members = self.set_at(header.height)
        verify_certificate(
            certificate, members, COMMIT, self.chain_id, header.height, header.digest(), self._world.signers.verify
        )

    def check(self, block: Block, holds: object = None) -> Execution:
        return super().check(block, self.holds)
