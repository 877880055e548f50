"""Visits of a hospital: opened, stamped, charged without a cashier, closed; how many minutes they took."""

from __future__ import annotations

from api.money_route import list_route, name_of, show_route, wish_route
from api.route import Sent
from api.schemas import visit_examples as examples
from node.money.visit_requests import CloseWish, StampWish, VisitChargeWish, VisitWish

TAG = "visits"
VISIT = name_of("a visit")
ARRIVING = (
    "appointment_unknown",
    "appointment_of_other",
    "appointment_used",
    "appointment_cancelled",
    "appointment_unconfirmed",
    "schedule_stopped",
    "schedule_over",
    "too_early",
)
HOLDING = (
    "agreement_unknown",
    "agreement_ended",
    "line_ended",
    "line_expired",
    "visit_cap_exceeded",
    "hold_too_long",
    "credit_line_exceeded",
)

ROUTES = (
    wish_route(
        "/v1/visits",
        "openVisit",
        TAG,
        "A patient is there, and has agreed to a cap; with `agreement`, as much is held of their line in the same step",
        Sent(examples.VISIT_WISH, VisitWish),
        (
            "business_no_conflict",
            "visit_exists",
            "visit_malformed",
            "emergency_undeclared",
            "account_overdue",
            "invalid_time",
            "time_out_of_window",
            *ARRIVING,
            *HOLDING,
        ),
    ),
    show_route(
        "/v1/visits/{name}",
        "showVisit",
        TAG,
        "A visit with its stamps, each charge and what paid it, and what is left of its cap",
        "visit",
        examples.VISIT,
        "visit_unknown",
        VISIT,
    ),
    list_route(
        "/v1/me/visits",
        "listMyVisits",
        TAG,
        "The asking patient's visits that were opened at this gateway",
        "visit",
        examples.VISIT,
    ),
    show_route(
        "/v1/visits/{name}/timeline",
        "showTimeline",
        TAG,
        "Minutes queued, treated, tested, dispensed, from the stamps that the hospital signed",
        "timeline",
        examples.TIMELINE,
        "visit_unknown",
        VISIT,
    ),
    wish_route(
        "/v1/visits/{name}/stamps",
        "stampVisit",
        TAG,
        "A step of it begins",
        Sent({"step": "called"}, StampWish),
        (
            "visit_unknown",
            "visit_closed",
            "stamp_exists",
            "standing_moved",
            "stamp_before_former",
            "invalid_time",
            "time_out_of_window",
            "too_many_stamps",
        ),
        VISIT,
    ),
    wish_route(
        "/v1/visits/{name}/charges",
        "chargeVisit",
        TAG,
        "A step of it, paid at once within the cap: of what is held, or by deposit and card where nothing is",
        Sent(examples.VISIT_CHARGE_WISH, VisitChargeWish),
        (
            "visit_unknown",
            "visit_closed",
            "visit_cap_exceeded",
            "too_many_charges",
            "business_no_conflict",
            "sum_mismatch",
            "hold_expired",
            "already_captured",
            "already_released",
            "agreement_ended",
            "line_ended",
            "credit_line_exceeded",
            "deposit_unknown",
            "deposit_exceeded",
            "payment_exists",
        ),
        VISIT,
    ),
    wish_route(
        "/v1/visits/{name}/close",
        "closeVisit",
        TAG,
        "It is over: what is held is free, and one bill over all its charges follows by itself",
        Sent(examples.CLOSE_WISH, CloseWish),
        (
            "visit_unknown",
            "visit_closed",
            "charge_pending",
            "sum_mismatch",
            "stamp_before_former",
            "invalid_time",
            "time_out_of_window",
        ),
        VISIT,
    ),
)
