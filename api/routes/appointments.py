"""Schedules of a hospital and appointments in them."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.money_route import ROWS_MAX, list_route, name_of, show_route, wish_route
from api.rendering import render_page
from api.route import GATEWAY, Given, Parameter, Route, Sent
from api.routes.audit import parse_limit
from api.routes.me import CURSOR, LIMIT
from api.routes.public import parse_date
from api.schemas import visit_examples as examples
from api.schemas.answers import Rows
from node.money.visit_requests import (
    AppointmentWish,
    CancellationWish,
    CheckInWish,
    ConfirmationWish,
    FeeWish,
    MissWish,
    ScheduleWish,
    StopWish,
    SubstitutionWish,
)

TAG = "appointments"
SCHEDULE, APPOINTMENT = name_of("a schedule"), name_of("an appointment")
UNCONFIRMED = (
    "appointment_unknown",
    "appointment_cancelled",
    "hold_expired",
    "appointment_unconfirmed",
    "already_missed",
    "already_arrived",
    "schedule_stopped",
    "too_early",
)
PAID = ("order_unpaid", "order_unknown", "order_of_other", "order_used", "fee_differs")


async def list_schedules(call: Call) -> Response:
    parameters = call.parameters("department", "date", "cursor", "limit")
    if "date" not in parameters:
        raise ApiRefused("parameter_missing", "date")
    date = parse_date(parameters["date"], "parameter_invalid", "date")
    day = date.year * 10_000 + date.month * 100 + date.day
    department = parameters.get("department", "")
    limit = parse_limit(parameters.get("limit"), ROWS_MAX)
    scope = f"/v1/schedules {department} {day}"
    after = call.open_cursor(scope, parameters["cursor"]) if "cursor" in parameters else None
    page = await call.counter.money.schedules_of(department, day, after, limit)
    return render_page(call, page, scope, limit)


ROUTES = (
    wish_route(
        "/v1/schedules",
        "publishSchedule",
        TAG,
        "Somebody sees patients: so many numbers, by channel",
        Sent(examples.SCHEDULE_WISH, ScheduleWish),
        (
            "business_no_conflict",
            "invalid_time",
            "sum_mismatch",
            "schedule_exists",
            "schedule_malformed",
            "schedule_over",
            "schedule_too_far",
        ),
    ),
    Route(
        "GET",
        "/v1/schedules",
        "listSchedules",
        TAG,
        "What a department gives out on a day, as far as it was published at this gateway",
        list_schedules,
        {200: Given("A part of the list", {"data": [examples.SCHEDULE], "has_more": False, "next": None}, Rows)},
        (GATEWAY,),
        None,
        (
            Parameter("department", "one alone; else all", "cardiology"),
            Parameter("date", "in the ledger's own time zone, yyyy-mm-dd", "2026-03-02", required=True),
            LIMIT,
            CURSOR,
        ),
        ("parameter_missing", "parameter_invalid", "parameter_unknown", "cursor_invalid"),
    ),
    show_route(
        "/v1/schedules/{name}",
        "showSchedule",
        TAG,
        "A schedule, and which numbers each channel could give out now",
        "schedule",
        examples.SCHEDULE,
        "schedule_unknown",
        SCHEDULE,
    ),
    wish_route(
        "/v1/schedules/{name}/stop",
        "stopSchedule",
        TAG,
        "It does not take place; appointments may be cancelled at any time from now on",
        Sent({"reason": "ill"}, StopWish),
        ("schedule_unknown", "schedule_stopped", "schedule_over"),
        SCHEDULE,
    ),
    wish_route(
        "/v1/schedules/{name}/substitution",
        "substituteStaff",
        TAG,
        "Somebody else sees the patients",
        Sent({"staff": "doctor-9"}, SubstitutionWish),
        ("schedule_unknown", "schedule_stopped", "schedule_over", "standing_moved", "staff_unchanged"),
        SCHEDULE,
    ),
    wish_route(
        "/v1/appointments",
        "bookAppointment",
        TAG,
        "The next free number of a channel, for whom the counter names or for the asking patient; waits for the ledger's word",
        Sent(examples.APPOINTMENT_WISH, AppointmentWish),
        (
            "business_no_conflict",
            "identity_missing",
            "schedule_unknown",
            "schedule_stopped",
            "schedule_over",
            "appointment_blocked",
            "account_overdue",
            "already_appointed",
            "pool_closed",
            "slot_taken",
        ),
    ),
    show_route(
        "/v1/appointments/{name}",
        "showAppointment",
        TAG,
        "An appointment, and what became of it",
        "appointment",
        examples.APPOINTMENT,
        "appointment_unknown",
        APPOINTMENT,
    ),
    list_route(
        "/v1/me/appointments",
        "listMyAppointments",
        TAG,
        "The asking patient's appointments that were made at this gateway",
        "appointment",
        examples.APPOINTMENT,
    ),
    wish_route(
        "/v1/appointments/{name}/fee",
        "payAppointment",
        TAG,
        "An order over the fee, until the number's time is over; once it is paid, the appointment is confirmed by itself",
        Sent(examples.FEE_WISH, FeeWish),
        (
            "business_no_conflict",
            "appointment_unknown",
            "appointment_cancelled",
            "hold_expired",
            "already_confirmed",
            "schedule_unknown",
            "sum_mismatch",
            "fee_differs",
        ),
        APPOINTMENT,
    ),
    wish_route(
        "/v1/appointments/{name}/confirmation",
        "confirmAppointment",
        TAG,
        "It has no fee, or another order has paid it",
        Sent({}, ConfirmationWish),
        (
            "appointment_unknown",
            "already_confirmed",
            "appointment_cancelled",
            "hold_expired",
            "schedule_stopped",
            "schedule_over",
            *PAID,
        ),
        APPOINTMENT,
    ),
    wish_route(
        "/v1/appointments/{name}/cancellation",
        "cancelAppointment",
        TAG,
        "The number goes back into its pool",
        Sent({"reason": "patient_asked"}, CancellationWish),
        (
            "appointment_unknown",
            "appointment_cancelled",
            "hold_expired",
            "already_missed",
            "already_arrived",
            "cancel_too_late",
        ),
        APPOINTMENT,
    ),
    wish_route(
        "/v1/appointments/{name}/check-in",
        "checkIn",
        TAG,
        "They are there",
        Sent({}, CheckInWish),
        (*UNCONFIRMED, "schedule_over"),
        APPOINTMENT,
    ),
    wish_route(
        "/v1/appointments/{name}/miss",
        "missAppointment",
        TAG,
        "They did not come; three times within half a year, and no number is given for a while",
        Sent({}, MissWish),
        UNCONFIRMED,
        APPOINTMENT,
    ),
)
