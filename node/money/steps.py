"""Carrying a chain of operations out: foreseen with the rules themselves, kept in the outbox as one, sent until recorded.

What the ledger would refuse now is refused here with its code, and nothing is kept. What is kept may still lose a race (the last
number of a schedule): then its standing says so, with the code of the operation that was at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from chain import keyspace
from chain.block import RECORDED
from chain.codec import Wire, decode, encode
from chain.errors import Malformed, NotCanonical
from chain.operation import Operation, operation_digest
from chain.records import UNIT, AccountBody, ParametersBody, Record
from chain.rules import RULES, Context, View
from chain.rules.context import Body, local_date
from chain.state import body_of
from node.disk_space import CODE as DISK_NEARLY_FULL
from node.disk_space import DiskSpace
from node.foresight import Foresight, NotShown
from node.gateway_follow import GatewayFollow
from node.outbox import Outbox
from node.service import ServiceRefused, Standing
from node.standings import Standings

LINKED_FAILED = "linked_failed"


class _After:
    """The state after the operations of a chain so far. Raises NotShown for another organisation's account that nobody shows."""

    def __init__(self, view: View, organisation: str) -> None:
        self._view, self._own_accounts = view, keyspace.accounts_of(organisation)
        self.changes: dict[bytes, Wire] = {}
        self.origins: dict[bytes, bytes] = {}

    def get(self, key: bytes, kind: type[Body]) -> Body | None:
        if key in self.changes:
            body = self.changes[key]
            if not isinstance(body, kind):
                raise TypeError(f"{key!r} is no {kind.__name__}")
            return body
        found = self._view.get(key, kind)
        if found is None and kind is AccountBody and not key.startswith(self._own_accounts):
            raise NotShown
        return found

    def origin(self, key: bytes) -> bytes | None:
        return self.origins.get(key) or self._view.origin(key)


class MoneySteps:
    def __init__(
        self,
        organisation: str,
        parameters: ParametersBody,
        outbox: Outbox,
        standings: Standings,
        follow: GatewayFollow,
        now_ms: Callable[[], int],
        space: DiskSpace,
    ) -> None:
        self.organisation, self.now_ms = organisation, now_ms
        self._parameters, self._outbox, self._standings = parameters, outbox, standings
        self._follow, self._space = follow, space
        self._foresight = Foresight(follow.ask_record, lambda: follow.height)

    async def carry_out(
        self, operations: Sequence[Operation], beside: Callable[[], None] = lambda: None, after: str = ""
    ) -> Standing:
        """Keep a chain, all of it or nothing; the standing is the last one's. `beside` keeps what belongs to it in the same
        change. `after`: a bill that has to be recorded first, so nothing is foreseen. Raises ServiceRefused with the code that
        the ledger would give now."""
        _verify_form(operations)
        digests = [operation_digest(operation) for operation in operations]
        known = self._standings.of_operation(digests[-1])
        if known is not None and known.status != "refused":
            return msgspec.structs.replace(self.standing(digests), repeated=True)
        if not after:
            try:
                await self._foresight.look(lambda view: self._run(view, operations))
            except ServiceRefused as refused:
                if refused.code != "already_recorded" or len(operations) > 1:
                    raise
                # by another gateway of the hospital
                return Standing(digests[-1].hex(), "recorded", repeated=True, chain=(digests[-1].hex(),))
        if self._space.is_low():
            raise ServiceRefused(DISK_NEARLY_FULL, "no room for more on this node's disk")
        if not self._outbox.has_room():
            raise ServiceRefused("outbox_full", "too much waits for the ledger")
        beside()
        last = len(operations) - 1
        for place, operation in enumerate(operations):
            self._outbox.add(operation, after, linked=place < last)
        return self.standing(digests)

    @property
    def offset_ms(self) -> int:
        """Of the ledger's own time zone from UTC."""
        return self._parameters.utc_offset_minutes * 60_000

    def local_day(self, time_ms: int) -> int:
        """yyyymmdd in the ledger's own time zone."""
        return local_date(time_ms, self._parameters.utc_offset_minutes)

    def keep(self, operation: Operation) -> None:
        """Keep one that has to be recorded whatever is foreseen."""
        self._outbox.add(operation)

    async def foresee(self, operations: Sequence[Operation], given: Mapping[bytes, Wire]) -> None:
        """What the ledger would say to a chain where `given` (key -> body) stood already. Raises ServiceRefused."""
        _verify_form(operations)
        await self._foresight.look(lambda view: self._run(view, operations, given))

    async def verify(self, rule: Callable[[View, Context], object]) -> None:
        """Ask the state something that is no operation. Raises ServiceRefused with what `rule` refuses."""
        context = self._context(bytes(32))
        await self._foresight.look(lambda view: rule(view, context))

    async def body(self, key: bytes, kind: type[Body]) -> Body | None:
        """A record as a validator proves it now; None if there is none, or none is told of in time."""
        current = await self._follow.record(key)
        return body_of(current.record, kind) if current is not None else None

    async def body_at(self, key: bytes, kind: type[Body]) -> tuple[Body, int] | None:
        """The same with the height of its last change."""
        current = await self._follow.record(key)
        return (body_of(current.record, kind), current.record.height) if current is not None else None

    async def recorded(self, key: bytes, kind: type[Body]) -> tuple[Body, Record] | None:
        """The same with all that is told of its version: which operation made it first, and which one this version."""
        current = await self._follow.record(key)
        return (body_of(current.record, kind), current.record) if current is not None else None

    def standing(self, digests: Sequence[bytes], resource: str | None = None) -> Standing:
        """Of a chain by what is known of its last operation; a refusal's code is the culprit's."""
        found = self._standings.of_operation(digests[-1])
        if found is None:
            found = Standing(digests[-1].hex(), "queued")
        chain = tuple(digest.hex() for digest in digests)
        return self.told(msgspec.structs.replace(found, resource=resource, chain=chain))

    async def settled(self, standing: Standing, seconds: float) -> Standing:
        """Once it is recorded or refused, or what there is after so many seconds."""
        reached = await self._standings.wait(standing, seconds, "recorded")
        return self.told(msgspec.structs.replace(reached, resource=standing.resource, chain=standing.chain))

    def told(self, standing: Standing) -> Standing:
        """With the code of the one operation of its chain that was at fault."""
        if standing.code != LINKED_FAILED:
            return standing
        for digest in standing.chain:
            other = self._standings.of_operation(bytes.fromhex(digest))
            if other is not None and other.code not in (None, LINKED_FAILED, RECORDED):
                return msgspec.structs.replace(standing, code=other.code)
        return standing

    def _run(self, view: View, operations: Sequence[Operation], given: Mapping[bytes, Wire] | None = None) -> None:
        after = _After(view, self.organisation)
        after.changes.update(given or {})
        for operation in operations:
            digest = operation_digest(operation)
            changes = RULES[type(operation)](after, operation, self._context(digest))
            for key in changes:
                if after.origin(key) is None:
                    after.origins[key] = digest
            after.changes.update(changes)

    def _context(self, digest: bytes) -> Context:
        return Context(
            self.organisation,
            UNIT,
            self._follow.height + 1,
            self.now_ms(),
            digest,
            self._parameters,
            lambda _height: None,
        )


def _verify_form(operations: Sequence[Operation]) -> None:
    """What reads it back must not stumble: neither the ledger nor this store. Raises ServiceRefused `invalid_value`."""
    try:
        for operation in operations:
            decode(encode(operation), Operation)
    except (Malformed, NotCanonical) as error:
        raise ServiceRefused("invalid_value", f"a field has not its form: {error}") from None
