"""15xx: schedules with their number pools, and appointments."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.codec import Count, Digest, Fen, LocalDate, Milliseconds, Name, Wire
from chain.operation.fields import Mac, Reason

POOLS_MAX = 10
NUMBERS_MAX = 500  # of one schedule


class Pool(Wire, frozen=True):
    """Numbers of a schedule that one channel gives out (号源池)."""

    channel: Reason  # window, app, city …
    first: Annotated[int, msgspec.Meta(ge=1, le=NUMBERS_MAX)]
    count: Annotated[int, msgspec.Meta(ge=1, le=NUMBERS_MAX)]
    opens_to_all_ms: Milliseconds  # from then on every channel gives them out; later than the schedule's end: none does


class PublishSchedule(Wire, frozen=True, tag=1500):
    """When somebody sees patients, and how many (排班)."""

    schedule: Digest
    department: Name
    staff: Mac  # who it is, as the hospital knows them
    date: LocalDate
    session: Reason  # am, pm, night
    starts_ms: Milliseconds
    ends_ms: Milliseconds
    pools: Annotated[list[Pool], msgspec.Meta(min_length=1, max_length=POOLS_MAX)]  # by number, without gaps from 1
    fee_fen: Fen
    pay_within_ms: Milliseconds  # at most so long a number waits for its fee
    book_until_ms: (
        Milliseconds  # numbers are given out until then: before it begins or, at the window, while it goes on
    )
    cancel_until_ms: Milliseconds  # until then a confirmed number may be given back


class StopSchedule(Wire, frozen=True, tag=1501):
    """It does not take place (停诊)."""

    schedule: Digest
    reason: Reason


class SubstituteStaff(Wire, frozen=True, tag=1502):
    """Somebody else sees the patients (替诊)."""

    schedule: Digest
    staff: Mac
    number: Count  # how often it has changed before


class HoldNumber(Wire, frozen=True, tag=1510):
    """A number is kept for somebody until its fee is paid."""

    appointment: Digest
    schedule: Digest
    channel: Reason
    number: Count
    holder: Mac  # who comes, as the hospital knows them
    until_ms: Milliseconds  # by block time; then it is back in the pool


class ConfirmAppointment(Wire, frozen=True, tag=1511):
    """Its fee is paid, or there is none."""

    appointment: Digest
    order: Annotated[list[Digest], msgspec.Meta(max_length=1)]  # that has paid the fee


class CancelAppointment(Wire, frozen=True, tag=1512):
    """The number goes back into its pool."""

    appointment: Digest
    reason: Reason


class CheckIn(Wire, frozen=True, tag=1513):
    """They are there."""

    appointment: Digest


class MissAppointment(Wire, frozen=True, tag=1514):
    """They did not come (爽约)."""

    appointment: Digest
