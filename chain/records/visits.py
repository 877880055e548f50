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
LAPSED = 6  # its fee was not paid in time, and its number or its holder has another appointment now


class Taken(Wire, frozen=True):
    """A number that somebody has. One whose time is over is free again, and stands here until it is taken over."""

    number: Count
    appointment: Digest
    holder: Mac
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
    book_until_ms: Milliseconds
    cancel_until_ms: Milliseconds
    state: State
    reason: str
    changes: Count  # of who sees the patients
    taken: list[Taken]  # by number, ascending
    returned: Count  # how often a number went back into a pool: cancelled, or its fee not paid in time


class AppointmentBody(Wire, frozen=True):
    schedule: Digest
    channel: Reason
    number: Count
    holder: Mac
    until_ms: Milliseconds
    state: State
    order: list[Digest]  # that paid its fee
    visit: list[Digest]  # that it became
    reason: str
    time_ms: Milliseconds  # of the block of its newest step


class AppointedBody(Wire, frozen=True):
    """What an order paid the fee of: once."""

    appointment: Digest


class MissedBody(Wire, frozen=True):
    """How often somebody did not come to a hospital."""

    times_ms: list[Milliseconds]  # ends of the schedules that count, ascending; none once they have led to a block
    blocked_until_ms: Milliseconds  # 0 if never


class Stamp(Wire, frozen=True):
    step: Reason
    at_ms: Milliseconds


class VisitBody(Wire, frozen=True):
    kind: Reason
    holder: Mac
    appointment: list[Digest]
    cap_fen: Fen
    emergency: list[Mac]
    stamps: list[Stamp]  # the first is `registered`, when it was opened
    orders: list[Digest]  # that were paid for its steps
    charged_fen: Fen
    closed_ms: Milliseconds  # 0 until it is over
