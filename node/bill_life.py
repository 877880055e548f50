"""What a hospital does with a bill after it was issued: paper copies, delivery, arrears, withdrawal.

Each is one operation of the ledger. What the ledger would refuse now is refused at the counter and kept nowhere; the rest
goes into the outbox like a bill, and waits there for the bill's own record. A request that was kept before is the same again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from chain.block import RECORDED
from chain.codec import decode, encode
from chain.errors import Malformed, NotCanonical
from chain.operation import HoldBill, Operation, PrintPaper, TakeBackPaper, VoidBlanks, operation_digest
from chain.records import UNIT, ParametersBody
from chain.rules import RULES, Context
from chain.rules.lives import verify_preconditions
from node.disk_space import CODE as DISK_NEARLY_FULL
from node.disk_space import DiskSpace, boundless
from node.foresight import Foresight
from node.gateway_store import GatewayStore
from node.life_pages import life_page
from node.outbox import Outbox
from node.service import LifeOperation, ServiceRefused, Standing
from node.standings import Standings


def _verify_form(operation: LifeOperation) -> None:
    """What reads it back must not stumble: neither the ledger nor this store. Raises ServiceRefused `invalid_value`."""
    try:
        decode(encode(operation), Operation)
    except (Malformed, NotCanonical):
        raise ServiceRefused("invalid_value", "a text of this step has not its form") from None


class BillLife:
    def __init__(
        self,
        organisation: str,
        parameters: ParametersBody,
        store: GatewayStore,
        outbox: Outbox,
        standings: Standings,
        foresight: Foresight,
        height: Callable[[], int],
        now_ms: Callable[[], int],
        space: DiskSpace | None = None,
    ) -> None:
        self._organisation, self._parameters = organisation, parameters
        self._store, self._outbox, self._standings = store, outbox, standings
        self._foresight, self._height, self._now_ms = foresight, height, now_ms
        self._space = space or boundless()

    async def move(self, operation: LifeOperation, beside: Callable[[], None] = lambda: None) -> Standing:
        """Keep it, unless the ledger would refuse it now; `beside` keeps what belongs to it in the same change. Raises
        ServiceRefused with the ledger's code, or what `beside` raises."""
        _verify_form(operation)
        digest = operation_digest(operation)
        if (known := self._known(digest)) is not None:
            await self._verify_stands(operation, known)
            return known
        after = ""
        if not isinstance(operation, VoidBlanks):
            row = self._store.bill(operation.bill)
            if row is None or self._standings.status_of(row) == "refused":
                raise ServiceRefused("bill_unknown")
            after = "" if row.code == RECORDED else operation.bill
        if not after:  # else there is nothing to look at yet
            rule, context = RULES[type(operation)], self._context(digest)
            await self._foresight.look(lambda view: rule(view, operation, context))
        if (known := self._known(digest)) is not None:  # asked for twice at once
            return known
        self._verify_room()
        if after and (row := self._store.bill(after)) is not None and row.code == RECORDED:
            after = ""  # it was recorded while we looked
        beside()
        self._outbox.add(operation, after)
        return Standing(digest.hex(), "queued")

    async def reprint(self, bill: str, paper: str, again: str) -> Standing:
        """The copy on one form is spoilt and stands on another: one step, both or neither; the standing of the new copy."""
        spoilt, printed = TakeBackPaper(bill, paper, "damaged"), PrintPaper(bill, again)
        _verify_form(printed)
        digest = operation_digest(printed)
        if (known := self._known(digest)) is not None:
            return known
        row = self._store.bill(bill)
        if row is None or row.code != RECORDED:
            raise ServiceRefused("bill_unknown")
        context = self._context(operation_digest(spoilt))
        await self._foresight.look(lambda view: RULES[TakeBackPaper](view, spoilt, context))
        if (known := self._known(digest)) is not None:
            return known
        self._verify_room()
        self._outbox.add(spoilt, linked=True)
        self._outbox.add(printed)
        return Standing(digest.hex(), "queued")

    async def verify_reversible(self, bill: str) -> None:
        """What stops a reversal now, as far as validators tell. Raises ServiceRefused: `paper_copy_outstanding` …"""
        row = self._store.bill(bill)
        if row is not None and row.code == RECORDED:
            now_ms = self._now_ms()
            await self._foresight.look(lambda view: verify_preconditions(view, bill, "reverse", now_ms))

    def _known(self, digest: bytes) -> Standing | None:
        """Of an operation that is kept here or was recorded."""
        known = self._standings.of_operation(digest)
        return (
            msgspec.structs.replace(known, repeated=True) if known is not None and known.status != "refused" else None
        )

    async def _verify_stands(self, operation: LifeOperation, known: Standing) -> None:
        """What was recorded once may be over by now: then the same again is not the same. Raises ServiceRefused."""
        if known.status != "recorded" or not isinstance(operation, PrintPaper | HoldBill):
            return
        try:
            life = await self.states(operation.bill)
        except ServiceRefused:
            return  # nobody says otherwise
        if isinstance(operation, PrintPaper):
            if (life["paper"], life.get("paper_form")) != ("out", operation.paper):
                raise ServiceRefused("form_used", "the copy on it is no longer alive")
        elif life["circulation"] != "in_arrears":
            raise ServiceRefused("held_before", "it was held, and paid")

    def _verify_room(self) -> None:
        if self._space.is_low():
            raise ServiceRefused(DISK_NEARLY_FULL, "no room for more on this node's disk")
        if not self._outbox.has_room():
            raise ServiceRefused("outbox_full", "too much waits for the ledger")

    def _context(self, digest: bytes) -> Context:
        return Context(
            self._organisation,
            UNIT,
            self._height() + 1,
            self._now_ms(),
            digest,
            self._parameters,
            lambda _height: None,
        )

    async def states(self, bill: str) -> dict[str, Any]:
        """As `life_pages` says, of records that validators prove. Raises ServiceRefused `unavailable` if none answers."""
        now_ms, found = self._now_ms(), dict[str, Any]()
        if not await self._foresight.look(lambda view: found.update(life_page(view, bill, now_ms))):
            raise ServiceRefused("unavailable", "no validator says where this bill stands")
        return found
