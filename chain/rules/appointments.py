"""Appointments: a number is held until its fee is paid, confirmed, given back, used or missed.

A number is one person's at a time. An unpaid one is free again as soon as block time says so: nothing has to run for it, and
whoever takes it over marks the former appointment as lapsed and adds to what the schedule counts as returned. Until then a
late payment still confirms it. So what goes back into a pool, how often and from whom, stands on the ledger for ever.
Who did not come three times within half a year gets no number for a while; those three then count no longer.
Codes in their order of precedence:
  HoldNumber          already_recorded, appointment_exists, then the signer's, schedule_unknown, schedule_stopped, schedule_over,
                      appointment_blocked, account_overdue, already_appointed, number_unknown, pool_closed, slot_taken,
                      hold_too_long
  ConfirmAppointment  already_recorded, already_confirmed, then the signer's, appointment_unknown, appointment_cancelled,
                      hold_expired, schedule_stopped, schedule_over, then the fee's
  CancelAppointment   already_recorded, appointment_cancelled, then the signer's, appointment_unknown, hold_expired,
                      already_missed, already_arrived, cancel_too_late
  CheckIn             already_recorded, already_arrived, then the signer's, appointment_unknown, the unconfirmed's,
                      schedule_stopped, too_early, schedule_over
  MissAppointment     already_recorded, already_missed, then the signer's, appointment_unknown, the unconfirmed's,
                      already_arrived, schedule_stopped, too_early
  the unconfirmed's   appointment_cancelled, hold_expired, appointment_unconfirmed, already_missed
  the fee's           fee_differs where there is none; order_unpaid where none is named; order_unknown, order_unpaid,
                      order_of_other, order_used, fee_differs
Source: DOMAIN section 7; the no-show rules of Chinese booking platforms.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.number_pool import is_live, is_open_to, pool_of
from chain.operation import CancelAppointment, CheckIn, ConfirmAppointment, HoldNumber, MissAppointment
from chain.records import (
    CANCELLED,
    CHECKED_IN,
    CONFIRMED,
    LAPSED,
    MISSED,
    NUMBER_HELD,
    STOPPED,
    AppointedBody,
    AppointmentBody,
    MissedBody,
    ReasonBody,
    ScheduleBody,
    Taken,
)
from chain.rules.accounts import verify_signer
from chain.rules.context import DAY_MS, Changes, Context, Refused, View, local_date, refuse_repeated
from chain.rules.credit import is_holder_overdue
from chain.rules.paid_orders import paid_order
from chain.rules.schedules import schedule_of, verify_not_over, verify_takes_place

NO_SHOWS_MAX = 3  # so many within the window, and no number is given for a while
NO_SHOW_WINDOW_MS = 180 * DAY_MS
NO_SHOW_BLOCK_MS = 90 * DAY_MS


# ── a number ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def hold_number(view: View, operation: HoldNumber, context: Context) -> Changes:
    hospital, now_ms = context.organisation, context.time_ms
    own = keyspace.appointment(hospital, operation.appointment)
    refuse_repeated(view, own, context, "appointment_exists")
    verify_signer(view, context)
    schedule = schedule_of(view, hospital, operation.schedule)
    verify_takes_place(schedule)
    if schedule.book_until_ms <= now_ms:
        raise Refused("schedule_over")
    missed = view.get(keyspace.missed(hospital, operation.holder), MissedBody)
    if missed is not None and now_ms < missed.blocked_until_ms:
        raise Refused("appointment_blocked")
    if is_holder_overdue(view, hospital, operation.holder, now_ms):
        raise Refused("account_overdue")
    live = [taken for taken in schedule.taken if is_live(taken, now_ms)]
    if any(taken.holder == operation.holder for taken in live):
        raise Refused("already_appointed")
    pool = pool_of(schedule.pools, operation.number)
    if pool is None:
        raise Refused("number_unknown")
    if not is_open_to(pool, operation.channel, now_ms):
        raise Refused("pool_closed")
    if any(taken.number == operation.number for taken in live):
        raise Refused("slot_taken")
    if not now_ms < operation.until_ms <= now_ms + schedule.pay_within_ms:
        raise Refused("hold_too_long")
    lapsed = [taken for taken in schedule.taken if taken.number == operation.number or taken.holder == operation.holder]
    rest = [taken for taken in schedule.taken if taken not in lapsed]
    new = Taken(operation.number, operation.appointment, operation.holder, operation.until_ms)
    changes: Changes = {
        keyspace.schedule(hospital, operation.schedule): _with_taken(
            schedule, [*rest, new], schedule.returned + len(lapsed)
        ),
        own: AppointmentBody(
            operation.schedule,
            operation.channel,
            operation.number,
            operation.holder,
            operation.until_ms,
            NUMBER_HELD,
            [],
            [],
            "",
            now_ms,
        ),
    }
    for taken in lapsed:
        former = appointment_of(view, hospital, taken.appointment)
        changes[keyspace.appointment(hospital, taken.appointment)] = replace(former, state=LAPSED, time_ms=now_ms)
    return changes


def _with_taken(schedule: ScheduleBody, taken: list[Taken], returned: int) -> ScheduleBody:
    return replace(schedule, taken=sorted(taken, key=lambda one: one.number), returned=returned)


def appointment_of(view: View, hospital: str, name: bytes) -> AppointmentBody:
    """Raises Refused `appointment_unknown`."""
    appointment = view.get(keyspace.appointment(hospital, name), AppointmentBody)
    if appointment is None:
        raise Refused("appointment_unknown")
    return appointment


# ── its fee ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def confirm_appointment(view: View, operation: ConfirmAppointment, context: Context) -> Changes:
    hospital = context.organisation
    step = keyspace.appointment_step(hospital, operation.appointment, "confirmed")
    refuse_repeated(view, step, context, "already_confirmed")
    verify_signer(view, context)
    appointment = appointment_of(view, hospital, operation.appointment)
    if appointment.state == CANCELLED:
        raise Refused("appointment_cancelled")
    if appointment.state == LAPSED:
        raise Refused("hold_expired")
    schedule = schedule_of(view, hospital, appointment.schedule)
    verify_takes_place(schedule)
    verify_not_over(schedule, context)
    changes = _pay_fee(view, operation, context, appointment.holder, schedule.fee_fen)
    taken = [replace(one, until_ms=0) if one.appointment == operation.appointment else one for one in schedule.taken]
    return changes | {
        keyspace.schedule(hospital, appointment.schedule): _with_taken(schedule, taken, schedule.returned),
        keyspace.appointment(hospital, operation.appointment): replace(
            appointment, state=CONFIRMED, order=operation.order, time_ms=context.time_ms
        ),
        step: ReasonBody(""),
    }


def _pay_fee(view: View, operation: ConfirmAppointment, context: Context, holder: bytes, fee_fen: int) -> Changes:
    """An order pays one appointment's fee, once, also if that is cancelled later: then its money goes back."""
    if fee_fen == 0:
        if operation.order:
            raise Refused("fee_differs")
        return {}
    if not operation.order:
        raise Refused("order_unpaid")
    (name,) = operation.order
    _, paid_fen = paid_order(view, context.organisation, name, holder)
    used = keyspace.appointed(context.organisation, name)
    if view.get(used, AppointedBody) is not None:
        raise Refused("order_used")
    if paid_fen < fee_fen:
        raise Refused("fee_differs")
    return {used: AppointedBody(operation.appointment)}


# ── its end ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def cancel_appointment(view: View, operation: CancelAppointment, context: Context) -> Changes:
    """An unpaid number may be given back at any time, as may be that of a schedule that was stopped."""
    hospital = context.organisation
    step = keyspace.appointment_step(hospital, operation.appointment, "cancelled")
    refuse_repeated(view, step, context, "appointment_cancelled")
    verify_signer(view, context)
    appointment = appointment_of(view, hospital, operation.appointment)
    if appointment.state == LAPSED:
        raise Refused("hold_expired")
    if appointment.state == MISSED:
        raise Refused("already_missed")
    schedule = schedule_of(view, hospital, appointment.schedule)
    is_stopped = schedule.state == STOPPED
    if appointment.visit or (appointment.state == CHECKED_IN and not is_stopped):
        raise Refused("already_arrived")
    if appointment.state == CONFIRMED and not is_stopped and schedule.cancel_until_ms <= context.time_ms:
        raise Refused("cancel_too_late")
    taken = [one for one in schedule.taken if one.appointment != operation.appointment]
    return {
        keyspace.schedule(hospital, appointment.schedule): _with_taken(schedule, taken, schedule.returned + 1),
        keyspace.appointment(hospital, operation.appointment): replace(
            appointment, state=CANCELLED, reason=operation.reason, time_ms=context.time_ms
        ),
        step: ReasonBody(operation.reason),
    }


def check_in(view: View, operation: CheckIn, context: Context) -> Changes:
    step = keyspace.appointment_step(context.organisation, operation.appointment, "arrived")
    refuse_repeated(view, step, context, "already_arrived")
    verify_signer(view, context)
    appointment = appointment_of(view, context.organisation, operation.appointment)
    return arrive(view, context, operation.appointment, appointment)


def arrive(view: View, context: Context, name: bytes, appointment: AppointmentBody) -> Changes:
    """Somebody is there who has not been. Raises Refused, the unconfirmed's codes, `schedule_stopped`, `too_early` (a day before),
    `schedule_over`."""
    _verify_confirmed(appointment)
    schedule = schedule_of(view, context.organisation, appointment.schedule)
    verify_takes_place(schedule)
    if local_date(context.time_ms, context.parameters.utc_offset_minutes) < schedule.date:
        raise Refused("too_early")
    verify_not_over(schedule, context)
    return {
        keyspace.appointment(context.organisation, name): replace(
            appointment, state=CHECKED_IN, time_ms=context.time_ms
        ),
        keyspace.appointment_step(context.organisation, name, "arrived"): ReasonBody(""),
    }


def miss_appointment(view: View, operation: MissAppointment, context: Context) -> Changes:
    hospital = context.organisation
    step = keyspace.appointment_step(hospital, operation.appointment, "missed")
    refuse_repeated(view, step, context, "already_missed")
    verify_signer(view, context)
    appointment = appointment_of(view, hospital, operation.appointment)
    _verify_confirmed(appointment)
    if appointment.state == CHECKED_IN:
        raise Refused("already_arrived")
    schedule = schedule_of(view, hospital, appointment.schedule)
    verify_takes_place(schedule)
    if context.time_ms < schedule.ends_ms:
        raise Refused("too_early")
    counted = keyspace.missed(hospital, appointment.holder)
    return {
        keyspace.appointment(hospital, operation.appointment): replace(
            appointment, state=MISSED, time_ms=context.time_ms
        ),
        counted: _missed_again(view.get(counted, MissedBody), schedule.ends_ms, context.time_ms),
        step: ReasonBody(""),
    }


def _missed_again(former: MissedBody | None, missed_ms: int, now_ms: int) -> MissedBody:
    """By when the schedules ended, in whatever order the hospital tells it."""
    times_ms = sorted([*(former.times_ms if former else []), missed_ms])
    counting = [time_ms for time_ms in times_ms if times_ms[-1] - time_ms < NO_SHOW_WINDOW_MS]
    if len(counting) >= NO_SHOWS_MAX:
        return MissedBody([], now_ms + NO_SHOW_BLOCK_MS)
    return MissedBody(counting, former.blocked_until_ms if former else 0)


def _verify_confirmed(appointment: AppointmentBody) -> None:
    """The unconfirmed's codes."""
    if appointment.state == CANCELLED:
        raise Refused("appointment_cancelled")
    if appointment.state == LAPSED:
        raise Refused("hold_expired")
    if appointment.state == NUMBER_HELD:
        raise Refused("appointment_unconfirmed")
    if appointment.state == MISSED:
        raise Refused("already_missed")
