"""Examples of schedules, appointments and visits: what the OpenAPI documents show, and tests send."""

from __future__ import annotations

from typing import Any

from api.schemas.money_examples import NAME, ORDER, PAYER

BILL_ID = "330601260000000001"
SCHEDULE_WISH: dict[str, Any] = {
    "schedule_no": "PB20260302001",
    "department": "cardiology",
    "staff": "doctor-7",
    "session": "am",
    "starts": "2026-03-02T08:00:00+08:00",
    "ends": "2026-03-02T12:00:00+08:00",
    "pools": [
        {"channel": "window", "count": 10, "opens_to_all": "2026-03-02T08:00:00+08:00"},
        {"channel": "app", "count": 20},
    ],
    "fee_fen": 5000,
    "pay_within_minutes": 15,
    "bill": {
        "kind": "registration",
        "place_code": "A01",
        "cashier": "自助机01",
        "charges": [{"code": "01", "name": "挂号费", "amount_fen": 5000}],
    },
}
SCHEDULE: dict[str, Any] = {
    "schedule": NAME,
    "department": "cardiology",
    "date": "2026-03-02",
    "session": "am",
    "starts": "2026-03-02T00:00:00.000Z",
    "ends": "2026-03-02T04:00:00.000Z",
    "book_until": "2026-03-02T00:00:00.000Z",
    "cancel_until": "2026-03-02T00:00:00.000Z",
    "fee_fen": 5000,
    "pay_within_minutes": 15,
    "state": "takes_place",
    "reason": None,
    "pools": [
        {"channel": "window", "first": 1, "count": 10, "opens_to_all": "2026-03-02T00:00:00.000Z"},
        {"channel": "app", "first": 11, "count": 20, "opens_to_all": None},
    ],
    "free": {"app": [12, 13, 15], "window": [4, 5]},
    "returned": 1,
    "substitutions": 0,
    "height": 1042,
    "schedule_no": "PB20260302001",
    "staff": "doctor-7",
}
APPOINTMENT_WISH: dict[str, Any] = {
    "appointment_no": "YY20260301000123",
    "schedule": NAME,
    "channel": "app",
    "payer": PAYER,
}
APPOINTMENT: dict[str, Any] = {
    "appointment": NAME,
    "appointment_no": "YY20260301000123",
    "schedule": NAME,
    "department": "cardiology",
    "date": "2026-03-02",
    "session": "am",
    "starts": "2026-03-02T00:00:00.000Z",
    "channel": "app",
    "number": 12,
    "fee_fen": 5000,
    "state": "held",
    "pay_until": "2026-03-01T01:44:30.000Z",
    "order": None,
    "visit": None,
    "reason": None,
    "height": 1042,
}
FEE_WISH: dict[str, Any] = {"parts": [{"channel": "alipay", "amount_fen": 5000}]}
VISIT_WISH: dict[str, Any] = {
    "visit_no": "MZ20260302000123",
    "kind": "outpatient",
    "payer": PAYER,
    "cap_fen": 60000,
    "appointment": NAME,
    "agreement": NAME,
}
VISIT: dict[str, Any] = {
    "visit": NAME,
    "visit_no": "MZ20260302000123",
    "hold": ORDER,
    "declared_by": None,
    "kind": "outpatient",
    "state": "closed",
    "appointment": NAME,
    "emergency": False,
    "cap_fen": 60000,
    "charged_fen": 6000,
    "left_fen": 54000,
    "stamps": [
        {"step": "registered", "at": "2026-03-02T00:10:00.000Z"},
        {"step": "called", "at": "2026-03-02T00:22:00.000Z"},
    ],
    "charges": [
        {
            "order": ORDER,
            "notices": [NAME],
            "amount_fen": 6000,
            "parts": [{"channel": "credit", "amount_fen": 6000}],
            "paid": "2026-03-02T00:30:00.000Z",
            "bill_id": BILL_ID,
        }
    ],
    "closed": "2026-03-02T00:42:00.000Z",
    "bill_id": BILL_ID,
    "height": 1042,
}
VISIT_CHARGE_WISH: dict[str, Any] = {
    "charge_no": "JF20260302000124",
    "lines": [{"kind": "test", "title": "血常规", "amount_fen": 6000}],
}
CLOSE_WISH: dict[str, Any] = {
    "bill": {
        "kind": "outpatient",
        "place_code": "A01",
        "cashier": "自助机01",
        "charges": [{"code": "05", "name": "化验费", "amount_fen": 6000}],
    }
}
TIMELINE: dict[str, Any] = {
    "visit": NAME,
    "kind": "outpatient",
    "steps": [
        {"step": "registered", "at": "2026-03-02T00:10:00.000Z", "after_minutes": 0},
        {"step": "called", "at": "2026-03-02T00:22:00.000Z", "after_minutes": 12},
    ],
    "queued": 12,
    "treated": 20,
    "tested": 0,
    "dispensed": 0,
    "other": 0,
    "total": 32,
    "closed": True,
    "height": 1042,
}

# kind of thing -> how it is shown: what a test's gateway answers
PAGES: dict[str, dict[str, Any]] = {
    "schedule": SCHEDULE,
    "appointment": APPOINTMENT,
    "visit": VISIT,
    "timeline": TIMELINE,
}
