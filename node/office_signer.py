"""What an office signs itself: tried by the rules as of the head first, then kept on the disk and sent until it is recorded.

So most refusals are told at once, and nothing is sent in vain.
"""

from __future__ import annotations

from collections.abc import Callable

from chain.errors import BlockInvalid
from chain.execute import verify_transaction
from chain.ledger import Ledger, signature_holds
from chain.operation import Operation, operation_digest
from chain.records import UNIT
from chain.rules import RULES, Context, Refused
from chain.signature import SigningKey
from chain.state import Overlay
from chain.transaction import Entry, receive_transaction, sign_transaction
from node.service import ServiceRefused, Standing
from node.submissions import Submissions

VALID_BLOCKS = 2_000  # that what this office signs may still run


class OfficeSigner:
    """On the ledger's loop. `find` tells (whose it is, how it stands) of an operation by its digest."""

    def __init__(
        self,
        organisation: str,
        ledger: Ledger,
        key: SigningKey | None,
        submissions: Submissions,
        find: Callable[[bytes], tuple[str, Standing] | None],
    ) -> None:
        self.organisation = organisation
        self._ledger, self._key = ledger, key
        self._submissions, self._find = submissions, find

    def key(self) -> SigningKey:
        """The unit's. Raises ServiceRefused `unavailable`."""
        if self._key is None:
            raise ServiceRefused("unavailable", "this node does not hold its organisation's key")
        return self._key

    def known(self, operation: Operation) -> Standing | None:
        """How it stands if it is recorded, or on its way: the same again makes nothing new."""
        digest = operation_digest(operation)
        found = self._find(digest)
        if found is None or found[1].status == "refused":
            return None
        return Standing(digest.hex(), found[1].status, height=found[1].height, repeated=True)

    def try_now(self, operation: Operation) -> Standing | None:
        """None if the rules would take it now; its standing if it is recorded. Raises ServiceRefused."""
        digest, base = operation_digest(operation), self._ledger.parent()
        context = Context(
            self.organisation, UNIT, base.height + 1, base.time_ms + 1, digest, base.parameters, base.block_digest
        )
        try:
            RULES[type(operation)](Overlay(self._ledger.state), operation, context)
        except Refused as refusal:
            found = self._find(digest)
            if refusal.code == "already_recorded" and found is not None:
                status = "recorded" if found[1].status == "refused" else found[1].status  # run again, it was refused
                return Standing(digest.hex(), status, height=found[1].height, repeated=True)
            raise ServiceRefused(refusal.code) from None
        return None

    async def send(self, *operations: Operation) -> list[Standing]:
        """Sign them as one transaction, keep and send it; each stands for itself. Raises ServiceRefused."""
        key, base = self.key(), self._ledger.parent()
        until = base.height + min(VALID_BLOCKS, base.parameters.replay_window)
        entries = [Entry(False, operation) for operation in operations]
        transaction = sign_transaction(self._ledger.chain_id, self.organisation, key, until, entries)
        received = receive_transaction(self._ledger.chain_id, transaction)
        try:
            verify_transaction(base, received, signature_holds)
        except BlockInvalid as refusal:  # the key is not in force, or not yet
            raise ServiceRefused(refusal.code) from None
        await self._submissions.keep(received)
        return [Standing(digest.hex(), "queued") for digest in received.operation_digests]
