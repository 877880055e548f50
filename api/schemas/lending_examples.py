"""Examples of lenders' products and lines: shown in the documents and sent by the test that runs them all."""

from __future__ import annotations

from typing import Any

from api.schemas.examples import DIGEST

PRODUCT: dict[str, Any] = {
    "lender": "lender-a",
    "product": "anxin",
    "version": 1,
    "newest": 1,
    "terms": {
        "score_min": 650,
        "line_fen": 100_000,
        "visit_cap_fen": 100_000,
        "emergency_fen": 50_000,
        "bearer": "lender",
        "identity_level": 2,
        "statement_day": 20,
        "statement_minute": 1200,
        "due_days": 10,
        "instalments_max": 12,
        "hold_ms_max": 2_592_000_000,
    },
}
LINE: dict[str, Any] = {
    "lender": "lender-a",
    "line": DIGEST,
    "product": "anxin",
    "version": 1,
    "state": "in_force",
    "reason": "",
    "until": "2027-03-03T02:00:00.000Z",
    "bearer": "lender",
    "hospital": None,
    "hospitals": ["hospital-a"],
    "line_fen": 100_000,
    "emergency_fen": 50_000,
    "left_fen": 50_570,
    "emergency_left_fen": 50_000,
    "owed_fen": 49_430,
    "surplus_fen": 0,
    "overdue": False,
    "dues": [{"due": "2026-04-01T15:59:59.999Z", "amount_fen": 49_430}],
}
ENROL_REQUEST: dict[str, Any] = {
    "product": "anxin",
    "attestation": "eyJhbGciOiJFZDI1NTE5In0.eyJpc3MiOiJzIn0.c2lnbmF0dXJl",
    "hospitals": ["hospital-a"],
}
REPAYMENT_REQUEST: dict[str, Any] = {"repayment_no": "HK-20260320-1", "channel": "alipay", "amount_fen": 20_000}
PAYBACK_REQUEST: dict[str, Any] = {"payback_no": "TK-20260321-1", "channel": "alipay", "amount_fen": 5_000}
INSTALMENTS_REQUEST: dict[str, Any] = {
    "plan_no": "FQ-1",
    "instalments": [{"due": "2026-04-30", "amount_fen": 24_715}, {"due": "2026-05-31", "amount_fen": 24_715}],
}
REVOCATION_REQUEST: dict[str, Any] = {"reason": "revoked"}
ACTED: dict[str, Any] = {"line": DIGEST, "status": "recorded", "height": 1042}
REPAID: dict[str, Any] = {**ACTED, "amount_fen": 20_000}
PAID_BACK: dict[str, Any] = {**ACTED, "amount_fen": 5_000}
STATED: dict[str, Any] = {**ACTED, "amount_fen": 49_430, "due": "2026-04-01T15:59:59.999Z"}
STATEMENTS: dict[str, Any] = {
    "statements": [STATED],
    "counts": {"recorded": 1},
    "owed_fen": 49_430,
    "next": None,
}
