"""Transactions that the organisation signed elsewhere: this gateway checks them, keeps them and passes them on."""

from __future__ import annotations

from chain.codec import decode
from chain.errors import Malformed
from chain.genesis import Genesis
from chain.operation import IssueBill, ReverseBill
from chain.signature import ED25519, is_signature
from chain.transaction import OPERATIONS_MAX, ReceivedTransaction, Transaction, receive_transaction
from node.disk_space import CODE as DISK_NEARLY_FULL
from node.disk_space import DiskSpace, boundless
from node.gateway_follow import GatewayFollow
from node.gateway_store import GatewayStore, OperationRow, operation_key
from node.own_keys import OwnKeys
from node.part_check import Ledger
from node.sender import Sender
from node.service import ServiceRefused, Standing


class Submitting:
    def __init__(
        self,
        genesis: Genesis,
        ledger: Ledger,
        store: GatewayStore,
        sender: Sender,
        follow: GatewayFollow,
        keys: OwnKeys,
        space: DiskSpace | None = None,
    ) -> None:
        self._ledger, self._store, self._sender, self._follow = ledger, store, sender, follow
        self._parameters = genesis.parameters
        self._keys, self._space = keys, space or boundless()

    async def submit(self, data: bytes) -> list[Standing]:
        """Take a transaction in canonical bytes; the standing of each operation. Raises ServiceRefused."""
        try:
            transaction = decode(data, Transaction)
        except Malformed as malformed:
            raise ServiceRefused(malformed.code) from None
        received = receive_transaction(self._ledger.chain_id, transaction, len(data))
        await self._verify(received)
        if self._space.is_low():
            raise ServiceRefused(DISK_NEARLY_FULL, "no room for new transactions on this node's disk")
        if not self._sender.has_room():
            raise ServiceRefused("outbox_full", "too many transactions wait for the ledger")
        for entry, digest in zip(transaction.entries, received.operation_digests, strict=True):
            if self._store.get(operation_key(digest), OperationRow) is None:
                operation = entry.operation
                bill = operation.bill if isinstance(operation, IssueBill | ReverseBill) else ""
                self._store.put(operation_key(digest), OperationRow(bill, "", 0))
        self._sender.submit(transaction, len(data))
        return [self._standing(digest) for digest in received.operation_digests]

    async def _verify(self, received: ReceivedTransaction) -> None:
        """In the order in which validators look."""
        transaction, parameters = received.transaction, self._parameters
        if not 1 <= len(transaction.entries) <= OPERATIONS_MAX or transaction.entries[-1].linked:
            raise ServiceRefused("transaction_malformed")
        if transaction.suite != ED25519:
            raise ServiceRefused("suite_unknown")
        if transaction.organisation != self._ledger.organisation:
            raise ServiceRefused("organisation_forbidden", "a gateway passes on its own organisation's only")
        if received.size_bytes > parameters.block_bytes_max:
            raise ServiceRefused("transaction_too_large")
        height = self._follow.height + 1
        if transaction.valid_until_height < height:
            raise ServiceRefused("transaction_expired")
        if transaction.valid_until_height > height + parameters.replay_window:
            raise ServiceRefused("transaction_too_early")
        follow = self._follow
        key = await self._keys.in_force(transaction.key_id, lambda: follow.height, follow.ask_record)
        if not is_signature(key.public, received.digest, transaction.signature):
            raise ServiceRefused("bad_signature")

    def _standing(self, digest: bytes) -> Standing:
        row = self._store.get(operation_key(digest), OperationRow)
        return Standing(digest.hex(), "queued", bill_id=(row.bill or None) if row is not None else None)
