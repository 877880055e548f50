"""The unit and seal keys of a gateway's own organisation, as the chain has them.

Genesis tells the first ones; what the organisation adds and ends afterwards (`medbill keys`) comes with its part of the
blocks. A key that nothing followed tells of is asked for, with its path to a state root: a validator may have left the
block's transaction out of its answer, or the gateway is behind. Source: `chain/rules/keys.py`; PROTOCOL rule 17.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from chain import keyspace
from chain.genesis import Genesis
from chain.operation import AddKey, EndKey
from chain.proof import CurrentRecord
from chain.records import FOR_EVER, SEAL, UNIT, KeyBody
from chain.signature import ED25519
from chain.state import body_of
from chain.transaction import key_id
from node.gateway_store import GatewayStore, own_key_key
from node.service import ServiceRefused

SIGNING = (UNIT, SEAL)  # purposes of keys that sign transactions

AskRecord = Callable[[bytes], Awaitable[tuple[CurrentRecord | None, bool]]]  # key -> proven record, anybody answered


class OwnKeys:
    """What was followed or proven lies in the store and wins over genesis. Nothing is asked twice that was kept."""

    def __init__(self, genesis: Genesis, organisation: str, store: GatewayStore) -> None:
        self._organisation, self._store = organisation, store
        self._first = {
            key_id(key.public): KeyBody(key.public, key.purpose, ED25519, 1, FOR_EVER)
            for key in genesis.keys
            if key.organisation == organisation and key.purpose in SIGNING
        }

    def known(self, name: bytes) -> KeyBody | None:
        """A key by its id, as far as it is known here."""
        return self._store.get(own_key_key(name), KeyBody) or self._first.get(name)

    def on_recorded(self, operation: AddKey | EndKey) -> None:
        """A block that was followed holds it, of this organisation; blocks may be settled again, and out of order."""
        name = key_id(operation.public) if isinstance(operation, AddKey) else operation.key_id
        body = self.known(name)
        if isinstance(operation, AddKey):
            if body is None:
                body = KeyBody(operation.public, operation.purpose, operation.suite, operation.from_height, FOR_EVER)
                self._store.put(own_key_key(name), body)
        elif body is not None:
            until = min(body.until_height, operation.until_height)  # an end only ever comes nearer
            self._store.put(own_key_key(name), msgspec.structs.replace(body, until_height=until))

    async def in_force(self, name: bytes, height: Callable[[], int], ask: AskRecord) -> KeyBody:
        """The key that may sign in the block after `height()`, up to which blocks were followed.

        Raises ServiceRefused with the codes of `chain.execute.key_in_force`, or `unavailable` if nobody tells.
        """
        body, newest = self.known(name), height()
        if body is None:
            current, is_answered = await ask(keyspace.key(self._organisation, name))
            newest = height()
            body = self.known(name)  # the block may have come meanwhile
            if body is None and current is not None:
                body = body_of(current.record, KeyBody)
                if body.purpose in SIGNING and current.header.height >= newest:  # an older one may have ended since
                    self._store.put(own_key_key(name), body)
                newest = max(newest, current.header.height)
            elif body is None and not is_answered:
                raise ServiceRefused("unavailable", "no validator says whose key this is")
        if body is None or body.purpose not in SIGNING:
            raise ServiceRefused("key_unknown")
        if not body.from_height <= newest + 1 < body.until_height:
            raise ServiceRefused("key_not_in_force")
        return body
