"""Values of schedules, appointments and visits that `make_vectors` writes the bytes of."""

from __future__ import annotations

from typing import Any

from chain import keyspace
from chain.operation import (
    CancelAppointment,
    ChargeVisit,
    CheckIn,
    CloseVisit,
    ConfirmAppointment,
    HoldNumber,
    MissAppointment,
    OpenVisit,
    Operation,
    Pool,
    PublishSchedule,
    StampVisit,
    StopSchedule,
    SubstituteStaff,
)
from chain.records import AppointedBody, AppointmentBody, MissedBody, ScheduleBody, Stamp, Taken, VisitBody


def filled(number: int) -> bytes:
    return bytes([number]) * 32


POOLS = [Pool("app", 1, 10, 1780441200000), Pool("window", 11, 5, 1780459200000)]
STARTS_MS, ENDS_MS, PAY_WITHIN_MS, BOOK_UNTIL_MS, CANCEL_UNTIL_MS = (
    1780444800000, 1780459200000, 900000, 1780455600000, 1780401600000,
)  # fmt: skip
OPERATIONS: dict[str, Operation] = {
    "publish_schedule": PublishSchedule(
        filled(50), "cardiology", filled(51), 20260603, "am", STARTS_MS, ENDS_MS, POOLS, 1500, PAY_WITHIN_MS,
        BOOK_UNTIL_MS, CANCEL_UNTIL_MS,
    ),
    "stop_schedule": StopSchedule(filled(50), "doctor_ill"),
    "substitute_staff": SubstituteStaff(filled(50), filled(52), 0),
    "hold_number": HoldNumber(filled(53), filled(50), "app", 3, filled(42), 1780287300000),
    "confirm_appointment": ConfirmAppointment(filled(53), [filled(54)]),
    "cancel_appointment": CancelAppointment(filled(53), "patient_asked"),
    "check_in": CheckIn(filled(53)),
    "miss_appointment": MissAppointment(filled(53)),
    "open_visit": OpenVisit(filled(55), "emergency", filled(42), [], 60000, [filled(51)], 1780445000000),
    "stamp_visit": StampVisit(filled(55), 1, "called", 1780445060000),
    "charge_visit": ChargeVisit(filled(55), filled(54), "registration"),
    "close_visit": CloseVisit(filled(55), 1780448600000),
}  # fmt: skip
BODIES: dict[str, Any] = {
    "schedule": ScheduleBody(
        "cardiology", filled(51), 20260603, "am", STARTS_MS, ENDS_MS, POOLS, 1500, PAY_WITHIN_MS, BOOK_UNTIL_MS,
        CANCEL_UNTIL_MS, 2, "doctor_ill", 1, [Taken(3, filled(53), filled(42), 1780287300000)], 4,
    ),
    "appointment": AppointmentBody(
        filled(50), "app", 3, filled(42), 1780287300000, 4, [filled(54)], [filled(55)], "", 1780445000000
    ),
    "appointed": AppointedBody(filled(53)),
    "missed": MissedBody([ENDS_MS], 1788220800000),
    "visit": VisitBody(
        "outpatient", filled(42), [filled(53)], 60000, [],
        [Stamp("registered", 1780445000000), Stamp("called", 1780445060000)], [filled(54)], 1500, 1780448600000,
    ),
}  # fmt: skip
KEYS = {
    "schedule": keyspace.schedule("hospital-a", filled(50)),
    "schedule_step": keyspace.schedule_step("hospital-a", filled(50), "stopped"),
    "appointment": keyspace.appointment("hospital-a", filled(53)),
    "appointment_step": keyspace.appointment_step("hospital-a", filled(53), "confirmed"),
    "appointed": keyspace.appointed("hospital-a", filled(54)),
    "missed": keyspace.missed("hospital-a", filled(42)),
    "visit": keyspace.visit("hospital-a", filled(55)),
    "visit_step": keyspace.visit_step("hospital-a", filled(55), "1"),
}
