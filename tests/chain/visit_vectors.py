"""The plain lists that vectors of schedules, appointments and visits are compared with in `test_vectors.py`."""

from __future__ import annotations

from typing import Any


def b(number: int) -> bytes:
    return bytes([number]) * 32


POOLS = [["app", 1, 10, 1780441200000], ["window", 11, 5, 1780459200000]]
TIMES = [1780444800000, 1780459200000, POOLS, 1500, 900000, 1780455600000, 1780401600000]
OPERATIONS: dict[str, list[Any]] = {
    "publish_schedule": [1500, b(50), "cardiology", b(51), 20260603, "am", *TIMES],
    "stop_schedule": [1501, b(50), "doctor_ill"],
    "substitute_staff": [1502, b(50), b(52), 0],
    "hold_number": [1510, b(53), b(50), "app", 3, b(42), 1780287300000],
    "confirm_appointment": [1511, b(53), [b(54)]],
    "cancel_appointment": [1512, b(53), "patient_asked"],
    "check_in": [1513, b(53)],
    "miss_appointment": [1514, b(53)],
    "open_visit": [1600, b(55), "emergency", b(42), [], 60000, [b(51)], 1780445000000],
    "stamp_visit": [1601, b(55), 1, "called", 1780445060000],
    "charge_visit": [1602, b(55), b(54), "registration"],
    "close_visit": [1603, b(55), 1780448600000],
}
BODIES: dict[str, list[Any]] = {
    "schedule": [
        *("cardiology", b(51), 20260603, "am", *TIMES),
        *(2, "doctor_ill", 1, [[3, b(53), b(42), 1780287300000]], 4),
    ],
    "appointment": [b(50), "app", 3, b(42), 1780287300000, 4, [b(54)], [b(55)], "", 1780445000000],
    "appointed": [b(53)],
    "missed": [[1780459200000], 1788220800000],
    "visit": [
        *("outpatient", b(42), [b(53)], 60000, []),
        *([["registered", 1780445000000], ["called", 1780445060000]], [b(54)], 1500, 1780448600000),
    ],
}
KEYS = {
    "schedule": "schedule/hospital-a/" + "32" * 32,
    "schedule_step": "schedule/hospital-a/" + "32" * 32 + "/stopped",
    "appointment": "appointment/hospital-a/" + "35" * 32,
    "appointment_step": "appointment/hospital-a/" + "35" * 32 + "/confirmed",
    "appointed": "order/hospital-a/" + "36" * 32 + "/appointment",
    "missed": "missed/hospital-a/" + "2a" * 32,
    "visit": "visit/hospital-a/" + "37" * 32,
    "visit_step": "visit/hospital-a/" + "37" * 32 + "/1",
}
