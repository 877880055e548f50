"""What the ledger would say now, asked before anything is kept: the rules themselves, over records that validators prove.

A rule reads the state through a view; here the view holds what was asked for, and a key it lacks is asked next. Nobody waits
long for it: where no validator answers in time, nothing is foreseen, the operation is kept, and the ledger says later.
A record that is there comes with its path; that one is missing nobody can prove, so a lie costs a refusal later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from chain.errors import ChainError, StorageDamaged
from chain.proof import CurrentRecord
from chain.records import Record
from chain.rules import Refused, View
from chain.rules.context import Body
from chain.state import body_of
from node.service import ServiceRefused

SECONDS_MAX = 1.0  # for all questions of one look
STALE_S = 0.02  # until a validator is asked again that was behind what we followed
QUESTIONS_MAX = 64  # a bill with all its claims needs some twenty

AskRecord = Callable[[bytes], Awaitable[tuple[CurrentRecord | None, bool]]]

log = structlog.get_logger("gateway")


class NotShown(Exception):
    """A rule needs a record that no validator shows to who asks: the ledger alone can say."""


class _NotAsked(Exception):
    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self.key = key


class _Asked:
    """A `View` of the records asked for so far."""

    def __init__(self) -> None:
        self.records: dict[bytes, Record | None] = {}

    def get(self, key: bytes, kind: type[Body]) -> Body | None:
        record = self._record(key)
        return body_of(record, kind) if record is not None else None

    def origin(self, key: bytes) -> bytes | None:
        record = self._record(key)
        return record.origin if record is not None else None

    def _record(self, key: bytes) -> Record | None:
        if key not in self.records:
            raise _NotAsked(key)
        return self.records[key]


class Foresight:
    def __init__(self, ask: AskRecord, height: Callable[[], int]) -> None:
        """`height`: up to which blocks were followed; what is older is asked for again."""
        self._ask, self._height = ask, height

    async def look(self, rule: Callable[[View], object]) -> bool:
        """Whether the ledger would take it now, as far as was told in time. Raises ServiceRefused with the rule's code."""
        view = _Asked()
        try:
            async with asyncio.timeout(SECONDS_MAX):
                for _ in range(QUESTIONS_MAX):
                    try:
                        rule(view)
                    except _NotAsked as missing:
                        current, is_answered = await self._ask(missing.key)
                        if not is_answered:
                            return False
                        if current is not None and current.header.height < self._height():
                            await asyncio.sleep(STALE_S)
                            continue
                        view.records[missing.key] = current.record if current is not None else None
                    except NotShown:
                        return False
                    except Refused as refusal:
                        raise ServiceRefused(refusal.code) from None
                    else:
                        return True
        except StorageDamaged:  # a record under a block that no quorum signed: the node has to know
            raise
        except (TimeoutError, ChainError) as error:
            log.warning("not_foreseen", reason=str(error) or type(error).__name__)
        return False
