"""Schedules, appointments and visits."""

from __future__ import annotations

from chain.codec import Count, Digest, Fen, LocalDate, Milliseconds, Name, Wire
from chain.operation import Mac, Pool, Reason
from chain.records.record import State

# a schedule
TAKES_PLACE = 1
STOPPED = 2

# an appointment
NUMBER_HELD = 1
CONFIRMED = 2
CANCELLED = 3
CHECKED_IN = 4
MISSED = 5


class Taken(Wire, frozen=True):
    """A number that is not free."""

    number: Count
    appointment: Digest
    until_ms: Milliseconds  # while its fee is waited for; 0 once it is confirmed


class ScheduleBody(Wire, frozen=True):
    department: Name
    staff: Mac
    date: LocalDate
    session: Reason
    starts_ms: Milliseconds
    ends_ms: Milliseconds
    pools: list[Pool]
    fee_fen: Fen
    pay_within_ms: Milliseconds
    cancel_until_ms: Milliseconds
    state: State
    reason: str
    changes: Count  # of who sees the patients
    taken: list[Taken]  # by number, ascending
    returned: Count  # how many numbers went back into a pool so far


class AppointmentBody(Wire, frozen=True):
    schedule: Digest
    channel: Reason
    number: Count
    holder: Mac
    until_ms: Milliseconds
    state: State
    order: list[Digest]
    reason: str
    time_ms: Milliseconds  # of the block of its newest step


class MissedBody(Wire, frozen=True):
    """How often somebody did not come to a hospital."""

    times_ms: list[Milliseconds]  # the newest ones
    blocked_until_ms: Milliseconds


class Stamp(Wire, frozen=True):
    step: Reason
    at_ms: Milliseconds


class VisitBody(Wire, frozen=True):
    kind: Reason
    holder: Mac
    appointment: list[Digest]
    cap_fen: Fen
    emergency: list[Mac]
    stamps: list[Stamp]
    orders: list[Digest]
    charged_fen: Fen
    closed_ms: Milliseconds  # 0 until it is over
