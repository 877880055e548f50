"""Schedules: when somebody sees patients, and which numbers are given out for it by which channel.

A schedule never changes but for who sees the patients, and for whether it takes place at all. What was given out of it stands
in its own record, so one record tells which numbers are free, and one number cannot be given out twice.
Codes in their order of precedence:
  PublishSchedule  already_recorded, schedule_exists, then the signer's, not_a_hospital, schedule_malformed, schedule_over,
                   schedule_too_far
  StopSchedule     already_recorded, schedule_stopped, then the signer's, schedule_unknown, schedule_over
  SubstituteStaff  already_recorded, standing_moved, then the signer's, schedule_unknown, schedule_stopped, schedule_over,
                   standing_moved, staff_unchanged
Source: DOMAIN section 7: rosters, pools with quotas (号源池), stop and substitute notices (停诊, 替诊).
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.number_pool import are_in_order
from chain.operation import PublishSchedule, StopSchedule, SubstituteStaff
from chain.records import STOPPED, TAKES_PLACE, ReasonBody, ScheduleBody
from chain.rules.accounts import AMOUNT_FEN_MAX, verify_signer
from chain.rules.context import (
    DAY_MS,
    HOSPITAL,
    Changes,
    Context,
    Refused,
    View,
    local_date,
    organisation,
    refuse_repeated,
)

HORIZON_MS_MAX = 90 * DAY_MS  # that a schedule is published before it begins
PAY_WITHIN_MS_MAX = DAY_MS
SESSION_MS_MAX = DAY_MS


def publish_schedule(view: View, operation: PublishSchedule, context: Context) -> Changes:
    own = keyspace.schedule(context.organisation, operation.schedule)
    refuse_repeated(view, own, context, "schedule_exists")
    verify_signer(view, context)
    if organisation(view, context.organisation).kind != HOSPITAL:
        raise Refused("not_a_hospital")
    if not _is_well_formed(operation, context):
        raise Refused("schedule_malformed")
    if operation.book_until_ms <= context.time_ms:
        raise Refused("schedule_over")
    if operation.starts_ms > context.time_ms + HORIZON_MS_MAX:
        raise Refused("schedule_too_far")
    return {
        own: ScheduleBody(
            operation.department,
            operation.staff,
            operation.date,
            operation.session,
            operation.starts_ms,
            operation.ends_ms,
            operation.pools,
            operation.fee_fen,
            operation.pay_within_ms,
            operation.book_until_ms,
            operation.cancel_until_ms,
            TAKES_PLACE,
            "",
            0,
            [],
            0,
        )
    }


def _is_well_formed(operation: PublishSchedule, context: Context) -> bool:
    """A session within a day, on the date that it begins on in the ledger's zone; no time for what comes after it."""
    return (
        are_in_order(operation.pools)
        and operation.starts_ms < operation.ends_ms <= operation.starts_ms + SESSION_MS_MAX
        and operation.date == local_date(operation.starts_ms, context.parameters.utc_offset_minutes)
        and operation.book_until_ms <= operation.ends_ms
        and operation.cancel_until_ms <= operation.starts_ms
        and 0 <= operation.fee_fen <= AMOUNT_FEN_MAX
        and 0 < operation.pay_within_ms <= PAY_WITHIN_MS_MAX
    )


def stop_schedule(view: View, operation: StopSchedule, context: Context) -> Changes:
    """Also while it goes on. Appointments stay as they are, and may be cancelled from now on at any time."""
    step = keyspace.schedule_step(context.organisation, operation.schedule, "stopped")
    refuse_repeated(view, step, context, "schedule_stopped")
    verify_signer(view, context)
    schedule = schedule_of(view, context.organisation, operation.schedule)
    verify_not_over(schedule, context)
    return {
        keyspace.schedule(context.organisation, operation.schedule): replace(
            schedule, state=STOPPED, reason=operation.reason
        ),
        step: ReasonBody(operation.reason),
    }


def substitute_staff(view: View, operation: SubstituteStaff, context: Context) -> Changes:
    step = keyspace.schedule_step(context.organisation, operation.schedule, str(operation.number))
    refuse_repeated(view, step, context, "standing_moved")
    verify_signer(view, context)
    schedule = schedule_of(view, context.organisation, operation.schedule)
    verify_takes_place(schedule)
    verify_not_over(schedule, context)
    if operation.number != schedule.changes:
        raise Refused("standing_moved")
    if operation.staff == schedule.staff:
        raise Refused("staff_unchanged")
    return {
        keyspace.schedule(context.organisation, operation.schedule): replace(
            schedule, staff=operation.staff, changes=schedule.changes + 1
        ),
        step: ReasonBody(""),
    }


def schedule_of(view: View, hospital: str, name: bytes) -> ScheduleBody:
    """Raises Refused `schedule_unknown`."""
    schedule = view.get(keyspace.schedule(hospital, name), ScheduleBody)
    if schedule is None:
        raise Refused("schedule_unknown")
    return schedule


def verify_takes_place(schedule: ScheduleBody) -> None:
    """Raises Refused `schedule_stopped`."""
    if schedule.state == STOPPED:
        raise Refused("schedule_stopped")


def verify_not_over(schedule: ScheduleBody, context: Context) -> None:
    """Raises Refused `schedule_over`."""
    if schedule.ends_ms <= context.time_ms:
        raise Refused("schedule_over")
