"""What every rule is given, and how it refuses.

A rule is a function (view of the state, operation, context) -> changes, or it raises Refused(code). It reads the
state through the view only, and knows no clock, no file and no node.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Protocol, TypeVar

import msgspec

from chain import keyspace
from chain.codec import Wire
from chain.records import ACTIVE, SUSPENDED, OrganisationBody, ParametersBody

Body = TypeVar("Body", bound=Wire)
Changes = dict[bytes, Wire]  # record key -> its new body

HOSPITAL = "hospital"
DAY_MS = 86_400_000


class View(Protocol):
    """The state as the operations before this one left it."""

    def get(self, key: bytes, kind: type[Body]) -> Body | None: ...

    def origin(self, key: bytes) -> bytes | None:
        """Digest of the operation that made the record, or None."""
        ...


class Context(msgspec.Struct, frozen=True, gc=False):
    """Around an operation: who signed it, with a key for what, in which block."""

    organisation: str
    purpose: int  # of the signing key: records.UNIT or records.SEAL
    height: int
    time_ms: int  # of the block
    operation: bytes  # its digest
    parameters: ParametersBody
    block_digest: Callable[[int], bytes | None]  # of an earlier block, as far back as `replay_window`


class Refused(Exception):
    """An operation that the rules refuse. `code` becomes its outcome and is part of the protocol."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def refuse_repeated(view: View, key: bytes, context: Context, otherwise: str) -> None:
    """Refuse what has been recorded under `key` before: as `already_recorded` if by this very operation."""
    origin = view.origin(key)
    if origin is not None:
        raise Refused("already_recorded" if origin == context.operation else otherwise)


def organisation(view: View, name: str) -> OrganisationBody:
    """Raises Refused `organisation_unknown`."""
    body = view.get(keyspace.organisation(name), OrganisationBody)
    if body is None:
        raise Refused("organisation_unknown")
    return body


def issuing_hospital(view: View, name: str, place: str) -> OrganisationBody:
    """The organisation, if it may issue bills at `place`. Raises Refused."""
    body = organisation(view, name)
    if body.kind != HOSPITAL:
        raise Refused("issuer_not_entitled")
    if body.state != ACTIVE:
        raise Refused("organisation_suspended" if body.state == SUSPENDED else "organisation_closed")
    if place not in body.places:
        raise Refused("place_unknown")
    return body


@lru_cache(maxsize=64)  # of a block's time, again for each of its bills
def local_date(time_ms: int, utc_offset_minutes: int) -> int:
    """yyyymmdd of a moment, in the ledger's own time zone; the last day of 9999 for all that come after it."""
    days = (time_ms + utc_offset_minutes * 60_000) // DAY_MS
    day = date.fromordinal(min(date(1970, 1, 1).toordinal() + days, date.max.toordinal()))
    return day.year * 10_000 + day.month * 100 + day.day


@lru_cache(maxsize=256)
def days_between(earlier: int, later: int) -> int:
    """Days from one yyyymmdd to another. Raises Refused `date_unknown` for a day that does not exist."""
    try:
        first, second = (date(day // 10_000, day // 100 % 100, day % 100).toordinal() for day in (earlier, later))
    except ValueError:
        raise Refused("date_unknown") from None
    return second - first
