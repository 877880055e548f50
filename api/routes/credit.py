"""Treatment on credit at a hospital: agreements, holds, charges that are paid without a cashier; emergencies looked at again."""

from __future__ import annotations

from api.money_route import list_route, name_of, show_route, wish_route
from api.route import Sent
from api.schemas import credit_examples as examples
from api.schemas.lending_examples import INSTALMENTS_REQUEST, PAYBACK_REQUEST, REPAYMENT_REQUEST
from node.money.debt_requests import InstalmentsWish, PaybackWish, RepaymentWish, StatementWish
from node.money.requests import (
    AgreementWish,
    ChargeWish,
    EndAgreementWish,
    HoldWish,
    ReleaseWish,
    ReviewWish,
)

TAG = "credit"
AGREEMENT, HOLD = name_of("an agreement"), name_of("a hold")
LINE = ("line_unknown", "line_ended", "line_expired", "lender_not_entitled", "account_overdue")
BORNE = ("agreement_unknown", "line_unknown", "not_the_bearer")
HELD = ("hold_unknown", "hold_expired", "already_captured", "already_released")

ROUTES = (
    wish_route(
        "/v1/credit-agreements",
        "signAgreement",
        TAG,
        "A patient lets the hospital deduct from a line of theirs, step by step",
        Sent(examples.AGREEMENT_WISH, AgreementWish),
        (
            *LINE,
            "business_no_conflict",
            "agreement_exists",
            "agreement_in_force",
            "standing_moved",
            "hospital_not_named",
            "former_line_owed",
            "line_taken",
            "deposit_unknown",
            "deposit_of_other",
        ),
    ),
    show_route(
        "/v1/credit-agreements/{name}",
        "showAgreement",
        TAG,
        "An agreement, with what is left of its line; to the patient also what is owed on it",
        "agreement",
        examples.AGREEMENT,
        "agreement_unknown",
        AGREEMENT,
    ),
    wish_route(
        "/v1/credit-agreements/{name}/end",
        "endAgreement",
        TAG,
        "Nothing more is deducted; what is owed stays owed",
        Sent({"reason": "patient_asked"}, EndAgreementWish),
        ("agreement_unknown", "agreement_ended", "standing_moved"),
        AGREEMENT,
    ),
    wish_route(
        "/v1/credit-agreements/{name}/repayments",
        "repayAgreed",
        TAG,
        "At the hospital's risk: what a patient paid of a debt restores the line by as much",
        Sent(REPAYMENT_REQUEST, RepaymentWish),
        (*BORNE, "repayment_exists", "channel_differs", "exceeds_debt"),
        AGREEMENT,
    ),
    wish_route(
        "/v1/credit-agreements/{name}/paybacks",
        "payBackAgreed",
        TAG,
        "At the hospital's risk: what a line has too much is the patient's, and leaves the hospital's own money by a channel",
        Sent(PAYBACK_REQUEST, PaybackWish),
        (*BORNE, "payback_exists", "channel_differs", "exceeds_surplus", "exceeds_credits"),
        AGREEMENT,
    ),
    wish_route(
        "/v1/credit-agreements/{name}/statements",
        "stateAgreed",
        TAG,
        "At the hospital's risk: what is owed now, due after the product's days; once a day, beside what the gateway states by itself",
        Sent({}, StatementWish),
        (*BORNE, "statement_exists", "owed_differs", "nothing_owed", "too_many_dues"),
        AGREEMENT,
    ),
    wish_route(
        "/v1/credit-agreements/{name}/instalments",
        "agreeOnInstalments",
        TAG,
        "At the hospital's risk: dates in the place of all before; together what is owed now",
        Sent(INSTALMENTS_REQUEST, InstalmentsWish),
        (*BORNE, "plan_exists", "nothing_owed", "instalments_malformed"),
        AGREEMENT,
    ),
    list_route(
        "/v1/me/credit-accounts",
        "listMyCreditAccounts",
        TAG,
        "The asking patient's agreements at this hospital: line, debt, dates, holds",
        "agreement",
        examples.ACCOUNT,
    ),
    wish_route(
        "/v1/credit-holds",
        "holdCredit",
        TAG,
        "At check-in: keep so much of the line for this visit, all holds of it within one cap; an emergency has its own limit and is never stopped by debt",
        Sent(examples.HOLD_WISH, HoldWish),
        (
            *LINE,
            "business_no_conflict",
            "hold_exists",
            "agreement_unknown",
            "agreement_ended",
            "line_differs",
            "visit_cap_exceeded",
            "hold_too_long",
            "credit_line_exceeded",
            "too_many_holds",
        ),
    ),
    show_route(
        "/v1/credit-holds/{name}",
        "showHold",
        TAG,
        "A hold: how much of it was captured, and what is left",
        "hold",
        examples.HOLD,
        "hold_unknown",
        HOLD,
    ),
    wish_route(
        "/v1/credit-holds/{name}/charges",
        "chargeHold",
        TAG,
        "A step of the visit, paid at once: by the balance, then the card, then the line",
        Sent(examples.CHARGE_WISH, ChargeWish),
        (
            *HELD,
            "business_no_conflict",
            "notice_exists",
            "order_exists",
            "payment_exists",
            "sum_mismatch",
            "agreement_ended",
            "line_ended",
            "balance_first",
            "credit_line_exceeded",
        ),
        HOLD,
    ),
    wish_route(
        "/v1/credit-holds/{name}/release",
        "releaseHold",
        TAG,
        "The visit needs no more of it",
        Sent({"reason": "done"}, ReleaseWish),
        HELD,
        HOLD,
    ),
    wish_route(
        "/v1/credit-holds/{name}/review",
        "reviewEmergency",
        TAG,
        "Somebody else than who declared an emergency says whether it was one; what was paid stays paid",
        Sent({"outcome": "upheld"}, ReviewWish),
        ("hold_unknown", "already_reviewed", "not_an_emergency", "same_person"),
        HOLD,
    ),
)
