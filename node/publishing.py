"""A hospital publishes a catalogue of its own: what the ledger would refuse now is refused here, the rest goes into the outbox."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chain.operation import PublishCatalogue, operation_digest
from chain.records import UNIT, ParametersBody
from chain.rules import RULES, Context
from node.approvals import SOMEBODY
from node.disk_space import CODE as DISK_NEARLY_FULL
from node.disk_space import DiskSpace
from node.foresight import Foresight
from node.outbox import Outbox
from node.service import ServiceRefused, Standing
from node.standings import Standings


class Publishing:
    def __init__(
        self,
        organisation: str,
        parameters: ParametersBody,
        outbox: Outbox,
        standings: Standings,
        foresight: Foresight,
        height: Callable[[], int],
        now_ms: Callable[[], int],
        space: DiskSpace,
    ) -> None:
        self._organisation, self._parameters = organisation, parameters
        self._outbox, self._standings, self._foresight = outbox, standings, foresight
        self._height, self._now_ms, self._space = height, now_ms, space
        self._needs_two = PublishCatalogue.__struct_config__.tag in parameters.two_persons

    async def publish(self, operation: PublishCatalogue, persons: list[bytes]) -> Standing:
        """Keep it, unless the ledger would refuse it now. Raises ServiceRefused with the ledger's code,
        `second_person_missing` last of all."""
        is_alone = self._needs_two and len(persons) < 2
        operation = msgspec.structs.replace(operation, persons=SOMEBODY if is_alone else persons)
        digest = operation_digest(operation)
        known = self._standings.of_operation(digest)
        if known is not None and known.status != "refused":
            return msgspec.structs.replace(known, repeated=True)
        context = Context(
            self._organisation,
            UNIT,
            self._height() + 1,
            self._now_ms(),
            digest,
            self._parameters,
            lambda _height: None,
        )
        await self._foresight.look(lambda view: RULES[PublishCatalogue](view, operation, context))
        if is_alone:
            raise ServiceRefused("second_person_missing", "another person of the hospital has to agree")
        if self._space.is_low():
            raise ServiceRefused(DISK_NEARLY_FULL, "no room for more on this node's disk")
        if not self._outbox.has_room():
            raise ServiceRefused("outbox_full", "too much waits for the ledger")
        self._outbox.add(operation)
        return Standing(digest.hex(), "queued")
